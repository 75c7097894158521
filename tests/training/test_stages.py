import keras
import pytest
from keras import layers
from tiny import TinyConfig

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.training.stages import (
    backbone_stages,
    layer_rates,
    select_layers,
    set_trainable_layers,
    untrained_norms,
)


@pytest.fixture(scope="module")
def resnet():
    settings = {n: getattr(TinyConfig, n) for n in vars(TinyConfig) if n.isupper()}
    return build_mask_rcnn(Config(**{**settings, "BACKBONE": "resnet50", "NORM": "batch", "TRAIN_BN": False}))[0]


def test_heads_are_everything_but_the_backbone(resnet):
    names = select_layers(resnet, "heads", frozen_norm=True)
    assert {"fpn_c5p5", "fpn_p2", "rpn_conv_shared", "rpn_bbox_pred", "mrcnn_mask", "mrcnn_class_conv1"} <= set(names)
    assert not [name for name in names if name.startswith(("res", "bn", "conv1"))]
    assert not [name for name in names if "_bn" in name]


@pytest.mark.parametrize("stage,first", [("3+", 3), ("4+", 4), ("5+", 5)])
def test_later_stages_add_the_backbone_from_there(resnet, stage, first):
    names = select_layers(resnet, stage, frozen_norm=False)
    assert {int(name[3]) for name in names if name.startswith("res")} == set(range(first, 6))
    assert {int(name[2]) for name in names if name.startswith("bn")} == set(range(first, 6))
    assert set(select_layers(resnet, "heads", frozen_norm=False)) <= set(names)


def test_all_is_all_but_frozen_norms(resnet):
    weighted = {layer.name for layer in resnet.layers if layer.weights}
    assert set(select_layers(resnet, "all", frozen_norm=False)) == weighted
    without = set(select_layers(resnet, "all", frozen_norm=True))
    assert weighted - without == {name for name in weighted if name.startswith("bn") or "_bn" in name}


def test_a_regular_expression_matches_whole_names(resnet):
    assert select_layers(resnet, r"res5a_branch2[ab]", True) == ["res5a_branch2a", "res5a_branch2b"]
    for wrong, message in (
        ("res5a_", "matches no layer"),
        ("(", "no regular expression"),
        ("attributes", "no attribute head.*--attributes"),
    ):
        with pytest.raises(ConfigError, match=message):
            select_layers(resnet, wrong, True)


def test_only_the_chosen_layers_train(resnet):
    set_trainable_layers(resnet, ["fpn_p2", "mrcnn_mask"])
    assert {v.path.split("/")[-2] for v in resnet.trainable_variables} == {"fpn_p2", "mrcnn_mask"}


def test_stages_of_a_foreign_backbone_go_by_stride():
    settings = {n: getattr(TinyConfig, n) for n in vars(TinyConfig) if n.isupper()}
    model = build_mask_rcnn(Config(**{**settings, "BACKBONE": "MobileNetV2"}))[0]
    names = select_layers(model, "5+", frozen_norm=False)
    assert "Conv_1" in names and "block_1_expand" not in names
    assert "block_1_expand" not in select_layers(model, "3+", False)  # it runs at stride 2
    assert "block_1_expand" in select_layers(model, "all", False)


def test_each_stage_of_the_backbone_has_a_rate(resnet):
    rates = layer_rates(resnet, 0.5)
    powers = {"conv1": 5, "bn_conv1": 5, "res2a_branch2a": 4, "bn3b_branch2b": 3, "res4f_branch2c": 2}
    for name, power in powers.items():
        assert rates[name] == 0.5**power
    assert not [name for name in rates if name.startswith(("fpn", "rpn", "mrcnn"))]


@pytest.mark.parametrize("mode", ["square", "pad64"])
def test_stages_of_a_backbone_with_gates_at_any_size(mode):
    settings = {n: getattr(TinyConfig, n) for n in vars(TinyConfig) if n.isupper()}
    settings.update(BACKBONE="MobileNetV3Small", IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=None if mode == "pad64" else 64)
    stages = backbone_stages(build_mask_rcnn(Config(**settings))[0])
    # A gate's output is one cell large at any image size: it goes with the layers round it.
    assert stages["conv"] == 1 and stages["expanded_conv_depthwise"] == 2
    assert stages["expanded_conv_squeeze_excite_conv"] == 2
    assert stages["expanded_conv_3_squeeze_excite_conv"] == stages["expanded_conv_3_depthwise"] == 4
    assert stages["expanded_conv_8_depthwise"] == 5 and set(stages.values()) == {1, 2, 3, 4, 5}


def test_norms_count_as_untrained_until_one_has_statistics(resnet):
    set_trainable_layers(resnet, select_layers(resnet, "all", frozen_norm=True))
    # 53 in the backbone (49 + 4 in shortcuts), 2 of the box head, 4 of the mask head.
    assert untrained_norms(resnet) == 53 + 2 + 4
    variance = resnet.get_layer("bn3a_branch2a").moving_variance
    variance.assign([2.0] * variance.shape[0])
    assert untrained_norms(resnet) == 0
    variance.assign([1.0] * variance.shape[0])
    set_trainable_layers(resnet, [layer.name for layer in resnet.layers])
    assert untrained_norms(resnet) == 0  # none is frozen


def blocks(image):
    """Five convolutions, each with its norm in a model of its own, the last norm in one that has nothing else."""
    x, maps = image, []
    for level in range(5):
        inner = keras.Input((None, None, x.shape[-1]))
        y = layers.Conv2D(8, 3, 2, "same", name="conv")(inner)
        if level < 4:
            y = keras.Sequential([layers.BatchNormalization(name="norm")], name="deeper")(y)
        x = keras.Model(inner, y, name=f"block{level}")(x)
        maps.append(x)
    return [*maps[:4], keras.Sequential([layers.BatchNormalization(name="norm")], name="norm_alone")(maps[4])]


def whole(image):
    inner = keras.Input((None, None, 3))
    return keras.Model(inner, blocks(inner), name="whole")(image)


@pytest.mark.parametrize("backbone, chosen", [(blocks, {f"block{i}" for i in range(5)}), (whole, {"whole"})])
def test_norms_inside_of_nested_models_are_frozen_and_counted(backbone, chosen):
    model = build_mask_rcnn(TinyConfig(BACKBONE=backbone, TRAIN_BN=False))[0]
    names = select_layers(model, "all", frozen_norm=True)
    assert {name for name in names if backbone_stages(model).get(name)} == chosen  # without norm_alone
    trained = []
    for frozen in (True, False):
        set_trainable_layers(model, names, frozen)
        backbone_weights = [w for name in chosen for w in model.get_layer(name).trainable_variables]
        trained.append(sorted({weight.name for weight in backbone_weights}))
        assert untrained_norms(model) == (5 if frozen else backbone is blocks)
    assert trained == [["bias", "kernel"], ["beta", "bias", "gamma", "kernel"]]


@pytest.mark.parametrize("mode", ["square", "pad64"])
def test_nested_models_have_the_stage_of_their_smallest_map(mode):
    side = None if mode == "pad64" else 64
    of_blocks = {**{f"block{i}": i + 1 for i in range(5)}, "norm_alone": 5}
    for backbone, stages in ((blocks, of_blocks), (whole, {"whole": 5})):
        config = TinyConfig(BACKBONE=backbone, IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=side)
        assert backbone_stages(build_mask_rcnn(config)[0]) == stages
