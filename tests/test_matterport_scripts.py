"""Scripts as users of Matterport's package wrote them run unchanged, on made pictures."""

import contextlib
import csv
import glob
import io
import json
import os
import pathlib
import runpy
import sys

import cv2
import h5py
import numpy as np
import pytest
from rewriting import running_eagerly

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent
SCRIPTS = ROOT / "tests" / "matterport_scripts"
LOSSES = ("loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")


def printed_by(script, folder, *arguments):
    """What a script prints that runs in a folder: in this process and without graphs, a fraction of the time."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output), running_eagerly(True):
        patch.chdir(folder)
        patch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    return output.getvalue()


def picture(rng, height=60, width=80, discs=2):
    """(photo uint8 [height, width, 3] of bright discs on a dim ground, masks bool [height, width, discs])."""
    photo = rng.integers(0, 60, (height, width, 3)).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    masks = np.zeros((height, width, discs), bool)
    for number in range(discs):
        centre = 15 + (width - 30) * number // max(discs - 1, 1)
        masks[..., number] = (y - rng.integers(20, 40)) ** 2 + (x - centre) ** 2 < rng.integers(8, 13) ** 2
        photo[masks[..., number]] = rng.integers(120, 255, 3)
    return photo, masks


def save(path, image):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])


# --- Balloons --------------------------------------------------------------------------------------------------------
def write_via(folder, count, seed, as_lists):
    rng, photos = np.random.default_rng(seed), {}
    for number in range(count):
        photo, masks = picture(rng)
        name = f"photo{number}.png"
        save(folder / name, photo)
        regions = []
        for i in range(masks.shape[2]):
            outline = cv2.findContours(masks[..., i].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
            xs, ys = outline[:, 0, 0].tolist(), outline[:, 0, 1].tolist()
            shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
            regions.append({"shape_attributes": shape, "region_attributes": {}})
        regions = regions if as_lists else {str(i): region for i, region in enumerate(regions)}
        photos[name] = {"filename": name, "size": 0, "regions": regions}
    photos["empty"] = {"filename": "nowhere.png", "size": 0, "regions": {}}
    (folder / "via_region_data.json").write_text(json.dumps(photos))


def write_coco_like_weights(path):
    """Some layers of Matterport's network for 81 classes, in its layout. Returns {layer: kernel}."""
    rng = np.random.default_rng(0)
    shapes = {
        "conv1": (3, 3, 3, 16), "fpn_c5p5": (1, 1, 64, 32), "mrcnn_class_logits": (64, 81),
        "mrcnn_bbox_fc": (64, 324), "mrcnn_mask": (1, 1, 256, 81),
    }
    kernels = {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in shapes.items()}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in kernels]
        for name, kernel in kernels.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"], group[f"{name}/bias:0"] = kernel, np.zeros(kernel.shape[-1], np.float32)
    return kernels


@pytest.fixture(scope="module")
def balloons(tmp_path_factory):
    """(folder, kernels of the weight file, what training printed, what the splash printed)."""
    folder = tmp_path_factory.mktemp("balloons")
    for part, count, as_lists in (("train", 4, False), ("val", 2, True)):
        (folder / "data" / part).mkdir(parents=True)
        write_via(folder / "data" / part, count, count, as_lists)
    kernels = write_coco_like_weights(folder / "coco.h5")
    rng = np.random.default_rng(9)
    save(folder / "party.png", picture(rng)[0])
    writer = cv2.VideoWriter(str(folder / "party.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (80, 60))
    for _ in range(3):
        writer.write(picture(rng)[0])
    writer.release()
    trained = printed_by("balloon.py", folder, "train", "data", "--weights", "coco.h5")
    return folder, kernels, trained, printed_by("balloon.py", folder, "splash", "party.png", "party.avi")


def test_balloons_train_from_weights_of_other_classes(balloons):
    folder, kernels, printed, _ = balloons
    # Photos without regions are left out by the script itself.
    assert f"photos 4 ['BG', 'balloon'] {os.path.join('data', 'train', 'photo0.png')}" in printed
    assert "2 layers loaded" in printed and "3 excluded (mrcnn_bbox_fc, mrcnn_class_logits, mrcnn_mask)" in printed
    (path,) = glob.glob(str(folder / "logs" / "balloon*" / "mask_rcnn_balloon_0001.h5"))
    with h5py.File(path) as file:
        # The stage "heads" leaves the backbone as the file had it, and moves the heads.
        np.testing.assert_array_equal(file["conv1/conv1/kernel:0"], kernels["conv1"])
        moved = np.abs(file["fpn_c5p5/fpn_c5p5/kernel:0"] - kernels["fpn_c5p5"])
        assert 0 < moved.max() < 0.1
        assert file["mrcnn_class_logits/mrcnn_class_logits/kernel:0"].shape == (64, 2)


def test_balloons_are_splashed_on_a_photo_and_a_video(balloons):
    folder, _, _, printed = balloons
    assert "Image 0: " in printed and "Image 0: 0 objects" not in printed
    photo, splash = (cv2.imread(str(folder / name)).astype(int) for name in ("party.png", "splash.png"))
    is_grey = (np.ptp(splash, axis=2) == 0)
    # Every pixel is the photo's own or grey, and grey is the luma of the photo (scikit-image's weights for RGB).
    assert ((splash == photo).all(axis=2) | is_grey).all()
    luma = photo @ [0.0721, 0.7154, 0.2125]
    assert (np.abs(splash[..., 0] - luma)[is_grey] <= 1).all()
    videos = [cv2.VideoCapture(str(folder / name)) for name in ("party.avi", "splash.avi")]
    for _ in range(3):
        (_, before), (more, after) = (video.read() for video in videos)
        assert more and after.shape == before.shape == (60, 80, 3)
        # JPEG keeps brightness well, and greying keeps luma.
        weights = [0.0721, 0.7154, 0.2125]
        assert np.abs((after @ weights).mean() - (before @ weights).mean()) < 3
    assert not videos[1].read()[0]


# --- Nuclei ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """(folder, sizes of the test photos, what the script printed)."""
    folder, sizes = tmp_path_factory.mktemp("nuclei"), {}
    rng = np.random.default_rng(4)
    for part, count in (("stage1_train", 5), ("stage1_test", 2)):
        for number in range(count):
            size = (64 + 8 * number, 80)
            photo, masks = picture(rng, *size, discs=3)
            save(folder / part / f"cell{number}" / "images" / f"cell{number}.png", photo)
            if part == "stage1_test":
                sizes[f"cell{number}"] = size
                continue
            for i in range(masks.shape[2]):
                save(folder / part / f"cell{number}" / "masks" / f"{i}.png", masks[..., i].astype(np.uint8) * 255)
    return folder, sizes, printed_by("nucleus.py", folder, folder)


@pytest.mark.long
def test_nuclei_train_heads_then_all_with_imgaug(nuclei):
    folder, _, printed = nuclei
    (run_folder,) = glob.glob(str(folder / "logs" / "nucleus*"))
    names = {os.path.basename(path) for path in glob.glob(run_folder + "/mask_rcnn_nucleus_*.h5")}
    assert {"mask_rcnn_nucleus_0001.h5", "mask_rcnn_nucleus_0002.h5"} <= names
    (line,) = [line for line in printed.splitlines() if line.startswith("losses ")]
    assert line.endswith("True")
    for name in LOSSES:
        assert f"'{name}'" in line and f"'val_{name}'" in line
    with h5py.File(run_folder + "/mask_rcnn_nucleus_0001.h5") as one, h5py.File(
        run_folder + "/mask_rcnn_nucleus_0002.h5"
    ) as two:
        name = "res3_conv/res3_conv/kernel:0"
        # "all" moves the backbone, and frozen statistics stay.
        assert (one[name][()] != two[name][()]).any()
        name = "bn3/bn3/moving_mean:0"
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.long
def test_nuclei_are_written_as_run_lengths_and_drawn(nuclei):
    folder, sizes, _ = nuclei
    with open(folder / "results" / "submit.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["ImageId"] for row in rows} == set(sizes)
    for name, (height, width) in sizes.items():
        taken = np.zeros(height * width, int)
        for row in rows:
            if row["ImageId"] == name:
                runs = [int(value) for value in row["EncodedPixels"].split()]
                for start, length in zip(runs[::2], runs[1::2]):
                    assert start >= 1 and length >= 1 and start + length - 1 <= height * width
                    taken[start - 1 : start - 1 + length] += 1
        assert taken.max() == 1  # something was found, and no pixel twice
        assert (folder / "results" / f"{name}.png").stat().st_size > 1000
