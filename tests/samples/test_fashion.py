"""samples/fashion.py: its settings are those of `mrcnn`, and a copy of it is a program of one's own."""

import json
import os
import pathlib
import runpy
import sys

import numpy as np
import pytest
from encoded_pixels import painted, text_of
from PIL import Image

from mrcnn.commands.configs import FashionConfig
from mrcnn.data.attributes import load_objects
from mrcnn.data.augmentation import apply_augmentation
from mrcnn.data.ground_truth import gives_run_lengths
from mrcnn.data.recipes import augmentation_of

pytestmark = pytest.mark.usefixtures("eagerly")

SAMPLE = pathlib.Path(__file__).parent.parent.parent / "samples" / "fashion.py"
SHAPE = 64, 48  # of the photos
TINY = ["--backbone", "small", "--image-size", "64", "--batch-size", "1", "--set", "TOP_DOWN_PYRAMID_SIZE=16",
        "--set", "RPN_CHANNELS=16", "--set", "MASK_CHANNELS=16", "--set", "FPN_CLASSIF_FC_LAYERS_SIZE=16",
        "--set", "TRAIN_ROIS_PER_IMAGE=8", "--set", "POST_NMS_ROIS_TRAINING=30", "--set", "POST_NMS_ROIS_INFERENCE=30",
        "--set", "DETECTION_MAX_INSTANCES=5", "--set", "WORKERS=0"]


@pytest.fixture(scope="module")
def sample():
    """What samples/fashion.py defines."""
    return runpy.run_path(str(SAMPLE))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The working folder, with shop.csv of four photos, each with a large object of class 0 and a small one of 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    rows = ["ImageId,EncodedPixels,Height,Width,ClassId"]
    for i in range(4):
        image = np.full((*SHAPE, 3), 90, np.uint8)
        for class_id, runs in enumerate(runs_of(i)):
            image[painted(runs, SHAPE)] = 200 + 50 * class_id
            rows.append(f"{i}.png,{text_of(runs).decode()},{SHAPE[0]},{SHAPE[1]},{class_id}")
        Image.fromarray(image).save(tmp_path / "shop" / f"{i}.png")
    (tmp_path / "shop.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def runs_of(i):
    """Runs of a large rectangle and of a small one below it, in a photo of SHAPE."""
    large = [(1 + SHAPE[0] * column + 4 + i, 20) for column in range(5, 40)]
    return large, [(1 + SHAPE[0] * column + 40, 10 + i) for column in range(10, 20)]


# --- The story of the two --------------------------------------------------------------------------------------------


def test_the_settings_are_those_of_the_command(sample):
    # RECIPE is no setting of the user's: the commands add it.
    assert {**sample["FashionConfig"]().to_dict(), "RECIPE": None} == FashionConfig().to_dict()


def test_its_augmentation_is_what_the_command_calls_imgaug(sample):
    image = np.random.default_rng(1).integers(0, 255, (40, 30, 3)).astype(np.uint8)
    masks = image[..., :1] > 100
    for seed in range(4):
        one, other = (apply_augmentation(augmentation, image, masks, np.random.default_rng(seed))
                      for augmentation in (sample["augmentation"](), augmentation_of("imgaug")))
        assert (one[0] == other[0]).all() and (one[1] == other[1]).all()


def test_it_is_short():
    assert SAMPLE.read_text().count("\n") <= 110


def test_its_masks_are_those_of_the_run_lengths(sample, photos):
    (photos / "label_descriptions.json").write_text(json.dumps(
        {"categories": [{"id": 1, "name": "plate"}, {"id": 0, "name": "mug"}]}))
    assert sample["FashionDataset"].recognises("shop.csv") and not sample["FashionDataset"].recognises("shop/0.png")
    dataset = sample["FashionDataset"]().load("shop.csv", limit=3)
    dataset.prepare()
    assert dataset.class_names == ["BG", "mug", "plate"] and len(dataset.image_ids) == 3
    for i in dataset.image_ids:
        masks, class_ids = dataset.load_mask(i)
        assert class_ids.tolist() == [1, 2]
        assert (masks == np.stack([painted(runs, SHAPE) for runs in runs_of(int(i))], -1)).all()
    assert gives_run_lengths(dataset)  # masks of large photos are not decoded for training


def test_its_attributes_are_those_of_the_package(sample, photos):
    text = (photos / "shop.csv").read_text()
    (photos / "shop.csv").write_text(text.replace(",0\n", ",0_28_77\n"))
    (photos / "label_descriptions.json").write_text(json.dumps(
        {"categories": [{"id": 0, "name": "mug"}, {"id": 1, "name": "plate"}],
         "attributes": [{"id": 28, "name": "washed"}, {"id": 77, "name": "blue"}]}))
    dataset = sample["FashionDataset"]().load("shop.csv", limit=1)
    dataset.prepare()
    assert load_objects(dataset, 0)[2] == [(28, 77), ()]


# --- A program of one's own ------------------------------------------------------------------------------------------


def shop(folder):
    """A copy of the sample with another name and other classes; a function that runs it and returns its exit code."""
    text = SAMPLE.read_text().replace("fashion", "shop").replace("Fashion", "Shop")
    text = text.replace("    CLASSES = None", '    CLASSES = ("mug", "plate")', 1)
    (folder / "shop.py").write_text(text)

    def run(*arguments):
        before = sys.argv, list(sys.path)
        sys.argv = ["shop.py", *arguments]
        try:
            with pytest.raises(SystemExit) as end:
                runpy.run_path("shop.py", run_name="__main__")
        finally:
            sys.argv, sys.path[:] = before
        return end.value.code

    return run


@pytest.mark.long
def test_a_copy_with_other_classes_is_a_program_of_ones_own(photos, capsys):
    run = shop(photos)
    assert run("data", "summary", "--annotations", "shop.csv") == 0
    output = capsys.readouterr().out
    assert "mug" in output and "plate" in output and "4 photos" in output
    assert run("train", "--train", "shop.csv", "--val", "shop.csv", "--limit", "2", "--weights", "none",
               "--stages", "heads:1:1e-3:none,all:1:1e-3", *TINY) == 0
    output = capsys.readouterr().out
    assert "Next: python shop.py evaluate --logs logs --annotations shop.csv" in output
    (run_folder,) = (name for name in os.listdir("logs") if name != "data")
    assert run_folder.startswith("shop2") and "mask_rcnn_shop_0002.h5" in os.listdir(f"logs/{run_folder}")
    assert run("evaluate", "--annotations", "shop.csv", "--output", "out", "--no-report") == 0
    metrics = json.loads((photos / "out" / "metrics.json").read_text())
    assert metrics["images"] == 4 and "mug" in capsys.readouterr().out
    # The command has runs of its own, and says that there are others.
    from mrcnn.commands.main import main

    assert main(["evaluate", "--annotations", "shop.csv"]) == 2
    assert f"{run_folder}/mask_rcnn_shop_0002.h5" in capsys.readouterr().err


def test_it_reads_the_formats_of_the_package_too(photos, capsys):
    run = shop(photos)
    assert run("data", "convert", "--annotations", "shop.csv", "--to", "coco", "--output", "shop.json") == 0
    content = json.loads((photos / "shop.json").read_text())
    content["categories"][:0] = [{"id": 7, "name": "table"}]
    (photos / "shop.json").write_text(json.dumps(content))
    capsys.readouterr()
    with pytest.warns(UserWarning, match="1 class is left out .*table.: CLASSES names mug, plate"):
        assert run("data", "summary", "--annotations", "shop.json", "--images", "shop") == 0
    output = capsys.readouterr().out
    assert "mug" in output and "table" not in output


def test_without_annotations_it_draws(photos, capsys):
    assert shop(photos)("data", "summary", "--limit", "2") == 0
    assert "dress" in capsys.readouterr().out
