"""Curves of a run: which panels and lines, where stages begin, and files that are whole."""

import csv
import json
import os

import pytest
from PIL import Image

from mrcnn.drawing.curves import draw_run, plot_training_curves
from mrcnn.errors import DataError

NAN = float("nan")
HISTORY = {
    "learning_rate": [1e-2, 1e-2, 1e-4],
    "mrcnn_mask_loss": [2.0, 1.5, 1.0],
    "loss": [5.0, 4.0, 3.0],
    "val_loss": [6.0, 5.5, 5.0],
    "test_loss": [6.5, 6.0, 5.5],
    **{f"{part}_{kind}_{name}": [NAN, 0.1 * i, 0.2 * i] for part in ("val", "test") for kind in ("segm", "bbox")
       for i, name in enumerate(("AP", "AP50", "AP75"), 1)},
    "val_segm_IoU": [NAN, 0.3, 0.4],
}


def lines_of(ax):
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines if not line.get_label().startswith("_")}


def write(path, history):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        writer.writerows(zip(range(3), *history.values()))


def test_panels_and_lines(tmp_path):
    figure = plot_training_curves(HISTORY, tmp_path / "curves.png")
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["loss", "mask AP", "box AP", "mask IoU", "mrcnn_mask_loss", "learning_rate"]
    assert lines_of(panels["loss"]) == {"training": [[1, 5], [2, 4], [3, 3]], "validation": [[1, 6], [2, 5.5], [3, 5]],
                                        "test": [[1, 6.5], [2, 6], [3, 5.5]]}
    average = lines_of(panels["mask AP"])
    assert set(average) == {f"{name} {part}" for name in ("AP", "AP50", "AP75") for part in ("validation", "test")}
    assert average["AP50 test"] == [[2, 0.2], [3, 0.4]]  # no point where nothing was measured
    assert lines_of(panels["mask IoU"]) == {"validation": [[2, 0.3], [3, 0.4]]}
    assert panels["learning_rate"].get_yscale() == "log" and panels["loss"].get_yscale() == "linear"
    assert len({line.get_linestyle() for line in panels["box AP"].lines}) == 3


def test_stages_are_marked_between_epochs(tmp_path):
    stages = [{"first_epoch": 0, "layers": "heads", "learning_rate": 1e-2},
              {"first_epoch": 2, "layers": "all", "learning_rate": 1e-4},
              {"first_epoch": 3, "layers": "all", "learning_rate": 1e-5}]  # has no epoch yet
    figure = plot_training_curves(HISTORY, tmp_path / "curves.png", stages)
    for ax in figure.axes:
        borders = [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_border"]
        assert borders == [2.5]  # epoch 2 ends one stage, epoch 3 begins the next
    assert [text.get_text() for text in figure.axes[0].texts] == ["heads 0.01", "all 0.0001"]


def test_the_curves_of_a_run_and_its_stages(tmp_path):
    write(tmp_path / "history.csv", {"loss": HISTORY["loss"]})
    first, second = ({"first_epoch": e, "layers": n, "learning_rate": 0.1} for e, n in ((0, "a"), (2, "b")))
    for stage in (first, first, second, second, None):  # each epoch, resumes included, tells its stage again
        draw_run(str(tmp_path), stage)
    assert json.loads((tmp_path / "stages.json").read_text()) == [first, second]
    draw_run(str(tmp_path), first)  # from an older checkpoint, before the second one began
    assert json.loads((tmp_path / "stages.json").read_text()) == [first]
    write(tmp_path / "history.csv", HISTORY)
    draw_run(str(tmp_path), {**first, "layers": "c"})  # a run taken up again from its beginning
    assert [entry["layers"] for entry in json.loads((tmp_path / "stages.json").read_text())] == ["c"]
    assert sorted(os.listdir(tmp_path)) == ["curves.png", "history.csv", "stages.json"]
    assert Image.open(tmp_path / "curves.png").size[0] > 1000


def test_a_failed_drawing_leaves_the_picture_before(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    write(tmp_path / "history.csv", HISTORY)
    draw_run(str(tmp_path))
    before = (tmp_path / "curves.png").read_bytes()

    def full_disk(self, path, **_):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(DataError, match=r"curves\.png: cannot write the file \(no space left\)"):
        draw_run(str(tmp_path))
    assert (tmp_path / "curves.png").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["curves.png", "history.csv"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"layers": "all"}]', "", "[" * 10**5, "7",
                                  '[{"first_epoch": 0, "learning_rate": "x"}]',
                                  '[{"first_epoch": 1, "learning_rate": 1, "layers": "\\ud800$\\\\frac{$"}]',
                                  '[{"first_epoch": 1, "learning_rate": 1, "layers": "' + "h[" * 10**5 + '"}]'])
def test_damaged_stages_do_no_harm(tmp_path, text):
    write(tmp_path / "history.csv", {"loss": HISTORY["loss"]})
    (tmp_path / "stages.json").write_text(text)
    draw_run(str(tmp_path))
    assert (tmp_path / "curves.png").exists()


def test_one_epoch_is_a_point(tmp_path):
    figure = plot_training_curves({"loss": [1.0]}, tmp_path / "curves.png")
    (axis,) = figure.axes[:1]
    assert axis.lines[0].get_marker() == "o"
    low, high = axis.get_xlim()
    assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [1]  # epochs are whole


@pytest.mark.parametrize("content", [b"epoch,loss\n0,\xff\n", b'epoch,loss\n0,"' + b"9" * 200_000 + b'"\n'])
def test_a_history_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"history\.csv: no readable training history .*move it away"):
        draw_run(str(tmp_path))


def test_a_history_without_numbers_says_so(tmp_path):
    with pytest.raises(DataError, match="history is empty"):
        plot_training_curves({}, tmp_path / "curves.png")
    (tmp_path / "history.csv").write_text("epoch,loss,val_segm_AP\n0,nan,nan\n")
    with pytest.raises(DataError, match=r"none of its values is a number \(NaN or empty, 1 epoch\)"):
        draw_run(str(tmp_path))
    (tmp_path / "history.csv").write_text("step,loss\n0,1.5\n")
    with pytest.raises(DataError, match='needs an "epoch" column'):
        draw_run(str(tmp_path))
