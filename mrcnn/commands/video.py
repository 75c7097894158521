"""The command `video`: what a checkpoint finds in a film, drawn into it, with a number for each object."""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import itertools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TextIO

from mrcnn.commands.options import add_matte, add_output, add_tiles, add_tta, positive, probability
from mrcnn.commands.runs import add_weights, checkpoint_of, load_model, output_folder, refuse_scores
from mrcnn.commands.settings import overrides_of
from mrcnn.data.class_names import names_of_model
from mrcnn.errors import DataError, UsageError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.commands.runs import Model
    from mrcnn.data.films.reading import FilmFrame, FilmReader
    from mrcnn.data.films.writing import FilmWriter, Form, PictureWriter

UNSEEN, SMOOTH = 30, 0.5  # frames, and share of the masks before
CAMERA = re.compile(r"camera|webcam|\d+|/dev/video\d+")


def video(options: argparse.Namespace) -> int:
    """Draw what is found in a film into a copy of it, and write it as JSON lines.

    Returns:
        The exit code.
    """
    from mrcnn.data.encoded import WHITE
    from mrcnn.data.films.reading import FilmReader
    from mrcnn.data.films.writing import form_of

    check_usage(options)
    overrides = overrides_of(options)
    path = checkpoint_of(options)
    output = film_path(options, path)
    form = form_of(output, options.cut_out)
    with FilmReader(options.video, options.start, options.end, options.matte or WHITE) as film:
        names = [output, lines_path(output)]
        check_not_source(options.video, names)
        claim_outputs(names, options.overwrite)
        model = load_model(path, options, overrides)
        refuse_scores(model, path, {"--min-confidence": options.min_confidence, "--unseen": options.unseen,
                                    "--smooth": options.smooth, "--scores": options.scores or None})
        done, interruption = write_film(options, film, model, output, form)
    tell(film, done, output)
    if interruption:
        print(f"the rest of the film: --from {done.rest}, with another --output", file=sys.stderr)
        raise interruption
    return 2 if film.is_broken else 0


def check_usage(options: argparse.Namespace) -> None:
    """Raise UsageError for what cannot be, before anything is opened."""
    if CAMERA.fullmatch(options.video) and not os.path.isfile(options.video):
        raise UsageError(f"--video {options.video}: cameras are not read: record a film first, for example by ffmpeg "
                         "-f v4l2 -i /dev/video0 film.mp4, and give that.")
    if os.path.isdir(options.video) or not os.path.exists(options.video):
        what = "is a folder" if os.path.isdir(options.video) else "does not exist"
        raise UsageError(f"--video {options.video} {what}: give the file of a film.")
    if options.end is not None and options.end <= options.start:
        raise UsageError(f"--to {options.end:g} is not after --from {options.start:g}: give a later second.")


def film_path(options: argparse.Namespace, checkpoint: str) -> str:
    """Path of the film to write: --output, or a file of the film's name in the run's folder `videos`."""
    if options.output:
        return options.output.rstrip("/\\") or options.output
    stem = os.path.splitext(os.path.basename(options.video))[0]
    return os.path.join(output_folder(options, checkpoint, "videos"), stem + (".webm" if options.cut_out else ".mp4"))


def lines_path(output: str) -> str:
    """Path of the JSON lines beside a film or a folder of pictures."""
    return (os.path.splitext(output)[0] or output) + ".jsonl"


def check_not_source(source: str, names: Sequence[str]) -> None:
    """Raise UsageError if the film would be written over the one that is read."""
    if os.path.realpath(source) in map(os.path.realpath, names):
        raise UsageError(f"--output {names[0]} is the film that is read: give another name.")


# --- The film --------------------------------------------------------------------------------------------------------


class Done(NamedTuple):
    """What was written.

    Args:
        frames: how many.
        end: seconds in the source of the last one.
        rest: seconds in the source after the last one and no later than the next, as --from takes them.
        seconds: that it took.
        tracks: {class name: number of tracks}; None of a network of label maps.
        notes: what is not as in the source.
    """

    frames: int
    end: float
    rest: str
    seconds: float
    tracks: collections.Counter[str] | None
    notes: list[str]


def write_film(options: argparse.Namespace, film: FilmReader, model: Model, output: str,
               form: Form | None) -> tuple[Done, KeyboardInterrupt | None]:
    """Write the film and its JSON lines, whole or, when interrupted, up to there.

    Returns:
        (Done, the KeyboardInterrupt that ended it or None).

    Raises:
        DataError: the film has no frame that can be read.
    """
    from mrcnn.data.films.writing import FilmWriter, PictureWriter
    from mrcnn.files import whole_file, whole_files, whole_folder

    interruption, names, started = None, names_of_model(model), time.monotonic()
    with contextlib.ExitStack() as stack:
        if form is None:
            folder, lines_file = stack.enter_context(whole_folder(output)), stack.enter_context(
                whole_file(lines_path(output)))
            writer = PictureWriter(folder, film)
        else:
            film_file, lines_file = stack.enter_context(whole_files(output, lines_path(output)))
            writer = FilmWriter(film_file, form, film, shift=None if options.start else 0)
        writer = stack.enter_context(writer)
        lines = stack.enter_context(open(lines_file, "w", encoding="utf-8"))
        run = Run(options, film, model, names, writer, lines)
        try:
            with progress_bar("Film") as show:
                run.all(show)
        except KeyboardInterrupt as error:
            if not run.frames:
                raise  # there is nothing that could be played
            interruption = error
        if not run.frames:
            part = film.start > 0 or film.end is not None
            raise DataError(f"{film.path}: no frame of it can be read" + (
                f" ({film.fault})" if film.fault else " in that time" if part else "") + ".")
        writer.close()
    counts = None
    if run.tracks is not None:
        counts = collections.Counter(names[class_id] for class_id in run.tracks.values())
    took = time.monotonic() - started
    done = Done(run.frames, float(run.last), between(run.last, run.following()), took, counts, writer.notes)
    return done, interruption


class Run:
    """The way of a film's frames through the network into the new film.

    Args:
        options: of the command.
        film: FilmReader.
        model: that looks at its frames.
        names: of its classes.
        writer: FilmWriter or PictureWriter.
        lines: text file of the JSON lines.

    Attributes:
        tracks: {track: class id} of the frames that are written, which are fewer than those looked at where the run is
            interrupted; None of a network of label maps.
    """

    def __init__(self, options: argparse.Namespace, film: FilmReader, model: Model, names: list[str],
                 writer: FilmWriter | PictureWriter, lines: TextIO) -> None:
        from mrcnn.inference.attributes import names_of
        from mrcnn.inference.video import Follower, Labelling

        self.options, self.film, self.names, self.writer, self.lines = options, film, names, writer, lines
        self.finds = hasattr(model, "detect")
        if self.finds:
            self.looker = Follower(model, float(model.config.DETECTION_MIN_CONFIDENCE),
                                   max(1, (options.unseen or UNSEEN) // options.every),
                                   SMOOTH if options.smooth is None else options.smooth)
        else:
            self.looker = Labelling(model)
        self.tracks = {} if self.finds else None
        self.batch, self.ahead = max(1, int(model.config.BATCH_SIZE)), None
        self.frames, self.first, self.last, self.held, self.waiting = 0, None, Fraction(0), None, []
        self.draw = functools.partial(drawn, options, names, names_of(model.config), self.finds)

    def all(self, show: Callable[[int, int | None], None]) -> None:
        """Write all frames; `show` is told how far it is."""
        # Frames between those of one batch would wait for it, decoded: they are read once more instead. A pipe cannot.
        if self.batch > 1 and self.options.every > 1 and os.path.isfile(self.film.path):
            with contextlib.closing(self.looking_ahead()) as self.ahead:
                self.read(show)
        else:
            self.read(show)

    def looking_ahead(self) -> Iterator[list[dict] | np.ndarray]:
        """Yield what is found in every N-th frame, in batches, from a reading of the film of its own."""
        from mrcnn.data.films.reading import FilmFrame

        with self.film.again() as film:
            frames = (part.image for part in film.parts() if isinstance(part, FilmFrame))
            frames = itertools.islice(frames, 0, self.options.limit, self.options.every)
            while found := self.look_at(itertools.islice(frames, self.batch)):
                yield from found

    def look_at(self, images: Iterable[np.ndarray]) -> list[list[dict] | np.ndarray]:
        """What is found in each of some frames, which are not kept."""
        images = list(images)
        return self.looker.follow(images) if images else []

    def read(self, show: Callable[[int, int | None], None]) -> None:
        """Read the film, and write its frames as soon as what they show is known."""
        from mrcnn.data.films.reading import FilmFrame

        limit = self.options.limit
        total = self.film.expected if limit is None else min(limit, self.film.expected or limit)
        for part in self.film.parts():
            if not isinstance(part, FilmFrame):
                self.writer.sound(part)
                continue
            self.waiting.append(part)
            is_last = limit is not None and self.frames + len(self.waiting) >= limit
            if is_last or self.is_enough():
                self.some(self.waiting)
                self.waiting = []
                show(self.frames, None if total is None else max(total, self.frames))
            if is_last:
                return
        if self.waiting:
            self.some(self.waiting)
            show(self.frames, self.frames)

    def is_enough(self) -> bool:
        """Whether the frames that wait can be written: a batch of them is to be looked at, or none."""
        every = self.options.every
        looks = -(-(self.frames + len(self.waiting)) // every) - -(-self.frames // every)
        return not looks or looks >= self.batch or self.ahead is not None

    def following(self) -> Fraction:
        """Seconds in the source of the first frame that is not written, or the least that they can be."""
        unwritten = [frame.time for frame in self.waiting if frame.time > self.last]
        return unwritten[0] if unwritten else self.last + self.film.time_base

    def some(self, frames: Sequence[FilmFrame]) -> None:
        """Look at every N-th of some frames, and write them all: those between are given what was found before."""
        every = self.options.every
        looked_at = [frame for number, frame in enumerate(frames, start=self.frames) if number % every == 0]
        found = self.ahead or iter(self.look_at(frame.image for frame in looked_at))
        for frame in frames:
            fresh = self.frames % every == 0
            if fresh:
                self.held = next(found, None)
                if self.held is None:  # the reading ahead broke off before this one
                    [self.held] = self.look_at([frame.image])
            self.first = frame.time if self.first is None else self.first
            self.writer.write(self.draw(frame.image, self.held), frame.time)
            self.lines.write(json.dumps(self.line(frame, fresh), ensure_ascii=False) + "\n")
            self.frames, self.last = self.frames + 1, frame.time
            if self.finds:
                self.tracks.update((one["track"], one["class_id"]) for one in self.held)

    def line(self, frame: FilmFrame, fresh: bool) -> dict:
        """What JSON holds of a frame."""
        shift = self.first if self.options.start else 0
        objects = objects_of(self.held, self.names) if self.finds else areas_of(self.held, self.names)
        return {"frame": self.frames, "time": round(float(frame.time - shift), 6),
                "source_time": round(float(frame.time), 6), "looked_at": fresh, "objects": objects}


def drawn(options: argparse.Namespace, names: list[str], attribute_names: list[str], finds: bool,
          image: np.ndarray, found: list[dict] | np.ndarray) -> np.ndarray:
    """A frame as the options want it drawn: uint8 [H, W, 3], with --cut-out [H, W, 4].

    Args:
        names: of the classes.
        attribute_names: that the network tells.
        finds: whether `found` are objects, else a label map.
        image: uint8 [H, W, 3].
    """
    from mrcnn.drawing import frames

    if not (options.splash or options.blur or options.cut_out):
        return frames.draw_tracks(image, found, names, options.scores, attribute_names) if finds else (
            frames.draw_labels(image, found, names))
    inside = frames.covered(found, image.shape[:2]) if finds else found > 0
    if options.splash:
        return frames.splash(image, inside)
    if options.cut_out:
        return frames.cut_out(image, inside)
    return frames.blur(image, inside if options.blur == "objects" else ~inside)


def objects_of(objects: list[dict], names: list[str]) -> list[dict]:
    """Objects as COCO's results name things, with their tracks."""
    result = []
    for one in objects:
        y1, x1, y2, x2 = (round(float(value), 2) for value in one["box"])
        result.append({"track": one["track"], "category_id": one["class_id"], "category": names[one["class_id"]],
                       "score": round(one["score"], 4), "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                       "segmentation": one["rle"]})
        if "attributes" in one:
            result[-1]["attributes"] = {name: round(score, 4) for name, score in one["attributes"].items()}
    return result


def areas_of(labels: np.ndarray, names: list[str]) -> list[dict]:
    """The classes of a label map that occur, background left out, each with the run lengths of where it is."""
    import numpy as np

    from mrcnn.data import run_lengths

    return [{"category_id": int(label), "category": names[label], "segmentation": run_lengths.encode(labels == label)}
            for label in np.unique(labels) if 0 < label < len(names)]


def between(last: Fraction, following: Fraction) -> str:
    """The shortest number of seconds after one frame's and up to the next one's, which --from goes on with."""
    for digits in range(7):
        value = math.floor(following * 10**digits)
        if Fraction(value, 10**digits) > last:
            return f"{value / 10**digits:.{digits}f}"
    return f"{float(following):.6f}"


# --- What the user is told -------------------------------------------------------------------------------------------


def tell(film: FilmReader, done: Done, output: str) -> None:
    """Print what was written, and on stderr what is not as in the source."""
    for note in (*film.notes, *done.notes):
        print(f"note: {note}", file=sys.stderr)
    counts = ""
    if done.tracks is not None:
        kinds = ", ".join(f"{name} {count}" for name, count in done.tracks.most_common())
        counts = f", {sum(done.tracks.values())} objects" + (f" ({kinds})" if kinds else "")
    speed = done.frames / max(done.seconds, 1e-9)
    print(f"{done.frames} frames, up to {done.end:.2f} s of the film{counts}, {speed:.1f} frames/s; it is {output}, "
          f"what was found in it {lines_path(output)}")


def seconds(text: str) -> float:
    """A number of seconds, 90 or 1:30, at least 0."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    value = sum(part * 60**power for power, part in enumerate(reversed(parts)))
    if not 1 <= len(parts) <= 3 or not all(math.isfinite(part) and part >= 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, as 12.5, or 1:30")
    return value


def add_video(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "video", video, "Draw what is found in a film into it, each object with a number "
                          "that it keeps; write it as JSON lines.")
    add_weights(command)
    command.add_argument("--video", required=True, metavar="FILE", help="the film: MP4, MOV, MKV, WebM, AVI and others")
    add_output(command, "FILE|DIR", "film to write, .mp4, .mov, .mkv or .webm, or without ending a folder of PNG files;"
               " what is found goes beside it as .jsonl (default: NAME.mp4 in the folder videos of the run)")
    command.add_argument("--from", dest="start", type=seconds, default=0.0, metavar="S", help="begin at this second "
                         "of the film, or minute:second")
    command.add_argument("--to", dest="end", type=seconds, metavar="S", help="end before this second")
    command.add_argument("--every", type=positive, default=1, metavar="N", help="look at every N-th frame; those "
                         "between show what was found before (default 1)")
    command.add_argument("--unseen", type=positive, metavar="N", help="frames that an object may be unseen "
                         f"and keep its number (default {UNSEEN})")
    command.add_argument("--smooth", type=probability, metavar="P", help="share of the masks before in "
                         f"that of an object (default {SMOOTH:g}; 0: each as it is found)")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score with which an object appears; it stays down to half of that (default: the "
                              "checkpoint's DETECTION_MIN_CONFIDENCE)")
    look = command.add_mutually_exclusive_group()
    look.add_argument("--splash", action="store_true", help="objects in colour, the rest grey, in place of outlines")
    look.add_argument("--blur", nargs="?", const="objects", choices=("objects", "background"),
                      help="blur the objects (without a value), or all else")
    look.add_argument("--cut-out", action="store_true", help="objects alone on transparent ground: .webm (VP9, for "
                      "browsers), .mov (ProRes 4444, for video editors) or a folder of PNG files")
    look.add_argument("--scores", action="store_true", help="write the scores beside classes and numbers")
    add_matte(command)
    add_tta(command)
    add_tiles(command)
