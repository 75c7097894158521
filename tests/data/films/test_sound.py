"""Sound of new films: rates that encoders take, and what is told where sound cannot go on."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

av = pytest.importorskip("av")

from films import frames_of, write_film  # noqa: E402

from mrcnn.data.films.reading import FilmReader  # noqa: E402
from mrcnn.data.films.sound import SoundTrack, rate_for  # noqa: E402


@pytest.mark.parametrize("own, taken, rate", [
    (44100, [48000, 44100, 8000], 44100), (11024, [48000, 11025, 8000], 11025), (192000, [96000, 48000], 96000),
    (6000, [48000, 8000], 8000), (44100, None, 48000)])
def test_the_least_rate_that_loses_nothing(own, taken, rate):
    assert rate_for(own, taken) == rate


@pytest.fixture
def source(tmp_path):
    with FilmReader(write_film(tmp_path / "a.mp4", frames_of([[]] * 10), sound="aac")) as film:
        yield film


def packets_of(film):
    return [part for part in film.parts() if isinstance(part, av.Packet)]


def test_sound_whose_encoder_fails_on_the_way_ends_there_and_is_told(tmp_path, source):
    notes = []
    with av.open(str(tmp_path / "b.webm"), "w") as container:
        track = SoundTrack(container, source.sounds[0], (), "libopus", notes)
        taken, real, count = [], track._stream, iter(range(100))

        def encode(frame):
            if next(count) == 5:
                raise ValueError("Frame does not match AudioResampler setup.")
            return real.encode(frame)

        track._stream = SimpleNamespace(encode=encode)
        for packet in packets_of(source):
            taken += track.packets(packet, Fraction(0))
        taken += track.rest()
        for packet in taken:
            container.mux(packet)
    assert taken and notes[1].startswith("The sound ends at 0.0")
    assert "its encoder does not take what follows (Frame does not match" in notes[1]


def test_packets_that_go_back_are_left_out_and_told(tmp_path, source):
    notes = []
    with av.open(str(tmp_path / "b.mp4"), "w") as container:
        track = SoundTrack(container, source.sounds[0], ("aac",), "aac", notes)
        for number, packet in enumerate(packets_of(source)):
            if number in (5, 6):
                packet.pts = packet.dts = 1024
            for one in track.packets(packet, Fraction(0)):
                container.mux(one)
        assert list(track.rest()) == []
    assert track.is_copied and notes == ["2 packets of sound are left out, whose time stamps go backwards: convert the "
                                         "sound first, as to AAC in stereo, if it matters."]
