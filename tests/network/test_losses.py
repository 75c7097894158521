import math

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.network import losses


def t(values, dtype="float32"):
    return ops.convert_to_tensor(np.array(values, dtype))


def number(value):
    return float(ops.convert_to_numpy(value))


def test_rpn_class_loss_by_hand():
    # logits 0 and 2: -log sigmoid(0) = log 2 for the positive, -log(1 - sigmoid(2)) = log(1 + e^2) for the negative
    loss = losses.rpn_class_loss(t([[0, 2, 7]]), t([[1, 0, 0]], "bool"), t([[1, 1, 0]], "bool"))
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)


def test_rpn_bbox_loss_by_hand():
    # one positive of two sampled: |2| -> 1.5, |.5| -> .125, two zeros; over the number of sampled anchors
    deltas = t([[[2, 0.5, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9]]])
    loss = losses.rpn_bbox_loss(deltas, t([[1, 0, 0]], "bool"), t([[1, 1, 0]], "bool"), t(np.zeros((1, 3, 4))))
    assert number(loss) == pytest.approx(1.625 / 2)


def test_class_loss_by_hand_and_without_inactive_classes():
    logits = t([[0, 0, 0], [0, 3, 50]])
    class_ids, valid = t([1, 2], "int32"), t([1, 0], "bool")
    everything = t(np.ones((2, 3)), "bool")
    assert number(losses.mrcnn_class_loss(logits, class_ids, valid, everything)) == pytest.approx(math.log(3))
    without_2 = t([[1, 1, 0], [1, 1, 0]], "bool")
    assert number(losses.mrcnn_class_loss(logits, class_ids, valid, without_2)) == pytest.approx(math.log(2))


def test_label_smoothing_by_hand():
    # p of classes 0 and 1 from logits 2 and 0, the third being inactive: a tenth of the label is .05 for each
    p0 = math.exp(2) / (math.exp(2) + 1)
    active = t([[1, 1, 0]], "bool")
    loss = losses.mrcnn_class_loss(t([[2, 0, 50]]), t([0], "int32"), t([1], "bool"), active, smoothing=0.1)
    assert number(loss) == pytest.approx(-0.95 * math.log(p0) - 0.05 * math.log(1 - p0), rel=1e-5)


def test_class_weights_by_hand():
    # beta .5: one object (1 - .5) / (1 - .5) = 1, two .5 / .75 = 2/3, mean 5/6; background and unseen classes have 1
    np.testing.assert_allclose(losses.class_weights([9, 1, 0, 2], beta=0.5), [1, 1.2, 1, 0.8], rtol=1e-6)
    # beta .999: 1000 objects are worth 632 of the first kind, a million 1000
    many = losses.class_weights([0, 1, 1000, 1000000])
    np.testing.assert_allclose(many[1] / many[2:], [632.3, 1000.0], rtol=1e-3)
    np.testing.assert_array_equal(losses.class_weights([0, 0]), [1, 1])


def test_class_balanced_loss_weighs_regions_by_their_class():
    logits = t(np.zeros((3, 3)))
    options = {"kind": "class-balanced", "counts": [0, 1, 1000]}
    everything, valid = t(np.ones((3, 3)), "bool"), t([1, 1, 1], "bool")
    weights = losses.class_weights([0, 1, 1000])
    for row in range(3):
        loss = losses.mrcnn_class_loss(logits, t([row] * 3, "int32"), valid, everything, **options)
        assert number(loss) == pytest.approx(math.log(3) * weights[row], rel=1e-5)
    assert 1.99 < weights[1] < 2 and weights[0] == 1


def seesaw(logits, class_id, counts=(0, 100, 1)):
    one = t([1], "bool")
    everything = t(np.ones((1, len(logits))), "bool")
    return number(losses.mrcnn_class_loss(
        t([logits]), t([class_id], "int32"), one, everything, kind="seesaw", counts=counts
    ))


def test_seesaw_loss_by_hand():
    # A region of the frequent class 1 pushes the rare class 2 down by (1 / 100)^.8 only; background counts in full.
    spared = 0.01**0.8
    assert seesaw([0, 0, 0], 1) == pytest.approx(math.log(2 + spared), rel=1e-5)
    assert seesaw([0, 0, 0], 2) == pytest.approx(math.log(3), rel=1e-5)
    # The rival is believed e^2 times as much: squared, this gives back e^4.
    assert seesaw([0, 0, 2], 1) == pytest.approx(math.log(2 + spared * math.exp(4 + 2)), rel=1e-5)
    # An own score of almost 0 counts as .01, against a half: the factor is 50^2.
    assert seesaw([0, -30, 0], 1) == pytest.approx(30 + math.log(1 + spared * 2500), rel=1e-4)
    # Background as the own class and as a rival: softmax.
    assert seesaw([0, 1, 2], 0) == pytest.approx(math.log(1 + math.e + math.exp(2)), rel=1e-5)
    assert seesaw([5, 0, -99], 1) == pytest.approx(math.log(1 + math.exp(5)), rel=1e-5)


def test_seesaw_factors_pass_no_gradient_and_leave_inactive_classes_out():
    # With S = .01^.8 e^4 a constant, the gradient is softmax of (0, 0, 2 + log S) less the label.
    everything, one = t(np.ones((1, 3)), "bool"), t([1], "bool")

    def loss(logits, active=everything):
        return losses.mrcnn_class_loss(
            logits, t([1], "int32"), one, active, kind="seesaw", counts=(0, 100, 1)
        )

    rival = 0.01**0.8 * math.exp(6)
    expected = np.array([1, 1, rival]) / (2 + rival) - [0, 1, 0]
    np.testing.assert_allclose(gradient(loss, [[0, 0, 2]])[0], expected, atol=1e-5)
    without_2 = t([[1, 1, 0]], "bool")
    assert number(loss(t([[0, 0, 50]]), without_2)) == pytest.approx(math.log(2), rel=1e-5)


def gradient(function, at):
    """What SGD of rate 1 moves a weight by, turned round: works on every backend."""

    class Point(keras.Model):
        def __init__(self):
            super().__init__()
            self.point = self.add_weight(shape=np.shape(at), initializer="zeros")

        def call(self, inputs):
            return ops.convert_to_tensor(self.point) + 0.0 * inputs[0, 0]

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return function(y_pred)

    model = Point()
    model(np.zeros((1, 1), "float32"))
    model.point.assign(np.array(at, "float32"))
    jit = keras.backend.backend() == "jax"  # which compiles operations one by one for longer than all at once
    model.compile(keras.optimizers.SGD(1.0), jit_compile=jit, run_eagerly=not jit)
    model.train_on_batch(np.zeros((1, 1), "float32"))
    return np.array(at, "float32") - ops.convert_to_numpy(model.point)


def one_box(deltas, kind, region=(0, 0, 10, 10)):
    """Loss of a region of class 0 of 1 whose object it is, std .1 and .2, beside one that does not count."""
    deltas = ops.stack([ops.convert_to_tensor(deltas, dtype="float32"), t([9e4, 9e4, 9e4, 9e4])])[:, None]
    return losses.mrcnn_bbox_loss(
        deltas, t([0, 0], "int32"), t([1, 0], "bool"), t([1, 1], "bool"), t(np.zeros((2, 4))),
        kind, t([region, (0, 0, 0, 0)]), (0.1, 0.1, 0.2, 0.2),
    )


def test_l1_loss_by_hand():
    assert number(one_box([1.5, 0, 0, -0.25], "l1")) == pytest.approx(1.75 / 2)  # over two sampled regions


@pytest.mark.parametrize("deltas,giou", [
    ([0, 0, 0, 0], 1),
    ([5, 0, 0, 0], 1 / 3),  # half its height lower: 50 of 150, which is also the hull
    ([20, 0, 0, 0], -1 / 3),  # apart by its height: of the hull's 300, 100 are filled by neither
    ([20, 20, 0, 0], -7 / 9),  # 700 of 900
    ([0, 0, 1e6, 0], 1 / 62.5),  # the clamp of decode: 625 high
    ([0, 0, -1e6, 0], 0),  # a box of no height, in the true one
])
def test_giou_loss_by_hand(deltas, giou):
    loss = number(one_box(deltas, "giou"))
    assert loss == pytest.approx(losses.GIOU_WEIGHT * (1 - giou) / 2, abs=1e-4)


def test_giou_teaches_boxes_that_lie_apart_and_is_finite_for_degenerate_ones():
    # Apart by a gap g in y: giou = -g / (2h + g), so in the delta (1 pixel) its slope is -2h / (2h + g)^2, h = g = 10.
    slope = gradient(lambda deltas: one_box(deltas, "giou"), [20, 0, 0, 0])
    assert slope[0] == pytest.approx(losses.GIOU_WEIGHT / 2 * 20 / 30**2, rel=1e-3)
    assert slope[1] == pytest.approx(0, abs=1e-6)
    regions = np.repeat([(0, 0, 10, 10), (3, 3, 3, 3), (3, 3, 3, 9), (3, 3, 3.0001, 3.0001)], 4, axis=0)
    deltas = np.tile([(0, 0, 0, 0), (1e6, 0, 0, 0), (0, 0, 1e6, -1e6), (0, 0, -1e6, -1e6)], (4, 1))
    zeros, all_of_them = t(np.zeros((16, 4))), t(np.ones(16), "bool")

    def loss(values):
        return losses.mrcnn_bbox_loss(
            values[:, None], t(np.zeros(16), "int32"), all_of_them, all_of_them, zeros, "giou", t(regions), (1, 1, 1, 1)
        )

    assert 0 <= number(loss(t(deltas))) <= 2 * losses.GIOU_WEIGHT
    assert np.isfinite(gradient(loss, deltas)).all()


def test_giou_equals_areas_counted_on_a_grid():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (40, 2, 2))
    a, b = np.moveaxis(np.concatenate([corner, corner + rng.uniform(5, 60, (40, 2, 2))], axis=-1), 1, 0)
    values = ops.convert_to_numpy(losses.giou(t(a), t(b)))
    for first, second, value in zip(a, b, values):  # areas counted on a grid of a hundredth of the hull's sides
        low, high = np.minimum(first, second)[:2], np.maximum(first, second)[2:]
        y, x = np.meshgrid(*(np.linspace(low_side, high_side, 801)[1::2] for low_side, high_side in zip(low, high)),
                           indexing="ij")
        inside = [(y >= box[0]) & (x >= box[1]) & (y < box[2]) & (x < box[3]) for box in (first, second)]
        union = (inside[0] | inside[1]).mean()
        assert value == pytest.approx((inside[0] & inside[1]).mean() / union - (1 - union), abs=0.02)


def test_box_loss_reads_the_own_class():
    deltas = np.full((2, 3, 4), 100.0)
    deltas[0, 2] = [1.5, 0, 0, 0]  # smooth L1: 1.5 - .5
    loss = losses.mrcnn_bbox_loss(
        t(deltas), t([2, 0], "int32"), t([1, 0], "bool"), t([1, 1], "bool"), t(np.zeros((2, 4)))
    )
    assert number(loss) == pytest.approx(0.5)  # over two sampled regions


def test_mask_loss_by_hand():
    logits = np.full((2, 2, 2, 3), 100.0)
    logits[0, ..., 1] = [[0, 0], [2, 2]]
    target = np.zeros((2, 2, 2))
    target[0, 0] = 1
    loss = losses.mrcnn_mask_loss(t(logits), t([1, 0], "int32"), t([1, 0], "bool"), t(target))
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)


def test_point_loss_by_hand():
    # the first region: log 2 and log(1 + e^2); the second does not count
    logits, target = t([[0, 2], [99, 99]]), t([[1, 0], [0, 0]])
    loss = losses.mrcnn_point_loss(logits, t([1, 0], "bool"), target)
    assert number(loss) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2, rel=1e-5)
    assert number(losses.mrcnn_point_loss(logits, t([0, 0], "bool"), target)) == 0


def test_attribute_loss_by_hand():
    # p = 1/2 where the logit is 0: (1/2)^2 log 2 each; sigmoid(log 3) = 3/4 of what is absent: (3/4)^2 log 4; the last
    # column does not count. Two true attributes count.
    logits = t([[0, math.log(3), 99], [0, 0, 99]])
    target, counted = t([[1, 0, 0], [1, 0, 1]]), t([[1, 1, 0], [1, 1, 0]], "bool")
    loss = losses.mrcnn_attribute_loss(logits, target, counted)
    assert number(loss) == pytest.approx((3 * math.log(2) / 4 + 9 * math.log(4) / 16) / 2, rel=1e-5)
    # gamma 0 is cross entropy
    loss = losses.mrcnn_attribute_loss(logits, target, counted, 0.0)
    assert number(loss) == pytest.approx((3 * math.log(2) + math.log(4)) / 2, rel=1e-5)
    assert number(losses.mrcnn_attribute_loss(t([[1e4, -1e4]]), t([[1, 0]]), t([[1, 1]], "bool"))) == 0
    assert number(losses.mrcnn_attribute_loss(logits, target, t(np.zeros((2, 3)), "bool"))) == 0


def test_no_sample_is_no_loss():
    nothing = t([[0, 0]], "bool")
    nan = t(np.full((1, 2), np.nan))
    assert number(losses.rpn_class_loss(nan, nothing, nothing)) == 0
    infinite = t(np.full((1, 2, 4), np.inf))
    assert number(losses.rpn_bbox_loss(infinite, nothing, nothing, t(np.zeros((1, 2, 4))))) == 0
    masks = losses.mrcnn_mask_loss(t(np.zeros((1, 2, 2, 3))), t([0], "int32"), t([0], "bool"), t(np.zeros((1, 2, 2))))
    assert number(masks) == 0


def test_huge_logits_stay_finite():
    loss = losses.sigmoid_cross_entropy(t([1e5, -1e5, 1e5]), t([1, 0, 0]))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [0, 0, 1e5])
