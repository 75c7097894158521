import keras
import numpy as np
import pytest
from gradients import outputs_of
from keras import ops
from tiny import TinyConfig, tiny_batch

from mrcnn.errors import CheckpointError, ConfigError
from mrcnn.network import losses
from mrcnn.network.cascade import MovedRegions
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.mask_rcnn_layout import MASK_RCNN
from mrcnn.network.training_model import CASCADE_LOSS_NAMES, LOSS_NAMES, named_losses
from mrcnn.ops import boxes as box_ops
from mrcnn.training.stages import select_layers
from mrcnn.weights import files as weights

pytestmark = pytest.mark.usefixtures("eagerly")

JIT = keras.backend.backend() == "jax"
STD = np.array([0.1, 0.1, 0.2, 0.2])
SECOND = ["mrcnn_bbox_stage2_fc", "mrcnn_class_stage2_bn1", "mrcnn_class_stage2_bn2", "mrcnn_class_stage2_conv1",
          "mrcnn_class_stage2_conv2", "mrcnn_class_stage2_logits"]


def build(ious=(0.6,), **settings):
    keras.utils.set_random_seed(0)
    training, inference = build_mask_rcnn(TinyConfig(CASCADE_IOUS=list(ious), **settings))
    rng = np.random.default_rng(0)
    for layer in training.layers:  # as they begin, heads say next to nothing
        if layer.weights and layer.name.endswith(("_fc", "_logits")):
            layer.kernel.assign(rng.normal(0, 0.3, layer.kernel.shape))
    return training, inference


@pytest.fixture(scope="module")
def networks():
    return build((0.6, 0.7))


def moved_by(deltas, boxes, std, side=64):
    """Boxes [N, 4] moved by deltas [N, 4] and cut to the photo; those of no area stay."""
    moved = box_ops.clip(box_ops.decode(deltas, boxes, std), np.array([0, 0, side, side], float))
    return np.where(box_ops.area(moved)[:, None] > 0, moved, boxes)


def of_best_class(logits, deltas):
    return deltas[np.arange(len(deltas)), 1 + logits[:, 1:].argmax(axis=1)]


def test_regions_move_by_their_best_class():
    boxes = np.array([[[10, 10, 30, 50], [0, 0, 8, 8], [0, 0, 0, 0]]], "float32")
    # Background is not asked. The first moves down by 0.1 * 1 of its height of 20; the second would leave the photo.
    logits = np.array([[9, 1, 2], [0, 1, 0]], "float32")
    deltas = np.zeros((2, 3, 4), "float32")
    deltas[0, 2, 0], deltas[0, 1, 0], deltas[1, 1, 0] = 1, 5, -100
    rows = {"logits": logits, "deltas": deltas, "slot": np.array([0, 1], "int32"), "kept": np.array([True, True])}
    window = np.array([[0, 0, 64, 64]], "float32")

    def moved(**changed):
        inputs = {**rows, "boxes": boxes, "window": window, **changed}
        return ops.convert_to_numpy(MovedRegions(STD)({name: ops.convert_to_tensor(v) for name, v in inputs.items()}))

    expected = [[[12, 10, 32, 50], [0, 0, 8, 8], [0, 0, 0, 0]]]
    np.testing.assert_allclose(moved(), expected, atol=1e-4)
    np.testing.assert_allclose(moved(slot=np.array([1, 0], "int32"), logits=logits[::-1].copy(),
                                     deltas=deltas[::-1].copy()), expected, atol=1e-4)
    np.testing.assert_allclose(moved(kept=np.array([False, True])), boxes, atol=1e-4)
    np.testing.assert_allclose(moved(window=np.array([[0, 0, 31, 64]], "float32"))[0, 0], [12, 10, 31, 50], atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="files are exported by TensorFlow")
def test_exported_files_have_the_operations_that_choose_the_class():
    import tensorflow as tf

    given = {"logits": (None, 3), "deltas": (None, 3, 4), "boxes": (1, 5, 4), "window": (1, 4)}
    layer = MovedRegions(STD)
    graph = tf.function(lambda inputs: layer.call(inputs)).get_concrete_function(
        {name: tf.TensorSpec(shape, tf.float32) for name, shape in given.items()}).graph
    assert not {"Bitcast", "BitwiseAnd", "ArgMax"} & {operation.type for operation in graph.get_operations()}


def test_detection_is_that_of_the_last_head_by_the_mean_of_all(networks):
    inference = networks[1]
    names = ("mrcnn_class_logits", "mrcnn_bbox", "mrcnn_class_stage2_logits", "mrcnn_bbox_stage2",
             "detection_moved_stage2", "detection_moved_stage3", "mrcnn_class_mean_logits", "mrcnn_class_stage3_logits")
    inner = {name: _made_by(inference, name) for name in names}
    model = keras.Model(inference.input, {**inner, "proposals": inference.output["proposals"]})
    model.compile(jit_compile=JIT)
    batch = tiny_batch()
    least = np.full(2, 0.05, "float32")
    made = model.predict_on_batch(
        {"image": batch["image"].astype("float32"), "window": batch["window"], "min_confidence": least})
    made = {name: ops.convert_to_numpy(value) for name, value in made.items()}

    proposals, regions = made["proposals"].reshape(-1, 4), [made[f"detection_moved_stage{s}"] for s in (2, 3)]
    regions = [table.reshape(-1, 4) for table in regions]
    deltas = of_best_class(made["mrcnn_class_logits"], made["mrcnn_bbox"])
    np.testing.assert_allclose(regions[0], moved_by(deltas, proposals, STD), atol=1e-3)
    deltas = of_best_class(made["mrcnn_class_stage2_logits"], made["mrcnn_bbox_stage2"])
    np.testing.assert_allclose(regions[1], moved_by(deltas, regions[0], STD / 2), atol=1e-3)
    assert np.abs(regions[0] - proposals).max() > 1 and np.abs(regions[1] - regions[0]).max() > 1
    logits = [made[f"mrcnn_class{mark}_logits"] for mark in ("", "_stage2", "_stage3")]
    np.testing.assert_allclose(made["mrcnn_class_mean_logits"], np.mean(logits, axis=0), atol=1e-5)
    np.testing.assert_allclose(inference.get_layer("mrcnn_detection").std, STD / 3)


def _made_by(model, name):
    """The tensor that a layer gives in a model; a layer is called in the graph of training too."""
    layer, own = model.get_layer(name), {id(operation) for operation in model.operations}
    assert id(layer) in own
    nodes = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    return next(node.outputs[0] for node in layer._inbound_nodes if id(node) in nodes)


def test_each_head_learns_from_better_regions_and_moves_them_less(networks):
    batch = tiny_batch()
    outputs = {name: ops.convert_to_numpy(value)
               for name, value in outputs_of(networks[0], batch, training=True).items()}
    for stage, iou in ((2, 0.6), (3, 0.7)):
        rows = {name: outputs[f"stage{stage}_{name}"] for name in
                ("boxes", "valid", "positive", "class_ids", "deltas", "image_index")}
        chosen = np.flatnonzero(rows["positive"] & rows["valid"])
        assert len(chosen) >= 4  # the true boxes are among the regions
        for row in chosen:
            truth = batch["gt_boxes"][rows["image_index"][row], rows["class_ids"][row] - 1]
            assert box_ops.iou(rows["boxes"][row], truth) >= iou
            reached = box_ops.decode(rows["deltas"][row], rows["boxes"][row], STD / stage)
            np.testing.assert_allclose(reached, truth, atol=1e-3)
        for row in np.flatnonzero(rows["valid"] & ~rows["positive"]):
            truth = batch["gt_boxes"][rows["image_index"][row], :2]
            assert rows["class_ids"][row] == 0 and (box_ops.iou(rows["boxes"][row][None], truth) < iou).all()


def test_the_third_head_counts_half_of_the_second(networks):
    outputs = outputs_of(networks[0], tiny_batch(), training=True)
    values = {name: float(value) for name, value in named_losses(outputs).items()}

    def own(stage):
        rows = {name: outputs[f"stage{stage}_{name}"] for name in ("logits", "class_ids", "valid")}
        return float(losses.mrcnn_class_loss(
            rows["logits"], rows["class_ids"], rows["valid"],
            ops.take(outputs["active_classes"], outputs[f"stage{stage}_image_index"], axis=0)))

    assert set(values) == {*LOSS_NAMES, *CASCADE_LOSS_NAMES}
    assert values["mrcnn_cascade_class_loss"] == pytest.approx(own(2) + own(3) / 2, rel=1e-5)
    assert own(2) > 0.1 and own(3) > 0.1 and values["mrcnn_cascade_bbox_loss"] > 0


@pytest.mark.skipif(JIT, reason="JAX compiles this step for half a minute")
def test_the_losses_of_the_cascade_alone_teach_its_head():
    only = dict.fromkeys(TinyConfig.LOSS_WEIGHTS, 0.0) | dict.fromkeys(CASCADE_LOSS_NAMES, 0.5)
    training, _ = build(LOSS_WEIGHTS=only)
    training.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    before = {v.path: np.asarray(v) for v in training.trainable_variables}
    logs = training.train_on_batch(tiny_batch(), return_dict=True)
    changed = {path.split("/")[0] for v in training.trainable_variables
               if not np.array_equal(np.asarray(v), before[path := v.path])}
    assert {*SECOND, "fpn_p2"} - {"mrcnn_class_stage2_bn1", "mrcnn_class_stage2_bn2"} <= changed
    assert not {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask", "rpn_class_raw"} & changed
    assert logs["loss"] == pytest.approx(sum(0.5 * logs[name] for name in CASCADE_LOSS_NAMES), rel=1e-5)


def test_a_cascade_begins_with_the_head_of_a_plain_file_where_a_training_begins(tmp_path):
    path, (cascade, _) = str(tmp_path / "plain.h5"), build()
    plain, _ = build_mask_rcnn(TinyConfig())
    weights.write_weights(path, plain)
    with pytest.raises(CheckpointError, match=r"another architecture: .*6 missing \(mrcnn_class_stage2_conv1"):
        weights.load_weights(path, cascade)
    report = weights.load_weights(path, cascade, begin=True)
    assert sorted(report.copied) == SECOND and not report.missing and "6 copied (mrcnn_" in str(report)
    for name in SECOND:
        times = 2 if name == "mrcnn_bbox_stage2_fc" else 1  # over half the deviations
        for mine, theirs in zip(cascade.get_layer(name).weights, plain.get_layer(name.replace("_stage2", "")).weights):
            np.testing.assert_allclose(np.asarray(mine), times * np.asarray(theirs), rtol=1e-6, err_msg=mine.path)
    # Of other classes both stay as they are; what does not follow from the classes is taken.
    report = weights.load_weights(path, cascade, begin=True, exclude=MASK_RCNN.class_layers)
    assert len(report.copied) == 4 and not {"mrcnn_bbox_stage2_fc", "mrcnn_class_stage2_logits"} & set(report.copied)
    report = weights.load_weights(path, cascade, by_name=True, exclude=["mrcnn_class_logits"])
    assert report.missing == ["mrcnn_class_stage2_logits"] and len(report.copied) == 5

    weights.write_weights(path, cascade)
    other, _ = build()
    assert set(SECOND) <= set(weights.load_weights(path, other).loaded)
    for a, b in zip(cascade.weights, other.weights):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)
    assert set(SECOND) <= set(select_layers(other, "heads", frozen_norm=True))
    assert {MASK_RCNN.part_of(name) for name in SECOND} == {"box head"}


@pytest.mark.parametrize("ious", [[0.5], [0.7, 0.6], [0.6, 0.6], [0.6, 0.7, 0.8]])
def test_a_cascade_rises(ious):
    with pytest.raises(ConfigError, match=r"CASCADE_IOUS=.* above ROI_POSITIVE_IOU=0.5 .* as \[0.6, 0.7\]"):
        TinyConfig(CASCADE_IOUS=ious).check()


def test_what_a_cascade_cannot_be():
    with pytest.raises(ConfigError, match="CASCADE_IOUS='0.6'"):
        TinyConfig(CASCADE_IOUS="0.6")
    with pytest.raises(ConfigError, match="CASCADE_IOUS=.* needs GEOMETRY=exact: Matterport's has one box head"):
        TinyConfig(CASCADE_IOUS=[0.6], GEOMETRY="matterport").check()
    with pytest.raises(ConfigError, match="LOSS_WEIGHTS.*mrcnn_cascade_"):
        TinyConfig(CASCADE_IOUS=[0.6], LOSS_WEIGHTS=dict.fromkeys(LOSS_NAMES, 1.0)).check()
    TinyConfig(LOSS_WEIGHTS=dict.fromkeys(LOSS_NAMES, 1.0)).check()
