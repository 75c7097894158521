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


def with_pcm(path, channels, rate=48000, codec="pcm_s16le", layout=None):
    """A film with a tone in so many channels, of which AVI does not say where they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        voice = container.add_stream(codec, rate=rate)
        voice.layout = layout = layout or f"{channels}c"
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
            tone = np.sin((np.arange(rate // 25) + number * (rate // 25)) * 2 * np.pi * 440 / rate) * 9000
            heard = av.AudioFrame.from_ndarray(np.repeat(tone.astype(np.int16), channels)[None], format="s16",
                                               layout=layout)
            heard.sample_rate, heard.pts, heard.time_base = rate, number * (rate // 25), Fraction(1, rate)
            container.mux(voice.encode(heard))
        container.mux(stream.encode(None))
        container.mux(voice.encode(None))
    return str(path)


@pytest.mark.parametrize("source, channels, rate, layout, target, seen, told", [
    ("a.avi", 1, 16000, None, "b.mp4", ("mono", 16000), "mp4 takes no pcm_s16le."),
    ("a.avi", 2, 44100, None, "b.webm", ("stereo", 48000), "webm takes no pcm_s16le."),
    ("a.avi", 2, 44100, None, "b.mp4", ("stereo", 44100), "mp4 takes no pcm_s16le."),
    ("a.mov", 1, 192000, None, "b.mp4", ("mono", 96000), "It has 96000 Hz in place of 192000."),
    ("a.mkv", 3, 48000, "2.1", "b.webm", ("stereo", 48000), "Its 3 channels are mixed to 2 (stereo)."),
    ("a.mkv", 16, 48000, "hexadecagonal", "b.mp4", ("7.1", 48000), "Its 16 channels are mixed to 8 (7.1)."),
])
def test_sound_is_encoded_in_a_rate_and_channels_that_are_taken(tmp_path, source, channels, rate, layout, target, seen,
                                                                told):
    source = with_pcm(tmp_path / source, channels, rate, layout=layout)
    (note,) = copied(source, tmp_path / target)
    assert "encoded anew" in note and note.endswith(told)
    with av.open(str(tmp_path / target)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        assert (stream.layout.name, stream.rate) == seen
    assert sum(frame.samples for frame in frames) / seen[1] == pytest.approx(0.4, abs=0.07)
    assert np.abs(np.frombuffer(bytes(frames[len(frames) // 2].planes[0]), np.float32)).max() > 0.1
    assert len(read_film(tmp_path / target)[1]) == COUNT


def test_sound_that_no_encoder_takes_is_left_out_and_told(tmp_path):
    source = with_pcm(tmp_path / "a.mkv", 9, layout="9 channels")
    assert copied(source, tmp_path / "b.mp4") == [
        "The sound is left out: mp4 takes no pcm_s16le, and aac takes none of 9 channels at 48000 Hz: convert the "
        "sound first, as to AAC in stereo, if it matters."]
    assert len(read_film(tmp_path / "b.mp4")[1]) == COUNT
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm"])
def test_what_leads_copied_sound_in_moves_no_picture(tmp_path, ending):
    source = write_film(tmp_path / "a.mp4", pictures(), sound="aac")  # a packet of 1024 samples before 0
    copied(source, tmp_path / f"b{ending}")
    assert read_film(tmp_path / f"b{ending}")[1] == [Fraction(number, 25) for number in range(COUNT)]
    assert read_film(source)[1][0] == 0


def test_what_an_encoder_refuses_is_no_fault_of_the_disk(tmp_path):
    source = write_film(tmp_path / "a.mp4", pictures())
    with FilmReader(source) as film:
        message = r"libx264 cannot encode pictures of 20000x2 \(.*\): give --output another ending"
        with pytest.raises(UsageError, match=message), FilmWriter(tmp_path / "b.mp4", form_of("b.mp4"), film) as writer:
            writer.write(np.zeros((2, 20000, 3), np.uint8), Fraction(0))
        writer = FilmWriter(tmp_path / "c.mp4", form_of("c.mp4"), film)
        writer._container = FullDisk(writer._container, av.error.FFmpegError(22, "Invalid argument"))
        with pytest.raises(UsageError, match=r"cannot write this film as mp4 \(Invalid argument\): give"), writer:
            for part in film.parts():
                writer.write(part.image, part.time)
            writer.close()


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

    def __init__(self, container, error=None):
        self._container, self._error = container, error or av.error.FFmpegError(28, "No space left on device")

    def __getattr__(self, name):
        return getattr(self._container, name)

    def mux(self, packet):
        raise self._error
