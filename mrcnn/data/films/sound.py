"""Sound of a new film: copied, encoded anew in a rate and channels that the encoder takes, or left out and told."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from mrcnn.data.films import load_av

if TYPE_CHECKING:
    import av

MOST = 8  # channels that players know the places of
MIXES = {8: "7.1", 6: "5.1", 2: "stereo", 1: "mono"}  # channels: what more of them are mixed to
REMEDY = "convert the sound first, as to AAC in stereo, if it matters"


class SoundTrack:
    """A stream of sound of a new film. The film is never lost for its sound: what is not taken is left out.

    Args:
        container: of PyAV, that is written.
        source: stream of PyAV whose sound it is.
        copied: codecs of sound that are copied as they are.
        encoder: codec of all others.
        notes: list to which a line for the user is added on each thing that is not as in the source.
    """

    def __init__(self, container: "av.container.OutputContainer", source: "av.AudioStream", copied: Sequence[str],
                 encoder: str, notes: list[str]) -> None:
        self._av, self.notes, self.encoder = load_av(), notes, encoder
        self.codec, self._container = source.codec_context.codec.canonical_name, container
        self._last, self._backward, self._is_over = None, 0, False
        self._stream = self._copied(source) if self.codec in copied else None
        self.is_copied = self._stream is not None
        if not self.is_copied:
            self._stream = self._encoded(source)

    def packets(self, packet: "av.Packet", shift: Fraction | int) -> Iterator["av.Packet"]:
        """Packets to write for one of the source.

        Args:
            packet: of the source's sound.
            shift: seconds that are taken off its time stamps.
        """
        if self._stream is None or self._is_over:
            return
        if not self.is_copied:
            yield from self._in_order(self._anew(packet, shift))
            return
        ticks = round(shift / packet.time_base)
        packet.pts -= ticks
        packet.dts = None if packet.dts is None else packet.dts - ticks
        packet.stream = self._stream
        yield from self._in_order([packet])

    def rest(self) -> Iterator["av.Packet"]:
        """Packets that the encoder kept back, at the end of the film."""
        if self._stream is not None and not self.is_copied:
            with contextlib.suppress(self._av.FFmpegError, ValueError):  # it may have ended before
                yield from self._in_order(self._stream.encode(None))
        if self._backward:
            self.notes.append(f"{self._backward} packets of sound are left out, whose time stamps go backwards: "
                              f"{REMEDY}.")

    def _in_order(self, packets: Iterable["av.Packet"]) -> Iterator["av.Packet"]:
        for packet in packets:
            stamp = packet.pts if packet.dts is None else packet.dts
            time = None if stamp is None else stamp * packet.time_base
            if time is not None and self._last is not None and time <= self._last:
                self._backward += 1  # no container takes it
                continue
            self._last = self._last if time is None else time
            yield packet

    def _anew(self, packet, shift):
        try:
            frames = packet.decode()
        except self._av.FFmpegError:
            return  # a gap in the sound, which plays on
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(shift / frame.time_base)
            try:
                yield from self._stream.encode(frame)
            except (self._av.FFmpegError, ValueError) as error:  # as where rate or channels change on the way
                self._is_over = True
                self.notes.append(f"The sound ends at {float(self._last or 0):.2f} s: its encoder does not take what "
                                  f"follows ({getattr(error, 'strerror', None) or error}): {REMEDY}.")
                return

    def _copied(self, source):
        """The stream that takes packets of the source as they are; None if the container takes none of them."""
        try:
            with self._av.open(io.BytesIO(), "w", format=self._container.format.name) as trial:
                trial.add_stream_from_template(source)
                trial.start_encoding()
            return self._container.add_stream_from_template(source)
        except (self._av.FFmpegError, ValueError):
            return None

    def _encoded(self, source):
        """The stream that encodes the sound anew; None if no rate and channels are taken."""
        channels, own = source.layout.nb_channels, source.layout.name
        if own.endswith("channels"):  # AVI does not say where they are
            own = self._usual(channels) or own
            source.codec_context.layout = own
        taken = None if self.encoder == "libopus" else self._av.Codec(self.encoder, "w").audio_rates
        rate = rate_for(source.rate or 0, taken)
        layout = next((one for one in self._layouts(own, channels) if self._takes(source, rate, one)), None)
        refused = f"{self._container.format.name} takes no {self.codec}"
        if layout is None:
            self.notes.append(f"The sound is left out: {refused}, and {self.encoder} takes none of {channels} channels "
                              f"at {source.rate} Hz: {REMEDY}.")
            return None
        told = [f"The sound is encoded anew, as {self.encoder}: {refused}."]
        if rate < source.rate:
            told.append(f"It has {rate} Hz in place of {source.rate}.")
        mixed = self._av.AudioLayout(layout).nb_channels
        if mixed != channels:
            told.append(f"Its {channels} channels are mixed to {mixed} ({layout}).")
        self.notes.append(" ".join(told))
        stream = self._container.add_stream(self.encoder, rate=rate)
        stream.layout = layout
        return stream

    def _usual(self, channels):
        """Name of the layout that so many channels have where nothing is said; None if there is none."""
        with contextlib.suppress(ValueError):
            return self._av.AudioLayout(f"{channels}c").name
        return None

    def _layouts(self, own, channels):
        """Names of layouts to try, the best first."""
        usual = self._usual(channels)
        yield from ([own, usual] if usual else [own]) if channels <= MOST else ()
        yield from (name for count, name in MIXES.items() if count < channels)

    def _takes(self, source, rate, layout):
        """Whether the encoder takes sound of the source's rate and channels in others."""
        try:
            trial = self._av.CodecContext.create(self.encoder, "w")
            trial.layout, trial.sample_rate, trial.time_base = layout, rate, Fraction(1, rate)
            trial.format = self._av.Codec(self.encoder, "w").audio_formats[0]
            silence = self._av.AudioFrame("s16", source.codec_context.layout.name, 4096)  # of one plane
            silence.sample_rate, silence.pts, silence.time_base = source.rate, 0, Fraction(1, source.rate)
            silence.planes[0].update(bytes(silence.planes[0].buffer_size))
            trial.encode(silence)
            trial.encode(None)
        except (self._av.FFmpegError, ValueError, TypeError, ZeroDivisionError):
            return False
        return True


def rate_for(own: int, taken: list[int] | None) -> int:
    """The least rate of those that an encoder takes which loses nothing, or the greatest of them.

    Args:
        own: samples a second of the sound.
        taken: rates; None: 48 kHz, for Opus knows no others than that and its parts.
    """
    if taken is None:
        return 48000
    return min((rate for rate in taken if rate >= own), default=max(taken, default=own))
