"""Masks in arrays: each type by its own range, maps with a last axis of one or of floats, faint masks."""

import warnings

import h5py
import numpy as np
import pytest

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.errors import DataError

IMAGES = np.zeros((4, 24, 30, 3), np.uint8)
PLANES = np.zeros((4, 2, 24, 30), np.uint8)  # two objects of each photo
for photo in range(4):
    PLANES[photo, 0, 2:10, 3:15 + photo], PLANES[photo, 1, 13:22, 4:20] = 1, 1
MAPS = PLANES[:, 0] + 2 * PLANES[:, 1]
LABELS = [[1, 2]] * 4
NAMES = ["cat", "dog"]
AREAS = PLANES.sum(axis=(2, 3)).tolist()


def made(masks, labels=LABELS, names=NAMES, images=IMAGES):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ArrayDataset(images, masks, labels, names=names)


def assert_both(dataset, names=NAMES):
    assert dataset.class_names[1:] == names
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert masks.sum(axis=(0, 1)).tolist() == AREAS[image_id] and class_ids.tolist() == [1, 2]


@pytest.mark.parametrize("masks", [
    [PLANES[0].astype(bool), *(PLANES[1:] * np.uint8(255))], [*(PLANES[:3] * np.uint8(255)), PLANES[3].astype(bool)],
    [PLANES[0] * 0.9, PLANES[1] * np.uint8(255), PLANES[2].astype(bool), PLANES[3].astype(np.uint16) * 65535],
    [PLANES[0], *(PLANES[1:] * np.uint8(255))], list((PLANES * np.uint8(255))[:3]) + [PLANES[3] * 1.0],
    np.concatenate([PLANES[:2], PLANES[2:] * np.uint8(255)]),
    [plane for planes in (PLANES[:2].astype(bool), PLANES[2:] * np.uint8(255)) for plane in planes.reshape(-1, 24, 30)],
])
def test_masks_of_several_types_and_ranges_are_judged_apart(masks):
    assert_both(made(masks))


def test_several_types_are_told():
    dataset = made([PLANES[0].astype(bool), *(PLANES[1:] * np.uint8(255))])
    assert any("in a list of several types" in str(note) and "array 1 is uint8" in str(note) for note in dataset.notes)


@pytest.mark.parametrize("high, kind", [(0.4, float), (0.01, np.float32), (300, np.uint16), (1000, int)])
def test_of_zeros_and_one_other_number_that_number_is_inside(high, kind):
    dataset = made((PLANES * np.float64(high)).astype(kind))
    assert_both(dataset)
    assert any(f"of 0 and {high:g} alone, of which {high:g} is inside" in str(note) for note in dataset.notes)


def test_soft_masks_that_reach_no_half_are_refused():
    soft = PLANES * 0.4
    soft[:, :, 2] *= 0.5
    with pytest.raises(DataError, match=r"up to 0.4, and nothing is inside, which begins at 0.5.*masks > 0.2"):
        made(soft)


def test_a_faint_mask_among_others_is_told_by_its_number():
    soft = PLANES * 0.8
    soft[2, 1] = PLANES[2, 1] * 0.3
    soft[0, 0, 5, 5] = 0.6
    dataset = made(soft)
    with pytest.warns(UserWarning, match="000002.png, object 1: .* reach 0.3 and 0.5 and more are inside: give bool"):
        assert dataset.load_mask(2)[1].tolist() == [1]
    (fault,) = validate(dataset, progress=False)
    assert (fault.kind, fault.number) == ("empty mask", 1)


@pytest.mark.parametrize("maps", [
    MAPS[..., None], MAPS[:, None], MAPS.astype(np.float32), MAPS[..., None] * 1.0, list(MAPS[..., None]),
    [*MAPS[:2].astype(float), *MAPS[2:]], MAPS[..., None].astype(np.int64),
])
@pytest.mark.parametrize("names", [NAMES, ["background", *NAMES], None])
def test_maps_of_labels_however_they_lie(maps, names):
    dataset = made(maps, None, names)
    assert_both(dataset, ["class 1", "class 2"] if names is None else NAMES)
    assert any("taken as a map of its photo, whose values are labels" in str(note) for note in dataset.notes)


@pytest.mark.parametrize("maps", [MAPS[..., None], MAPS.astype(float), list(MAPS[:, None] * 1.0)])
def test_maps_that_number_objects_however_they_lie(maps):
    assert_both(made(maps, [[1, 2]] * 4))


def test_maps_of_a_file_with_an_axis_of_one(tmp_path):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["images"], file["masks"] = IMAGES, MAPS[..., None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_both(open_dataset(tmp_path / "all.h5"), ["class 1", "class 2"])


@pytest.mark.parametrize("masks", [PLANES[:, :1], PLANES[:, 0, ..., None] * np.uint8(255), PLANES[:, :1] * 0.7,
                                   PLANES[:, :1] * np.linspace(80, 255, 30).astype(np.uint8)])
def test_a_plane_of_two_values_or_of_shades_is_one_object(masks):
    dataset = made(masks, None, ["cat"])
    assert dataset.class_names == ["BG", "cat"] and [dataset.object_count(i) for i in range(4)] == [1] * 4


def test_bool_maps_beside_those_of_0_and_255_lose_nothing():
    maps = [PLANES[0, 0].astype(bool), *(PLANES[1:, 0] * np.uint8(255))]
    dataset = made(maps, [[1]] * 4, ["cat"])
    assert [int(dataset.load_mask(i)[0].sum()) for i in range(4)] == [areas[0] for areas in AREAS]
    dataset = made(maps, None)
    assert [int(dataset.load_mask(i)[0].sum()) for i in range(4)] == [areas[0] for areas in AREAS]
    ignored = made([*(PLANES[:3, 0] * np.uint8(255)), MAPS[3]], None)
    assert any("255 is to be ignored, for others hold labels" in str(note) for note in ignored.notes)


@pytest.mark.parametrize("masks", [[[]] * 4, [np.zeros((0, 24, 30))] * 4, np.zeros((0, 24, 30))])
def test_photos_without_objects_alone(masks):
    with pytest.warns(UserWarning, match="numbered from 1 on, for no photo has a label that tells"):
        dataset = ArrayDataset(IMAGES, masks, [[]] * 4, names=NAMES)
    assert dataset.class_names[1:] == NAMES and [dataset.object_count(i) for i in range(4)] == [0] * 4
    assert dataset.load_mask(0)[0].shape == (24, 30, 0)
