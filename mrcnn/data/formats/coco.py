"""COCO's JSON form: polygons, compressed and uncompressed run lengths, crowds; also as Fashionpedia, ModaNet and Label
Studio write it."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.attributes import TWICE, named_by_ids, whole_ids
from mrcnn.data.class_lists import NEGATIVE, OPEN
from mrcnn.data.formats.boxes import ONLY_A_BOX, outline_of_box
from mrcnn.data.formats.coco_entries import LISTS, annotated_size
from mrcnn.data.formats.coco_file import CocoFile
from mrcnn.data.formats.json_head import HEAD, keys_by_depth, read_head
from mrcnn.data.formats.label_studio import find_photos
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.segmentations import (
    SegmentationFault,
    is_rectangle,
    outline_of,
    reach_of,
)
from mrcnn.data.formats.upright import Annotated, settled_turns, stored_size, turned_segmentation
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.stated_measures import is_box, mended
from mrcnn.errors import DataError

FORMAT = SOURCE = "coco"
LONGEST = HEAD * 512  # bytes
BEFORE = {"info", "licenses", "categories", "attributes", "type"}  # what may stand, at length, before images
OTHERS = {"image", "item", "videos", "filename"}  # beside annotations: of SA-1B, V7 Darwin, YouTube-VIS, Dataloop

PARTLY = (f"labelled for some classes only, as in LVIS ({NEGATIVE}, {OPEN}): evaluation goes by its rule; training "
          "takes what is not labelled as background")


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is JSON with COCO's images, and annotations or categories, at its top level.

    Of a long file the beginning is looked at, where images or annotations alone are enough; more of it, where it begins
    with long categories, as with LVIS' definitions of its classes.
    """
    looked = HEAD
    while True:
        head = read_head(path, looked)
        keys = keys_by_depth(head, 1)[1] if head.lstrip().startswith("{") else set()
        whole = os.path.isfile(path) and os.path.getsize(path) <= looked
        if whole or not keys or keys - BEFORE or looked >= LONGEST:
            break
        looked *= 8
    if whole:
        return "images" in keys and len(keys & set(LISTS)) > 1
    return bool(keys & set(LISTS[:2])) and ("images" in keys or not keys & OTHERS) and "label_classes" not in keys


class CocoDataset(AnnotatedDataset):
    """A COCO annotation file and its folder of photos. Categories become classes 1 to K in the order of their ids."""

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, crowds: str | None = None,
             boxes_as_masks: bool | None = None, **others: object) -> "CocoDataset":
        """What all readers offer; see `load_coco`. The format takes neither names nor mapping. Returns self."""
        self.refuse(annotations, names=names, mapping=mapping, **others)
        return self.load_coco(annotations, images, None, limit, on_error, crowds, bool(boxes_as_masks))

    def load_coco(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None,
                  class_ids: Sequence[int | str] | None = None, limit: int | None = None, on_error: str = "raise",
                  crowds: str | None = None, boxes_as_masks: bool = False) -> "CocoDataset":
        """Register the photos and objects of a file, all of them checked without decoding a mask or a photo.

        Ids that are text in one place and number in another are one id where only one fits. Annotation ids that occur
        twice, as in merged files, are harmless: they are listed in `faults`, the objects kept; but an object that is
        the same in all but area and box is kept once. Categories that only name a group or the background are left out
        (`keep_groups` makes them classes), and those of one name become one class. Sizes that the file lacks are read
        from the photos. Names of Label Studio's uploads are looked up as `label_studio.find_photos` says. What is taken
        otherwise than written is in `notes`.

        Args:
            annotations: path of the JSON file
            images: folder of the photos; None: the folder of the file
            class_ids: category ids to keep, with the photos that show one of them; None keeps all
            limit: number of photos to take, from the first on; None takes all
            on_error: "raise" at the first bad photo or object, or "skip" those, with one warning that says how many
            crowds: what `iscrowd: 1` means, "objects" or crowds to "ignore"; None: as `crowds.judge` finds
            boxes_as_masks: whether an object that has a box alone gets the box as its mask, which is no more than a
                draft

        Returns:
            self.

        Raises:
            DataError: naming the file and the bad entry, if the file is missing or no COCO JSON, an id of an image or
                category occurs twice, an annotation is of an unknown image or category, polygons have no area, an RLE
                does not cover its photo, a photo is missing or lies outside the folder, nothing remains, or it cannot
                be told whether crowds are some.
        """
        self.start_loading(on_error)
        file = CocoFile(annotations, self, class_ids, crowds)
        chosen = [i for i in file.photos if class_ids is None or file.objects[i]][:limit]
        file.settle_boxes(chosen, boxes_as_masks)
        folder = PhotoFolder((os.path.dirname(annotations) or ".") if images is None else images)
        self._add_photos(file, chosen, folder, annotations)
        self.unused_groups = (*self.unused_groups, *(
            (len(self.class_info) + file.before(key), {"source": SOURCE, "id": key, "name": file.name(key)})
            for key in file.groups))
        for category_id in file.classes:
            group = file.categories[category_id].get("supercategory")
            self.add_category(SOURCE, category_id, file.name(category_id), group)
        attributes = file.content.get("attributes")  # Fashionpedia's
        for entry in attributes if isinstance(attributes, list) else ():
            number = entry.get("id") if isinstance(entry, dict) else None
            if type(number) is not int:
                how = "without an id that is a whole number: these are left out"
                self.note("entry of attributes", how, str(entry)[:40])
                continue
            if number in self.attribute_names:
                raise DataError(f"{annotations}: two attributes have the id {number}: give each its own.")
            self.attribute_names[number] = str(entry.get("name", number))
        if not self.attribute_names:
            found = (i for info in self.image_info for entry in info["annotations"]
                     for i in whole_ids(entry.get("attribute_ids")))
            self.attribute_names.update(named_by_ids(annotations, found, 'add a list "attributes" as Fashionpedia\'s'))
        self.finish_loading(annotations)
        return self

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _add_photos(self, file, chosen, folder, source):
        """Register photos with those of their annotations that are sound. chosen: ids of the images to take."""
        photos = self._found_photos(file, chosen, folder, source)
        frames, rectangles = self._frames(file, photos, folder, source), []
        for image_id, file_name in photos:
            if image_id not in frames:
                continue
            try:
                lists = {"class_lists": listed} if (listed := file.class_lists(image_id)) else {}
            except ValueError as error:
                self.fault(source, Fault(file_name, "bad entry", f"image {image_id} has {error}"))
                continue
            if lists:
                self.note("photo", PARTLY, file_name)
            size, orientation = frames[image_id]
            stored = stored_size(size, orientation)  # as the outlines are
            sound, empty = [], set()
            for number, annotation in file.objects[image_id]:
                name = f"annotation {annotation.get('id')}"
                try:
                    outline = outline_of(annotation.get("segmentation"), stored)
                except SegmentationFault as error:
                    if error.kind == "no mask" and outline_of_box(annotation.get("bbox")):
                        error = SegmentationFault("no mask", ONLY_A_BOX)
                    self.fault(source, Fault(file_name, error.kind, f"{name}: {error}", number))
                    continue
                rectangles.append(is_rectangle(outline.segmentation))
                self._note_outline(outline, annotation, f"{file_name}, {name}")
                if outline.segmentation is not annotation["segmentation"]:
                    annotation = {**annotation, "segmentation": outline.segmentation}
                sound.append((number, annotation))
                if outline.empty:
                    empty.add(number)
            sound = self._with_sound_measures(sound, stored, orientation, file_name)
            self.add_photo(SOURCE, image_id, folder.join(file_name), file_name, *size, empty=empty, **lists,
                           annotations=[annotation for _, annotation in sound], numbers=[number for number, _ in sound])
        self.only_boxes = bool(rectangles) and all(rectangles)

    def _note_outline(self, outline, annotation, name):
        """Note what of an annotation is taken otherwise than it is written."""
        if outline.form:
            self.note("outline", f"written as {outline.form} in place of a list of polygons: taken as meant", name)
        if outline.crumbs:
            how = "without area beside sound ones: left out, their objects kept"
            self.note("outline part", how, name, outline.crumbs)
        if outline.empty:
            self.note("object", "thinner than a pixel: left out, for it holds none", name)
        listed = annotation.get("attribute_ids") or ()
        if not isinstance(listed, (list, tuple)) or any(type(number) is not int for number in listed):
            self.note("object", "with attribute_ids that are no whole numbers: these are left out", name)
        elif len(whole_ids(listed)) < len(listed):
            self.note("object", TWICE, name)
        said = annotation.get("attributes")
        others = [key for key, value in said.items() if value not in (None, False, "", 0, "0", "false")] if isinstance(
            said, dict) else []
        for key in others:
            self.note("object", f"with the attribute {str(key)[:40]!r} in words: left out", name)

    def _with_sound_measures(self, objects, stored, orientation, file_name):
        """The (number, annotation) of a photo with areas and boxes that can be, turned as the photo is shown."""
        kept, told = mended([annotation for _, annotation in objects], [stored] * len(objects))
        for place, how, value in told:
            self.note("object", how, f"{file_name}, annotation {kept[place].get('id')}: {value}")
        if orientation != 1:
            kept = [_turned(annotation, orientation, stored) for annotation in kept]
        return [(number, annotation) for (number, _), annotation in zip(objects, kept, strict=True)]

    def _found_photos(self, file, chosen, folder, source):
        """list of (id of an image, name of its file in the folder)."""
        named = []
        for image_id in chosen:
            name = file.photos[image_id].get("file_name")
            address = file.photos[image_id].get("coco_url")
            if name in (None, "") and isinstance(address, str) and address:  # LVIS
                name = address.rpartition("/")[2]
            if isinstance(name, str) and name:
                named.append((image_id, name))
            else:
                message = f"image {image_id} has the file_name {name!r}, which is none"
                self.fault(source, Fault(f"image {image_id}", "bad entry", message))
        files, refused = find_photos([name for _, name in named], folder, file.of_label_studio)
        for image_id, name in named:
            if name in refused:
                self.fault(source, Fault(name, "path escape", f"image {image_id}: {refused[name]}"))
        missing = [name for _, name in named if name in files and files[name] is None]
        files.update(self.find_alike(folder, missing, set(files.values())))
        missing = [name for name in missing if files[name] is None]
        first = {files.get(name) or name: image_id for image_id, name in reversed(named)}
        self.missing_photos(source, folder.path, missing, len(chosen),
                            objects=lambda name: _drawn(file.objects[first[name]]) if name in first else None)
        found = {}
        for image_id, name in named:
            file_name = files.get(name)
            if file_name is not None and found.setdefault(file_name, image_id) != image_id:
                # Under the photo's own name the fault would stand for the first image, which is sound.
                message = f"the photo {file_name} is that of image {found[file_name]} too, here a second time"
                self.fault(source, Fault(f"image {image_id}", "duplicate id", message))
                self.lost_beyond(file_name, *(_drawn(file.objects[key]) for key in (image_id, first[file_name])))
        return [(image_id, file_name) for file_name, image_id in found.items()]

    def _frames(self, file, photos, folder, source):
        """{image id: ((H, W) upright, EXIF orientation by which its outlines are to be turned, else 1)}.

        Photos of which that cannot be told are faults.
        """
        seen = {}
        for image_id, name in photos:
            entry = file.photos[image_id]
            try:
                size, is_text = annotated_size(entry)
                upright, orientation = photo_header(folder.join(name))
            except ValueError as error:  # of the file's entry, or of the photo
                kind = "unreadable" if isinstance(error, DataError) else "bad entry"
                message = str(error).rstrip(".") if isinstance(error, DataError) else f"image {image_id} has {error}"
                self.fault(source, Fault(name, kind, message))
                continue
            if is_text:
                self.note("size", "written as text: taken as numbers", name)
            if size is None:
                self.note("photo", "without a size in the file (-1, 0, null or nothing): taken from the photo", name)
            reach = reach_of([annotation.get("segmentation") for _, annotation in file.objects[image_id]], orientation)
            seen[image_id] = Annotated(name, size, upright, orientation, reach, bool(file.objects[image_id]))
        turns, wrong = settled_turns(seen, self, file.of_label_studio)
        for image_id, message in wrong.items():
            self.fault(source, Fault(seen[image_id].name, "wrong size", message))
        return {image_id: (seen[image_id].upright, turn) for image_id, turn in turns.items()}

    # --- Objects -----------------------------------------------------------------------------------------------------
    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each annotation of a photo that loading kept."""
        info = self.image_info[image_id]
        shape = info["height"], info["width"]
        for number, annotation in zip(info["numbers"], info["annotations"]):
            if number in info["empty"]:
                message = f"annotation {annotation.get('id')}: its polygons hold no pixel"
                yield Fault(self.file_name(image_id), "empty mask", message, number)
                continue
            segmentation = annotation["segmentation"]
            as_runs = isinstance(segmentation, dict)
            rle = (run_lengths.compress if as_runs else run_lengths.from_polygons)(segmentation, shape)
            class_id = self.map_source_class_id(f"{SOURCE}.{annotation['category_id']}")
            attributes = whole_ids(annotation.get("attribute_ids"))
            yield ObjectAnnotation(number, class_id, rle, bool(annotation.get("iscrowd")), attributes)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo, negative for crowds; their masks are not looked at."""
        info = self.image_info[image_id]
        left_out = info["empty"] | set(info.get("dropped", ()))
        class_ids = np.array([
            self.map_source_class_id(f"{SOURCE}.{annotation['category_id']}") * (-1 if annotation.get("iscrowd") else 1)
            for number, annotation in zip(info["numbers"], info["annotations"]) if number not in left_out
        ], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out


def _drawn(objects):
    """What annotations of an image have in common with those of the same objects, whatever their ids."""
    return [(annotation.get("category_id"), annotation.get("segmentation")) for _, annotation in objects]


def _turned(annotation, orientation, stored):
    """An annotation as the EXIF orientation turns it, its box too."""
    turned = {**annotation, "segmentation": turned_segmentation(annotation["segmentation"], orientation, stored)}
    if is_box(annotation.get("bbox")):
        x, y, width, height = annotation["bbox"]
        (x1, y1, x2, y2), = turned_segmentation([[x, y, x + width, y + height]], orientation, stored)
        turned["bbox"] = [min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)]
    return turned
