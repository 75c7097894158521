"""What data sets say of their objects: as run lengths or masks, and how many of each class; errors name the photo."""

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError

DECODED_AT_MOST = 5000  # photos whose masks are decoded only to count objects: minutes


def gives_run_lengths(dataset: Dataset) -> bool:
    """Whether the objects of a data set can be read by `load_rles`.

    They can if it has that method, and no subclass of the class that has it gives a `load_mask` of its own.
    """
    return speaks_for_its_masks(dataset, "load_rles")


def speaks_for_its_masks(dataset: Dataset, name: str) -> bool:
    """Whether a method that tells of objects tells of those of `load_mask`: no later subclass has one of its own.

    Args:
        dataset: any Dataset.
        name: of the method, such as "object_count".
    """
    own = vars(dataset).get(name)
    if isinstance(own, OfTheWhole):
        return speaks_for_its_masks(own.dataset, name)
    if own is not None or "load_mask" in vars(dataset):
        return callable(own)
    for base in type(dataset).__mro__:
        if name in vars(base):
            return callable(getattr(dataset, name))
        if "load_mask" in vars(base):
            return False
    return False


def is_users_own(dataset: Dataset, name: str) -> bool:
    """Whether a method of a data set was written outside of this package."""
    method = vars(dataset).get(name, getattr(type(dataset), name, None))
    if method is None or isinstance(method, OfTheWhole):
        return method is not None
    return str(getattr(method, "__module__", "")).partition(".")[0] != __name__.partition(".")[0]


def known_label_map(dataset: Dataset, image_id: int) -> np.ndarray | None:
    """The label map that a data set itself gives of a photo (method `label_map`), uint8 [H, W]; None if it has none."""
    return dataset.label_map(image_id) if speaks_for_its_masks(dataset, "label_map") else None


class OfTheWhole:
    """A method of a data set that is called by the ids that photos have in a part of it.

    Args:
        dataset: the whole.
        name: of the method.
        image_ids: of the photos of the part.
    """

    def __init__(self, dataset: Dataset, name: str, image_ids: Sequence[int]):
        self.dataset, self.name, self.image_ids = dataset, name, image_ids

    def __call__(self, image_id: int, *arguments: object, **options: object) -> object:
        return getattr(self.dataset, self.name)(self.image_ids[int(image_id)], *arguments, **options)


def objects_beyond(dataset: Dataset, image_id: int, other: int) -> int:
    """How many objects one listing of a photo has that another listing of it has not, of the same class and mask.

    Args:
        dataset: Dataset.
        image_id: of the photo as the one lists it.
        other: its id as the other lists it.
    """
    def listed(photo):
        if hasattr(dataset, "objects_and_faults") and not is_users_own(dataset, "load_mask"):
            entries = [entry for entry in dataset.objects_and_faults(photo) if hasattr(entry, "rle")]
            return Counter((entry.class_id, run_lengths.compress(entry.rle)["counts"]) for entry in entries)
        masks, class_ids = unpacked(dataset.load_mask(photo), dataset, photo)[:2]
        return Counter((int(class_id), np.packbits(masks[..., k]).tobytes()) for k, class_id in enumerate(class_ids))

    return sum((listed(image_id) - listed(other)).values())


def tell_left_out(dataset: Dataset, photos: dict[str, set[str]]) -> None:
    """Warn of photos that are left out whole as a data set of a user's own knows nothing of dropped objects.

    Args:
        dataset: Dataset.
        photos: {what is wrong with them, in words: their names}.
    """
    for why, names in photos.items():
        if names:
            warnings.warn(f"{len(names)} photos {why} are left out whole, for {type(dataset).__name__} gives its "
                          f"objects by a load_mask of its own (first: {min(names)}): correct it.", stacklevel=3)


def unpacked(given: object, dataset: Dataset, image_id: int) -> tuple:
    """What `load_mask` or `load_rles` gave for a photo as a tuple (objects, class ids, ...).

    Raises:
        DataError: naming the photo, if it is no pair.
    """
    if not isinstance(given, (tuple, list)) or len(given) < 2 or given[0] is None or given[1] is None:
        told = f"{len(given)} values, or None" if isinstance(given, (tuple, list)) else type(given).__name__
        raise DataError(f"{dataset.sample_name(image_id)}: load_mask gave {told}: return (masks [H, W, N], class ids "
                        "[N]), with N = 0 for a photo without objects.")
    return tuple(given)


def check_objects(dataset: Dataset, image_id: int, objects: object, class_ids: object) -> np.ndarray:
    """Look at what `load_mask` or `load_rles` gave for a photo.

    Args:
        dataset: Dataset.
        image_id: of the photo.
        objects: masks [H, W, N], or a list of N run lengths.
        class_ids: of N objects.

    Returns:
        The class ids, int32 [N].

    Raises:
        DataError: naming the photo: they are not as many, masks are not [H, W, N], or a class id is none of the data
            set's classes, or the background.
    """
    name, classes = dataset.sample_name(image_id), len(dataset.class_info)
    given = whole_class_ids(class_ids, name)
    if isinstance(objects, list) and (not objects or isinstance(objects[0], dict)):
        if len(objects) != len(given):
            raise DataError(f"{name}: load_rles gave {len(objects)} run lengths for {len(given)} class ids: one each.")
    elif len(given) or np.asarray(objects).size:
        check_masks(np.asarray(objects), given, name)
    for class_id in given:
        if not 0 < abs(int(class_id)) < classes:
            raise DataError(f"{name}: an object has class id {int(class_id)}, but the data set has the classes 1 to "
                            f"{classes - 1} (0 is background): correct load_mask, or add_class what is missing.")
    return given.astype(np.int32)


def whole_class_ids(class_ids: object, name: str) -> np.ndarray:
    """Class ids that `load_mask` gave as whole numbers [N], whatever held them.

    Args:
        class_ids: of N objects.
        name: of the photo, for the message.

    Raises:
        DataError: naming the photo, if one is no whole number.
    """
    given = np.asarray(class_ids).reshape(-1)
    if given.dtype.kind in "biu":
        return given
    try:
        numbers = given.astype(float)
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if not np.isfinite(numbers).all() or (numbers != np.floor(numbers)).any():
        raise DataError(f"{name}: load_mask gave class ids {str(given.tolist())[:60]}: return whole numbers, as "
                        "class_names.index(name) of a name.")
    return numbers.astype(np.int64)


def check_masks(masks: np.ndarray, class_ids: Sequence[int], name: str) -> None:
    """Raise DataError naming the photo unless masks are [H, W, N] for N class ids."""
    if masks.ndim != 3 or masks.shape[2] != len(class_ids):
        raise DataError(f"{name}: load_mask gave masks {list(masks.shape)} for {len(class_ids)} class ids: one each.")


def class_counts(dataset: Dataset, image_ids: Collection[int] | None = None,
                 progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Number of objects of each class in each photo, crowds not counted; no mask is decoded if the format allows.

    Args:
        dataset: prepared Dataset.
        image_ids: of the photos, None takes all.
        progress: called as progress(done, total).

    Returns:
        int64 [M, K]; column k is class id k + 1.
    """
    image_ids = dataset.image_ids if image_ids is None else image_ids
    counts = np.zeros((len(image_ids), dataset.num_classes), np.int64)
    by_runs, by_classes = gives_run_lengths(dataset), speaks_for_its_masks(dataset, "object_classes")
    for row, image_id in enumerate(image_ids):
        if by_classes:
            class_ids = dataset.object_classes(image_id)
        else:
            class_ids = (dataset.load_rles if by_runs else dataset.load_mask)(image_id)[1]
        class_ids = whole_class_ids(class_ids, dataset.sample_name(image_id)).astype(int)
        np.add.at(counts[row], np.maximum(class_ids, 0), 1)
        if progress:
            progress(row + 1, len(image_ids))
    return counts[:, 1:]


def labelled_classes(dataset: Dataset, image_id: int) -> np.ndarray | None:
    """Ids of the classes that have a pixel in the label map that a data set itself gives of a photo.

    Args:
        dataset: prepared Dataset.
        image_id: of the photo.

    Returns:
        int [N], ascending, without background and ignored pixels; None of a photo that has no label map.
    """
    known = known_label_map(dataset, image_id)
    if known is None:
        return None
    present = np.unique(known)
    return present[(present > 0) & (present < dataset.num_classes)].astype(int)


def has_objects(dataset: Dataset, image_id: int, of_label_maps: bool = False) -> bool:
    """Whether a photo has an object that is no crowd, by the label map where a data set tells of nothing else.

    Args:
        dataset: prepared Dataset.
        image_id: of the photo.
        of_label_maps: whether it is for a network of label maps, to which any labelled pixel is something to learn,
            also of a part too small to be an object.

    Raises:
        DataError: naming the photo, if its objects cannot be read.
    """
    with named_errors(dataset, image_id):
        by_objects = speaks_for_its_masks(dataset, "object_classes") and not of_label_maps
        labelled = None if by_objects else labelled_classes(dataset, image_id)
        if labelled is not None:
            return bool(labelled.size)
        return bool(class_counts(dataset, [image_id]).any())


def count_classes(dataset: Dataset, image_ids: Collection[int],
                  progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Objects of each class in each photo, crowds not counted, as `class_counts` has them.

    Args:
        dataset, image_ids, progress: as there.

    Returns:
        int64 [M, K].

    Raises:
        DataError: naming a photo whose objects cannot be read, and where counting would mean to decode the masks of
            more than DECODED_AT_MOST photos.
    """
    counted = speaks_for_its_masks(dataset, "object_classes") or gives_run_lengths(dataset)
    if len(image_ids) > DECODED_AT_MOST and not counted:
        name = type(dataset).__name__
        raise DataError(
            f"{name}: to count the objects of {len(image_ids)} photos, for CLASS_LOSS or REPEAT_THRESHOLD, all masks "
            f"would be decoded: give {name} a method object_classes(image_id) that returns class ids, or set "
            "CLASS_COUNTS for CLASS_LOSS and REPEAT_THRESHOLD=0."
        )
    counts = np.zeros((len(image_ids), dataset.num_classes - 1), np.int64)
    for row, image_id in enumerate(image_ids):
        with named_errors(dataset, image_id):
            counts[row] = class_counts(dataset, [image_id])[0]
        if progress:
            progress(row + 1, len(image_ids))
    return counts


@contextlib.contextmanager
def named_errors(dataset: Dataset, image_id: int, kinds: type | tuple = Exception) -> Iterator[None]:
    """Makes errors of some kinds that come up within it DataErrors that name the photo."""
    try:
        yield
    except kinds as error:
        name = dataset.sample_name(image_id)
        if isinstance(error, DataError) and name in str(error):
            raise
        kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
        raise DataError(f"{name}: {kind}{error}") from error


def check_prepared(dataset: object) -> None:
    """Raise DataError for a data set whose prepare() was forgotten."""
    if not hasattr(dataset, "num_classes"):
        raise DataError(f"{type(dataset).__name__} is not prepared: call its prepare() once all photos are added.")
