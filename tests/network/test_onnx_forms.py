"""The box head and the pyramid as an ONNX file has them, against the same layers in TensorFlow."""

import keras
import numpy as np
import pytest
from written_onnx import as_file

from mrcnn.network.heads import MaskHead, RegionCrops
from mrcnn.network.onnx_forms import AsBefore, ByLevel, DenseOnCrops, Doubled, FlattenedCrops

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ONNX files are made of its graphs")


def test_regions_go_by_level_and_come_back_as_they_stood(tmp_path):
    rng = np.random.default_rng(0)
    crops = RegionCrops([4, 8], 2, 2)
    by_level, as_before, rows = ByLevel(crops.levels), AsBefore(), FlattenedCrops()
    dense = DenseOnCrops(4, lambda: rows.crop)
    dense.build((None, 2 * 2 * 3))
    dense.bias.assign(rng.normal(size=4))
    # FPN equation 1: level 2 + floor(log2(side / 56)), so 20 is of the first level, and 120 of the second.
    boxes = np.float32([[0, 0, 120, 120], [5, 8, 25, 28], [9, 2, 129, 122], [40, 40, 60, 60]])
    image = np.zeros(4, "int32")

    def function(low, high, boxes, image):
        maps = [low, high]
        regions = by_level({"maps": maps, "boxes": boxes, "image_index": image})
        seen = dense(rows(crops({"maps": maps, **regions})))
        return {"rows": as_before({"rows": seen, "order": regions["order"]}), "order": regions["order"]}

    maps = {"low": rng.normal(size=(1, 32, 32, 3)), "high": rng.normal(size=(1, 16, 16, 3))}
    inputs = {**{name: value.astype("float32") for name, value in maps.items()}, "boxes": boxes, "image": image}
    here = {name: np.asarray(value) for name, value in function(*map(keras.ops.array, inputs.values())).items()}
    told, _ = as_file(tmp_path, function, **inputs)
    assert here["order"].tolist() == [0, 1, 2, 3] and told["order"].tolist() == [1, 3, 0, 2]
    np.testing.assert_allclose(told["rows"], here["rows"], atol=1e-5)
    assert np.ptp(here["rows"], axis=0).min() > 0.01  # each region's own


def test_maps_are_doubled_by_one_operation(tmp_path):
    maps = np.arange(12, dtype="float32").reshape(1, 2, 3, 2)
    told, operations = as_file(tmp_path, lambda maps: {"twice": Doubled()(maps)}, maps=maps)
    np.testing.assert_array_equal(told["twice"], maps.repeat(2, axis=1).repeat(2, axis=2))
    assert "Resize" in operations and "Tile" not in operations


def test_the_mask_of_one_class_is_that_of_all_classes_in_a_file_too(tmp_path):
    rng = np.random.default_rng(0)
    crops, class_ids = keras.Input((3, 3, 4)), keras.Input((), dtype="int32")
    head = MaskHead(6, 3, "batch", None)
    network = keras.Model([crops, class_ids], [head(crops), head.own_masks(crops, class_ids)])
    for layer in head.layers[-2:]:
        for weight in layer.weights:
            weight.assign(rng.normal(size=weight.shape))
    inputs = {"crops": rng.normal(size=(2, 3, 3, 4)).astype("float32"), "class_ids": np.int32([2, 1])}
    told, operations = as_file(tmp_path, lambda *given: {"mask": network(given)[1]}, **inputs)
    every = np.asarray(network(list(inputs.values()))[0])
    np.testing.assert_allclose(told["mask"], every[np.arange(2), :, :, inputs["class_ids"]], atol=1e-5)
    assert np.std(told["mask"]) > 0.1 and "ConvTranspose" not in operations  # nothing of the other classes
