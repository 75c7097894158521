"""YOLO's data sets for segmentation: a data.yaml, photos, and a text file of outlines for each of them.

`yolo_layout` says which folders are looked at, `yolo_rows` what a row is. Photos and rows are checked when the data set
is loaded; outlines are drawn, as run lengths, when a photo's objects are asked for.
"""

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats import yolo_files, yolo_layout
from mrcnn.data.formats.boxes import ONLY_A_BOX, needs_outlines
from mrcnn.data.formats.label_studio import find_stems
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.formats.yolo_rows import RowFault, is_rectangle, read_row, read_rows
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

FORMAT = "yolo"
PASSED_OVER = "of data.yaml that names photos, but neither train, val nor test: left out; call it so to read them"


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file or folder is a data set of YOLO: by its data.yaml or obj.data, or by rows in text files."""
    try:
        if yolo_layout.settings_file(path):
            return True
        return os.path.isdir(path) and yolo_layout.has_rows(path)
    except (OSError, TypeError, ValueError):
        return False


class YoloDataset(AnnotatedDataset):
    """A data set of YOLO. Classes have the indices of the data.yaml as ids."""

    @staticmethod
    def parts(annotations: str | os.PathLike) -> tuple[str, ...]:
        """Names of the parts that the data set is split into, such as ("train", "val"); () if it is not."""
        return tuple(yolo_layout.read_layout(annotations).parts)

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, boxes_as_masks: bool | None = None,
             split: str | None = None, **others: object) -> "YoloDataset":
        """Register photos and check all rows. What is taken otherwise than written is in `notes`.

        Args:
            annotations: the data.yaml or obj.data, or the folder that holds it; or a folder of labels without it.
            images: folder of the photos, if they are not where the data set says.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: path of a file of class names, which goes before those of the data set.
            boxes_as_masks: whether boxes are taken as masks, as a draft.
            split: part of the data set, "train", "val" or "test"; None takes all parts, each photo once.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        layout = yolo_layout.read_layout(annotations, names)
        if layout.names is None:
            raise DataError(f"{annotations}: nothing names the classes of these labels of YOLO: give the data.yaml of "
                            "the export, or a text file with a name a line, the first for class 0 (names=, --names).")
        if split is not None and split not in layout.parts:
            has = f"it has {', '.join(layout.parts)}" if layout.parts else "it has none"
            raise DataError(f"{annotations}: has no part {split!r}: {has}.")
        for note in layout.notes:
            self.note(*note)
        for key in yolo_files.passed_over(layout):
            self.note("key", PASSED_OVER, key)
        self._register_classes(layout.names)
        folder = PhotoFolder(images or layout.root, self.note)
        labels = yolo_files.LabelFiles(layout.root)
        entries, missing = self._listed(layout, labels, folder, split, bool(images))
        for place in labels.without:
            self._tell_without(place, annotations, bool(entries or missing))
        if entries and not labels.found:
            raise DataError(
                f"{annotations}: none of {len(entries)} photos has a text file of labels (first: {entries[0][0].photo})"
                ": these lie in labels/ where photos are in images/, else beside the photos, and have their names.")
        self._note_labels(layout, labels)
        self._add(entries[:limit], folder, annotations, bool(boxes_as_masks))
        self.missing_photos(annotations, folder.path, missing, len(entries) + len(missing))
        self.finish_loading(annotations)
        return self

    def _tell_without(self, place, annotations, others):
        """Note a folder without label files, by which photos are looked for; raise DataError if there are no others."""
        what = "has no text files of labels" if os.path.isdir(place) else "no such folder of labels"
        if not others:
            raise DataError(f"{place}: {what}, though {annotations} names it or its photos: give the data.yaml "
                            "that lies above the labels, or correct its paths.")
        self.note("folder", "of data.yaml without text files of labels, by which photos are found in --images: its "
                  "photos are left out; put the text files there", place)

    def _note_labels(self, layout, labels):
        """Note label files that belong to two photos, to none, or only nearly to one."""
        lists = any(os.path.isfile(source) for sources in layout.parts.values() for source in sources)
        unused = [] if lists else labels.without_photo()  # a list leaves out photos that have labels
        for what, how, names in (
            ("photo", "with a text file both beside it and in labels/: that in labels/ is taken", labels.twice),
            ("photo", "that shares its text file with another of the same stem: both have its objects; rename one",
             labels.shared),
            ("photo", "whose text file is called so in other letters, large and small: taken", labels.alike),
            ("text file", "of labels without a photo: left out; put the photo where the others are", unused),
        ):
            if names:
                self.note(what, how, names[0], len(names))

    def _register_classes(self, names):
        """Register classes; of two that have one name the second is the first."""
        first = {}
        for index, name in sorted(names.items()):
            if name in first:
                self.note("class", f"of the name of another: taken as one class, {name}", f"{index}: {name}")
            first.setdefault(name, index)
            self.add_class(FORMAT, index, name)
        self.class_info = [info for info in self.class_info
                           if info["source"] != FORMAT or first[info["name"]] == info["id"]]
        self._class_of = {index: first[name] for index, name in names.items()}

    # --- Photos ------------------------------------------------------------------------------------------------------
    def _listed(self, layout, labels, folder, split, elsewhere):
        """(list of (Entry, part), names of missing photos) of the parts that are wanted."""
        if not layout.parts:
            entries, missing = self._bare(layout.root, labels, folder, elsewhere)
            return [(entry, None) for entry in entries], missing
        found, missing, seen = [], [], {}
        for part in layout.parts if split is None else (split,):
            for source in layout.parts[part]:
                entries, lacking = self._of_source(source, labels, folder, elsewhere)
                missing += lacking
                for entry in entries:
                    if entry.photo in seen:
                        other = seen[entry.photo]
                        how = f"of part {other} listed in {part} again: taken once, as of {other}"
                        self.note("photo", how, entry.photo)
                    else:
                        seen[entry.photo] = part
                        found.append((entry, part))
        return found, missing

    def _of_source(self, source, labels, folder, elsewhere):
        """(list of Entry, names of missing photos) of a folder, or of a list of photos."""
        if os.path.isfile(source):
            return self._of_list(source, labels, folder)
        if not elsewhere:
            if not os.path.isdir(source):
                raise DataError(f"{source}: no such folder or list of photos, though data.yaml names it: correct it, "
                                "or give the folder of the photos (images=, --images).")
            names = yolo_files.photos_below(source, labels.root)
            return [yolo_files.Entry(name, labels.find(name)) for name in names], []
        for place in yolo_files.label_folders(source, labels.root):
            paths = yolo_files.labels_below(place)
            if paths:
                return self._by_labels(paths, place, labels, folder)
        labels.without.append(yolo_files.label_folders(source, labels.root)[0])
        return [], []

    def _of_list(self, source, labels, folder):
        entries, lacking = [], {}
        for likely in yolo_files.listed_names(source, labels.root):
            label = next(filter(None, map(labels.find, [*likely, *_tails(likely[-1])])), None)
            name = next((name for name in likely if _is_in(folder, name)), None)
            if name is None:
                lacking[likely[-1]] = len(entries), label
            entries.append(yolo_files.Entry(name, label or (labels.find(name) if name else None)))
        alike = self.find_alike(folder, list(lacking), {entry.photo for entry in entries}) if lacking else {}
        for name, file in alike.items():
            place, label = lacking.pop(name)
            entries[place] = yolo_files.Entry(file, label or labels.find(file))
        return [entry for entry in entries if entry.photo], list(lacking)

    def _by_labels(self, paths, place, labels, folder):
        """(list of Entry, names of missing photos) of label files whose photos lie elsewhere."""
        stems = {os.path.splitext(os.path.relpath(path, place))[0].replace(os.sep, "/"): path for path in paths}
        labels.found += len(stems)
        photos = {stem: folder.find_stem(stem) for stem in stems}
        alike = self.find_alike(folder, [stem for stem, name in photos.items() if name is None], set(photos.values()))
        photos.update(alike)
        photos.update(self._without_digits([stem for stem, name in photos.items() if name is None], photos, folder))
        entries = [yolo_files.Entry(name, stems[stem]) for stem, name in photos.items() if name]
        return entries, [stem for stem, name in photos.items() if name is None]

    def _without_digits(self, stems, photos, folder):
        """{stem: name of the photo} of the stems whose photo lacks the digits that Label Studio put before it."""
        found = find_stems(stems, folder, set(photos.values()))
        for stem, name in found.items():
            how = "whose text file has Label Studio's eight digits before its name: taken, for one fits"
            self.note("photo", how, f"{stem}.txt is of {name}")
        return found

    def _bare(self, root, labels, folder, elsewhere):
        """(list of Entry, names of missing photos) of a folder without data.yaml: all photos, each with its labels."""
        if not elsewhere:
            names = yolo_files.photos_below(root, root)
            if not names:
                raise DataError(f"{root}: has labels of YOLO and no photos: give their folder (images=, --images).")
            return [yolo_files.Entry(name, labels.find(name)) for name in names], []
        place = os.path.join(root, yolo_files.LABELS)
        place = place if os.path.isdir(place) else root
        entries, missing = self._by_labels(yolo_files.labels_below(place), place, labels, folder)
        taken = {entry.photo for entry in entries}
        others = [name for name in yolo_files.photos_below(folder.path, folder.path) if name not in taken]
        return sorted([*entries, *(yolo_files.Entry(name, None) for name in others)]), missing

    def _add(self, entries, folder, source, boxes_as_masks):
        """Register photos with their rows checked, and tell of what the label files have."""
        told, firsts, boxes = Counter(), {}, []
        rectangles = outlines = quadrangles = 0
        for entry, part in entries:
            name, path = entry.photo, folder.join(entry.photo)
            try:
                size = photo_size(path)
            except DataError as error:
                self.fault(source, Fault(name, "unreadable", str(error).rstrip(".")))
                continue
            try:
                lines = read_rows(entry.label) if entry.label else []
            except DataError as error:
                self.fault(source, Fault(name, "bad entry", str(error).rstrip(".")))
                continue
            if not entry.label:
                told["bare"] += 1
                firsts.setdefault("bare", name)
            rows, seen = {}, set()
            for number, line in enumerate(lines):
                if line in seen:
                    told["twice"] += 1
                    firsts.setdefault("twice", name)
                    continue
                seen.add(line)
                row = self._checked(name, number, line, source)
                if row is None:
                    continue
                if row.is_box:
                    boxes.append((name, number))
                    if not boxes_as_masks:
                        continue
                outlines += not row.is_box
                rectangles += not row.is_box and is_rectangle(row.corners)
                quadrangles += not row.is_box and len(row.corners) == 8
                if row.clipped:
                    told["clipped"] += 1
                    firsts.setdefault("clipped", name)
                rows[number] = self._class_of[row.label]
            details = {} if part is None else {"split": part}
            self.add_photo(FORMAT, name, path, name, *size, label=entry.label, rows=rows, **details)
        self.only_boxes = bool(outlines) and outlines == rectangles
        if outlines == quadrangles > rectangles:
            how = "of four corners, as all are: oriented boxes (OBB) look so, and masks will be no more than these"
            self.note("object", how, next(info["file_name"] for info in self.image_info if info["rows"]), quadrangles)
        self._tell(told, firsts, boxes, outlines, source, boxes_as_masks)

    def _checked(self, name, number, line, source):
        """The Row of a line; None, and its fault noted, if it is none."""
        try:
            row = read_row(line)
            if row.label not in self._class_of:
                raise RowFault("unknown class", f"its class {str(row.label)[:12]} has no name: classes are "
                               f"{min(self._class_of)} to {max(self._class_of)}")
        except RowFault as error:
            return self.fault(source, Fault(name, error.kind, str(error), number))
        return row

    def _tell(self, told, firsts, boxes, outlines, source, boxes_as_masks):
        """Note what was counted; boxes are faults where they are not asked for."""
        if boxes and not outlines and not boxes_as_masks:
            needs_outlines(source, len(boxes), boxes[0][0])
        if boxes and not boxes_as_masks and not self._skips:
            name, number = boxes[0]
            raise DataError(
                f"{source}: {len(boxes)} of {len(boxes) + outlines} rows are boxes among outlines (first: {name}, "
                f'object {number}): draw outlines for them, leave their photos out (on_error="skip", --on-error skip), '
                "or take the boxes as masks for a draft (boxes_as_masks=True, --boxes-as-masks)."
            )
        for name, number in boxes if not boxes_as_masks else ():
            self.fault(source, Fault(name, "no mask", ONLY_A_BOX, number))
        if boxes and boxes_as_masks:
            self.note("object", "written as a box: taken as its mask, a draft", boxes[0][0], len(boxes))
        words = {
            "bare": ("photo", "without a text file of labels: taken as photos without objects"),
            "twice": ("row", "written twice: taken once"),
            "clipped": ("object", "that reaches a little out of its photo: cut off at the edge"),
        }
        for key, count in told.items():
            self.note(*words[key], firsts[key], count)

    # --- Objects -----------------------------------------------------------------------------------------------------
    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each row of a photo that loading kept."""
        info = self.image_info[image_id]
        size = height, width = info["height"], info["width"]
        if not info["rows"]:
            return
        try:
            lines = read_rows(info["label"])
        except DataError as error:
            yield Fault(info["file_name"], "bad entry", str(error).rstrip("."))
            return
        entries = []  # of each row its Fault, or its run lengths
        for number, index in info["rows"].items():
            try:
                if number >= len(lines):
                    raise RowFault("bad entry", "its row is no longer there: the file of labels has changed")
                row = read_row(lines[number])
                corners = np.array(row.corners).reshape(-1, 2) * (width, height)
                entries.append((number, index, run_lengths.from_polygons([corners.ravel()], size)))
            except (RowFault, DataError) as error:
                kind = getattr(error, "kind", "bad entry")
                entries.append(Fault(info["file_name"], kind, str(error).rstrip("."), number))
        areas = iter(run_lengths.areas([entry[2] for entry in entries if not isinstance(entry, Fault)]))
        for entry in entries:
            if isinstance(entry, Fault):
                yield entry
            elif next(areas):
                yield ObjectAnnotation(entry[0], self.map_source_class_id(f"{FORMAT}.{entry[1]}"), entry[2])
            else:
                yield Fault(info["file_name"], "empty mask", "its outline holds no pixel", entry[0])

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo, as loading found them; outlines are not drawn."""
        info = self.image_info[image_id]
        dropped = info.get("dropped", ())
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{index}") for number, index in info["rows"].items()
                              if number not in dropped], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out


def _tails(name):
    """What is left of a name without its first folders, which tools write as they are on their own machine."""
    parts = name.split("/")
    return ["/".join(parts[place:]) for place in range(1, len(parts))]


def _is_in(folder, name):
    """Whether a folder has a photo of a name; a name that no file can have is that of none."""
    try:
        return folder.find(name) is not None
    except DataError:
        return False
