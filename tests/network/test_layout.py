"""What names of layers mean, and the form that weight files give Mask R-CNN's."""

from types import SimpleNamespace

import numpy as np

from mrcnn.network.layout import Layout, layout_of
from mrcnn.network.mask_rcnn_layout import MASK_RCNN


def test_heads_and_parts_go_by_names():
    layout = Layout(heads="up.*|label", parts={"decoder": ("up",), "head": ("label",)})
    assert [layout.is_head(name) for name in ("up1", "label", "label2", "conv1")] == [True, True, False, False]
    assert [layout.part_of(name) for name in ("up1", "label", "conv1")] == ["decoder", "head", "backbone"]
    # A head that no part names is none of the backbone, which its weights would be counted in.
    assert Layout(heads="up.*|label", parts={"decoder": ("up",)}).part_of("label") == "other"
    assert MASK_RCNN.part_of("mrcnn_embedding") == "other" and MASK_RCNN.part_of("res2a") == "backbone"
    assert not Layout().is_head("anything") and Layout().part_of("anything") == "backbone"
    assert layout_of(SimpleNamespace(layout=layout)) is layout and layout_of(SimpleNamespace()) == Layout()


def test_the_box_heads_dense_layers_are_convolutions_in_files():
    model = SimpleNamespace(get_layer=lambda name: SimpleNamespace(output=np.zeros((1, 7, 7, 2))))
    kernel = np.arange(7 * 7 * 2 * 3, dtype=np.float32).reshape(98, 3)
    stored = MASK_RCNN.to_file("mrcnn_class_conv1", "kernel", kernel, model)
    assert stored.shape == (7, 7, 2, 3)
    np.testing.assert_array_equal(MASK_RCNN.from_file("mrcnn_class_conv1", stored, kernel.shape), kernel)
    assert MASK_RCNN.to_file("mrcnn_class_conv2", "kernel", np.zeros((4, 5)), model).shape == (1, 1, 4, 5)
    assert MASK_RCNN.to_file("mrcnn_class_conv1", "bias", np.zeros(3), model).shape == (3,)
    assert MASK_RCNN.to_file("fpn_p2", "kernel", stored, model) is stored


def test_two_scores_an_anchor_become_their_difference():
    stored = np.array([[[[1.0, 4.0, 2.0, 7.0]]]])  # (background, object) of two anchors
    np.testing.assert_array_equal(MASK_RCNN.from_file("rpn_class_raw", stored, (1, 1, 1, 2)), [[[[3.0, 5.0]]]])
    assert MASK_RCNN.from_file("rpn_class_raw", stored, (1, 1, 1, 4)) is stored  # Matterport's geometry has both


def test_the_proposal_network_is_one_group():
    assert [MASK_RCNN.group_of(name) for name in ("rpn_conv_shared", "fpn_p2")] == ["rpn_model", "fpn_p2"]
    assert Layout().group_of("rpn_conv_shared") == "rpn_conv_shared"
