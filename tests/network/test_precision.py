import keras
import numpy as np
import pytest
from gradients import loss_and_gradients, outputs_of, whole
from tiny import TinyConfig, tiny_batch

from mrcnn.network.heads import RegionCrops
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.precision import layers_compute_in
from mrcnn.network.training_model import named_losses

pytestmark = pytest.mark.usefixtures("eagerly")

HALF = ("mixed_float16", "mixed_bfloat16")
# Of whole networks; JAX compiles each for long, and what it runs on computes in bfloat16.
BUILT = HALF[1:] if keras.backend.backend() == "jax" else HALF


@pytest.fixture(scope="module")
def networks():
    """The same weights at each precision, with scores spread enough to be clear."""
    keras.utils.set_random_seed(0)  # with some weights two detections are equally clear
    built, start = {}, None
    for precision in ("float32", *BUILT):
        built[precision] = build_mask_rcnn(TinyConfig(PRECISION=precision))
        model = built[precision][0]
        start = start or [np.array(keras.ops.convert_to_numpy(v)) for v in model.weights]
        for variable, value in zip(model.weights, start):
            spread = 20 if variable.path in ("rpn_class_raw/kernel", "mrcnn_class_logits/kernel") else 1
            variable.assign(value * spread)
    return built


def step(network):
    """The total loss and the gradients; none of these on JAX, which compiles them for half a minute.

    There tests/architectures/test_semantic.py trains in bfloat16, tests/network/test_mask_rcnn.py this network.
    """
    if keras.backend.backend() != "jax":
        return loss_and_gradients(network, tiny_batch())
    losses = named_losses(outputs_of(network, tiny_batch(), training=True))
    return float(sum(losses.values())), None


@pytest.fixture(scope="module")
def first_step(networks):
    return step(networks["float32"][0])


@pytest.mark.parametrize("precision", BUILT)
def test_convolutions_are_half_and_all_that_has_coordinates_or_is_kept_is_float32(networks, precision):
    training, inference = networks[precision]
    assert keras.config.dtype_policy().name == "float32"  # nothing is left behind
    half = {layer.name for layer in training.layers if layer.dtype_policy.name == precision}
    assert {"res2a", "res5b", "fpn_p2", "rpn_conv_shared", "mrcnn_class_conv1", "mrcnn_mask_conv4"} <= half
    full = {"anchors", "training_proposals", "anchor_targets", "region_targets", "mask_targets", "mrcnn_class_logits",
            "mrcnn_bbox", "sampled_rows"}
    assert full <= {layer.name for layer in training.layers} - half
    assert {v.dtype for v in training.weights} == {"float32"}
    batch = tiny_batch(2)
    outputs = inference.predict_on_batch(inputs_of(batch))
    floats = [name for name, value in outputs.items() if np.asarray(value).dtype.kind == "f"]
    assert set(floats) == {"boxes", "scores", "masks", "proposals"}
    assert all(np.asarray(outputs[name]).dtype == np.float32 for name in floats)


def inputs_of(batch):
    least = np.full(len(batch["image"]), TinyConfig.DETECTION_MIN_CONFIDENCE, "float32")
    return {"image": batch["image"].astype("float32"), "window": batch["window"], "min_confidence": least}


@pytest.mark.skipif(HALF[0] not in BUILT, reason="float16 is not built on JAX")
@pytest.mark.parametrize("precision", HALF[:1])  # with the 8 bits of bfloat16 an untrained network proposes other boxes
def test_the_clearest_detections_are_those_of_float32(networks, precision):
    batch = tiny_batch(2)
    inputs = inputs_of(batch)
    exact, rough = ({k: np.asarray(v) for k, v in networks[p][1].predict_on_batch(inputs).items()}
                    for p in ("float32", precision))
    for image in range(2):
        assert exact["valid"][image, 0]
        apart = np.abs(rough["boxes"][image] - exact["boxes"][image, 0]).max(axis=-1)
        same = rough["valid"][image] & (rough["class_ids"][image] == exact["class_ids"][image, 0])
        nearest = np.where(same, apart, np.inf).argmin()
        assert apart[nearest] < 1.5  # pixels
        assert rough["scores"][image, nearest] == pytest.approx(exact["scores"][image, 0], abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("precision", BUILT)
def test_loss_and_gradients_are_near_those_of_float32(networks, first_step, precision):
    loss, gradients = first_step  # the one of the same random sample
    other_loss, others = step(networks[precision][0])
    assert other_loss == pytest.approx(loss, rel=0.05)
    if gradients is None:
        return
    a, b = whole(gradients), whole(others)
    assert np.isfinite(b).all()
    assert a @ b > 0.95 * np.linalg.norm(a) * np.linalg.norm(b)


@pytest.mark.parametrize("precision", HALF)
def test_boxes_far_from_the_corner_keep_their_pixels(precision):
    # bfloat16 would make 1001 a 1000: a quarter of a cell of stride 4. Cells hold their column less 250, which half
    # precision keeps to 1/32; a crop of 2x2 cells has its centres at 1001 + 12 * (0.25, 0.75) = 1004 and 1010.
    with layers_compute_in(precision):
        crops = RegionCrops([4], 2, 2)
    columns = np.tile(np.arange(256, dtype="float32") - 250, (256, 1))[None, :, :, None]
    maps = [keras.ops.cast(keras.ops.convert_to_tensor(columns), precision.removeprefix("mixed_"))]
    boxes = keras.ops.convert_to_tensor(np.array([[1001, 1001, 1013, 1013]], "float32"))
    crop = crops({"maps": maps, "boxes": boxes, "image_index": keras.ops.zeros((1,), "int32")})
    assert keras.backend.standardize_dtype(crop.dtype) == precision.removeprefix("mixed_")
    crop = keras.ops.convert_to_numpy(keras.ops.cast(crop, "float32"))[0, :, :, 0]
    np.testing.assert_allclose(crop, [[1004 / 4 - 0.5 - 250, 1010 / 4 - 0.5 - 250]] * 2, atol=0.04)


def test_a_global_policy_of_the_users_changes_nothing():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with layers_compute_in("float32"):
            assert keras.layers.Dense(2).compute_dtype == "float32"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        with pytest.raises(KeyError), layers_compute_in("mixed_float16"):
            raise KeyError
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles two networks for a minute; others run this")
def test_channels_come_last_whatever_another_project_has_set():
    def made():
        keras.utils.set_random_seed(0)
        return build_mask_rcnn(TinyConfig(MASK_SHAPE=(28, 28)))[1]

    image = tiny_batch()["image"]
    batch = {"image": image, "window": np.array([[0, 0, *image.shape[1:3]]] * len(image), "float32"),
             "min_confidence": np.zeros(len(image), "float32")}
    expected = outputs_of(made(), batch, training=False)
    keras.config.set_image_data_format("channels_first")
    try:
        model = made()
        assert keras.config.image_data_format() == "channels_first"
        found = outputs_of(model, batch, training=False)
    finally:
        keras.config.set_image_data_format("channels_last")
    for name, value in expected.items():
        pair = (keras.ops.convert_to_numpy(x) for x in (found[name], value))
        np.testing.assert_array_equal(*pair, err_msg=name)
