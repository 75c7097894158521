"""YOLACT's masks against numpy, and how much of a large one reaches the photo."""

import cv2
import keras
import numpy as np
from keras import ops

from mrcnn.data.masks import paste_mask
from mrcnn.network.yolact_masks import AnchorConv2D, PrototypeMasks, TrainingMasks, assembled


def tensors(inputs):
    return {name: ops.convert_to_tensor(value) for name, value in inputs.items()}


def test_what_some_anchors_say_is_what_they_say_among_all():
    """Three anchors a cell on maps of 2x3, 1x2 and one cell, so that each reads zeros beyond its own map."""
    rng = np.random.default_rng(0)
    layer = AnchorConv2D(3, 2, activation="tanh", bias_initializer="ones")
    maps = [rng.normal(size=(2, *sides, 4)).astype("float32") for sides in ((2, 3), (1, 2), (1, 1))]
    every = np.concatenate([ops.convert_to_numpy(layer(one)).reshape(2, -1, 2) for one in maps], axis=1)
    anchor = np.stack([np.arange(27), rng.permutation(27)]).astype("int32")
    some = layer({"maps": [ops.convert_to_tensor(one) for one in maps], "anchor": ops.convert_to_tensor(anchor)})
    expected = np.take_along_axis(every, anchor[..., None], axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(some), expected, atol=1e-6)
    symbolic = layer({"maps": [keras.Input((None, None, 4))], "anchor": keras.Input((5,), dtype="int32")})
    assert symbolic.shape == (None, 5, 2)


def test_assembly_is_a_sum_of_prototypes():
    rng = np.random.default_rng(0)
    prototypes = rng.uniform(0, 2, (2, 5, 7, 3)).astype("float32")
    coefficients = rng.uniform(-1, 1, (2, 4, 3)).astype("float32")
    logits = ops.convert_to_numpy(assembled(ops.convert_to_tensor(prototypes), ops.convert_to_tensor(coefficients)))
    for image in range(2):
        for number in range(4):
            expected = sum(coefficients[image, number, i] * prototypes[image, ..., i] for i in range(3))
            np.testing.assert_allclose(logits[image, number], expected, atol=1e-5)


def test_training_masks_belong_to_their_anchors_and_objects():
    rng = np.random.default_rng(1)
    prototypes = rng.uniform(0, 1, (2, 4, 4, 2)).astype("float32")
    coefficients = rng.uniform(-1, 1, (2, 3, 2)).astype("float32")
    masks = (rng.uniform(size=(3, 4, 4)) < 0.5).astype("float32")  # of objects 0 and 2 of image 0, and 1 of image 1
    found = TrainingMasks()(tensors({
        "prototypes": prototypes, "coefficients": coefficients, "masks": masks,
        "row": np.array([[0, 0, 1], [0, 2, 0]], "int32"),
        "valid": np.array([[True, True, False], [True, False, False]]),
        "object": np.array([[2, 0, 0], [1, 0, 0]], "int32"),
        "gt_boxes": np.arange(24, dtype="float32").reshape(2, 3, 4),
    }))
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    for image, place, row, number in ((0, 0, 1, 2), (0, 1, 0, 0), (1, 0, 2, 1)):
        np.testing.assert_allclose(found["logits"][image, place], prototypes[image] @ coefficients[image, place],
                                   atol=1e-5)
        np.testing.assert_array_equal(found["target"][image, place], masks[row])
        assert found["boxes"][image, place, 0] == 12 * image + 4 * number
    assert found["valid"].sum() == 3


def test_a_large_mask_loses_nothing_on_its_way_to_the_photo():
    """A star over the canvas: pasted it is what enlarging the prototypes' sum to the canvas gives, within the box."""
    y, x = np.mgrid[:128, :128] + 0.5
    angle, radius = np.arctan2(y - 64, x - 64), np.hypot(y - 64, x - 64)
    star = np.clip(40 + 18 * np.sin(9 * angle) - radius, -8, 8).astype("float32")
    prototypes = np.stack([np.maximum(star, 0), np.maximum(-star, 0)], axis=-1)[None]
    box = np.array([10.0, 30.5, 498.25, 500.0], "float32")
    masks = ops.convert_to_numpy(PrototypeMasks(128, 4)(tensors({
        "prototypes": prototypes, "coefficients": np.array([[[1, -1], [1, -1], [0, 0]]], "float32"),
        "boxes": np.array([[box, [200, 200, 230, 240], [0, 0, 0, 0]]], "float32"),
        "valid": np.array([[True, True, False]]),
    })))
    assert masks.shape == (1, 3, 128, 128) and not masks[0, 2].any()
    enlarged = cv2.resize(1 / (1 + np.exp(-star)), (512, 512), interpolation=cv2.INTER_LINEAR) >= 0.5
    for mask, (top, left, bottom, right) in zip(masks[0], (box, (200, 200, 230, 240))):
        part, (first, second) = paste_mask(mask, np.array([top, left, bottom, right], "float32"), (512, 512), 0.5)
        pasted = np.zeros((512, 512), bool)
        pasted[first : first + part.shape[0], second : second + part.shape[1]] = part
        rows, columns = np.arange(512)[:, None] + 0.5, np.arange(512)[None] + 0.5
        expected = enlarged & (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
        assert (pasted & expected).sum() / (pasted | expected).sum() > 0.995


def test_what_is_found_nowhere_is_not_worked_on_and_zero():
    masks = PrototypeMasks(16, 4)(tensors({
        "prototypes": np.ones((2, 16, 16, 4), "float32"), "coefficients": np.ones((2, 5, 4), "float32"),
        "boxes": np.zeros((2, 5, 4), "float32"), "valid": np.zeros((2, 5), bool),
    }))
    assert masks.shape == (2, 5, 16, 16) and not ops.convert_to_numpy(masks).any()
