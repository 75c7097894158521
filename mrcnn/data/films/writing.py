"""A film, written frame by frame with the time stamps and the sound of another; or a folder of pictures."""

import contextlib
import errno
import os
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mrcnn.data.films import load_av
from mrcnn.data.films.pixels import BT709, SMPTE170M
from mrcnn.data.films.reading import FilmReader
from mrcnn.data.films.sound import SoundTrack
from mrcnn.errors import UsageError


class Form(NamedTuple):
    """How a film is written.

    Args:
        container: name that FFmpeg knows it by.
        codec, pixels: of the pictures.
        options: of the codec.
        copied: codecs of sound that are copied as they are; others are encoded anew.
        sound: codec of that.
    """

    container: str
    codec: str
    pixels: str
    options: dict[str, str]
    copied: tuple[str, ...]
    sound: str


H264 = {"crf": "20", "preset": "fast"}
# Good quality in as little time as that takes; alternate reference frames and transparency exclude each other.
VP9 = {"crf": "28", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0"}
IN_MP4 = ("aac", "mp3", "ac3", "eac3", "alac")
FORMS = {
    ".mp4": Form("mp4", "libx264", "yuv420p", H264, IN_MP4, "aac"),
    ".mov": Form("mov", "libx264", "yuv420p", H264, (*IN_MP4, "pcm_s16le", "pcm_s24le", "pcm_s16be"), "aac"),
    ".mkv": Form("matroska", "libx264", "yuv420p", H264, (*IN_MP4, "opus", "vorbis", "flac", "pcm_s16le"), "aac"),
    ".webm": Form("webm", "libvpx-vp9", "yuv420p", VP9, ("opus", "vorbis"), "libopus"),
}
TRANSPARENT = {  # what browsers play, and what video editors take
    ".webm": FORMS[".webm"]._replace(pixels="yuva420p"),
    ".mov": FORMS[".mov"]._replace(codec="prores_ks", pixels="yuva444p10le", options={"profile": "4444"}),
}


def form_of(path: str | os.PathLike, transparent: bool = False) -> Form | None:
    """The Form of a file by the ending of its name; None for a name without one: a folder of PNG files.

    Raises:
        UsageError: films of this ending are not written, or not with transparency.
    """
    ending, forms = os.path.splitext(os.fspath(path))[1].lower(), TRANSPARENT if transparent else FORMS
    if not ending:
        return None
    if ending in forms:
        return forms[ending]
    folder = "a name without ending (a folder of PNG files)"
    if transparent and ending in FORMS:
        raise UsageError(f"--output {path}: H.264 in {ending} has no transparency: give a name in .webm (browsers), "
                         f".mov (video editors), or {folder}.")
    raise UsageError(f"--output {path}: films are written as {', '.join(forms)}, or to {folder}.")


class FilmWriter:
    """A film that is being written; its form and size are settled by the first frame.

    Args:
        path: of the file.
        form: Form.
        source: FilmReader whose time stamps and sound are those of this film.
        shift: seconds that are taken off all time stamps; None: those of the first frame.

    Attributes:
        notes: a line for the user on each thing that is not as in the source.
    """

    def __init__(self, path: str | os.PathLike, form: Form, source: FilmReader,
                 shift: Fraction | int | None = Fraction(0)):
        self._av, self.path, self.form, self.source = load_av(), os.fspath(path), form, source
        # The index goes to the front: browsers begin to play at once. What leads the decoder of copied sound in lies
        # before 0; Matroska would begin with it, and move all pictures by that.
        options = {"movflags": "+faststart"} if form.container in ("mp4", "mov") else {"avoid_negative_ts": "disabled"}
        self._container = self._av.open(f"file:{self.path}", "w", format=form.container, options=options)
        self._shift, self._stream, self._waiting, self._packets = shift, None, [], []
        self._sounds, self.notes, self.is_open = {}, [], True

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame.

        Args:
            image: uint8 [H, W, 3] RGB or, for a form with transparency, [H, W, 4] RGBA; all of one size.
            time: seconds in the source, each later than that before.
        """
        if self._stream is None:
            self._begin(image, time)
        height, width = image.shape[:2]
        even = np.pad(image, ((0, self._stream.height - height), (0, self._stream.width - width), (0, 0)), "edge")
        channels = "rgb24" if image.shape[2] == 3 else "rgba"
        rgb = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format=channels)
        frame = rgb.reformat(format=self.form.pixels, dst_colorspace="ITU709" if self.source.is_high else "ITU601")
        frame.pts, frame.time_base = round((time - self._shift) / self.source.time_base), self.source.time_base
        self._packets += self._encoded(frame)
        with self._named_errors():
            self._mux()

    def sound(self, packet: object) -> None:
        """Add a packet of sound of the source."""
        if self._stream is None:
            self._waiting.append(packet)  # the container is laid out with the first frame
            return
        self._packets += self._sounds[packet.stream.index].packets(packet, self._shift)
        with self._named_errors():
            self._mux()

    def close(self) -> None:
        """Write what encoders keep back and the file's end: then it can be played, however few its frames are."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            if self._stream is not None:
                self._packets += self._encoded(None)
                for track in self._sounds.values():
                    self._packets += track.rest()
                with self._named_errors():
                    self._mux()
        finally:
            with self._named_errors():
                self._container.close()

    def __enter__(self) -> "FilmWriter":
        return self

    def __exit__(self, kind: type | None, *rest: object) -> None:
        if kind is None:
            self.close()
        elif self.is_open:  # the error is what counts, not that the file cannot be ended either
            self.is_open = False
            with contextlib.suppress(self._av.FFmpegError, OSError):
                self._container.close()

    def _begin(self, image, time):
        least = time if self._shift is None else None
        self._shift = time if self._shift is None else self._shift
        stream = self._container.add_stream(self.form.codec, rate=self.source.rate, options=dict(self.form.options))
        height, width = image.shape[:2]
        odd = self.form.pixels.endswith("420p")  # colours of two by two pixels are one
        stream.height, stream.width = (side + side % 2 if odd else side for side in (height, width))
        if (stream.height, stream.width) != (height, width):
            self.notes.append(f"The film is {stream.width}x{stream.height} in place of {width}x{height}: its form "
                              "takes even sides only, so the last row or column is there twice.")
        stream.pix_fmt = self.form.pixels
        context = stream.codec_context
        context.time_base, context.sample_aspect_ratio = self.source.time_base, self.source.aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709 if self.source.is_high else SMPTE170M
        context.color_range = 1  # the narrow one of television
        if "yuva" in self.form.pixels and self.form.container == "webm":
            stream.metadata["alpha_mode"] = "1"
        self._sounds = {source.index: SoundTrack(self._container, source, self.form.copied, self.form.sound, self.notes)
                        for source in self.source.sounds}
        self._stream = stream
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            if least is None or packet.pts * packet.time_base >= least:  # what lies before 0 leads the decoder in
                self.sound(packet)

    def _mux(self):
        while self._packets:
            self._container.mux(self._packets.pop(0))

    def _encoded(self, frame):
        """The packets of a frame, or of what the encoder kept back."""
        try:
            return self._stream.encode(frame)
        except self._av.FFmpegError as error:
            raise UsageError(f"{self.form.codec} cannot encode pictures of {self._stream.width}x{self._stream.height} "
                             f"({error.strerror}): give --output another ending, or a smaller film.") from error

    @contextlib.contextmanager
    def _named_errors(self):
        """FFmpeg's errors as the system's, of this file, such as that of a full disk; a refusal is told as one."""
        try:
            yield
        except self._av.FFmpegError as error:
            if error.errno == errno.EINVAL or error.errno not in errno.errorcode:
                raise UsageError(f"FFmpeg cannot write this film as {self.form.container} ({error.strerror}): give "
                                 "--output another ending.") from error
            raise OSError(error.errno, error.strerror, self.path) from error


class PictureWriter:
    """A folder of PNG files in place of a film: 000000.png and so on; there is no sound.

    Args:
        path: of the folder, which is there.
        source: FilmReader.
    """

    def __init__(self, path: str | os.PathLike, source: FilmReader):
        self.path, self.count = os.fspath(path), 0
        self.notes = ["A folder of PNG files has no sound."] if source.sounds else []

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame: uint8 [H, W, 3] RGB or [H, W, 4] RGBA."""
        from PIL import Image

        Image.fromarray(image).save(os.path.join(self.path, f"{self.count:06d}.png"), compress_level=3)
        self.count += 1

    def sound(self, packet: object) -> None:
        """Leave a packet of sound out."""

    def close(self) -> None:
        """Nothing is kept back."""

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(self, *error: object) -> None:
        pass
