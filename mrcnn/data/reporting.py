"""What a reader tells of while it loads annotations: faults, and what it took in a way of its own."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping

from mrcnn.data.dataset import Dataset
from mrcnn.data.faults import AT_FAULT, Fault, Loss, Note, warn_of_faults
from mrcnn.data.photo_folder import PhotoFolder, is_whole_name, unclear_name
from mrcnn.errors import DataError

LIKE_A_FILE = "named as its file looks, not as it is called (case, accents, %, \\ or folders): taken, for one fits"
LEFT_OUT = "left out"  # in the words of a note: of what a reader did not take


class Reporting(Dataset):
    """A data set that is read from annotations in which something may be wrong.

    Args:
        class_map: ignored; Matterport's argument.

    Attributes:
        faults: list of Fault met while loading; their objects or photos are left out, unless a fault is harmless.
        notes: list of Note of what was taken otherwise than it is written.
        lost: list of Loss, of objects and photos that were left out.
    """

    def __init__(self, class_map: object = None) -> None:
        super().__init__(class_map)
        self.faults = []
        self.notes = []
        self.lost = []
        self._skips = False
        self._loaded_before = (0, 0, 0)
        self._unclear = {}  # name of a photo that stands for none of the files that look like it: these

    def start_loading(self, on_error: str) -> None:
        """Begin to load.

        Args:
            on_error: "raise" raises at the first fault; "skip" leaves it out and keeps it in `faults`.

        Raises:
            ValueError: it is neither.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error={on_error!r} is neither "raise" nor "skip".')
        self._skips = on_error == "skip"
        self._unclear = {}
        self._loaded_before = (len(self.image_info), len(self.faults), len(self.notes))

    def refuse(self, source: str | os.PathLike, **options: object) -> None:
        """Refuse options that the format has no use for.

        Args:
            source: path of the annotations.
            **options: their values by name; None is an option that was not given.

        Raises:
            DataError: one was given.
        """
        for name, value in options.items():
            if value is not None:
                raise DataError(f"{source}: this format of annotations takes no {name}: leave {name} {value!r} out.")

    def note(self, what: str, how: str, first: str, count: int = 1) -> None:
        """Note what was taken in a way of its own; entries of the same words are told in one line.

        Args:
            what: one of the entries, in the singular.
            how: what they are, how they were taken, and the remedy.
            first: name of the first of them.
            count: how many more there are.
        """
        for note in self.notes[self._loaded_before[2]:]:
            if (note.what, note.how) == (what, how):
                note.count += count
                return
        self.notes.append(Note(what, how, str(first), count))

    def fault(self, source: str | os.PathLike, fault: Fault, of_object: bool = False) -> None:
        """Raise a fault, or note it, as `start_loading` was told; a harmless one is only noted.

        Args:
            source: path of the annotations.
            fault: what is wrong.
            of_object: whether it is an object's, though it has no number among those of a photo.

        Raises:
            DataError: it is to be raised.
        """
        if not (self._skips or fault.harmless):
            raise DataError(
                f'{source}: {fault}: correct the annotations, or leave it out (on_error="skip", --on-error skip).'
            )
        self.faults.append(fault)
        if not fault.harmless:
            # An annotation of a photo that is not listed is an object too.
            whole = fault.number is None and not of_object
            self.lost.append(Loss(fault.photo, AT_FAULT, 0 if whole or fault.kind == "empty mask" else 1, whole))

    def find_alike(self, folder: PhotoFolder, names: list[str], taken: Container[str | None]) -> dict[str, str]:
        """Find the files of names that look like theirs, as `PhotoFolder.find_alike` does, and note that.

        Args:
            folder: folder of the photos.
            names: names that no file has.
            taken: files that other names stand for; None counts as none.

        Returns:
            {name: name of the file}.
        """
        files = folder.find_alike(names, taken)
        self.note_alike(folder, names, files)
        return files

    def note_alike(self, folder: PhotoFolder, names: list[str], files: Mapping[str, str]) -> None:
        """Note names that no file has: those that are like one, and for `missing_photos` those that are like several.

        Args:
            folder: folder of the photos.
            names: the names.
            files: {name: name of the file} as `PhotoFolder.find_alike` gives it, of these names and of others.
        """
        for name in names:
            if name in files:
                self.note("photo", LIKE_A_FILE, f"{name} is {files[name]}")
            else:
                self._unclear[name] = folder.files_like(name)

    def missing_photos(self, source: str | os.PathLike, folder: str, names: list[str], count: int,
                       called: Mapping[str, str] | None = None, objects: Callable[[str], list] | None = None) -> None:
        """Report photos that are not in their folder, each as a Fault.

        Args:
            source: path of the annotations.
            folder: folder of the photos.
            names: names of the missing photos.
            count: number of all photos of the annotations.
            called: {name: what `find_alike` was asked for}, of names that it knows otherwise.
            objects: function of a missing name, or of a file that another name stands for, which gives its objects as
                `lost_beyond` takes them, or None of a file that no name stands for. A file that a missing name is like
                but for the look of its letters loses those that its own name has not.

        Raises:
            DataError: naming them all, where faults are to be raised.
        """
        alike = {name: self._unclear.get((called or {}).get(name, name)) for name in names}
        if names and not self._skips:
            absent, unclear = [n for n in names if not alike[n]], [n for n in names if alike[n]]
            shown = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
            reasons = [f"{len(absent)} of {count} photos are not in {folder}: {shown}"] if absent else []
            reasons += [f"{len(unclear)} of {count} photos cannot be told by their names: {name} "
                        f"{unclear_name(alike[name], folder)}" for name in unclear[:1]]
            raise DataError(f"{source}: {'; '.join(reasons)}: give the folder of the photos, or leave these out "
                            '(on_error="skip", --on-error skip).')
        for name in names:
            files = alike[name]
            reason = f"its name {unclear_name(files, folder)}" if files else f"the photo is not in {folder}"
            self.fault(source, Fault(name, "missing", reason))
            if objects and files and len(files) == 1 and is_whole_name(name, files[0]):
                kept = objects(files[0])
                if kept is not None:
                    self.lost_beyond(files[0], objects(name), kept)

    def lost_beyond(self, photo: str, dropped: Iterable[object], kept: Iterable[object]) -> None:
        """Count as lost to a photo what a dropped entry of it shows and the entry that is kept does not.

        Args:
            photo: `file_name` of the photo.
            dropped, kept: the objects of either: of each what is equal if the class and the outline are.
        """
        kept = list(kept)
        more = sum(one not in kept for one in dropped)
        if more:
            self.lost.append(Loss(photo, AT_FAULT, more))

    def finish_loading(self, source: str | os.PathLike) -> None:
        """Warn of what was skipped and of what is noted.

        Args:
            source: path of the annotations.

        Raises:
            DataError: no photo was loaded; the message tells the commonest reason.
        """
        photos_before, faults_before, notes_before = self._loaded_before
        for note in self.notes[notes_before:]:
            warnings.warn(f"{source}: {note}.", stacklevel=3)
        new = self.faults[faults_before:]
        for harmless, verb in ((False, "skipped"), (True, "found harmless faults:")):
            warn_of_faults(source, verb, [fault for fault in new if fault.harmless == harmless])
        if len(self.image_info) == photos_before:
            raise DataError(f"{source}: no photos remain: {self._why_none(new, self.notes[notes_before:])}.")
        if len(self.class_info) == 1:
            left_out = "".join(f" ({told})" for told in _most_left_out(self.notes[notes_before:]))
            raise DataError(f"{source}: it names no class{left_out}: give the objects names, and the file the list of "
                            "these.")

    def _why_none(self, faults, notes):
        """Why no photo was loaded, in words: the commonest fault of whole photos, and what most were left out for."""
        whole = [fault for fault in faults if fault.number is None]
        counts = Counter(fault.kind for fault in whole)
        reasons = []
        for kind, count in counts.most_common(1):
            first = next(fault for fault in whole if fault.kind == kind)
            of_all = f"{count} of {len(whole)} left out as" if len(counts) > 1 else f"all {count} left out as"
            remedy = ": give the folder of the photos (images=, --images)" if kind == "missing" else ""
            reasons.append(f"{of_all} {kind!r}, as {first}{remedy}")
        reasons += _most_left_out(notes)
        return "; ".join(reasons) or "there are none, or the limit or the classes keep none"


def _most_left_out(notes):
    """The note of what most was left out, as a list of a text; none if nothing was."""
    left_out = [note for note in notes if LEFT_OUT in note.how]
    return [str(note) for note in sorted(left_out, key=lambda note: -note.count)[:1]]
