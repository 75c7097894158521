"""Label maps from objects: the rule by hand, on photos of a few pixels; and settings on disk."""

import dataclasses
import json

import numpy as np
import pytest
from exported_json import OBJECTS

from mrcnn.errors import DataError
from mrcnn.labeling import label_map as label_maps
from mrcnn.labeling.label_map import (
    LabelSettings,
    _gathered,
    counting,
    label_map,
    labels_alone,
    load_settings,
    save_settings,
    settings_file,
    settings_path,
)

NAMES = ["BG", "coat", "bag", "shoe"]
EVEN = LabelSettings(smaller_in_front=0)


def objects(*entries):
    """What detect() would return: entries of (box, class id, score, mask: a number or [h, w])."""
    masks = [np.broadcast_to(np.asarray(mask, np.float32), (4, 4)) for *_, mask in entries]
    return {
        "boxes": np.array([entry[0] for entry in entries], np.float32).reshape(-1, 4),
        "class_ids": np.array([entry[1] for entry in entries], int),
        "scores": np.array([entry[2] for entry in entries], np.float32),
        "mask_probabilities": np.array(masks, np.float32).reshape(-1, 4, 4),
    }


def checked(detections, shape=(8, 8), settings=EVEN):
    """labels and probabilities of `label_map`, which agree with each other and with `labels_alone`."""
    labels, probabilities = label_map(detections, shape, NAMES, settings)
    assert labels.dtype == np.uint8 and probabilities.dtype == np.float32
    assert labels.shape == shape and probabilities.shape == shape + (4,)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=2))
    np.testing.assert_array_equal(labels, labels_alone(detections, shape, NAMES, settings))
    return labels, probabilities


def test_nothing_found_is_background():
    labels, probabilities = checked(objects())
    assert (labels == 0).all() and (probabilities[..., 0] == 1).all()


def test_one_object_by_hand():
    """Against the mask threshold t, probability m has the odds m (1 - t) / ((1 - m) t). With t = 0.5 it stays 0.7; with
    t = 0.6 it is 0.28 / (0.28 + 0.18) = 0.6087; with t = 0.8 it is 0.14 / (0.14 + 0.24) = 0.3684: background."""
    detections = objects(([0, 0, 8, 4], 1, 0.9, 0.7))
    for threshold, expected in ((0.5, 0.7), (0.6, 0.28 / 0.46), (0.8, 0.14 / 0.38)):
        labels, probabilities = checked(detections, settings=dataclasses.replace(EVEN, mask_threshold=threshold))
        assert probabilities[0, 0, 1] == pytest.approx(expected, abs=1e-5)
        assert (labels[:, :4] == (expected > 0.5)).all() and (labels[:, 4:] == 0).all()


def test_two_classes_by_hand():
    """Both claim with 0.9. Evidence -log(1 - 0.8 * 0.9) = 1.27297 and -log(1 - 0.5 * 0.9) = 0.59784. Unnormalised the
    better class has the claim 0.9, the other 0.9 * 0.59784 / 1.27297 = 0.42267, background 0.1: sum 1.42267."""
    detections = objects(([0, 0, 8, 8], 1, 0.5, 0.9), ([0, 0, 8, 4], 2, 0.8, 0.9))
    labels, probabilities = checked(detections)
    np.testing.assert_allclose(probabilities[0, 0], np.array([0.1, 0.42267, 0.9, 0]) / 1.42267, atol=1e-4)
    np.testing.assert_allclose(probabilities[0, 7], [0.1, 0.9, 0, 0], atol=1e-5)
    assert (labels[:, :4] == 2).all() and (labels[:, 4:] == 1).all()


def test_the_order_of_objects_does_not_matter():
    """Painting in order would give the last one the pixels."""
    entries = [([0, 0, 8, 8], 1, 0.6, 0.9), ([2, 2, 6, 6], 2, 0.7, 0.8), ([0, 4, 8, 8], 3, 0.9, 0.7)]
    first = label_map(objects(*entries), (8, 8), NAMES)
    for detections in (entries[::-1], entries[1:] + entries[:1]):
        labels, probabilities = label_map(objects(*detections), (8, 8), NAMES)
        np.testing.assert_array_equal(labels, first[0])
        np.testing.assert_allclose(probabilities, first[1], atol=1e-6)


def test_objects_of_one_class_speak_together():
    """Two coats of evidence -log(1 - 0.6) = 0.916 each outdo a bag of -log(1 - 0.75) = 1.386; one alone does not."""
    bag, coat = ([0, 0, 8, 8], 2, 0.75, 1.0), ([0, 0, 8, 8], 1, 0.6, 1.0)
    assert (checked(objects(bag, coat))[0] == 2).all()
    assert (checked(objects(bag, coat, coat))[0] == 1).all()


def test_a_small_object_is_in_front_unless_far_less_certain():
    """The bag covers 4 of the coat's 64 pixels, a 16th: to the power of -1/4 its evidence counts twice as much.
    -log(1 - 0.6) * 2 = 1.83 against -log(1 - 0.8) = 1.61; -log(1 - 0.5) * 2 = 1.39 does not do."""
    settings = LabelSettings(smaller_in_front=0.25)
    for score, label in ((0.6, 2), (0.5, 1)):
        detections = objects(([0, 0, 8, 8], 1, 0.8, 1.0), ([3, 3, 5, 5], 2, score, 1.0))
        assert (checked(detections, settings=settings)[0][3:5, 3:5] == label).all()
        assert (checked(detections)[0] == 1).all()


def test_layers_go_before_evidence():
    """A bag in front of a coat wherever it claims a pixel, and only there; a class that is named beats one that is
    not, which is no bag and no coat but a shoe."""
    detections = objects(([0, 0, 8, 8], 1, 0.95, 1.0), ([0, 0, 8, 4], 2, 0.5, 0.6), ([0, 4, 8, 8], 2, 0.5, 0.4),
                    ([6, 0, 8, 8], 3, 0.99, 1.0))
    labels, _ = checked(detections, settings=dataclasses.replace(EVEN, layers=("coat", "bag")))
    assert (labels[:, :4] == 2).all() and (labels[:, 4:] == 1).all()
    labels, _ = checked(detections, settings=dataclasses.replace(EVEN, layers=("bag", "coat")))
    assert (labels == 1).all()
    labels, _ = checked(detections)
    assert (labels[:6] == 1).all() and (labels[6:] == 3).all()


def test_no_evidence_beats_a_layer_in_front():
    """A bag of 2x2 pixels has 2.5e-5 of a photo of 400x400, so evidence of 9.2 * 2.5e-5 ** -0.5 = 1840; the coat before
    it has -log(1 - 0.5 * 0.6) * 0.6 ** -0.5 = 0.46, less than a thousandth of that."""
    detections = objects(([0, 0, 400, 400], 1, 0.5, 0.6), ([8, 8, 10, 10], 2, 1.0, 1.0))
    settings = dataclasses.replace(EVEN, smaller_in_front=0.5)
    assert (checked(detections, (400, 400), settings)[0][8:10, 8:10] == 2).all()
    labels, _ = checked(detections, (400, 400), dataclasses.replace(settings, layers=("bag", "coat")))
    assert (labels == 1).all()


def test_a_photo_in_bands_has_the_labels_of_the_whole(monkeypatch):
    """Seven rows at a time: objects lie across bands, one in a single row, one partly outside the photo."""
    rng = np.random.default_rng(0)
    detections = objects(*[([y, x, y + height, x + width], class_id, score, rng.random((4, 4)))
                      for y, x, height, width, class_id, score in
                      ((2.3, 5.1, 30.2, 20.7, 1, 0.9), (10, 0, 25, 33.5, 2, 0.7), (-4, 20, 12.5, 60, 3, 0.8),
                       (21.2, 3, 0.9, 30, 3, 0.95), (0, 0, 50, 40, 1, 0.6))])
    settings = LabelSettings(smaller_in_front=0.25, layers=("coat", "shoe"))
    whole = label_map(detections, (50, 40), NAMES, settings)[0]
    monkeypatch.setattr("mrcnn.labeling.label_map.BAND", 7 * 40)
    np.testing.assert_array_equal(labels_alone(detections, (50, 40), NAMES, settings), whole)
    assert set(np.unique(whole)) == {0, 1, 2, 3}


def test_probabilities_are_made_in_bands_and_lie_class_by_class(monkeypatch):
    rng = np.random.default_rng(0)
    detections = objects(*(((5 * i, 2 * i, 20 + 6 * i, 25 + 3 * i), 1 + i % 2, 0.9 - 0.05 * i, rng.random((4, 4)))
                           for i in range(5)))
    labels, probabilities = label_map(detections, (50, 40), NAMES)
    parts, original = [], label_maps._probabilities
    monkeypatch.setattr(label_maps, "_probabilities", lambda *args: parts.append(args[4]) or original(*args))
    monkeypatch.setattr(label_maps, "BAND", 7 * 40)
    in_bands = label_map(detections, (50, 40), NAMES)
    assert len(parts) == 8 and parts[-1] == (49, 50)
    np.testing.assert_array_equal(in_bands[0], labels)
    np.testing.assert_allclose(in_bands[1], probabilities, atol=1e-6)
    np.testing.assert_array_equal(label_maps.labels_of(probabilities), labels)
    # A class that was not detected, here the last, takes no memory so.
    assert not probabilities[..., 3].any() and np.moveaxis(probabilities, -1, 0).flags.c_contiguous


def test_evidence_of_the_smallest_object_is_finite():
    """A mask of 0.0001 in one of 10^8 pixels has 10^-12 of the area: to the power of -2 that is 10^24, and the most
    evidence is 9.2 times that: a float32. At a power of 4 it would be none."""
    detections = objects(([0, 0, 1, 1], 1, 1.0, 0.0))
    settings = LabelSettings(smaller_in_front=2)
    claims, evidence = _gathered(detections, (10**4, 10**4), NAMES, settings, (0, 1), {0: 1e-4})
    assert claims[1].shape == (1, 10**4) and np.isfinite(evidence[1]).all() and evidence[1].max() > 1e19
    with pytest.raises(DataError, match="within 0 and 2"):
        LabelSettings(smaller_in_front=4)


def test_thresholds_of_scores():
    settings = LabelSettings(score_threshold=0.5, class_thresholds={"bag": 0.8, "shoe": 0.2})
    detections = objects(*[([0, 0, 8, 8], class_id, score, 1.0)
                      for class_id, score in ((1, 0.5), (1, 0.49), (2, 0.5), (2, 0.8), (3, 0.2), (3, 0.19))])
    assert counting(detections, NAMES, settings).tolist() == [True, False, False, True, True, False]
    assert settings.least_threshold() == 0.2


def test_boxes_partly_or_wholly_outside_the_photo():
    labels, _ = checked(objects(([-4, -4, 4, 4], 1, 0.9, 1.0), ([20, 20, 30, 30], 2, 0.9, 1.0)))
    assert (labels[:4, :4] == 1).all() and (labels > 0).sum() == 16


def test_true_masks_give_the_true_map():
    """A perfect detector, its masks pixel for pixel: the label map is the truth, whatever lies over what."""
    rng = np.random.default_rng(0)
    truth = np.zeros((24, 30), np.uint8)
    truth[4:20, 3:25], truth[8:14, 10:18], truth[16:24, 20:30] = 1, 2, 3
    detections = {"boxes": np.tile(np.float32([0, 0, 24, 30]), (3, 1)), "class_ids": np.array([1, 2, 3]),
             "scores": rng.uniform(0.6, 1, 3).astype(np.float32),
             "mask_probabilities": np.stack([truth == i for i in (1, 2, 3)]).astype(np.float32)}
    np.testing.assert_array_equal(label_map(detections, (24, 30), NAMES)[0], truth)


def test_what_is_found_must_be_of_known_classes():
    for class_id in (4, 0, -1):
        with pytest.raises(DataError, match=f"has class {class_id}, but the classes are 1 to 3"):
            label_map(objects(([0, 0, 8, 8], class_id, 0.9, 1.0)), (8, 8), NAMES)
    with pytest.raises(DataError, match="255 classes at most, not 256"):
        label_map(objects(), (8, 8), [f"class {i}" for i in range(256)])


# --- Settings --------------------------------------------------------------------------------------------------------


def test_settings_lie_beside_the_weights(tmp_path):
    checkpoint = str(tmp_path / "mask_rcnn_fashion_0003.h5")
    assert settings_path(checkpoint) == str(tmp_path / "mask_rcnn_fashion_0003.label.json")
    assert load_settings(checkpoint) == LabelSettings()
    settings = LabelSettings(0.3, 0.4, {"bag": 0.7}, 0.5, ("coat", "bag"))
    assert load_settings(save_settings(checkpoint, settings).replace(".label.json", ".h5")) == settings
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask_rcnn_fashion_0003.label.json"]


@pytest.mark.parametrize("text, message", [
    ("{", "delete it"), ("[]", "no label setting"), ('{"threshold": 1}', "'threshold' is no label setting"),
    ('{"score_threshold": 2}', "score_threshold=2"), ('{"mask_threshold": "half"}', "mask_threshold='half'"),
    ('{"class_thresholds": {"bag": -1}}', "class_thresholds of bag=-1"), ('{"class_thresholds": [1]}', "class name"),
    ('{"layers": "bag"}', "layers as a list"), ('{"smaller_in_front": -1}', "smaller_in_front=-1"),
    ('{"tuned_with": [1]}', "tuned_with=\\[1\\]"),
])
def test_settings_that_cannot_be_are_told_with_their_file(tmp_path, text, message):
    (tmp_path / "a.label.json").write_text(text)
    with pytest.raises(DataError, match=message) as told:
        load_settings(str(tmp_path / "a.h5"))
    assert "a.label.json" in str(told.value)


def test_settings_of_other_classes_are_told():
    with pytest.raises(DataError, match="'hat'.*coat, bag, shoe"):
        LabelSettings(class_thresholds={"hat": 0.5}).check_classes(NAMES)
    with pytest.raises(DataError, match="'tie'"):
        LabelSettings(layers=("coat", "tie")).check_classes(NAMES)
    LabelSettings(layers=("coat",), class_thresholds={"bag": 0.5}).check_classes(NAMES)


def test_settings_are_plain_json():
    settings = LabelSettings(0.3, 0.4, {"bag": 0.7}, 0.5, ("coat", "bag"))
    assert LabelSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_tell_what_they_were_tuned_with(tmp_path):
    known = {"weights": "a.h5", "sha256": "12", "views": "1", "tiles": False, "mask_scores": False}
    settings = LabelSettings(tuned_with=known)
    path = str(tmp_path / "a.h5")
    save_settings(path, settings)
    assert load_settings(path) == settings and "tuned_with" not in LabelSettings().to_dict()
    assert settings.differences({**known, "weights": "renamed.h5"}) == []
    now = {"weights": "a.h5", "sha256": "34", "views": "1, 1 mirrored", "tiles": True, "mask_scores": True}
    assert settings.differences(now) == [
        "weights of other content (a.h5)", "views 1 (now 1, 1 mirrored)", "tiles False (now True)",
        "mask_scores False (now True)",
    ]
    assert settings.differences({**known, "weights": "a.onnx", "sha256": "34"}) == []  # exported: never the same bytes
    assert LabelSettings().differences(now) == []  # of before


def test_settings_of_a_folder_that_ends_in_a_slash_lie_beside_it(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    slash = f"{folder}/"
    assert settings_path(slash) == settings_path(str(folder)) == str(tmp_path / "model.label.json")
    (tmp_path / "model.json").write_text(json.dumps({**OBJECTS, "format": "savedmodel",
                                                     "label_settings": {"score": 0.2}}))
    with pytest.raises(DataError, match="model.json: label_settings"):
        load_settings(slash)
    save_settings(slash, LabelSettings(score_threshold=0.3))
    assert load_settings(slash) == load_settings(str(folder)) == LabelSettings(score_threshold=0.3)
    assert [path.name for path in folder.iterdir()] == ["saved_model.pb"]


def test_an_exported_file_has_the_settings_of_its_checkpoint(tmp_path):
    path = str(tmp_path / "model.onnx")
    open(path, "w").close()
    about = {**OBJECTS, "label_settings": {"score_threshold": 0.2}}
    (tmp_path / "model.onnx.json").write_text(json.dumps(about))
    assert load_settings(path) == LabelSettings(score_threshold=0.2)
    (tmp_path / "model.onnx.json").write_text(json.dumps({**about, "label_settings": {"score": 0.2}}))
    with pytest.raises(DataError, match="model.onnx.json: label_settings: 'score' is no label setting.*export"):
        load_settings(path)
    save_settings(path, LabelSettings(score_threshold=0.3))  # label --tune of the file itself
    assert load_settings(path) == LabelSettings(score_threshold=0.3)


def test_tuning_an_exported_file_leaves_the_settings_of_its_checkpoint(tmp_path):
    """They were written over, and nothing told it: those that the other files of one name have are theirs."""
    checkpoint, exported = str(tmp_path / "m.h5"), str(tmp_path / "m.onnx")
    own, other = LabelSettings(score_threshold=0.2), LabelSettings(score_threshold=0.4)
    assert settings_file(checkpoint) is settings_file(exported) is None
    save_settings(checkpoint, own)
    assert load_settings(exported) == own and settings_file(exported) == settings_path(checkpoint)
    assert save_settings(exported, other) == settings_path(exported) == str(tmp_path / "m.onnx.label.json")
    assert (load_settings(checkpoint), load_settings(exported)) == (own, other)
    assert load_settings(str(tmp_path / "m.tflite")) == own
