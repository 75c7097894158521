"""A film, read frame by frame: upright pixels, exact time stamps, and the packets of its sound between them."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mrcnn.data.films import load_av
from mrcnn.errors import DataError, UsageError

PICTURES = ("image2", "_pipe")  # ends of the names of formats that are one picture
HIGH = 720  # lines from which a film that does not tell its colours is taken for BT.709, as players do
UNTOLD, BT709, SMPTE170M = 2, 1, 6  # numbers of H.273 for a film's colours
HIGH_DYNAMIC_RANGE = (16, 18)  # transfer functions PQ and HLG of H.273
BEYOND = 2  # seconds after the last frame asked for in which its sound may still come
MISSING = Fraction(1, 2)  # seconds that a film may be shorter than it says, where it does not say its frames


class FilmFrame(NamedTuple):
    """One frame of a film.

    Args:
        image: uint8 [H, W, 3] RGB, upright.
        time: seconds in the film that was read.
    """

    image: np.ndarray
    time: Fraction


class FilmReader:
    """A film that is open for reading. What it could not give as it is stands in `notes`, each a line for the user.

    Args:
        path: of the film.
        start: seconds from which frames are given.
        end: seconds before which they end; None: the end of the film.

    Attributes:
        size: (H, W) of the upright frames, None before the first.
        time_base: seconds of which all time stamps are multiples.
        rate: mean frames a second.
        aspect: width of an upright pixel by its height.
        is_high: whether colours are those of BT.709, else of BT.601.
        sounds: streams of sound.
        expected: about how many frames there are to come, or None.
        fault: why the film ended before its end, or None.

    Raises:
        DataError: the file is no film that can be read; the message names it.
        UsageError: PyAV is not installed.
    """

    def __init__(self, path: str | os.PathLike, start: float = 0, end: float | None = None):
        self.path, self.start = os.fspath(path), _exact(start)
        self.end = None if end is None else _exact(end)
        self._av = load_av()
        self._container = self._opened()
        self._stream = self._video_stream()
        self._stream.thread_type = "AUTO"
        self.sounds = list(self._container.streams.audio)
        self.time_base = self._stream.time_base
        self.rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.aspect = self._stream.codec_context.sample_aspect_ratio or Fraction(1)
        self.size, self.is_high, self.fault = None, True, None
        self.notes, self._turns, self._damaged, self._resized, self._unordered = [], 0, [], 0, 0
        self._last, self._given, self._decoded = None, 0, 0
        begin = (self._stream.start_time or 0) * self.time_base
        self._duration = self._stream.duration * self.time_base if self._stream.duration else Fraction(
            self._container.duration or 0, 1_000_000)
        self._begin, self.expected = begin, self._expected_frames()
        if self._duration and self.start >= begin + self._duration:
            raise UsageError(f"--from {start:g}: {self.path} is {float(self._duration):.2f} s long: give an earlier "
                             "time.")
        self._tell_of_streams()

    def _opened(self):
        try:
            # "file:" in front: a colon in a name is no protocol; a list of other files may not lead into the network.
            container = self._av.open(f"file:{self.path}", options={"protocol_whitelist": "file"})
        except (self._av.FFmpegError, OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise DataError(f"{self.path}: no film that can be read ({why}): give a whole MP4, MOV, MKV, WebM or AVI "
                            "file.") from error
        if container.format.name.endswith(PICTURES):
            container.close()
            raise DataError(f"{self.path} is a picture, not a film: use mrcnn detect --image {self.path}.")
        return container

    def _video_stream(self):
        """The first stream of moving pictures: a cover of music is none."""
        covers = getattr(self._av.stream.Disposition, "attached_pic", 1024)
        films = [one for one in self._container.streams.video if not one.disposition & covers]
        if not films or films[0].codec_context is None:
            kinds = ", ".join(sorted({one.type for one in self._container.streams})) or "none"
            self._container.close()
            raise DataError(f"{self.path} has no stream of moving pictures (it has: {kinds}): give a film.")
        return films[0]

    def _tell_of_streams(self):
        others = [one for one in self._container.streams if one is not self._stream and one not in self.sounds]
        if others:
            kinds = ", ".join(sorted({one.type for one in others}))
            self.notes.append(f"{self.path}: {len(others)} streams beside film and sound are left out ({kinds}).")
        if self._stream.codec_context.color_trc in HIGH_DYNAMIC_RANGE:
            self.notes.append(f"{self.path} is of high dynamic range; it is read and written in standard range, which "
                              "looks paler: convert it by a video editor first if that matters.")

    def _expected_frames(self):
        if self.start or self.end is not None or not self._stream.frames:
            last = self._duration if self.end is None else min(self.end, self._duration or self.end)
            return round(float((last - self.start) * self.rate)) or None
        return self._stream.frames

    def __enter__(self) -> "FilmReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    # --- Frames and sound --------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[object]:
        """Yield each FilmFrame, and each packet of sound, in the order of the file.

        A packet that cannot be decoded is left out; where reading fails the film ends. Both are told by `notes`.
        """
        if self.start > 0:
            self._container.seek(int(self.start * 1_000_000), backward=True)
        ended = False  # of the pictures that are asked for
        for packet in self._packets():
            if packet.stream is not self._stream:
                if self._is_asked(packet):
                    yield packet
            elif not ended:
                for frame, time in self._timed(packet):
                    ended = self.end is not None and time >= self.end
                    if not ended and time >= self.start:
                        yield self._frame(frame, time)
            if ended and self._is_beyond(packet):
                break
        for frame, time in () if ended else self._timed(None):  # what the decoder kept back
            if time >= self.start and (self.end is None or time < self.end):
                yield self._frame(frame, time)
        self._tell_of_damage(ended)

    def _packets(self):
        packets = self._container.demux([self._stream, *self.sounds])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError as error:
                self.fault = error.strerror
                return
            if packet.size:  # the others only ask decoders for what they kept
                yield packet

    def _is_asked(self, packet):
        if packet.pts is None:
            return False
        time = packet.pts * packet.time_base
        return (not self.start or time >= self.start) and (self.end is None or time < self.end)

    def _is_beyond(self, packet):
        """Whether no sound that is asked for comes after a packet."""
        stamp = packet.pts if packet.dts is None else packet.dts
        return not self.sounds or (stamp is not None and stamp * packet.time_base > self.end + BEYOND)

    def _timed(self, packet):
        """Generator of (decoded frame, its seconds): those after the one before, if they are missing or go back."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except EOFError:
            frames = []
        except self._av.FFmpegError:
            self._damaged.append(self._given)
            frames = []
        for frame in frames:
            time = Fraction(0) if frame.pts is None else frame.pts * (frame.time_base or self.time_base)
            if self._last is not None and (frame.pts is None or time <= self._last):
                self._unordered += frame.pts is not None
                time = self._last + max(1, round(1 / (self.rate * self.time_base))) * self.time_base
            self._last, self._decoded = time, self._decoded + 1
            if frame.is_corrupt:
                self._damaged.append(self._given)
            yield frame, time

    def _frame(self, frame, time):
        """The FilmFrame of a decoded one."""
        self._given += 1
        if self.size is None:
            self._look_at_first(frame)
        elif (frame.width, frame.height) != self._coded:
            self._resized += 1
        colours = frame.colorspace if frame.colorspace != UNTOLD else BT709 if self.is_high else SMPTE170M
        frame.colorspace = colours
        image = frame.reformat(*self._coded, format="rgb24").to_ndarray()
        return FilmFrame(np.ascontiguousarray(np.rot90(image, self._turns)), time)

    def _look_at_first(self, frame):
        """Take size, colours and rotation, which hold for the whole film, from its first frame."""
        self._coded = (frame.width, frame.height)
        told = frame.colorspace
        self.is_high = told == BT709 if told in (BT709, 5, SMPTE170M) else frame.height >= HIGH
        angle = frame.rotation  # degrees, counter-clockwise, by which a player turns it
        self._turns = round(angle / 90) % 4
        if angle % 90:
            self.notes.append(f"{self.path} is to be shown turned by {angle} degrees; it is turned by "
                              f"{90 * self._turns}.")
        height, width = frame.height, frame.width
        self.size = (width, height) if self._turns % 2 else (height, width)
        self.aspect = 1 / self.aspect if self._turns % 2 else self.aspect

    def _is_short(self):
        """Whether a film that was read to its end lacks some of what it says that it has."""
        short = self._begin + self._duration - (self._last or 0) - 1 / self.rate  # seconds
        if self._stream.frames and not self.start:  # an uneven film's last frame may stand for seconds
            return self._decoded < self._stream.frames and short > 1 / (2 * self.rate)
        return short > max(MISSING, self._duration / 50)

    def _tell_of_damage(self, ended):
        """Put what was wrong with the film into `notes`."""
        last = float(self._last or 0)
        if not (self.fault or self._damaged or ended) and self.end is None and self._is_short():
            self.fault = f"it says that it is {float(self._duration):.2f} s long"
        if self.fault:
            self.notes.append(f"{self.path} is broken after frame {self._given}, at {last:.2f} s ({self.fault}): the "
                              "frames up to there are read; take a whole copy of the file for the rest.")
        if self._damaged:
            self.notes.append(f"{self.path} is damaged: pieces left out or marred: {len(self._damaged)}, the first "
                              f"after frame {self._damaged[0]}; take a whole copy of the file.")
        if self._resized:
            self.notes.append(f"{self.path}: {self._resized} frames of another size are resized to that of the first.")
        if self._unordered:
            self.notes.append(f"{self.path}: {self._unordered} frames whose time stamps go backwards follow the frame "
                              "before them.")

    @property
    def is_broken(self) -> bool:
        """Whether parts of the film could not be read; known when `parts` has ended."""
        return bool(self.fault or self._damaged)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with contextlib.suppress(self._av.FFmpegError):
            self._container.close()


def _exact(seconds):
    """Seconds as they were typed: 0.4 is two fifths, which no float is."""
    return Fraction(seconds).limit_denominator(1_000_000)
