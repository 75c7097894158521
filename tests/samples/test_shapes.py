"""The drawn shapes: their areas, and that pictures and masks agree."""

import os
import runpy
import sys

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "samples"), ROOT]

from shapes import SHAPES, ShapesDataset, main, shape_mask  # noqa: E402


@pytest.mark.parametrize("name, area", [("square", 40 * 40), ("circle", np.pi * 20**2), ("triangle", 40 * 40 / 2)])
def test_areas(name, area):
    mask = shape_mask(name, (50, 50, 20), 100, 100)
    assert mask.sum() == pytest.approx(area, rel=0.03)
    rows, columns = np.nonzero(mask)
    assert 30 <= rows.min() and rows.max() < 70 and 30 <= columns.min() and columns.max() < 70
    np.testing.assert_array_equal(mask, mask[:, ::-1])  # all are symmetric about the centre column


def dataset_of(count, seed=0):
    dataset = ShapesDataset()
    dataset.load_shapes(count, 96, 128, seed)
    dataset.prepare()
    return dataset


def test_masks_say_where_each_colour_is():
    dataset = dataset_of(20)
    for image_id in dataset.image_ids:
        image, (masks, class_ids) = dataset.load_image(image_id), dataset.load_mask(image_id)
        assert masks.any((0, 1)).all() and masks.sum(-1).max() <= 1  # what is hidden belongs to nobody
        info = dataset.image_info[image_id]
        assert (image[~masks.any(-1)] == info["ground"]).all()
        for i, class_id in enumerate(class_ids):
            colours = np.unique(image[masks[..., i]], axis=0)
            assert len(colours) == 1
            drawn = [name for name, colour, _ in info["shapes"] if (colour == colours[0]).all()]
            assert dataset.class_names[class_id] in drawn


def test_the_seed_decides_the_pictures():
    one, same, other = dataset_of(3), dataset_of(3), dataset_of(3, seed=1)
    np.testing.assert_array_equal(one.load_image(2), same.load_image(2))
    assert (one.load_image(2) != other.load_image(2)).any()
    assert set(SHAPES) == set(one.class_names[1:])


@pytest.mark.parametrize("option", ["--epochs", "--steps"])
def test_a_training_of_nothing_is_refused(option, capsys):
    with pytest.raises(SystemExit) as end:
        main([option, "0"])
    assert end.value.code == 2 and "trains nothing: give 1 or more of each" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_the_program_as_a_user_runs_it(tmp_path, monkeypatch, capsys):
    program = os.path.join(ROOT, "samples", "shapes.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program, "--epochs", "1", "--steps", "1", "--logs", "."])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(program, run_name="__main__")
    assert end.value.code == 0
    assert "In the picture:" in capsys.readouterr().out
    run, = os.listdir(tmp_path)
    assert run.startswith("shapes") and "mask_rcnn_shapes_0001.h5" in os.listdir(tmp_path / run)
