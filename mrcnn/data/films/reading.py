"""A film, read frame by frame: upright pixels, exact time stamps, and the packets of its sound between them."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mrcnn.data.encoded import WHITE
from mrcnn.data.films import load_av
from mrcnn.data.films.pixels import DECODERS, Pixels
from mrcnn.errors import DataError, UsageError

PICTURES = ("image2", "_pipe")  # ends of the names of formats that are one picture
HIGH_DYNAMIC_RANGE = (16, 18)  # transfer functions PQ and HLG of H.273
BEYOND = 2  # seconds after the last frame asked for in which its sound may still come
# Formats whose length counts from the clock's 0, not from the film's beginning, as FFmpeg writes and reads it.
FROM_ZERO = ("matroska,webm", "asf", "nut")
MISSING = Fraction(1, 2)  # seconds that a film may be shorter than it says, where it does not say its frames


class FilmFrame(NamedTuple):
    """One frame of a film.

    Args:
        image: uint8 [H, W, 3] RGB, upright.
        time: seconds since the beginning of the film that was read.
    """

    image: np.ndarray
    time: Fraction


class FilmReader:
    """A film that is open for reading. What it could not give as it is stands in `notes`, each a line for the user.

    Args:
        path: of the film.
        start: seconds after the film's beginning from which frames are given.
        end: seconds before which they end; None: the end of the film.
        matte: RGB 0..255 of the colour under what is transparent.

    Attributes:
        pixels: Pixels of the frames; `size` and `is_high` are its own.
        time_base: seconds of which all time stamps are multiples.
        rate: mean frames a second.
        aspect: width of an upright pixel by its height.
        sounds: streams of sound that can be decoded here.
        expected: about how many frames there are to come, or None.
        fault: why the film ended before its end, or None.

    Raises:
        DataError: the file is no film that can be read; the message names it.
        UsageError: PyAV is not installed.
    """

    def __init__(self, path: str | os.PathLike, start: float = 0, end: float | None = None,
                 matte: tuple[int, int, int] = WHITE):
        self.path, self.start = os.fspath(path), _exact(start)
        self.end = None if end is None else _exact(end)
        self._av, self._matte = load_av(), matte
        self._open()
        self.time_base = self._stream.time_base
        self.rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.pixels, self.fault = Pixels(self.path, matte), None
        self.notes, self._damaged, self._unordered = [], [], 0
        self._last, self._given, self._decoded = None, 0, 0
        self._origin, self._length = self._origin_and_length()
        self.expected = self._expected_frames()
        self._check_start(self._length)
        self._tell_of_streams()

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of the upright frames, None before the first."""
        return self.pixels.size

    @property
    def is_high(self) -> bool:
        """Whether colours are those of BT.709, else of BT.601."""
        return self.pixels.is_high

    @property
    def aspect(self) -> Fraction:
        """Width of an upright pixel by its height."""
        lying = self._stream.codec_context.sample_aspect_ratio or Fraction(1)
        return 1 / lying if self.pixels.is_lying else lying

    def _open(self):
        """Open the file at its beginning: a second time where there is no other way back."""
        self._container = self._opened()
        self._stream = self._video_stream()
        self._stream.thread_type = "AUTO"
        self.sounds = [one for one in self._container.streams.audio if one.codec_context is not None]
        self._decoder = self._decoder_of_stream()

    def _decoder_of_stream(self):
        """The decoder of the pictures: one that keeps transparency, where the film says that it has some."""
        context = self._stream.codec_context
        name = DECODERS.get(context.name) if self._stream.metadata.get("alpha_mode") == "1" else None
        return self._av.CodecContext.create(name, "r") if name in self._av.codecs_available else context

    def _check_start(self, length):
        """Raise UsageError if a film of some seconds, 0 if these are not known, ends before `start`."""
        if length and self.start >= length:
            raise UsageError(f"--from {float(self.start):g}: {self.path} is {float(length):.2f} s long: give an "
                             "earlier time.")

    def _origin_and_length(self):
        """(seconds of the container's clock at which the film begins, seconds from there to its end or 0).

        Clocks of broadcasts begin anywhere. Sound before the time 0 only leads its decoder in.
        """
        begin, *sounds = ((one.start_time or 0) * one.time_base for one in (self._stream, *self.sounds))
        origin = min([begin, *(max(Fraction(0), sound) for sound in sounds)]) // self.time_base * self.time_base
        if self._stream.duration:
            length = self._stream.duration * self.time_base
        else:
            begin = Fraction(self._container.start_time or 0, 1_000_000)
            length = Fraction(self._container.duration or 0, 1_000_000)
        if self._container.format.name in FROM_ZERO:
            made_by = next((text for name, text in self._container.metadata.items() if name.lower() == "encoder"), "")
            begin = origin if "libmatroska" in made_by or length <= origin else 0  # mkvmerge writes mere lengths
        return origin, begin - origin + length if length else length

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
        known = [one for one in films if one.codec_context is not None]
        if not known:
            kinds = ", ".join(sorted({one.type for one in self._container.streams})) or "none"
            self._container.close()
            if films:
                raise DataError(f"{self.path}: there is no decoder for its pictures here: convert it to MP4 first.")
            raise DataError(f"{self.path} has no stream of moving pictures (it has: {kinds}): give a film.")
        # An animated AVIF has a still for those who show no animation in front.
        moving = [one for one in known if (one.frames or 0) > 1]
        return moving[0] if moving and known[0].frames == 1 else known[0]

    def _tell_of_streams(self):
        mute = [one for one in self._container.streams.audio if one not in self.sounds]
        if mute:
            count = len(mute) + len(self.sounds)
            self.notes.append(f"{self.path}: {len(mute)} of {count} streams of sound are left out, for which there is "
                              "no decoder here: convert the sound first, as to AAC, if it matters.")
        others = [one for one in self._container.streams
                  if one is not self._stream and one not in self.sounds and one not in mute]
        if others:
            kinds = ", ".join(sorted({one.type for one in others}))
            self.notes.append(f"{self.path}: {len(others)} streams beside film and sound are left out ({kinds}).")
        if self._stream.codec_context.color_trc in HIGH_DYNAMIC_RANGE:
            self.notes.append(f"{self.path} is of high dynamic range; it is read and written in standard range, which "
                              "looks paler: convert it by a video editor first if that matters.")
        if self._stream.metadata.get("alpha_mode") == "1" and self._decoder is self._stream.codec_context:
            self.notes.append(f"{self.path} has transparency in {self._decoder.name}, which this PyAV cannot read: "
                              "what is transparent shows what lies below; convert the film to ProRes 4444 (.mov).")

    def _expected_frames(self):
        if self.start or self.end is not None or not self._stream.frames:
            last = self._length if self.end is None else min(self.end, self._length or self.end)
            return max(0, round(float((last - self.start) * self.rate))) or None
        return self._stream.frames

    def __enter__(self) -> "FilmReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def again(self) -> "FilmReader":
        """The same part of the film, opened a second time at its beginning."""
        return FilmReader(self.path, self.start, self.end, self._matte)

    # --- Frames and sound --------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[object]:
        """Yield each FilmFrame, and each packet of sound, in the order of the file.

        A packet that cannot be decoded is left out; where reading fails the film ends. Both are told by `notes`.

        Raises:
            DataError: the film cannot be read on; the message names it.
        """
        try:
            yield from self._parts()
        except self._av.FFmpegError as error:
            raise DataError(f"{self.path}: cannot be read after frame {self._given} ({error.strerror}): convert the "
                            "film to MP4 first.") from error

    def _parts(self):
        ended = False  # of the pictures that are asked for
        for packet in self._from_start() if self.start > 0 else self._packets():
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
        if not (self._given or self.fault or self._last is None):
            self._check_start(self._last + 1 / self.rate)
        self._tell_of_damage(ended)

    def _from_start(self):
        """Packets from one on with which all pictures from `start` on can be decoded.

        Formats without an index lead somewhere near, from where decoders give nothing up to the next whole picture;
        some, as raw H.264, lead nowhere.
        """
        back = 0
        while back < self.start:
            with contextlib.suppress(self._av.FFmpegError):
                self._container.seek(int((self._origin + self.start - back) * 1_000_000), backward=True)
                packets = self._packets()
                ahead = self._until_whole(packets)
                for decoder in (self._stream.codec_context, self._decoder):
                    decoder.flush_buffers()
                if ahead:
                    return itertools.chain(ahead, packets)
            back, self.fault = 2 * back or 1, None
        self._container.close()
        self._open()
        return self._packets()

    def _until_whole(self, packets):
        """The packets up to the first whole picture; None if that is later than `start`, or its time is not known."""
        ahead = []
        for packet in itertools.chain(packets, [None]):
            ahead += [packet] if packet else []
            for frame in self._probed(packet) if packet is None or packet.stream is self._stream else ():
                time = self._seconds_of(frame, self._stream.codec_context)
                if time is None or time > self.start:
                    return None
                if frame.key_frame:
                    return ahead
        return None

    def _probed(self, packet):
        try:
            return self._stream.codec_context.decode(packet)
        except self._av.FFmpegError:  # the end, or what lies before the first whole picture
            return ()

    def _packets(self):
        """Generator of packets, their stamps counted from the beginning of the film."""
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
                shift = round(self._origin / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
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
            frames = self._decoder.decode(packet)
        except EOFError:
            frames = []
        except self._av.FFmpegError:
            if self._decoded or not self.start:  # else it is what lies before the first whole picture
                self._damaged.append(self._given)
            frames = []
        for frame in frames:
            told = self._seconds_of(frame, self._decoder)
            time = told or Fraction(0)
            if self._last is not None and (told is None or time <= self._last):
                self._unordered += told is not None
                time = self._last + max(1, round(1 / (self.rate * self.time_base))) * self.time_base
            self._last, self._decoded = time, self._decoded + 1
            if frame.is_corrupt and time >= self.start:
                self._damaged.append(self._given)
            yield frame, time

    def _seconds_of(self, frame, decoder):
        """Seconds of a decoded frame; None if they are not known.

        AVI tells when frames are decoded, not when they are shown: what FFmpeg makes of that goes back and forth.
        """
        if self._container.format.name != "avi":
            return None if frame.pts is None else frame.pts * (frame.time_base or self.time_base)
        waits = getattr(decoder, "reorder_depth", int(decoder.has_b_frames))  # frames that it keeps back to sort them
        return None if frame.dts is None else max(Fraction(0), (frame.dts - waits) * self.time_base)

    def _frame(self, frame, time):
        """The FilmFrame of a decoded one."""
        self._given += 1
        return FilmFrame(self.pixels.of(frame), time)

    def _is_short(self):
        """Whether a film that was read to its end lacks some of what it says that it has."""
        short = self._length - (self._last or 0) - 1 / self.rate  # seconds
        if self._stream.frames and not self.start:  # an uneven film's last frame may stand for seconds
            return self._decoded < self._stream.frames and short > 1 / (2 * self.rate)
        return short > max(MISSING, self._length / 50)

    def _tell_of_damage(self, ended):
        """Put what was wrong with the film into `notes`."""
        last = float(self._last or 0)
        if not (self.fault or self._damaged or ended) and self.end is None and self._is_short():
            self.fault = f"it says that it is {float(self._length):.2f} s long"
        if self.fault:
            self.notes.append(f"{self.path} is broken after frame {self._given}, at {last:.2f} s ({self.fault}): the "
                              "frames up to there are read; take a whole copy of the file for the rest.")
        if self._damaged:
            self.notes.append(f"{self.path} is damaged: pieces left out or marred: {len(self._damaged)}, the first "
                              f"after frame {self._damaged[0]}; take a whole copy of the file.")
        pixels = self.pixels
        self.notes += pixels.notes
        if pixels.resized:
            self.notes.append(f"{self.path}: {pixels.resized} frames of another size are resized to that of the "
                              "first.")
        if pixels.seen_through:
            colour = "#{:02x}{:02x}{:02x}".format(*pixels.matte)
            self.notes.append(f"{self.path}: {pixels.seen_through} frames with transparent parts are laid over the "
                              f"colour {colour}; --matte takes another.")
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
