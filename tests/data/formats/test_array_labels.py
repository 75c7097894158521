"""Labels in arrays: one-hot rows, rows filled up with zeros, and names that are none."""

import warnings

import numpy as np
import pytest

from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.errors import DataError

IMAGES = np.zeros((6, 24, 30, 3), np.uint8)
PLANES = np.zeros((6, 24, 30), np.uint8)
PLANES[:, 4:12, 5:20] = 1
LABELS = np.array([0, 1, 2, 0, 1, 2])
NAMES = ["cat", "dog", "cow"]
FILLED = np.zeros((6, 3, 24, 30), np.uint8)  # three planes a photo, of which two are empty
FILLED[:, 0] = PLANES


def made(masks, labels, names=NAMES, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ArrayDataset(IMAGES, masks, labels, names=names, **options)


def classes_of(dataset):
    found = [dataset.load_mask(i)[1].tolist() for i in dataset.image_ids]
    return [[dataset.class_names[class_id] for class_id in own] for own in found]


EXPECTED = [[NAMES[label]] for label in LABELS]


@pytest.mark.parametrize("masks", [PLANES, PLANES * np.uint8(255), PLANES.astype(bool), PLANES[:, None],
                                   list(PLANES[..., None])])
@pytest.mark.parametrize("labels", [np.eye(3)[LABELS], np.eye(3, dtype=np.uint8)[LABELS], np.eye(3)[LABELS].tolist(),
                                    np.eye(3)[LABELS][:, None], list(np.eye(3, dtype=bool)[LABELS])])
def test_one_hot_rows_are_labels(masks, labels):
    dataset = made(masks, labels)
    assert classes_of(dataset) == EXPECTED
    assert any("of rows with a single 1, taken as one-hot" in str(note) for note in dataset.notes)
    assert classes_of(made(masks, labels, counts=[1] * 6)) == EXPECTED


def test_one_hot_rows_as_wide_as_the_names_or_with_the_background():
    assert classes_of(made(PLANES, np.eye(4)[LABELS + 1])) == EXPECTED
    assert classes_of(made(PLANES, np.eye(4)[LABELS + 1], ["background", *NAMES])) == EXPECTED
    assert classes_of(made(PLANES[:], np.eye(3)[[1] * 6])) == [["dog"]] * 6
    assert made(PLANES, np.eye(3)[LABELS], None).class_names[1:] == ["class 0", "class 1", "class 2"]
    with pytest.raises(DataError, match="one-hot rows of 5 numbers, and there are 3 names"):
        made(PLANES, np.eye(5)[LABELS])


def test_rows_of_objects_are_not_one_hot():
    two = np.stack([PLANES, np.roll(PLANES, 10, axis=1)], axis=1)
    rows = np.array([[0, 1], [1, 0]] * 3)
    assert classes_of(made(two, rows, NAMES[:2])) == [["cat", "dog"], ["dog", "cat"]] * 3
    assert classes_of(made(two.reshape(12, 24, 30), rows, NAMES[:2])) == [["cat", "dog"], ["dog", "cat"]] * 3
    numbered = two[:, 0] + 2 * two[:, 1]
    assert classes_of(made(numbered, rows, NAMES[:2])) == [["cat", "dog"], ["dog", "cat"]] * 3


def test_one_hot_rows_of_each_object_are_told_with_the_remedy():
    with pytest.raises(DataError, match=r"2 dimensions: .*; of one-hot rows give labels.argmax\(-1\)"):
        made(FILLED, np.eye(3)[np.tile(LABELS[:3], (6, 1))])
    with pytest.raises(DataError, match=r"labels for 12 photos.*of one-hot rows give labels.argmax\(-1\)"):
        made(np.concatenate([PLANES, PLANES]), np.eye(3)[np.tile(LABELS, 2)], counts=[2] * 6)


@pytest.mark.parametrize("masks", [FILLED, FILLED.reshape(18, 24, 30), FILLED.transpose(0, 2, 3, 1), list(FILLED),
                                   list(FILLED[:, :1]), PLANES])
@pytest.mark.parametrize("labels", [np.array([[2, 0, 0]] * 6), [[2, 0, 0]] * 6])
def test_zeros_of_empty_masks_fill_up_rows(masks, labels):
    for dataset in (made(masks, labels, NAMES[:2]), made(masks, labels, first_label=1)):  # the last label, or the user
        assert classes_of(dataset) == [["dog"]] * 6
        assert [dataset.object_classes(i).tolist() for i in dataset.image_ids] == [[2]] * 6
        assert any("12 labels 0 of masks without a pixel" in str(note) for note in dataset.notes)
        assert not [fault for i in dataset.image_ids for fault in dataset.object_faults(i)]


def test_labels_that_do_not_tell_beside_zeros_that_fill_up_are_asked_for():
    with pytest.raises(DataError, match="lie from 1 to 1, and there are 3 names: .*Not counted are zeros, for their"):
        made(FILLED, np.tile([1, 0, 0], (6, 1)))


def test_zeros_before_others_and_the_names_own_background():
    middle = FILLED[:, [1, 0, 2]]
    assert classes_of(made(middle, np.array([[0, 1, 0]] * 6), ["cat"])) == [["cat"]] * 6
    assert classes_of(made(FILLED, np.array([[1, 0, 0]] * 6), ["background", *NAMES])) == [["cat"]] * 6
    assert classes_of(made(FILLED, np.array([[1, 0, 0]] * 6), {1: "cat", 7: "dog"})) == [["cat"]] * 6


def test_zeros_that_are_a_class():
    both = FILLED.copy()
    both[3, 1, 15:20, 3:9] = 1
    labels = np.array([[1, 0, 0]] * 6)
    assert classes_of(made(both, labels))[3] == ["dog", "cat"]
    for options in ({"first_label": 0}, {"names": {0: "cat", 1: "dog"}}):
        dataset = made(FILLED, labels, **options)
        assert classes_of(dataset) == [["dog"]] * 6
        assert not any("fill up" in str(note) for note in dataset.notes)


def test_a_filled_up_zero_whose_mask_is_not_empty_after_all_is_told():
    images, planes = np.repeat(IMAGES, 20, axis=0), np.repeat(FILLED, 20, axis=0)
    planes[1, 1, 15:20, 3:9] = 1  # none of the photos looked at
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = ArrayDataset(images, planes, np.array([[1, 0, 0]] * 120), names=NAMES[:1])
    with pytest.raises(DataError, match="000001.png: it has 1 labels, and mask 1 is not empty"):
        dataset.load_mask(1)


@pytest.mark.parametrize("names, said", [
    ({"cat": 1, "dog": 2}, "names has 'cat': 1, where a label and its name should be: .*1: \"cat\""),
    ({None: "cat"}, "names has None: 'cat'"),
])
def test_names_that_number_nothing(names, said):
    with pytest.raises(DataError, match=said):
        made(PLANES, LABELS, names)


@pytest.mark.parametrize("first", ["_background_", "BG", "null", "unlabeled", "void"])
def test_what_stands_for_label_0_is_no_class_of_objects_as_of_label_maps(first):
    # Labels 1, 2, 1, ...: without a word for 0 three names would be numbered from 0 on, and 1 be the second of them.
    dataset = made(PLANES, LABELS % 2 + 1, [first, "cat", "dog"])
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert classes_of(dataset) == [[name] for name in ("cat", "dog", "cat", "cat", "dog", "cat")]
