"""What `detect` and `label` share: photos through a network, what is written of each, and what a former process did."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mrcnn.commands.resume import Journal, identity_of, journal_of, left_to_do, stamp_of
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.commands.runs import Model
    from mrcnn.data.dataset import Dataset
    from mrcnn.inference.pipeline import Steps


class PhotoRun:
    """The photos of a command.

    Args:
        options: of the command; --image names the photos.
        dataset: prepared Dataset of them.
        folder: that is written to.
        files_of: function from an image id to the names of the files that are written of it.

    Attributes:
        outcome: {image id: {"error": text} or what was noted of it}, of `look`.
    """

    def __init__(self, options: argparse.Namespace, dataset: Dataset, folder: str,
                 files_of: Callable[[int], list[str]]) -> None:
        self.options, self.dataset, self.folder, self.files_of = options, dataset, folder, files_of
        self.outcome = {}

    def journal(self, path: str, overrides: dict, **more: object) -> contextlib.AbstractContextManager[Journal]:
        """The journal of the run; of a single photo, and of drawn pictures, none is kept.

        Args:
            path: of the checkpoint.
            overrides: settings that the options ask for.
            **more: what else results depend on.
        """
        if self.options.image is None or len(self.dataset.image_ids) < 2:
            return contextlib.nullcontext(Journal())
        identity = {**identity_of(self.options, path, overrides), **more, "drawings": self.options.drawings}
        return journal_of(self.folder, identity, self.options.resume)

    def make_ready(self, model: Model) -> None:
        """Spare a model the compiling of its graph where that is run a few times."""
        from mrcnn.inference.predictor import FEW
        from mrcnn.inference.views import views_of

        if hasattr(model, "skip_compiling") and self.options.tile is None:
            looks = len(views_of(model.config)) * math.ceil(len(self.dataset.image_ids) / model.config.BATCH_SIZE)
            if looks <= FEW:
                model.skip_compiling()

    def look(self, journal: Journal, what: str, steps: Steps, write: Callable[[int, np.ndarray, Any], dict],
             size: int) -> int:
        """Take the photos that are not done through the network; those that cannot be read are named on stderr.

        Args:
            journal: of the run.
            what: text in front of the progress, as "Detecting".
            steps: `mrcnn.inference.pipeline.Steps` of the network.
            write: function (image id, photo, result) that writes the photo's files and gives a dict for the journal.
            size: number of photos that the network looks at together.

        Returns:
            Number of photos that could be read.
        """
        from mrcnn.inference.pipeline import READERS, through

        image_ids = [int(image_id) for image_id in self.dataset.image_ids]
        batches = [image_ids[start:start + size] for start in range(0, len(image_ids), max(1, size))]
        batches = left_to_do(batches, lambda image_id: self._is_done(journal, image_id))
        left = {image_id for batch in batches for image_id in batch}
        for image_id in image_ids:
            if image_id not in left:
                self._note(image_id, journal.done[self._name(image_id)])
        if journal.done:
            print(f"{len(image_ids) - len(left)} of {len(image_ids)} photos are done.")
        stamps = {image_id: self._stamp(image_id) for image_id in left}
        readers = READERS if self.dataset.image_info[0].get("path") else 1  # an array is read by one at a time
        with progress_bar(what, "photos") as show:
            seen = through(batches, self.dataset.load_image, steps, write, readers)
            for count, (image_id, noted, error) in enumerate(seen, 1):
                entry = {"stamp": stamps[image_id], **(noted if error is None else {"error": str(error)})}
                self._note(image_id, entry)
                journal.add(self._name(image_id), **entry)
                show(count, len(left))
        journal.finish()
        return sum("error" not in entry for entry in self.outcome.values())

    def _note(self, image_id, entry):
        self.outcome[image_id] = entry
        if "error" in entry:
            print(f"skipped: {entry['error']}", file=sys.stderr)

    def _name(self, image_id):
        return str(self.dataset.image_info[image_id]["id"])

    def _stamp(self, image_id):
        return stamp_of(self.dataset.image_info[image_id].get("path") or self.options.image or "")

    def _is_done(self, journal, image_id):
        entry = journal.done.get(self._name(image_id))
        if entry is None or entry.get("stamp") != self._stamp(image_id):
            return False
        files = [os.path.join(self.folder, name) for name in self.files_of(image_id)]
        return "error" in entry or all(map(os.path.isfile, files))


def add_photo_run(command: argparse.ArgumentParser, without: str) -> None:
    """Give a command the options of a run.

    Args:
        command: its parser.
        without: what `--drawings none` does.
    """
    command.add_argument("--drawings", choices=("all", "none"), default="all",
                         help=f"none: {without}, which saves time and disk space")
    command.add_argument("--resume", action="store_true",
                         help="go on with a folder of photos where this command was stopped before")
