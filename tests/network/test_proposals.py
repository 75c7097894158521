import numpy as np
from keras import ops

from mrcnn.network.proposals import Proposals
from mrcnn.ops import boxes as box_ops

STD = [0.1, 0.1, 0.2, 0.2]


def reference(logits, deltas, anchors, window, per_level, total, threshold):
    """One image's proposals in plain numpy: per-level top-k, decode, clip, greedy suppression, joint top-k."""
    kept = []
    for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
        order = np.argsort(-level_logits, kind="stable")[:per_level]
        boxes = box_ops.clip(box_ops.decode(level_deltas[order], level_anchors[order], STD), window[None])
        chosen = []
        for box, score in zip(boxes, level_logits[order]):
            if box_ops.area(box) > 0 and all(box_ops.iou(box, other) <= threshold for other, _ in chosen):
                chosen.append((box, score))
        kept += chosen
    kept.sort(key=lambda pair: -pair[1])
    return np.array([box for box, _ in kept[:total]]), np.array([score for _, score in kept[:total]])


def test_equals_the_plain_algorithm():
    rng = np.random.default_rng(0)
    counts = [200, 60, 12]
    anchors, logits, deltas = [], [], []
    for count in counts:
        corner = rng.uniform(-10, 90, (count, 2))
        anchors.append(np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], axis=1).astype("float32"))
        logits.append(rng.normal(size=(2, count)).astype("float32"))
        deltas.append(rng.normal(size=(2, count, 4)).astype("float32"))
    window = np.array([[0, 0, 100, 100], [10, 0, 70, 100]], "float32")
    layer = Proposals(per_level=50, total=80, iou_threshold=0.5, std=STD)
    inputs = {"logits": logits, "deltas": deltas, "anchors": anchors, "window": window}
    inputs = {k: [ops.convert_to_tensor(a) for a in v] if isinstance(v, list) else ops.convert_to_tensor(v)
              for k, v in inputs.items()}
    result = {name: ops.convert_to_numpy(value) for name, value in layer(inputs).items()}
    for image in range(2):
        boxes, scores = reference(
            [v[image] for v in logits], [v[image] for v in deltas], anchors, window[image], 50, 80, 0.5
        )
        valid = result["valid"][image]
        assert valid.sum() == len(boxes) > 20
        np.testing.assert_allclose(result["scores"][image][valid], scores, atol=1e-6)
        np.testing.assert_allclose(result["boxes"][image][valid], boxes, atol=1e-3)
        assert not result["boxes"][image][~valid].any()


def test_boxes_outside_the_photo_are_dropped():
    anchors = [np.array([[-50, -50, -10, -10], [0, 0, 20, 20]], "float32")]
    layer = Proposals(per_level=4, total=4, iou_threshold=0.7, std=STD)
    inputs = {
        "logits": [ops.convert_to_tensor(np.array([[5.0, 1.0]], "float32"))],
        "deltas": [ops.zeros((1, 2, 4))],
        "anchors": [ops.convert_to_tensor(anchors[0])],
        "window": ops.convert_to_tensor(np.array([[0, 0, 15, 100]], "float32")),
    }
    result = {name: ops.convert_to_numpy(value) for name, value in layer(inputs).items()}
    assert result["valid"].tolist() == [[True, False, False, False]]
    np.testing.assert_allclose(result["boxes"][0, 0], [0, 0, 15, 20])
