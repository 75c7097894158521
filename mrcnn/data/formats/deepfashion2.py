"""DeepFashion2: a folder with `annos/NNNNNN.json` and `image/NNNNNN.jpg`, a part of the data set each.

There are 191,961 files in the part for training: loading lists names and reads the headers of photos; a JSON file is
read when its objects are asked for. Scale, occlusion, zoom-in and viewpoint of an item are its attributes; the rest of
what a file says is given by `DeepFashion2Dataset.details`.
"""

import itertools
import os
from collections.abc import Iterator

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.formats.segmentations import SegmentationFault, outline_of
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.walk import walk
from mrcnn.errors import DataError
from mrcnn.files import read_json
from mrcnn.text_files import as_utf8

FORMAT = "deepfashion2"
ANNOTATIONS, PHOTOS = "annos", ("image", "images")
CLASSES = (
    "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling", "shorts",
    "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress",
)
# What the numbers 1, 2 and 3 of an item mean.
ATTRIBUTES = {
    "scale": ("small", "modest", "large"),
    "occlusion": ("slight or none", "medium", "heavy"),
    "zoom_in": ("none", "medium", "large"),
    "viewpoint": ("not worn", "frontal", "side or back"),
}
HEAD = 1 << 16  # bytes of a file by which it is recognised
LARGEST_FILE = 1 << 24  # bytes; a file of ten items has 30 kB
MOST_ITEMS = 1000
SHARE = 1000  # photos whose headers a thread reads at a time


def recognises(path: str | os.PathLike) -> bool:
    """Whether a folder has files of DeepFashion2, or has them in `annos`."""
    try:
        first = _first_file(_annotations_folder(path))
        with open(first, "rb") as file:
            head = as_utf8(file.read(HEAD))
        return b'"pair_id"' in head and b'"source"' in head
    except (OSError, TypeError, ValueError):
        return False


class DeepFashion2Dataset(AnnotatedDataset):
    """A part of DeepFashion2. Its 13 categories are the classes, in their order.

    Attributes:
        attribute_names: {id: "scale: small" and the like} of `ObjectAnnotation.attributes`
    """

    looks_late = True

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "DeepFashion2Dataset":
        """Register the photos of a folder, by names and headers alone.

        Args:
            annotations: folder with `annos` and `image`, or `annos` itself.
            images: folder of the photos; None: `image` beside `annos`.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).

        Returns:
            The data set itself.

        Raises:
            DataError: naming the folder or file and what is wrong.
        """
        self.refuse(annotations, names=names, mapping=mapping, **others)
        self.start_loading(on_error)
        folder = _annotations_folder(annotations)
        photos = PhotoFolder(images or _photo_folder(folder), self.note)
        stems = sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
        found = {stem: photos.find_stem(stem) for stem in stems[:limit]}
        missing = [stem for stem, name in found.items() if name is None]
        self.missing_photos(annotations, photos.path, missing, len(found))
        there = [(stem, name, photos.join(name)) for stem, name in found.items() if name is not None]
        shares = [there[start : start + SHARE] for start in range(0, len(there), SHARE)]
        for share, sizes in zip(shares, walk(_sizes, shares)):
            for (stem, name, path), size in zip(share, sizes):
                if isinstance(size, DataError):
                    self.fault(annotations, Fault(name, "unreadable", str(size).rstrip(".")))
                else:
                    self.add_photo(FORMAT, stem, path, name, *size)
        for class_id, name in enumerate(CLASSES, 1):
            self.add_class(FORMAT, class_id, name)
        words = [f"{name}: {word}" for name, meaning in ATTRIBUTES.items() for word in meaning]
        self.attribute_names = dict(enumerate(words, 1))
        self._folder = folder
        self.finish_loading(annotations)
        return self

    def details(self, image_id: int) -> dict:
        """Read all that the file of a photo says.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            Content of its JSON file: "source" ("shop" or "user"), "pair_id", and "item1", "item2" and so on, with
            "style", "landmarks" [x1, y1, visibility, ...] and "bounding_box" [x1, y1, x2, y2] in pixels.

        Raises:
            DataError: the file cannot be read.
        """
        path = os.path.join(self._folder, f"{self.image_info[image_id]['id']}.json")
        if os.path.exists(path) and os.path.getsize(path) > LARGEST_FILE:
            raise DataError(f"{path}: has more than {LARGEST_FILE} bytes, which no photo needs: check the file.")
        content = read_json(path, "DeepFashion2 file")
        if not isinstance(content, dict) or len(content) > MOST_ITEMS:
            raise DataError(f"{path}: is no object of up to {MOST_ITEMS} items: check the file.")
        return content

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each item of a photo."""
        info = self.image_info[image_id]
        name, size = info["file_name"], (info["height"], info["width"])
        try:
            content = self.details(image_id)
        except DataError as error:
            yield Fault(name, "bad entry", str(error).rstrip("."))
            return
        for number, key in enumerate(_items(content)):
            item = content[key]
            category_id = item.get("category_id") if isinstance(item, dict) else None
            if type(category_id) is not int or not 1 <= category_id <= len(CLASSES):
                message = f"{key} has the category_id {str(category_id)[:40]}, which is none of 1 to {len(CLASSES)}"
                yield Fault(name, "unknown class", message, number)
                continue
            try:
                outline = outline_of(item.get("segmentation"), size)
            except SegmentationFault as error:
                yield Fault(name, error.kind, f"{key}: {error}", number)
                continue
            if outline.empty:
                yield Fault(name, "empty mask", f"{key}: its polygons hold no pixel", number)
                continue
            as_runs = isinstance(outline.segmentation, dict)
            rle = (run_lengths.compress if as_runs else run_lengths.from_polygons)(outline.segmentation, size)
            class_id = self.map_source_class_id(f"{FORMAT}.{category_id}")
            yield ObjectAnnotation(number, class_id, rle, attributes=_attributes(item))


def _items(content):
    """Names item1, item2, ... of the items of a file, by number."""
    names = [key for key in content if key.startswith("item") and key[4:].isdecimal() and len(key) < 10]
    return sorted(names, key=lambda key: int(key[4:]))


def _attributes(item):
    """Ids of an item's attributes; a number that is none of 1 to 3 says nothing."""
    ids = []
    for place, (name, meaning) in enumerate(ATTRIBUTES.items()):
        value = item.get(name)
        if type(value) is int and 1 <= value <= len(meaning):
            ids.append(place * len(meaning) + value)
    return tuple(ids)


# --- Folders ---------------------------------------------------------------------------------------------------------


def _annotations_folder(path):
    inner = os.path.join(path, ANNOTATIONS)
    return inner if os.path.isdir(inner) else os.fspath(path)


def _photo_folder(folder):
    """The folder of the photos beside that of the JSON files."""
    beside = [os.path.join(os.path.dirname(os.path.abspath(folder)), name) for name in PHOTOS]
    return next(filter(os.path.isdir, beside), beside[0])


def _first_file(folder):
    """Path of any JSON file of a folder, without a list of all of them."""
    with os.scandir(folder) as entries:
        some = (entry.path for entry in itertools.islice(entries, 100) if entry.name.endswith(".json"))
        return next(some, None)


def _sizes(share):
    """list of the (H, W) of some photos (stem, name, path), or of the DataError of what is none."""
    sizes = []
    for _, _, path in share:
        try:
            sizes.append(photo_size(path))
        except DataError as error:
            sizes.append(error)
    return sizes
