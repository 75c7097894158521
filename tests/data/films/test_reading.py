"""Reading films: frames upright with their time stamps, and one line on each thing that is wrong with a file."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from films import GREEN, RED, frames_of, square, write_film  # noqa: E402

from mrcnn.data.films.pixels import Pixels  # noqa: E402
from mrcnn.data.films.reading import FilmFrame, FilmReader  # noqa: E402
from mrcnn.data.films.writing import FORMS, FilmWriter  # noqa: E402
from mrcnn.errors import DataError, UsageError  # noqa: E402


def pictures(count=12, size=(64, 96)):
    """A red square at the left that walks down, a green one at the right that stays."""
    return list(frames_of([[(RED, square(2 + i, 4)), (GREEN, square(40, 70))] for i in range(count)], size))


def read(path, **options):
    """([FilmFrame], number of packets of sound, FilmReader) of a film."""
    with FilmReader(path, **options) as film:
        parts = list(film.parts())
        frames = [part for part in parts if isinstance(part, FilmFrame)]
        return frames, len(parts) - len(frames), film


def encoded(path, codec, count, first=0, options=None):
    """The path of a film of 25 frames a second by a codec, the first of which has a stamp of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, picture in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = first + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def test_frames_with_their_time_stamps(tmp_path):
    times = [0, 512, 1024, 5000, 5512, 12800]  # of 12800 a second, unevenly
    frames, sound, film = read(write_film(tmp_path / "a.mp4", pictures(6), times))
    assert [frame.time for frame in frames] == [Fraction(time, 12800) for time in times]
    for frame, picture in zip(frames, pictures(6)):
        assert np.abs(frame.image.astype(int) - picture).mean() < 3
    assert (film.size, sound, film.notes, film.is_broken, film.expected) == ((64, 96), 0, [], False, 6)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_film_is_read_upright(tmp_path, degrees):
    upright = pictures(3, (96, 64))
    # Players turn what lies in the file counter-clockwise, so there it lies turned the other way.
    lying = [np.ascontiguousarray(np.rot90(picture, -degrees // 90)) for picture in upright]
    frames, _, film = read(write_film(tmp_path / "a.mp4", lying, rotation=degrees))
    assert film.size == (96, 64)
    for frame, picture in zip(frames, upright):
        assert np.abs(frame.image.astype(int) - picture).mean() < 3


def test_a_part_of_a_film(tmp_path):
    path = write_film(tmp_path / "a.mp4", pictures(30), sound="aac")
    frames, sound, film = read(path, start=0.4, end=0.8)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(10, 20)]
    assert 17 <= sound <= 20  # 0.4 s of 48000 / 1024 packets a second are 18.75
    assert film.expected == 10 and not film.is_broken
    with pytest.raises(UsageError, match="--from 9: .*a.mp4 is 1.20 s long: give an earlier time"):
        FilmReader(path, start=9)


def test_a_film_that_was_cut_off_is_told_with_the_frame(tmp_path):
    path = write_film(tmp_path / "a.mp4", pictures(20))
    with FilmReader(path) as film, FilmWriter(tmp_path / "b.mp4", FORMS[".mp4"], film) as writer:
        for frame in film.parts():
            writer.write(frame.image, frame.time)  # with its index in front
    data = (tmp_path / "b.mp4").read_bytes()
    start = data.index(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(data[:start + (len(data) - start) * 4 // 5])
    frames, _, film = read(tmp_path / "cut.mp4")
    assert 0 < len(frames) < 20 and film.is_broken
    assert f"broken after frame {len(frames)}, at {float(frames[-1].time):.2f} s" in film.notes[0]
    assert "whole copy" in film.notes[0]


def test_a_film_with_noise_in_it_is_told_and_read_on(tmp_path):
    write_film(tmp_path / "a.mp4", pictures(20))
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = data.index(b"mdat") + 1500
    data[middle:middle + 300] = np.random.default_rng(0).bytes(300)
    (tmp_path / "b.mp4").write_bytes(data)
    frames, _, film = read(tmp_path / "b.mp4")
    assert len(frames) >= 5 and film.is_broken
    assert "is damaged" in film.notes[0] and "the first after frame" in film.notes[0]


def test_what_is_no_film_is_refused_in_one_line(tmp_path):
    (tmp_path / "text.mp4").write_text("no film at all")
    with pytest.raises(DataError, match=r"text.mp4: no film that can be read \(Invalid data.*give a whole MP4"):
        FilmReader(tmp_path / "text.mp4")
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match="photo.png is a picture, not a film: use mrcnn detect"):
        FilmReader(tmp_path / "photo.png")
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        voice = container.add_stream("aac", rate=48000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 48000
        container.mux(voice.encode(heard))
        container.mux(voice.encode(None))
    with pytest.raises(DataError, match=r"song.m4a has no stream of moving pictures \(it has: audio\)"):
        FilmReader(tmp_path / "song.m4a")


@pytest.mark.parametrize("name", ["a.ts", "a.h264"])
def test_a_part_of_a_film_without_an_index(tmp_path, name):
    # One whole picture in 60: after it decoders give nothing. Raw H.264 has no times to look for at all.
    path = write_film(tmp_path / name, pictures(60))
    frames, _, film = read(path, start=1, end=1.4)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(25, 35)]
    whole = read(path)[0]
    for frame, same in zip(frames, whole[25:35]):
        np.testing.assert_array_equal(frame.image, same.image)
    assert not film.is_broken and film.notes == []


def test_times_count_from_the_beginning_of_the_film(tmp_path):
    # A broadcast's clock, ten hours on; MPEG-TS counts 90000 a second.
    times = [90000 * 36000 + 3600 * number for number in range(12)]
    path = write_film(tmp_path / "a.ts", pictures(12), times, time_base=Fraction(1, 90000))
    frames, _, film = read(path)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(12)] and not film.is_broken
    assert [frame.time for frame in read(path, start=0.2, end=0.4)[0]] == [
        Fraction(number, 25) for number in range(5, 10)]


@pytest.mark.parametrize("name, codec", [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.wmv", "wmv2"),
                                         ("a.nut", "libx264"), ("a.flv", "libx264"), ("a.mp4", "libx264")])
def test_the_length_of_a_film_whose_clock_begins_late(tmp_path, name, codec):
    path = encoded(tmp_path / name, codec, 12, first=90000)  # an hour on
    frames, _, film = read(path)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(12)]
    assert film.notes == [] and not film.is_broken
    with pytest.raises(UsageError, match=rf"--from 100: .*{name} is 0.[45]\d s long: give an earlier time"):
        FilmReader(path, start=100)


def test_a_film_whose_clock_begins_late_and_that_is_cut_off_is_told(tmp_path):
    encoded(tmp_path / "a.mkv", "libx264", 60, first=90000)
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[:len(data) // 2])
    _, _, film = read(tmp_path / "b.mkv")
    assert film.is_broken and "it says that it is 2.40 s long" in film.notes[0]


def test_a_part_after_the_end_of_a_film_that_does_not_tell_its_length(tmp_path):
    path = write_film(tmp_path / "a.h264", pictures(12))
    with pytest.raises(UsageError, match="--from 100: .*a.h264 is 0.48 s long: give an earlier time"):
        read(path, start=100)


@pytest.mark.parametrize("codec, options", [
    ("libx264", {"bf": "3"}), ("libx264", {"bf": "0"}), ("mpeg4", {"bf": "2"}), ("mjpeg", {}),
    ("libx264", {"bf": "8", "b-pyramid": "normal", "b-adapt": "0"})])
def test_avi_tells_when_frames_are_decoded_not_when_they_are_shown(tmp_path, codec, options):
    path = encoded(tmp_path / "a.avi", codec, 30, options=options)
    frames, _, film = read(path)
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(30)] and film.notes == []
    part = read(path, start=0.4, end=0.8)[0]
    assert [frame.time for frame in part] == [Fraction(number, 25) for number in range(10, 20)]
    for frame, same in zip(part, frames[10:20]):
        np.testing.assert_array_equal(frame.image, same.image)


def test_of_an_animated_picture_the_moving_one_is_read(tmp_path):
    first, *others = [Image.fromarray(picture) for picture in pictures(6)]
    try:
        first.save(tmp_path / "a.avif", save_all=True, append_images=others, duration=100)
    except (KeyError, OSError):
        pytest.skip("this Pillow writes no AVIF")
    frames, _, film = read(tmp_path / "a.avif")
    assert [frame.time for frame in frames] == [Fraction(number, 10) for number in range(6)]
    assert "left out (video)" in film.notes[0]


def test_sound_keeps_its_place_beside_the_pictures(tmp_path):
    path = write_film(tmp_path / "a.ts", pictures(12), [90000 * 9 + 3600 * number for number in range(12)],
                      sound="aac", time_base=Fraction(1, 90000))  # the sound begins at 0, nine seconds before
    with FilmReader(path) as film:
        parts = list(film.parts())
    frames = [part.time for part in parts if isinstance(part, FilmFrame)]
    sound = [part.pts * part.time_base for part in parts if not isinstance(part, FilmFrame)]
    assert frames[0] - min(sound) == pytest.approx(9, abs=0.05) and min(sound) == pytest.approx(0, abs=0.05)


def test_sound_without_a_decoder_is_left_out_and_told(tmp_path):
    write_film(tmp_path / "a.mp4", pictures(4), sound="aac")
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data.replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    frames, sound, film = read(tmp_path / "b.mp4")
    assert (len(frames), sound, film.sounds) == (4, 0, [])
    assert "1 of 1 streams of sound are left out, for which there is no decoder here: convert" in film.notes[0]


def test_transparent_films_lie_over_the_matte(tmp_path):
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[..., :3], picture[8:40, 8:40] = RED, (*GREEN, 255)  # red is under what is transparent
    for name, codec, pixels, options in (("a.mov", "png", "rgba", {}),
                                         ("a.webm", "libvpx-vp9", "yuva420p", {"auto-alt-ref": "0"})):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
            for number in range(3):
                frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixels)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        frames, _, film = read(tmp_path / name, matte=(0, 0, 250))
        for frame in frames:
            np.testing.assert_allclose(frame.image[50, 70], (0, 0, 250), atol=12)
            np.testing.assert_allclose(frame.image[20, 20], GREEN, atol=12)
        assert len(frames) == 3
        assert film.notes == [f"{tmp_path / name}: 3 frames with transparent parts are laid over the colour #0000fa; "
                              "--matte takes another."]


def test_what_cannot_be_read_on_names_the_film(tmp_path, monkeypatch):
    def fails(pixels, frame):
        raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Pixels, "of", fails)
    with pytest.raises(DataError, match=r"a.mp4: cannot be read after frame 1 \(Operation not permitted\): convert"):
        read(write_film(tmp_path / "a.mp4", pictures(2)))


def test_a_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", pictures(2))
    (tmp_path / "a.mp4").rename("data:1.mp4")
    assert len(read("data:1.mp4")[0]) == 2


def test_without_pyav_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UsageError, match=r'PyAV: pip install av \(or "mrcnn-keras\[video\]"\)'):
        FilmReader("film.mp4")
