"""The command `video`, with a model that finds the squares of a drawn film."""

import json
import os
import signal
from fractions import Fraction

import h5py
import numpy as np
import pytest

pytest.importorskip("av")

from films import CLASSES, GREEN, RED, SquareFinder, frames_of, read_film, square, write_film  # noqa: E402

from mrcnn.commands import video as command  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402
from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.inference.attributes import in_words  # noqa: E402

COUNT = 16
TOPS = (12, 40)  # of the red square, which goes right, and of the green one, which goes left


def places(frame):
    return {1: square(TOPS[0], 4 + 4 * frame), 2: square(TOPS[1], 76 - 4 * frame)}


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "run").mkdir()
    with h5py.File(tmp_path / "run" / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(CLASSES)
    return str(tmp_path / "run" / "weights.h5")


@pytest.fixture
def film(tmp_path):
    squares = [[(RED, places(i)[1]), (GREEN, places(i)[2])] for i in range(COUNT)]
    return write_film(tmp_path / "film.mp4", frames_of(squares), sound="aac")


@pytest.fixture
def run(monkeypatch, checkpoint, film, tmp_path):
    """A function (arguments, model) -> (exit code, path of the new film, its JSON lines)."""
    def run(*arguments, model=None, output="out.mp4", source=film):
        monkeypatch.setattr(command, "load_model", lambda path, options, overrides: model or SquareFinder())
        path = tmp_path / output
        code = main(["video", "--weights", checkpoint, "--video", source, "--output", str(path), *arguments])
        lines = path.with_suffix(".jsonl")
        return code, path, [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else None

    return run


def test_objects_keep_number_and_colour_and_the_lines_hold_their_masks(run, film, capsys):
    code, path, lines = run(model=SquareFinder(hidden=(8, 9)))  # beside each other, and two frames of a gap
    assert code == 0 and [line["frame"] for line in lines] == list(range(COUNT))
    numbers = {}
    for frame, line in enumerate(lines):
        assert line["time"] == line["source_time"] == pytest.approx(frame / 25)
        assert len(line["objects"]) == (1 if frame in (8, 9) else 2)
        for one in line["objects"]:
            assert numbers.setdefault(one["category"], one["track"]) == one["track"]
            expected = np.zeros((64, 96), bool)
            expected[places(frame)[one["category_id"]]] = True
            # H.264 blurs the edges of the squares that the model finds.
            mask = run_lengths.decode(one["segmentation"])
            assert (mask & expected).sum() / (mask | expected).sum() > 0.8
            rows, columns = places(frame)[one["category_id"]]
            np.testing.assert_allclose(one["bbox"], [columns.start, rows.start, 16, 16], atol=2)
    assert sorted(numbers) == ["hat", "tie"] and sorted(numbers.values()) == [1, 2]
    images, times = read_film(path)
    assert times == read_film(film)[1]
    colours = [images[i][place[0].stop - 5, place[1].start + 8] for i in (0, 5, 12) for place in [places(i)[1]]]
    for colour in colours[1:]:
        np.testing.assert_allclose(colour, colours[0].astype(int), atol=25)  # half the track's, half the square's
    out = capsys.readouterr().out
    assert "16 frames, up to 0.60 s of the film, 2 objects (hat 1, tie 1)" in out or "(tie 1, hat 1)" in out


def test_colour_splash_blur_and_transparency(run):
    plain = read_film(run("--splash", output="splash.mkv")[1])[0][3]
    red, ground = places(3)[1], plain[60, 5].astype(int)
    np.testing.assert_allclose(plain[red[0].start + 8, red[1].start + 8], RED, atol=25)
    assert np.ptp(ground) < 6  # grey
    blurred = read_film(run("--blur", output="blur.mp4")[1])[0][3]
    inner = blurred[red[0].start + 2, red[1].start + 2].astype(int)
    assert inner[0] < RED[0] - 20  # the ground has run into it
    background = read_film(run("--blur", "background", output="ground.mp4")[1])[0][3]
    np.testing.assert_allclose(background[red[0].start + 8, red[1].start + 8], RED, atol=25)
    code, folder, lines = run("--cut-out", "--limit", "2", output="frames")
    assert code == 0 and sorted(os.listdir(folder)) == ["000000.png", "000001.png"] and len(lines) == 2
    from PIL import Image

    pixels = np.asarray(Image.open(folder / "000001.png"))
    assert pixels[20, 16].tolist()[3] == 255 and pixels[2, 2].tolist() == [0, 0, 0, 0]
    assert run("--cut-out", output="clear.webm")[0] == 0


def test_every_third_frame_is_looked_at_and_those_between_show_the_same(run):
    model = SquareFinder(batch=2)
    code, path, lines = run("--every", "3", model=model)
    assert code == 0 and model.seen == 6 and model.asked == [2, 2, 2]  # frames 0, 3, 6, 9, 12, 15, two at a time
    assert [line["looked_at"] for line in lines] == [frame % 3 == 0 for frame in range(COUNT)]
    for frame, line in enumerate(lines):
        assert line["objects"] == lines[frame - frame % 3]["objects"]
    assert len(read_film(path)[0]) == COUNT


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("arguments", [["--every", "5"], ["--every", "4", "--limit", "11"], ["--every", "100"],
                                       ["--every", "3", "--from", "0.2", "--to", "0.5"]])
def test_no_frame_waits_for_a_later_one_to_be_looked_at(run, monkeypatch, batch, arguments):
    model, some, waiting = SquareFinder(batch=batch), command.Run.some, []
    code, wanted, lines = run(*arguments, model=SquareFinder(), output="wanted/")
    monkeypatch.setattr(command.Run, "some", lambda self, frames: [waiting.append(len(frames)), some(self, frames)])
    code, path, again = run(*arguments, model=model, output="again/")
    assert code == 0 and set(waiting) == {1} and again == lines and len(waiting) == len(lines)
    assert model.seen == sum(line["looked_at"] for line in lines) and max(model.asked) == min(batch, model.seen)
    # As PNG files: x264 by several threads does not give the same bytes each time.
    written = [[(folder / name).read_bytes() for name in sorted(os.listdir(folder))] for folder in (path, wanted)]
    assert written[0] == written[1] and len(written[0]) == len(lines)


def test_a_film_that_can_be_read_once_alone_keeps_the_frames_of_one_batch(run, monkeypatch, film):
    some, isfile, waiting = command.Run.some, os.path.isfile, []
    monkeypatch.setattr(command.Run, "some", lambda self, frames: [waiting.append(len(frames)), some(self, frames)])
    monkeypatch.setattr(command.os.path, "isfile", lambda path: path != film and isfile(path))  # as of a pipe
    code, _, lines = run("--every", "3", model=SquareFinder(batch=2))
    assert code == 0 and waiting == [4, 1, 1] * 2 + [4] and len(lines) == COUNT


def test_what_the_reading_ahead_does_not_reach_is_looked_at_all_the_same(run, monkeypatch):
    from mrcnn.data.films.reading import FilmReader

    lines = run("--every", "3", output="wanted.mp4")[2]
    monkeypatch.setattr(FilmReader, "again", lambda self: FilmReader(self.path, end=0.2))
    assert run("--every", "3", model=SquareFinder(batch=2))[2] == lines


def test_interrupted_between_two_readings(run, capsys):
    code, path, lines = run("--every", "2", model=SquareFinder(batch=3, failing=3))
    assert code == 130 and len(lines) == 6 and len(read_film(path)[0]) == 6
    assert "--from 0.24" in capsys.readouterr().err


def test_attributes_stand_in_the_lines(run):
    class Describing(SquareFinder):
        def __init__(self):
            super().__init__()
            self.config.ATTRIBUTES, self.config.ATTRIBUTE_MIN_CONFIDENCE = ["colour: red", "old"], 0.5

        def find(self, image):
            result = super().find(image)
            scores = np.float32([[0.9, 0.6] if class_id == 1 else [0, 0.7] for class_id in result["class_ids"]])
            return in_words({**result, "attribute_scores": scores}, self.config)

    told = {one["category"]: one["attributes"] for one in run("--to", "0.2", model=Describing())[2][-1]["objects"]}
    assert told == {"hat": {"colour: red": 0.9, "old": 0.6}, "tie": {"old": 0.7}}


def test_a_part_of_the_film(run):
    code, path, lines = run("--from", "0.2", "--to", "0:0.4")
    assert code == 0
    assert [(line["time"], line["source_time"]) for line in lines] == [
        (pytest.approx(i / 25), pytest.approx(0.2 + i / 25)) for i in range(5)]
    assert [float(time) for time in read_film(path)[1]] == pytest.approx([i / 25 for i in range(5)])


@pytest.mark.parametrize("output", ["out.mp4", "out.webm", "frames"])
def test_interrupted_it_leaves_a_film_that_plays(run, capsys, output):
    code, path, lines = run(model=SquareFinder(failing=7), output=output)
    assert code == 130 and len(lines) == 7
    assert len(os.listdir(path) if output == "frames" else read_film(path)[0]) == 7
    told = capsys.readouterr()
    assert "7 frames, up to 0.24 s" in told.out and "--from 0.28" in told.err and "interrupted" in told.err
    assert not [name for name in os.listdir(path.parent) if name.endswith(".partial")]


def test_objects_of_frames_that_are_not_written_are_not_counted(run, tmp_path, monkeypatch, capsys):
    """The green square appears in the third of four frames that are looked at together; two are written."""
    film = write_film(tmp_path / "late.mp4", frames_of([[(RED, square(8, 8))] + [(GREEN, square(40, 40))] * (i > 1)
                                                        for i in range(4)]))
    draw, drawn = command.drawn, []

    def drawn_twice(*arguments):
        drawn.append(None)
        if len(drawn) > 2:
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(command, "drawn", drawn_twice)
    code, _, lines = run(model=SquareFinder(batch=4), source=film)
    assert code == 130 and len(lines) == 2 and "1 objects (hat 1)" in capsys.readouterr().out


def test_the_rest_begins_no_later_than_the_next_frame(run, tmp_path, capsys):
    film = write_film(tmp_path / "third.mp4", frames_of([[(RED, square(8, 8))]] * 6), rate=30)
    assert run(model=SquareFinder(failing=2), source=film)[0] == 130
    assert "--from 0.06," in capsys.readouterr().err  # 1 / 30 < 0.06 < 2 / 30, of which 0.07 would leave a frame out
    assert len(run("--from", "0.06", source=film, output="rest.mp4")[2]) == 4


@pytest.mark.parametrize("last, following, told", [
    (Fraction(24, 100), Fraction(28, 100), "0.28"), (Fraction(1), Fraction(3), "3"),
    (Fraction(1, 3), Fraction(1, 3) + Fraction(1, 90000), "0.33334")])  # 0.33333... and 0.333344...
def test_seconds_between_two_frames(last, following, told):
    assert command.between(last, following) == told and last < Fraction(told) <= following


def test_sigterm_leaves_a_film_that_plays(run):
    class Ended(SquareFinder):
        def find(self, image):
            if self.seen == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().find(image)

    code, path, lines = run(model=Ended())
    assert code == 143 and len(read_film(path)[0]) == len(lines) == 3


def test_interrupted_before_its_first_frame_it_leaves_nothing(run, tmp_path):
    code, path, lines = run(model=SquareFinder(failing=0))
    assert code == 130 and lines is None and not path.exists()


def test_a_broken_film_is_written_up_to_there_and_told(run, film, tmp_path, capsys):
    assert run("--splash", output="whole.mp4")[0] == 0  # with its index in front
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:len(data) * 3 // 4])
    code, path, lines = run(source=str(tmp_path / "cut.mp4"))
    count = len(lines)
    assert code == 2 and 0 < count < COUNT and len(read_film(path)[0]) == count
    assert f"broken after frame {count}" in capsys.readouterr().err


def test_a_film_of_the_user_stays_and_one_of_ours_is_replaced(run, tmp_path, capsys):
    (tmp_path / "out.mp4").write_bytes(b"mine")
    assert run()[0] == 2 and "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"
    assert run("--overwrite")[0] == 0 and run()[0] == 0


def test_a_turned_film_and_odd_sides(run, tmp_path, capsys):
    squares = [[(RED, square(10, 10 + i))] for i in range(3)]
    lying = [np.ascontiguousarray(np.rot90(image, -1)) for image in frames_of(squares, (63, 95))]
    code, path, lines = run(source=write_film(tmp_path / "turned.mp4", lying, rotation=90))
    assert code == 0 and lines[0]["objects"][0]["segmentation"]["size"] == [63, 95]
    np.testing.assert_allclose(lines[0]["objects"][0]["bbox"], [10, 10, 16, 16], atol=2)
    assert read_film(path)[0][0].shape == (64, 96, 3) and "96x64 in place of 95x63" in capsys.readouterr().err


def test_a_network_of_label_maps(run, capsys):
    class Labels:
        class_names, config = list(CLASSES), SquareFinder().config

        def label_each(self, images, probabilities):
            return ({"labels": (image[..., 0] > 150).astype(np.uint8)} for image in images)

    code, path, lines = run(model=Labels())
    assert code == 0 and len(read_film(path)[0]) == COUNT
    (one,) = lines[2]["objects"]
    assert one["category"] == "hat" and "track" not in one
    assert run_lengths.decode(one["segmentation"])[places(2)[1]].mean() > 0.9
    assert "objects" not in capsys.readouterr().out.partition(";")[0]
    Labels.architecture_name = lambda self: "unet"
    for arguments in (["--min-confidence", "0.4"], ["--unseen", "3"], ["--smooth", "0.1"], ["--scores"]):
        assert run(*arguments, model=Labels(), output="second.mp4")[0] == 2
        assert f"{arguments[0]} is about the scores of objects" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    (["--video", "gone.mp4"], "--video gone.mp4 does not exist"),
    (["--video", "0"], "cameras are not read: record a film first"),
    (["--video", "TEXT"], "text.mp4: no film that can be read"),
    (["--video", "FILM", "--output", "FILM"], "is the film that is read: give another name"),
    (["--video", "FILM", "--output", "OUT.gif"], "films are written as .mp4"),
    (["--video", "FILM", "--cut-out", "--output", "OUT.mp4"], "has no transparency"),
    (["--video", "FILM", "--from", "5"], "is 0.64 s long: give an earlier time"),
    (["--video", "FILM", "--from", "3", "--to", "2"], "--to 2 is not after --from 3"),
    (["--video", "FILM", "--to", "soon"], "'soon' is no time"),
    (["--video", "FILM", "--splash", "--blur"], "not allowed with"),
])
def test_bad_usage_is_one_line(checkpoint, film, tmp_path, capsys, arguments, message):
    (tmp_path / "text.mp4").write_text("no film")
    names = {"FILM": film, "TEXT": str(tmp_path / "text.mp4")}
    code = main(["video", "--weights", checkpoint, *(names.get(word, word) for word in arguments)])
    told = capsys.readouterr().err
    assert code == 2 and message in told and told.count("\n") == 1, told


def test_the_default_place_is_the_run_s_folder(monkeypatch, checkpoint, film, tmp_path):
    monkeypatch.setattr(command, "load_model", lambda *_: SquareFinder())
    assert main(["video", "--weights", checkpoint, "--video", film, "--limit", "2"]) == 0
    assert sorted(os.listdir(tmp_path / "run" / "videos")) == [".mrcnn-output", "film.jsonl", "film.mp4"]
