"""A film, written frame by frame with the time stamps and the sound of another; or a folder of pictures."""

import contextlib
import os
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mrcnn.data.films import load_av
from mrcnn.data.films.pixels import BT709, SMPTE170M
from mrcnn.data.films.reading import FilmReader
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
        # The index goes to the front: browsers begin to play at once.
        options = {"movflags": "+faststart"} if form.container in ("mp4", "mov") else {}
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
        with self._named_errors():
            self._packets += self._stream.encode(frame)
            self._mux()

    def sound(self, packet: object) -> None:
        """Add a packet of sound of the source."""
        if self._stream is None:
            self._waiting.append(packet)  # the container is laid out with the first frame
            return
        stream, copied = self._sounds[packet.stream.index]
        with self._named_errors():
            if copied:
                shift = round(self._shift / packet.time_base)
                packet.pts -= shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = stream
                self._packets.append(packet)
            else:
                self._encode_sound(stream, packet)
            self._mux()

    def close(self) -> None:
        """Write what encoders keep back and the file's end: then it can be played, however few its frames are."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            with self._named_errors():
                if self._stream is not None:
                    for stream in (self._stream, *(stream for stream, copied in self._sounds.values() if not copied)):
                        self._packets += stream.encode(None)
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
        self._sounds = {source.index: self._sound_stream(source) for source in self.source.sounds}
        self._stream = stream
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            if least is None or packet.pts * packet.time_base >= least:  # what lies before 0 leads the decoder in
                self.sound(packet)

    def _sound_stream(self, source):
        """(stream, whether packets are copied into it) for a stream of sound."""
        codec = source.codec_context.codec.canonical_name
        if codec in self.form.copied:
            with contextlib.suppress(ValueError):
                return self._container.add_stream_from_template(source), True
        self.notes.append(f"The sound is encoded anew, as {self.form.sound}: {self.form.container} takes no {codec}.")
        # Opus knows no other rates than 48 kHz and its parts.
        rate = 48000 if self.form.sound == "libopus" else source.rate
        stream = self._container.add_stream(self.form.sound, rate=rate)
        stream.layout = source.layout.name
        return stream, False

    def _encode_sound(self, stream, packet):
        try:
            frames = packet.decode()
        except self._av.FFmpegError:
            return  # a gap in the sound, which plays on
        for frame in frames:
            frame.pts -= round(self._shift / frame.time_base)
            self._packets += stream.encode(frame)

    def _mux(self):
        while self._packets:
            self._container.mux(self._packets.pop(0))

    @contextlib.contextmanager
    def _named_errors(self):
        """FFmpeg's errors as the system's, of this file, such as that of a full disk."""
        try:
            yield
        except self._av.FFmpegError as error:
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
