"""Embeddings of objects: RoIAlign at their boxes, averaged under their masks, by an independent computation."""

import keras
import numpy as np
import pytest
from gradients import outputs_of
from keras import ops

from mrcnn.architectures.mask_rcnn import MaskRCNN
from mrcnn.network.object_embedding import PYRAMID, UnitRows, object_embeddings
from tests.ops.test_roi_align import brute_force
from tests.tiny import TinyConfig

pytestmark = pytest.mark.usefixtures("eagerly")


def test_they_are_the_mean_under_the_mask_of_what_the_heads_see(tmp_path):
    config = TinyConfig()
    model = MaskRCNN("inference", config, str(tmp_path))
    network = model.inference_model
    maps = {name: network.get_layer(name).output for name in PYRAMID}
    telling = keras.Model(network.input, {**network.output, **maps, "embedding": object_embeddings(network, config)})
    canvas = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype("float32")
    outputs = outputs_of(telling, {"image": canvas, "window": np.float32([[0, 0, 64, 64]] * 2),
                                   "min_confidence": np.float32([0.05, 0.05])}, training=False)
    outputs = {name: ops.convert_to_numpy(value) for name, value in outputs.items()}
    checked = 0
    for image, row in zip(*np.nonzero(outputs["valid"])):
        if row > 3:
            continue
        box, mask = outputs["boxes"][image, row], outputs["masks"][image, row]
        side = np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        level = int(np.clip(np.floor(4 + np.log2(side / 224)), 2, 5))  # Lin 2017, equation 1
        crop = brute_force(outputs[f"fpn_p{level}"][image], 2**level, box, 14, config.ROI_SAMPLING_RATIO)
        shares = mask.reshape(14, 2, 14, 2).mean(axis=(1, 3))
        expected = (crop * shares[..., None]).sum(axis=(0, 1))
        np.testing.assert_allclose(outputs["embedding"][image, row], expected / np.linalg.norm(expected), atol=2e-4)
        checked += 1
    assert checked >= 4
    assert not outputs["embedding"][~outputs["valid"]].any()


def test_rows_are_of_length_one_in_their_slots():
    valid = ops.convert_to_tensor(np.array([[True, False, True]]))
    rows = {"rows": np.float32([[3, 4], [0, 0], [9, 9]]), "slot": np.int32([2, 0, 1]),
            "kept": np.array([True, True, False])}
    table = UnitRows()({**{name: ops.convert_to_tensor(value) for name, value in rows.items()}, "valid": valid})
    # 3, 4 over 5; zeros stay zeros, as of an empty mask; what fills a flat list counts for nothing.
    np.testing.assert_allclose(ops.convert_to_numpy(table), [[[0, 0], [0, 0], [0.6, 0.8]]], atol=1e-6)
