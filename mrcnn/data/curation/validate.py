"""Finding every bad sample of a data set before training does, and keeping the list in a file that `train` can skip."""

import contextlib
import io
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data import bit_depth, pages, run_lengths
from mrcnn.data.annotated import photo_name
from mrcnn.data.attributes import attribute_names, checked_attributes, reads_its_objects
from mrcnn.data.bit_depth import REMEDY, is_faint, is_negative, largest_value, seen_as
from mrcnn.data.dataset import Dataset
from mrcnn.data.encoded import opened_image
from mrcnn.data.faults import FAULT_KINDS, Fault
from mrcnn.data.formats.blurred_maps import BLURRED, is_blurred
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.formats.upright import wrong_size
from mrcnn.data.images import no_pixels
from mrcnn.data.jpeg_damage import START, jpeg_damages
from mrcnn.data.mask_values import REMEDY as GIVE_BOOL
from mrcnn.data.mask_values import cut_masks
from mrcnn.data.objects import is_users_own, known_label_map, unpacked
from mrcnn.data.pages import PAGED_ENDINGS, page_count
from mrcnn.data.pages import REMEDY as A_FILE_EACH
from mrcnn.data.walk import walk
from mrcnn.errors import DataError
from mrcnn.files import read_json, text_table, write_json
from mrcnn.progress import progress_bar

LARGE = 30_000_000  # pixels; photos of more are decoded one at a time, so that memory does not grow with the threads

# --- Looking at everything -------------------------------------------------------------------------------------------


def validate(dataset: Dataset, workers: int | None = None, progress: bool | Callable = True,
             channels: int | None = None) -> list[Fault]:
    """Decode every photo and check every object of a data set, without stopping at a bad one.

    Photos of 16 bits that fill little of them, those of several pages, masks of more than two values, and label maps
    that were smoothed, which are no faults, are warned of.

    Args:
        dataset: prepared Dataset; the `faults` of a reader that was loaded with on_error="skip" are listed too.
        workers: number of threads, each with one photo at a time; None takes one a core, at most 8.
        progress: True shows it on stderr, False nothing; a function is called as progress(done, total).
        channels: IMAGE_CHANNEL_COUNT of the network to train; None takes photos of any channels.

    Returns:
        Faults, sorted by photo and object. The kinds are FAULT_KINDS of `mrcnn.data.annotated`.
    """
    large, faint, paged, grey, blurred = threading.Lock(), {}, {}, {}, []

    def faults_of(image_id):
        shape, faults = _photo_faults(dataset, image_id, large, channels, faint)
        _note_if_paged(dataset, image_id, paged)
        faults = faults + _label_map_faults(dataset, image_id, blurred)
        return faults + _object_faults(dataset, image_id, shape, grey)

    with warnings.catch_warnings():
        # Pillow's warning of many pixels, and what readers say when they skip objects, are no news here.
        warnings.simplefilter("ignore")
        if is_users_own(dataset, "load_image"):  # the files of its photos are not looked at here, so that others tell
            for told in (bit_depth.TOLD, pages.TOLD):
                warnings.filterwarnings("default", told)
        with progress_bar("Validating", shown=progress is True) as show:
            by_photo = walk(faults_of, dataset.image_ids, workers, progress if callable(progress) else show)
        damaged = _damage_faults(dataset, by_photo, workers, progress is True)
    _warn_of_faint(dataset, faint)
    _warn_of_paged(dataset, paged)
    _warn_of_grey(dataset, grey)
    if blurred:
        warnings.warn(f"{len(blurred)} of {len(dataset.image_ids)} photos have label maps {BLURRED} (first: "
                      f"{photo_name(dataset, min(blurred))}).", stacklevel=2)
    faults = list(getattr(dataset, "faults", ())) + [fault for some in [*by_photo, damaged] for fault in some]
    counts = Counter(photo_name(dataset, image_id) for image_id in dataset.image_ids)
    faults += [Fault(name, "duplicate id", f"the photo is listed {count} times, under different ids: merge them")
               for name, count in counts.items() if count > 1]
    return sorted(dict.fromkeys(faults), key=_place)


def _place(fault):
    return fault.photo, -1 if fault.number is None else fault.number, fault.kind, fault.message


def _photo_faults(dataset, image_id, large, channels, faint):
    """((H, W) of a photo or None, list of Fault of it as a whole).

    large: Lock, held while a large one is decoded; channels: as for `validate`; faint: dict, as for `_note_if_faint`.
    """
    info, name = dataset.image_info[image_id], photo_name(dataset, image_id)
    path = info.get("path")
    try:
        with large if path and _pixels(path) > LARGE else contextlib.nullcontext():
            photo = np.asarray(dataset.load_image(image_id))
            shape, fault = photo.shape, no_pixels(photo)
            del photo  # so that a large one is let go before the lock
            if not is_users_own(dataset, "load_image"):
                _note_if_faint(dataset, image_id, faint)
    except Exception as error:  # whatever it is, it is this photo's
        kind = "unreadable" if not path or os.path.exists(path) else "missing"
        return None, [Fault(name, kind, _reason(error, name, path))]
    if len(shape) != 3 or 0 in shape:
        return None, [Fault(name, "unreadable", f"load_image gave {list(shape)} instead of [height, width, 3]")]
    if fault:
        return shape[:2], [Fault(name, "unreadable", fault)]
    if channels is not None and shape[2] not in (channels, 3 if channels == 1 else channels):
        return shape[:2], [Fault(name, "wrong channels", f"load_image gave {shape[2]} channels, the network takes "
                                 f"{channels}: convert the photo, or give a Config of your own IMAGE_CHANNEL_COUNT = "
                                 f"{shape[2]} and as many numbers of MEAN_PIXEL")]
    annotated = info.get("height"), info.get("width")
    if None in annotated or annotated == shape[:2]:
        return shape[:2], []
    return shape[:2], [Fault(name, "wrong size", wrong_size(shape[:2], annotated))]


def _damage_faults(dataset, by_photo, workers, shown):
    """list of Fault of damaged JPEGs among the photos that could be decoded. by_photo: list of Fault of each photo"""
    unread = {}

    def read(image_id):
        try:
            return _jpeg_of(dataset, image_id)
        except Exception as error:  # whatever it is, it is this photo's
            unread[image_id] = error
            return b""

    decoded = [image_id for image_id, faults in zip(dataset.image_ids, by_photo)
               if not any(fault.kind in ("unreadable", "missing") for fault in faults)]
    with progress_bar("Looking for damage", shown=shown) as show:
        damages = jpeg_damages(read, decoded, workers, show)
    faults = [Fault(photo_name(dataset, image_id), "damaged", "its JPEG is damaged, and what is lacking was made up "
                    f"({said}): replace the file") for image_id, said in damages.items()]
    for image_id, error in unread.items():
        name = photo_name(dataset, image_id)
        faults.append(Fault(name, "unreadable", _reason(error, name, dataset.image_info[image_id].get("path"))))
    return faults


def _jpeg_of(dataset, image_id):
    """The bytes of a photo's file if it is a JPEG, else b""."""
    info = dataset.image_info[image_id]
    path = str(info.get("path") or "")
    if info.get("embedded"):
        return b"" if getattr(dataset, "embeds_pixels", False) else dataset.photo_bytes(image_id) or b""
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as file:
        start = file.read(len(START))
        return start + file.read() if start == START else b""


def _note_if_faint(dataset, image_id, faint):
    """Put (largest value, whether 0 is white) of a photo into a dict, if its file has 16 bits and fills few of them."""
    info = dataset.image_info[image_id]
    file = io.BytesIO(dataset.photo_bytes(image_id) or b"") if info.get("embedded") else info.get("path")
    if file:
        # Some readers keep the path of something else; the photo itself was read without a fault.
        with contextlib.suppress(DataError), opened_image(file, info.get("path") or "", header=True) as image:
            negative, largest = is_negative(image), largest_value(image)
            if is_faint(largest):
                faint[image_id] = largest, negative


def _note_if_paged(dataset, image_id, paged):
    """Put the number of a photo's pages into a dict, if its file has several."""
    info = dataset.image_info[image_id]
    path, embedded = str(info.get("path") or ""), info.get("embedded")
    if is_users_own(dataset, "load_image") or (embedded and getattr(dataset, "embeds_pixels", False)):
        return
    if embedded or path.lower().endswith(PAGED_ENDINGS):
        with contextlib.suppress(DataError):  # what cannot be read is told as such
            file = io.BytesIO(dataset.photo_bytes(image_id) or b"") if embedded else path
            with opened_image(file, path, header=True) as image:
                count = page_count(image)
                if count > 1:
                    paged[image_id] = count


def _warn_of_paged(dataset, paged):
    """Tell of photos of several pages. paged: {image id: number of pages}"""
    if paged:
        first = min(paged)
        warnings.warn(f"{len(paged)} of {len(dataset.image_ids)} photos have several pages, of which the first alone "
                      f"is read (first: {photo_name(dataset, first)}, with {paged[first]}): {A_FILE_EACH}.",
                      stacklevel=3)


def _warn_of_faint(dataset, faint):
    """Tell of photos of 16 bits that fill little of them. faint: {image id: (largest value, whether 0 is white)}"""
    for kind in (False, True):
        some = {image_id: largest for image_id, (largest, negative) in faint.items() if negative == kind}
        if some:
            warnings.warn(f"{len(some)} of {len(dataset.image_ids)} photos are of 16 bits and hold "
                          f"{seen_as(max(some.values()), kind)} (first: {photo_name(dataset, min(some))}): {REMEDY}.",
                          stacklevel=3)


def _warn_of_grey(dataset, grey):
    """Tell of masks of more than two values. grey: {image id: how they were cut, in words}"""
    if grey:
        first = min(grey)
        warnings.warn(f"load_mask gave masks of more than two values for {len(grey)} of {len(dataset.image_ids)} "
                      f"photos (first: {photo_name(dataset, first)}, with {grey[first]}): {GIVE_BOOL}.", stacklevel=3)


def _sides(shape):
    return f"{shape[0]}x{shape[1]}"


def _pixels(path):
    """Pixels that a photo will take, from its header; 0 if that cannot be read, for then it will not be decoded."""
    try:
        height, width = photo_size(path)
    except DataError:
        return 0
    return height * width


def _label_map_faults(dataset, image_id, blurred):
    """list of Fault of the label map that a data set itself gives of a photo; blurred: list, gets the id if it is so"""
    try:
        labels = known_label_map(dataset, image_id)
        if labels is not None and is_blurred(np.asarray(labels)):
            blurred.append(image_id)
    except Exception as error:  # whatever it is, it is this photo's
        if isinstance(error, DataError) and not is_users_own(dataset, "label_map"):
            return []  # told as that of its objects, which are read from the same map
        name = photo_name(dataset, image_id)
        return [Fault(name, "bad entry", f"its label map cannot be read ({_reason(error, name)})")]
    return []


def _object_faults(dataset, image_id, shape, grey):
    """list of Fault of the objects of a photo.

    shape: (H, W) of the photo, or None; grey: dict, gets in words how masks of more than two values were cut
    """
    name = photo_name(dataset, image_id)
    try:
        if reads_its_objects(dataset):
            entries = dataset.objects_and_faults(image_id)
            seen = [(entry.number, entry.class_id, _mask_of(entry.rle)) for entry in entries
                    if not isinstance(entry, Fault)]
            return [entry for entry in entries if isinstance(entry, Fault)] + _repeats(dataset, name, seen)
        masks, class_ids, *more = unpacked(dataset.load_mask(image_id), dataset, image_id)
        class_ids = np.asarray(class_ids).reshape(-1)
        if attribute_names(dataset):
            checked_attributes(more, len(class_ids), dataset, image_id)
        masks, told = cut_masks(masks)
        if told:
            grey[image_id] = told
        faults = _mask_faults(name, shape, masks, class_ids, _labelled(dataset, image_id))
        if any(fault.number is None for fault in faults):  # these are no masks of objects
            return faults
        seen = [(number, int(class_id), np.packbits(masks[..., number]).tobytes() if masks[..., number].any() else None)
                for number, class_id in enumerate(class_ids)]
        return faults + _repeats(dataset, name, seen)
    except Exception as error:
        return [Fault(name, "bad entry", f"its objects cannot be read ({_reason(error, name)})")]


def _mask_of(rle):
    """What two run lengths have in common that hold the same pixels; None for those that hold none."""
    return (*rle["size"], run_lengths.compress(rle)["counts"]) if run_lengths.areas([rle])[0] else None


def _repeats(dataset, name, objects):
    """list of Fault of objects whose mask an earlier one of their photo has.

    objects: list of (number, class id, what stands for the mask or None)
    """
    first, faults = {}, []
    for number, class_id, mask in objects:
        other, its_class = first.setdefault(mask, (number, class_id)) if mask is not None else (number, class_id)
        if other == number:
            continue
        message = f"its mask is that of object {other} too"
        if abs(its_class) != abs(class_id):
            names = [dict(enumerate(dataset.class_names)).get(abs(i), f"class {i}") for i in (its_class, class_id)]
            message += f", there as {names[0]!r} and here as {names[1]!r}"
        faults.append(Fault(name, "same mask", f"{message}: keep one of them", number))
    return faults


def _labelled(dataset, image_id):
    """Class ids that a photo's objects can have: those that its source labels."""
    return set(dataset.source_class_ids.get(dataset.image_info[image_id]["source"], ())) - {0}


def _mask_faults(name, shape, masks, class_ids, labelled):
    """list of Fault of masks [H, W, N] and class ids [N] that a data set's own load_mask gave. labelled: set of ids"""
    if not len(class_ids) and not masks.size:
        return []
    if masks.ndim != 3 or masks.shape[2] != len(class_ids):
        return [Fault(name, "bad entry", f"load_mask gave masks {list(masks.shape)} for {len(class_ids)} class ids")]
    if shape is not None and shape != masks.shape[:2]:
        message = f"the photo is {_sides(shape)} pixels (height x width, upright), its masks are {_sides(masks.shape)}"
        return [Fault(name, "wrong size", message)]
    faults = []
    for number, class_id in enumerate(class_ids):
        if abs(int(class_id)) not in labelled:
            message = f"class id {class_id} is none of {_spans(labelled)}"
            faults.append(Fault(name, "unknown class", message, number))
        if not masks[..., number].any():
            faults.append(Fault(name, "empty mask", "its mask has no pixel", number))
    return faults


def _spans(ids):
    """Class ids in words: "1 to 3", or "1, 4, 5" where some lack in between."""
    ids = sorted(ids)
    if ids and ids[-1] - ids[0] == len(ids) - 1:
        return f"{ids[0]} to {ids[-1]}"
    return ", ".join(map(str, ids)) or "those of its source, which has no classes"


def _reason(error, name, path=None):
    """Text of an error without what is said anyway: its file, the photo's name, and the full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    for known in (path, name):
        text = text.removeprefix(f"{known}: ")
    return (text if isinstance(error, DataError) else f"{type(error).__name__}: {text}").rstrip(".")


# --- The list --------------------------------------------------------------------------------------------------------


def faults_text(faults: Sequence[Fault]) -> str:
    """Faults as text: how many there are of each kind, then each of them in a line."""
    if not faults:
        return "no faults"
    counts = Counter(fault.kind for fault in faults)
    rows = [[kind, counts[kind], f"  {FAULT_KINDS.get(kind, '')}"] for kind in sorted(counts, key=lambda k: -counts[k])]
    width = max(len(row[2]) for row in rows)
    table = text_table([[kind, count, meaning.ljust(width)] for kind, count, meaning in rows])
    return "\n".join([table, "", *map(str, faults)])


def write_faults(path: str | os.PathLike, faults: Sequence[Fault]) -> None:
    """Write faults to a JSON file, whole or not at all; `train --skip` takes it."""
    write_json(path, {"faults": [fault._asdict() for fault in faults]})


def read_faults(path: str | os.PathLike) -> list[Fault]:
    """list of Fault of a file that `write_faults` wrote.

    Raises:
        DataError: if it is none.
    """
    content = read_json(path, "list of faults (made by `data validate`)")
    entries = content.get("faults") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise DataError(f'{path}: no list of faults, for it has no "faults": make one by `data validate`.')
    faults = []
    for position, entry in enumerate(entries):
        entry = entry if isinstance(entry, dict) else {}
        photo, kind, number = entry.get("photo"), entry.get("kind"), entry.get("number")
        if not isinstance(photo, str) or not isinstance(kind, str) or not isinstance(number, (int, type(None))):
            raise DataError(f'{path}: fault number {position} lacks "photo", "kind" or "number": make the list anew.')
        faults.append(Fault(photo, kind, str(entry.get("message", "")), number))
    return faults
