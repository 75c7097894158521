"""Writing films: the time stamps, the sound, the pixels and the transparency that they were given."""

import os
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from films import GREEN, RED, frames_of, read_film, square, write_film  # noqa: E402

from mrcnn.data.films.reading import FilmFrame, FilmReader  # noqa: E402
from mrcnn.data.films.writing import FilmWriter, PictureWriter, form_of  # noqa: E402
from mrcnn.errors import UsageError  # noqa: E402

COUNT = 10


def pictures(size=(64, 96)):
    return list(frames_of([[(RED, square(2 + i, 4)), (GREEN, square(40, 70))] for i in range(COUNT)], size))


def copied(source, target, transparent=False, **options):
    """The notes of the writer that copied a film; red is opaque where `transparent`."""
    with FilmReader(source, **options) as film:
        shift = None if options else Fraction(0)
        with FilmWriter(target, form_of(target, transparent), film, shift) as writer:
            for part in film.parts():
                if not isinstance(part, FilmFrame):
                    writer.sound(part)
                    continue
                alpha = np.where(part.image[..., 0] > 150, 255, 0).astype(np.uint8)
                writer.write(np.dstack([part.image, alpha]) if transparent else part.image, part.time)
            writer.close()
            return writer.notes


def sound_of(path):
    """(codec, samples as one array) of a film's sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        return stream.codec_context.name, samples


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm"])
def test_time_stamps_and_pixels_are_those_of_the_source(tmp_path, ending):
    times = [0, 512, 1024, 2560, 2561, 2688, 5120, 5632, 6144, 6400]  # of 12800 a second
    if ending in (".mkv", ".webm"):
        times = [round(time / 128) * 128 for time in times]  # they count in milliseconds, of which 128 are ten
        times[4] = times[3] + 64
    source = write_film(tmp_path / "a.mp4", pictures(), times)
    assert copied(source, tmp_path / f"b{ending}") == []
    images, stamps = read_film(tmp_path / f"b{ending}")
    assert stamps == [Fraction(time, 12800) for time in times]
    for image, picture in zip(images, pictures()):
        assert np.abs(image.astype(int) - picture).mean() < 6
        np.testing.assert_allclose(image[50, 78], GREEN, atol=12)


def test_sound_is_copied_where_the_form_takes_it_else_encoded_anew(tmp_path):
    source = write_film(tmp_path / "a.mp4", pictures(), sound="aac")
    assert copied(source, tmp_path / "b.mp4") == []
    assert sound_of(tmp_path / "b.mp4")[0] == "aac"
    np.testing.assert_array_equal(sound_of(tmp_path / "b.mp4")[1], sound_of(source)[1])
    notes = copied(source, tmp_path / "b.webm")
    assert notes == ["The sound is encoded anew, as libopus: webm takes no aac."]
    codec, samples = sound_of(tmp_path / "b.webm")
    assert codec == "opus" and abs(len(samples) - COUNT * 1920) < 2500  # 48000 / 25 samples a frame, and Opus' padding
    assert np.abs(samples).max() > 0.5  # the tone is there


def test_a_part_begins_at_zero_with_its_sound(tmp_path):
    source = write_film(tmp_path / "a.mp4", pictures(), sound="aac")
    copied(source, tmp_path / "b.mp4", start=0.2, end=0.36)
    assert read_film(tmp_path / "b.mp4")[1] == [Fraction(number, 25) for number in range(4)]
    assert abs(len(sound_of(tmp_path / "b.mp4")[1]) - 4 * 1920) <= 2048  # whole packets of 1024 samples


def test_odd_sides_grow_by_one_and_it_is_told(tmp_path):
    source = write_film(tmp_path / "a.mkv", pictures((63, 95)))
    (note,) = copied(source, tmp_path / "b.mp4")
    assert "96x64 in place of 95x63" in note
    assert read_film(tmp_path / "b.mp4")[0][0].shape == (64, 96, 3)


def test_transparency_as_browsers_and_as_video_editors_take_it(tmp_path):
    source = write_film(tmp_path / "a.mp4", pictures())
    copied(source, tmp_path / "b.mov", transparent=True)
    copied(source, tmp_path / "b.webm", transparent=True)
    decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own decoder of VP9 leaves transparency out
    with av.open(str(tmp_path / "b.webm")) as container:
        of_webm = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)][0]
    with av.open(str(tmp_path / "b.mov")) as container:
        of_mov = next(container.decode(video=0))
    for frame in (of_webm, of_mov):
        pixels = frame.to_ndarray(format="rgba")
        assert pixels[10, 12, 3] > 250 and pixels[50, 78, 3] < 5  # the red square; the green one
        np.testing.assert_allclose(pixels[10, 12, :3], RED, atol=12)


@pytest.mark.parametrize("name, transparent, message", [
    ("out.mp4", True, r"H.264 in .mp4 has no transparency: give a name in .webm \(browsers\), .mov"),
    ("out.gif", False, "written as .mp4, .mov, .mkv, .webm, or to a name without ending"),
])
def test_endings_that_cannot_be_are_told(name, transparent, message):
    with pytest.raises(UsageError, match=message):
        form_of(name, transparent)


def test_a_folder_of_pictures(tmp_path):
    source = write_film(tmp_path / "a.mp4", pictures(), sound="aac")
    assert form_of(tmp_path / "out") is None
    with FilmReader(source) as film, PictureWriter(tmp_path, film) as writer:
        for part in film.parts():
            if isinstance(part, FilmFrame):
                writer.write(part.image, part.time)
        assert writer.notes == ["A folder of PNG files has no sound."]
    assert sorted(name for name in os.listdir(tmp_path) if name.endswith(".png"))[::9] == ["000000.png", "000009.png"]
    np.testing.assert_allclose(np.asarray(Image.open(tmp_path / "000009.png"))[50, 78], GREEN, atol=12)


def test_an_error_while_writing_names_the_file(tmp_path):
    with FilmReader(write_film(tmp_path / "a.mp4", pictures())) as film:
        writer = FilmWriter(tmp_path / "b.mp4", form_of("b.mp4"), film)
        writer._container = FullDisk(writer._container)
        with pytest.raises(OSError, match="No space left on device.*b.mp4"), writer:
            for part in film.parts():
                writer.write(part.image, part.time)
            writer.close()


class FullDisk:
    """A container of PyAV that takes no packet."""

    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)

    def mux(self, packet):
        raise av.error.FFmpegError(28, "No space left on device")
