"""What a COCO file lists: photos, classes, and the objects of each photo, with what tools write otherwise set right."""

import os
from collections.abc import Iterable, Sequence

from mrcnn.data.annotated import Fault
from mrcnn.data.class_lists import NEGATIVE, OPEN
from mrcnn.data.formats import crowds as crowd_rules
from mrcnn.data.formats.boxes import AMONG_OUTLINES, needs_outlines, outline_of_box
from mrcnn.data.formats.coco_entries import (
    Ids,
    background_categories,
    categories_by_id,
    category_name,
    checked_id,
    flag,
    in_order,
    is_id,
    merged_categories,
    phantom_categories,
    read_entries,
)
from mrcnn.data.formats.label_studio import made_by_label_studio
from mrcnn.data.formats.segmentations import is_missing
from mrcnn.data.formats.unread import PANOPTIC
from mrcnn.data.reporting import Reporting
from mrcnn.data.stated_measures import FORM, as_corners
from mrcnn.errors import DataError

LIKE_CORNERS = f"with a bbox that reaches beyond its photo: all look like [x1, y1, x2, y2], write {FORM}"


class CocoFile:
    """The content of a COCO file. What is at fault, or taken otherwise than written, is told to a data set.

    Attributes:
        content: of the JSON file
        photos: {image id: entry}
        categories: {category id: entry}
        classes: list of ids of the categories that are classes, in their order
        groups: list of ids of the categories that only name a group or the background, in their order
        objects: {image id: [(number among the photo's objects, annotation)]} of those whose photo and class exist, with
            the ids of `photos` and `classes`, and an `iscrowd` that is true or false
        of_label_studio: whether the file says that it comes from there

    Args:
        path: of the file
        report: the AnnotatedDataset that loads it
        class_ids: category ids that are classes; None: all that are one
        crowds: as for `CocoDataset.load_coco`

    Raises:
        DataError: as `CocoDataset.load_coco`.
    """

    def __init__(self, path: str | os.PathLike, report: Reporting, class_ids: Sequence[int | str] | None = None,
                 crowds: str | None = None) -> None:
        self._path, self._report = path, report
        self.content = read_entries(path)
        if any("segments_info" in annotation for annotation in self.content["annotations"][:1]):
            raise DataError(f"{path}: {PANOPTIC}.")
        self.of_label_studio = made_by_label_studio(self.content)
        self.categories = categories_by_id(self.content["categories"], path)
        self._category_ids = Ids(self.categories)
        self._merged = {}  # {id of a category: id of the class that it is of}, where another has its name
        self.photos = self._unique_photos()
        self.objects = self._objects_by_photo()
        self.groups = []
        self.classes = self._classes() if class_ids is None else self._asked_classes(class_ids)
        self._class_set = set(self.classes)
        self._settle_crowds(crowds)
        if class_ids is not None:
            kept = set(self.classes)
            for some in self.objects.values():
                some[:] = [pair for pair in some if pair[1]["category_id"] in kept]

    def class_lists(self, image_id: int | str) -> dict[str, list[int | str]]:
        """LVIS' lists of classes of a photo that is labelled for some of them only.

        Args:
            image_id: of the photo.

        Returns:
            {NEGATIVE: ids of `classes`, OPEN: the same}; {} for a photo without them.

        Raises:
            ValueError: what stands there is no list.
        """
        entry, lists = self.photos[image_id], {}
        if all(entry.get(key) is None for key in (NEGATIVE, OPEN)):
            return {}
        for key in (NEGATIVE, OPEN):
            given = entry.get(key) or []
            if not isinstance(given, list):
                raise ValueError(f"{key} {str(given)[:40]!r}, which is no list")
            found = [self._category_ids.find(i) for i in given]
            found = [self._merged.get(i, i) for i in found if i is not None]
            lists[key] = [i for i in dict.fromkeys(found) if i in self._class_set]
        return lists

    def name(self, category_id: int | str) -> str:
        """Name of a category."""
        return category_name(category_id, self.categories[category_id])

    def before(self, category_id: int | str) -> int:
        """How many of the classes go before a category, in the order of all."""
        return in_order([*self.classes, category_id]).index(category_id)

    # --- Entries -----------------------------------------------------------------------------------------------------
    def _unique_photos(self):
        """{id: entry} of the images; a second one of an id is a fault."""
        photos = {}
        for entry in self.content["images"]:
            key = checked_id(entry, "image", self._path)
            if key in photos:
                name = photo_name(key, entry)
                # Under the name of the first the fault would stand for the first, which is sound.
                name = f"image {key}" if name == photo_name(key, photos[key]) else name
                message = f"image id {key!r} occurs twice, here a second time"
                self._report.fault(self._path, Fault(name, "duplicate id", message))
            else:
                photos[key] = entry
        return photos

    def _objects_by_photo(self):
        """What `objects` is, with all categories."""
        objects, counts, seen = {i: [] for i in self.photos}, dict.fromkeys(self.photos, 0), {}
        image_ids, category_ids = Ids(self.photos), Ids(self.categories)
        for position, annotation in enumerate(self.content["annotations"]):
            name = f"annotation {annotation['id']}" if "id" in annotation else f"annotation number {position}"
            given = annotation.get("image_id"), annotation.get("category_id")
            image_id, category_id = image_ids.find(given[0]), category_ids.find(given[1])
            if image_id is None:
                message = f"{name} has {image_ids.reason('image_id', given[0])}"
                self._report.fault(self._path, Fault(f"image {given[0]}", "bad entry", message), of_object=True)
                continue
            photo, number = photo_name(image_id, self.photos[image_id]), counts[image_id]
            counts[image_id] += 1
            crowd = flag(annotation.get("iscrowd"))
            kind, message = "bad entry", None
            if category_id is None:
                kind, message = "unknown class", category_ids.reason("category_id", given[1])
            elif crowd is None:
                message = f"iscrowd {annotation['iscrowd']!r}, which is neither 0 nor 1"
            if message is not None:
                self._report.fault(self._path, Fault(photo, kind, f"{name} has {message}", number))
            elif not self._occurred(annotation, seen, name, photo, number):
                ids = image_id, category_id
                if given != ids:
                    how = "written as text in one place and as number in another: taken as one"
                    self._report.note("id", how, f"{name}: image_id {given[0]!r}, category_id {given[1]!r}")
                if repr(given) != repr(ids) or crowd != annotation.get("iscrowd", False):  # 1.0 is 1, but not in texts
                    annotation = {**annotation, "image_id": image_id, "category_id": category_id, "iscrowd": int(crowd)}
                objects[image_id].append((number, annotation))
        return objects

    def _occurred(self, annotation, seen, name, photo, number):
        """Whether an annotation has occurred before. seen: {id: annotation} of those before it."""
        twin = seen.setdefault(annotation["id"], annotation) if is_id(annotation.get("id")) else annotation
        if twin is annotation:
            return False
        same = all(twin.get(key) == annotation.get(key) for key in ("image_id", "category_id", "segmentation"))
        message = f"{name} occurs twice" + (", with the same object, which is taken once" if same else "")
        self._report.fault(self._path, Fault(photo, "duplicate id", message, number))
        return same

    # --- Classes -----------------------------------------------------------------------------------------------------
    def _asked_classes(self, class_ids):
        known = Ids(self.categories)
        chosen = [known.find(i) for i in class_ids]
        if None in chosen:
            shown = ", ".join(map(str, list(self.categories)[:20]))
            raise DataError(f"{self._path}: no category {class_ids[chosen.index(None)]!r}: it has {shown}.")
        return in_order(set(chosen))

    def _classes(self):
        """Ids of the categories that are classes; annotations of merged ones are given the id of the first."""
        merged = self._merged = merged_categories(self.categories)
        for key, first in merged.items():
            how = f"of a name that another has: taken as one class with category {first!r}"
            self._report.note("category", how, f"{key!r}, {self.name(key)}")
        for some in self.objects.values() if merged else ():
            for place, (number, annotation) in enumerate(some):
                if annotation["category_id"] in merged:
                    some[place] = number, {**annotation, "category_id": merged[annotation["category_id"]]}
        used = {annotation["category_id"] for some in self.objects.values() for _, annotation in some}
        left = {key: entry for key, entry in self.categories.items() if key not in merged}
        background = background_categories(left, used)
        groups = phantom_categories({key: entry for key, entry in left.items() if key not in background}, used)
        self.groups = in_order([*groups, *background])
        for key in self.groups:
            what = ("and called like the background or what is ignored" if key in background else
                    "that others name as their supercategory")
            how = (f"without objects {what}: left out of the classes, unless CLASSES, the checkpoint or the other data "
                   "have it")
            self._report.note("category", how, f"{key!r}, {self.name(key)}")
        return in_order(left.keys() - set(self.groups))

    # --- Crowds and boxes --------------------------------------------------------------------------------------------
    def _settle_crowds(self, crowds):
        """Decide whether crowds are crowds; where they are objects, their mark is taken away."""
        if crowds not in (None, *crowd_rules.CHOICES):
            raise DataError(f'{self._path}: crowds={crowds!r} (--crowds) must be "objects" or "ignore".')
        every = [annotation for some in self.objects.values() for _, annotation in some]
        marked = [annotation for annotation in every if annotation.get("iscrowd")]
        verdict = crowds or crowd_rules.judge(self.content["annotations"], crowd_rules.is_of_coco(self.content))
        if not marked or verdict in ("crowds", "ignore"):
            return
        if verdict == "unclear":
            crowd_rules.ask(self._path, every, {key: self.name(key) for key in self.categories})
        first, of = f"annotation {marked[0].get('id')}", f"of {len(every)} marked iscrowd: 1"
        if verdict == "perhaps":
            how = f"{of}, each of one part as a brush draws: ignored in training, unless --crowds objects is given"
            return self._report.note("object", how, first, len(marked))
        if crowds is None:
            how = f"{of}, as tools mark masks that are run lengths: taken as objects (--crowds ignore: as crowds)"
            self._report.note("object", how, first, len(marked))
        for some in self.objects.values():
            some[:] = [(number, {**a, "iscrowd": 0} if a.get("iscrowd") else a) for number, a in some]

    def settle_boxes(self, image_ids: Iterable[int | str], as_masks: bool) -> None:
        """Give objects that have a box alone the box as their outline, where they are drawn so or that is asked for.

        Args:
            image_ids: of the photos that are looked at
            as_masks: as `boxes_as_masks` of `CocoDataset.load_coco`

        Raises:
            DataError: if no object has an outline, and that is not asked for.
        """
        every = [annotation for some in self.objects.values() for _, annotation in some]
        bare = [annotation for annotation in every if is_missing(annotation.get("segmentation"))]
        if bare and len(bare) == len(every) and not as_masks:
            needs_outlines(self._path, len(bare), f"annotation {bare[0].get('id')}")
        if not bare or not (as_masks or self.of_label_studio):
            return
        how = "with a box and no outline: the box is taken as its mask, which is a draft"
        if not as_masks:
            how = AMONG_OUTLINES
        taken = []
        for i in image_ids:
            for place, (number, annotation) in enumerate(self.objects[i]):
                outline = outline_of_box(annotation.get("bbox"))
                if outline is not None and is_missing(annotation.get("segmentation")):
                    self.objects[i][place] = number, {**annotation, "segmentation": [outline]}
                    self._report.note("object", how, f"annotation {annotation.get('id')}")
                    taken.append(annotation)
        self._tell_corners(taken)

    def _tell_corners(self, taken):
        """Note boxes that look like corners. taken: annotations whose boxes are their masks."""
        sizes = [self.photos[annotation["image_id"]] for annotation in taken]
        sizes = [(photo.get("height"), photo.get("width")) for photo in sizes]
        sizes = [size if all(type(side) is int and side > 0 for side in size) else None for size in sizes]
        beyond = as_corners([annotation["bbox"] for annotation in taken], sizes)
        if beyond:
            first = taken[beyond[0]]
            self._report.note("object", LIKE_CORNERS, f"annotation {first.get('id')}: {first['bbox']}", len(beyond))


def photo_name(image_id: int | str, photo: dict) -> str:
    """What a fault calls a photo: its file name as annotated, else its id."""
    name = photo.get("file_name")
    return name if isinstance(name, str) and name else f"image {image_id}"
