"""Label Studio's own JSON and JSON-MIN: polygons, rectangles, ellipses, brushes, closed vectors and bitmasks.

The class of a region is its label. Where several controls label the regions, as one for the kind and one for the
colour, `names` says which of them names the classes; what the others say, and choices made for a region, are
attributes.
"""

import contextlib
import os
from collections.abc import Iterator

from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats import label_studio_tasks
from mrcnn.data.formats.boxes import Rectangles
from mrcnn.data.formats.coco_entries import annotated_size
from mrcnn.data.formats.fitting import turns_of
from mrcnn.data.formats.label_studio import address_path_in, find_photos
from mrcnn.data.formats.label_studio_config import TOLD, is_config, read_labels
from mrcnn.data.formats.label_studio_regions import MASKS, SHORTENED, Region, regions_of, shape_of
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.upright import NOTES, WITH_OTHERS, stored_size, turned_segmentation, wrong_size
from mrcnn.data.formats.via import RegionError, shape_rle
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "label_studio"
RESIZED = "annotated at another size than it has: percentages fit it as well, and are taken of its own size"
VIEW = "drawn in a view turned by its annotator: the outlines are those of the photo as it is, and taken so"
NO_SIZE = "without the size of the photo that it was drawn on: taken of the photo's own"

recognises = label_studio_tasks.recognises


class LabelStudioDataset(AnnotatedDataset):
    """A file of Label Studio and its folder of photos. Classes are numbered in the order of their names."""

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             annotator: str | int | None = None, **others: object) -> "LabelStudioDataset":
        """Register the photos that somebody annotated, those without regions too, all regions checked.

        Args:
            annotations: path of the JSON file, or folder of such files
            images: folder of the photos; None: the folder of the file
            limit: take the first so many photos
            on_error: "raise" at a bad sample or "skip" it (see `faults`)
            names: name of the control whose labels are the classes; or path of a file of class names (see
                `names_files.read_names`) or of the labelling configuration (XML), which set the classes and their
                order; None: all labels
            boxes_as_masks: whether rectangles are masks where there is nothing else (see `boxes`)
            annotator: id, address or name of the annotator to take; "predictions" takes what models found, the
                version of a model what that one found; None takes the newest annotation of each photo

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        tasks = label_studio_tasks.read_tasks(annotations, self)
        chosen = label_studio_tasks.choose(annotations, tasks, annotator, self)
        regions = [regions_of(annotation.result) for _, annotation in chosen]
        listed, control = self._wanted(annotations, names, regions)
        classes = listed if listed is not None else _labels(regions, control)
        for name in classes:
            self.add_class(FORMAT, name, name)
        answers = sorted({text for some in regions for region in some if region.encloses
                          for text in _answers(region, control)})
        self.attribute_names.update(enumerate(answers, 1))
        beside = annotations if os.path.isdir(annotations) else os.path.dirname(annotations)
        folder, rectangles = PhotoFolder(images or beside or "."), Rectangles(self)
        numbers = {text: number for number, text in self.attribute_names.items()}
        photos = list(self._photos(annotations, chosen[:limit], folder))
        turns = _turns(photos, regions)
        for place, name, header in photos:
            known = self._objects(annotations, name, (*header, turns.get(place, 1)), regions[place], classes, control)
            for region, _, _ in known:
                rectangles.add(region.kind == "rectangle", name)
            entries = [(region.number, label, outline, tuple(numbers[text] for text in _answers(region, control)))
                       for region, label, outline in known]
            key = chosen[place][0].key
            self.add_photo(FORMAT, name if key is None else key, folder.join(name), name, *header[0], regions=entries)
        rectangles.settle(annotations, boxes_as_masks)
        self.finish_loading(annotations)
        return self

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _photos(self, annotations, chosen, folder):
        """Yield (place among the tasks, name of the file, its header) of the photos that can be used."""
        tasks = [task for task, _ in chosen]
        for task in tasks:
            if task.photo is None:
                self.fault(annotations, Fault(task.name, "bad entry", task.trouble))
        paths = [None if task.photo is None else address_path_in(task.photo, folder) for task in tasks]
        files, refused = find_photos([path for path in paths if path], folder, uploads=True)
        lacking = [path for path in files if files[path] is None]
        files.update(self.find_alike(folder, lacking, set(files.values())))
        missing, seen = {}, {}
        for place, (task, path) in enumerate(zip(tasks, paths)):
            name = files.get(path)
            if path is not None and (not path or path in refused):
                reason = refused.get(path, "its address names no file")
                self.fault(annotations, Fault(task.name, "path escape", f"task {task.key}: {reason}"))
            elif path is not None and name is None:
                missing[task.photo] = path
            elif name in seen:
                # Under the photo's own name the fault would stand for the first task, which is sound.
                message = f"the photo {name} is that of another task too, here a second time"
                self.fault(annotations, Fault(f"task {task.key}", "duplicate id", message))
                self.lost_beyond(name, *(_drawn(chosen[which][1].result) for which in (place, seen[name])))
            elif name is not None:
                seen[name] = place
                try:
                    header = photo_header(folder.join(name))
                except DataError as error:
                    self.fault(annotations, Fault(name, "unreadable", str(error).rstrip(".")))
                    continue
                yield place, name, header
        self.missing_photos(annotations, folder.path, list(missing), len(tasks), missing)

    def _frame(self, region, header, told):
        """((H, W) of the photo as its annotator saw it, EXIF orientation by which the region is to be turned).

        Args:
            region: of the photo
            header: ((H, W) of the photo upright, its EXIF orientation, that by which what fits both ways is turned)
            told: set of the notes on the photo so far, which grows
        """
        upright, orientation, turn_of_both = header
        stored = stored_size(upright, orientation)
        try:
            size, _ = annotated_size(dict(zip(("height", "width"), region.size)))
        except ValueError as error:
            raise RegionError("bad entry", f"it is of a photo of {error}") from error
        if size is None:
            told.add(NO_SIZE)
            return upright, 1
        ways = ((upright, 1), (stored, orientation)) if stored != upright else ((upright, turn_of_both),)
        for frame, turn in ways:
            if size == frame or (region.kind not in MASKS and _same_shape(size, frame)):
                note = NOTES["stored"] if stored != upright else WITH_OTHERS
                told.update([RESIZED] * (size != frame) + [note] * (turn != 1))
                return frame, turn
        raise RegionError("wrong size", wrong_size(upright, size))

    # --- Regions -----------------------------------------------------------------------------------------------------
    def _objects(self, annotations, photo, header, regions, classes, control):
        """list of (Region, class name, (outline, frame, turn)) of a photo's regions that can be used."""
        known, told = [], set()
        for region in regions:
            if not region.encloses:
                self._tell_left_out(region, photo)
                continue
            for answer in sorted(region.other):
                self.note("region", f"with an answer of type {answer}: the answer is left out", photo)
            try:
                label = _class_of(region, classes, control)
                frame, turn = self._frame(region, header, told)
                outline = shape_of(region, frame)
                if region.turned:
                    told.add(VIEW)
            except RegionError as error:
                self.fault(annotations, Fault(photo, error.kind, str(error), region.number))
                continue
            known.append((region, label, (outline, frame, turn)))
        for how in sorted(told):
            self.note("photo", how, photo)
        return known

    def _tell_left_out(self, region: Region, photo: str) -> None:
        """Note a result that is no object, and what was chosen for it."""
        if region.type == SHORTENED:
            how = "that JSON-MIN writes without its region: left out; export JSON, which keeps those of regions"
            self.note("answer", f"of {region.control!r} {how}", photo)
        elif region.kind or not region.answers:
            how = "that encloses nothing" if region.kind else "that is no region"
            self.note("result", f"of type {region.type}, {how}: left out", photo)
        for control, texts in region.answers.items():
            how = ("about a region that encloses nothing: left out" if region.kind else
                   "about the whole photo: left out; make choices for each region (perRegion) to keep them")
            self.note("choice", f"of {control!r} {how}", photo, len(texts))

    def _wanted(self, annotations, names, regions):
        """(list of class names, or None for all; name of the control whose labels are classes, or None for all)."""
        if names is None:
            return None, None
        if os.path.isfile(names):
            return (read_labels(names, self) if is_config(names) else list(read_names(names).values())), None
        controls = {control for some in regions for region in some if region.encloses for control in region.labels}
        if names not in controls:
            has = ", ".join(map(repr, sorted(controls))) or "none"
            raise DataError(f"{annotations}: names {names!r} is neither a file nor a control that labels ({has}).")
        return None, names

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield the ObjectAnnotation of each region that loading found nothing wrong with."""
        info = self.image_info[image_id]
        for number, class_name, (outline, frame, turn), attributes in info["regions"]:
            rle = outline if isinstance(outline, dict) else shape_rle(outline, frame)
            if turn != 1:
                rle = turned_segmentation(rle, turn, frame)
            class_id = self.map_source_class_id(f"{FORMAT}.{class_name}")
            yield ObjectAnnotation(number, class_id, rle, attributes=attributes)


def _drawn(result):
    """What the regions of a task have in common with those of another that shows the same, whatever their ids."""
    return [(entry.get("type"), entry.get("value")) for entry in result if isinstance(entry, dict)]


def _turns(photos, regions):
    """{place of a photo: EXIF orientation by which its regions are turned}, by the size that its first region notes.

    photos: list of (place, name, header); regions: list of lists of Region
    """
    sizes = {}
    for place, _, header in photos:
        with contextlib.suppress(ValueError):  # told of the region
            size = annotated_size(dict(zip(("height", "width"), regions[place][0].size)))[0] if regions[place] else None
            if size is not None:
                sizes[place] = size, *header
    return {place: turn for place, turn in turns_of(sizes, stretch=True).items() if turn is not None}


def _same_shape(size, frame):
    """Whether a photo of one size is that of another, shrunk or enlarged, but for a pixel of the smaller."""
    error = abs(size[0] * frame[1] - size[1] * frame[0])
    return error <= max(min(size[0], frame[0]), min(size[1], frame[1]))


# --- Labels ----------------------------------------------------------------------------------------------------------


def _labels(regions, control):
    """Labels of regions with an area, sorted. control: name of the control that gives them; None: any."""
    labels = set()
    for some in regions:
        for region in some:
            if region.encloses:
                labels.update(*(given for name, given in region.labels.items() if control in (None, name)))
    return sorted(labels)


def _class_of(region, classes, control):
    """The class of a region. Raises RegionError if its labels name none, or several."""
    given = {name: labels for name, labels in region.labels.items() if control in (None, name)}
    labels = list(dict.fromkeys(label for some in given.values() for label in some))
    if not labels:
        of = "" if control is None else f" of the control {control!r}"
        raise RegionError("unknown class", f"its {region.kind} has no label{of}")
    known = [label for label in labels if label in classes]
    if not known:
        raise RegionError("unknown class", f"its label {labels[0]!r} is not in the file of class names")
    if len(known) > 1:
        message = f"its {region.kind} has several labels, {', '.join(known)}: keep one"
        if len(given) > 1:
            message += f", or say which control names the classes (--names {next(iter(given))})"
        raise RegionError("bad entry", message)
    return known[0]


def _answers(region, control):
    """list of what is said of a region beside its class, "control: what", or what alone of the control TOLD."""
    others = {**region.answers, **({} if control is None else region.labels)}
    return [text if name == TOLD else f"{name}: {text}"
            for name, texts in others.items() if name != control for text in texts]
