"""What the notebooks open: drawn pictures or a user's own, and the run that knows their classes."""

import os
import sys
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from keras import ops
from rectangles import Rectangles
from tiny import TinyConfig

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "samples"), ROOT]

import inspect_runs  # noqa: E402

from mrcnn.data.drawn.people import DrawnPeople, write_files  # noqa: E402
from mrcnn.errors import CheckpointError, UsageError  # noqa: E402
from mrcnn.model import MaskRCNN  # noqa: E402
from mrcnn.ops import roi_align  # noqa: E402


class DescribedConfig(TinyConfig):
    """A network of attributes, small."""

    ATTRIBUTES = ["large", "small"]
    ATTRIBUTE_PAIRS = [[], [0, 1], [0], [1]]


def checkpoint(folder, run, names, epoch=3, architecture=None):
    """The attributes that a checkpoint carries, in its place, without any weights."""
    os.makedirs(folder / run)
    path = folder / run / f"mask_rcnn_{run[:-13]}_{epoch:04d}.h5"
    with h5py.File(path, "w") as file:
        file.attrs["mrcnn_config"] = "{}"
        if architecture:
            file.attrs["mrcnn_architecture"] = architecture
        file.attrs["mrcnn_class_names"] = "[" + ", ".join(f'"{name}"' for name in names) + "]"
    return str(path)


def test_drawn_pictures_unless_told_otherwise():
    dataset, config = inspect_runs.open_pictures(limit=3)
    assert len(dataset.image_ids) == 3 and config.NUM_CLASSES == dataset.num_classes == 9
    training = inspect_runs.open_pictures(limit=3, part="train")[0]
    assert {info["id"] for info in dataset.image_info}.isdisjoint({info["id"] for info in training.image_info})


def test_photos_of_the_reader(tmp_path):
    drawn = DrawnPeople()
    drawn.load_drawn(3, size=(64, 48), seed=5)
    drawn.prepare()
    annotations, images = write_files(drawn, tmp_path)
    dataset, config = inspect_runs.open_pictures(annotations, images, limit=2)
    assert len(dataset.image_ids) == 2 and config.NUM_CLASSES == 9 and config.IMAGE_MAX_DIM == 512
    assert (dataset.load_image(0) == drawn.load_image(0)).all()


def test_photos_without_objects_are_left_out():
    dataset = Rectangles().load([[], [(1, 0, 0, 9, 9)], [(1, 0, 0, 9, 9)], []])
    assert sorted(inspect_runs.photos_with_objects(dataset, 0, least=2)) == [1, 2]
    drawn = inspect_runs.open_pictures(limit=8)[0]
    orders = [inspect_runs.photos_with_objects(drawn, seed) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[2]) == list(range(8))
    with pytest.raises(UsageError, match="2 photos have objects, 4 are needed"):
        inspect_runs.photos_with_objects(dataset, 0)


def test_photos_with_crowds_alone_are_passed_over_and_told(capsys):
    dataset = Rectangles().load([[(-1, 0, 0, 9, 9)], [(1, 0, 0, 9, 9), (-1, 20, 20, 29, 29)], [(1, 0, 0, 9, 9)]])
    assert sorted(inspect_runs.photos_with_objects(dataset, 0, least=2)) == [1, 2]
    assert "1 photos that have crowds alone" in capsys.readouterr().out
    masks, class_ids = inspect_runs.true_objects(dataset, 1)
    assert class_ids.tolist() == [1] and masks.shape[-1] == 1 and masks.sum() == 81
    told = [inspect_runs.objects_text(dataset.load_mask(i)[1]) for i in range(3)]
    assert told == ["0 objects and 1 crowd", "1 object and 1 crowd", "1 object"]


def test_anchors_are_ranked_by_logits_where_their_probabilities_are_all_0():
    logits = np.array([-130, -110, -120, -140], np.float32)
    anchors = np.array([[0, 10 * i, 10, 10 * i + 8] for i in range(4)], np.float32)
    config = TinyConfig(PRE_NMS_PER_LEVEL_INFERENCE=3)
    window = np.array([0, 0, 32, 25.0])
    level = inspect_runs.best_of_level(anchors, logits, np.zeros((4, 4), np.float32), window, config)
    assert level["logits"].tolist() == [-110, -120, -130] and level["kept"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(level["cut"][:2], [[0, 10, 10, 18], [0, 20, 10, 25]])
    assert (np.diff(inspect_runs.sigmoid(level["logits"])) < 0).all()


def test_boxes_that_are_not_those_of_the_network_are_counted():
    boxes = np.arange(12.0).reshape(3, 4)
    assert inspect_runs.held_against(boxes, boxes + 1e-3) == "the network's own differ by 0.00100 pixels at most"
    assert inspect_runs.held_against(boxes[:0], boxes[:0]).startswith("the network's own differ by 0.00000")
    for ours, theirs in ((boxes, boxes[1:]), (boxes + [[0], [0], [5]], boxes[:2]), (boxes[:0], boxes)):
        alike = min(2, len(ours))
        assert inspect_runs.held_against(ours, theirs) == (
            f"the network's own are {len(theirs)}, of which {alike} are among the {len(ours)} worked out here")
    swapped = inspect_runs.held_against(boxes, np.concatenate([boxes[:2], boxes[2:] + 40]))
    assert swapped == "the network's own are 3, of which 2 are among the 3 worked out here"


@pytest.mark.usefixtures("eagerly")
def test_weights_are_those_of_their_part(tmp_path):
    class EveryHead(DescribedConfig):
        CASCADE_IOUS, MASK_HEAD, POINT_HEAD_CHANNELS, MASK_SCORES = [0.6], "points", 16, True

    plain, full = (MaskRCNN("inference", kind(), str(tmp_path)) for kind in (TinyConfig, EveryHead))
    (few, none), (counts, others) = map(inspect_runs.weights_by_part, (plain, full))
    assert none == others == [] and "attribute head" not in few and "other" not in counts
    assert counts["backbone"] == few["backbone"] and counts["attribute head"] > 0
    assert counts["box head"] > few["box head"] and counts["mask head"] > few["mask head"]
    assert sum(counts.values()) == full.inference_model.count_params()
    own = keras.layers.Dense(2, name="mrcnn_embedding")
    own.build((None, 3))
    full.get_trainable_layers = lambda: [own]
    assert inspect_runs.weights_by_part(full) == ({"other": 8}, ["mrcnn_embedding"])


def test_the_newest_run_that_knows_the_classes(tmp_path):
    names = ["BG", "hat", "coat"]
    assert inspect_runs.find_run(str(tmp_path), names) is None
    ours = checkpoint(tmp_path, "inspect20261103T0000", names)
    assert inspect_runs.find_run(str(tmp_path), names) == ours
    # A run of fashion.py is better trained than a minute; newer ones of other classes or networks do not hide it.
    fashion = checkpoint(tmp_path, "fashion20261101T0000", names)
    assert inspect_runs.find_run(str(tmp_path), names) == fashion
    checkpoint(tmp_path, "fashion20261102T0000", ["BG", "dog"])
    checkpoint(tmp_path, "fashion20261103T0000", names, architecture="unet")
    assert inspect_runs.find_run(str(tmp_path), names) == fashion
    os.remove(fashion)
    assert inspect_runs.find_run(str(tmp_path), names) == ours


def test_a_run_that_cannot_be_read_is_told_and_passed_over(tmp_path, capsys):
    fashion = checkpoint(tmp_path, "fashion20261101T0000", ["BG", "hat"])
    (tmp_path / "fashion20261102T0000").mkdir()
    (tmp_path / "fashion20261102T0000" / "mask_rcnn_fashion_0001.h5").write_bytes(b"damaged")
    assert inspect_runs.find_run(str(tmp_path), ["BG", "hat"]) == fashion
    assert "Passed over: " in capsys.readouterr().out


def test_mistakes_are_told_in_one_line(tmp_path):
    dataset = SimpleNamespace(class_names=["BG", "hat"])
    with pytest.raises(UsageError, match="No run of Mask R-CNN in .* knows the classes of these photos: train one"):
        inspect_runs.trained_checkpoint(dataset, logs=str(tmp_path), drawn=False)
    path = checkpoint(tmp_path, "fashion20261101T0000", ["BG", "dog"])
    with pytest.raises(UsageError, match="knows the classes dog, the data has hat"):
        inspect_runs.trained_checkpoint(dataset, path)
    path = checkpoint(tmp_path, "labels20261101T0000", ["BG", "hat"], architecture="unet")
    with pytest.raises(UsageError, match="of the architecture unet, but the notebooks .*: set CHECKPOINT to"):
        inspect_runs.trained_checkpoint(dataset, path)
    with pytest.raises(CheckpointError, match="does not exist"):
        inspect_runs.trained_checkpoint(dataset, str(tmp_path / "gone.h5"))


def test_a_checkpoint_that_fits_is_taken(tmp_path):
    dataset = SimpleNamespace(class_names=["BG", "hat"])
    path = checkpoint(tmp_path, "anything20261101T0000", ["BG", "hat"])
    assert inspect_runs.trained_checkpoint(dataset, path) == path


@pytest.mark.usefixtures("eagerly")
def test_crops_of_a_network_of_attributes_are_those_of_its_proposals(tmp_path):
    model = MaskRCNN("inference", DescribedConfig(), str(tmp_path))
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    layers = [f"fpn_p{level}" for level in (2, 3, 4, 5)]
    names = (*layers, "proposals", "roi_align_classifier")
    stages = model.run_graph([photo], [(name, name) for name in names])
    box = ops.convert_to_tensor(stages["proposals"]["boxes"][0, :1])
    level = roi_align.pyramid_levels(box, 2, 5)
    expected = roi_align.roi_align([stages[name] for name in layers], (4, 8, 16, 32), box, ops.zeros(1, "int32"),
                                   level - 2, 7, model.config.ROI_SAMPLING_RATIO)
    crops = stages["roi_align_classifier"]
    assert len(crops) == 2 and inspect_runs.first_call(crops) is crops[0]
    np.testing.assert_allclose(inspect_runs.first_call(crops)[0], ops.convert_to_numpy(expected)[0], atol=1e-4)
    assert inspect_runs.first_call(crops[0]) is crops[0]  # of a network without attributes
