"""Photos, masks and labels as arrays: every layout gives the same objects, and what does not fit is told."""

import copy
import pickle
import warnings

import h5py
import numpy as np
import pytest
from array_data import HEIGHT, LABELS, NAMES, WIDTH, boxes, masks, objects, photos, write_course

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.data.formats.writers import write_coco, write_embedded_photos
from mrcnn.errors import DataError

CORRECT = [masks()[:2], masks()[:0], masks()[2:]]  # of each photo


def made(*arrays, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ArrayDataset(*arrays, **options)


def opened(*paths, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(*paths, **options)


def assert_correct(dataset):
    assert len(dataset.image_ids) == 3 and dataset.class_names[1:] == NAMES
    for image_id in dataset.image_ids:
        planes, class_ids = dataset.load_mask(image_id)
        np.testing.assert_array_equal(planes, CORRECT[image_id].transpose(1, 2, 0).reshape(HEIGHT, WIDTH, -1))
        assert class_ids.tolist() == LABELS[image_id] == dataset.object_classes(image_id).tolist()
        np.testing.assert_array_equal(dataset.load_image(image_id), photos()[image_id].transpose(1, 2, 0))


def padded():
    """[3, 2, H, W]: masks of each photo, filled up with empty ones."""
    planes = np.zeros((3, 2, HEIGHT, WIDTH), np.uint8)
    planes[0], planes[2, 0] = masks()[:2], masks()[2]
    return planes


def numbered():
    """[3, H, W], where k is object k of the photo; the second object of the first lies in front of the first one."""
    return np.stack([np.where(masks()[1], 2, masks()[0]), np.zeros((HEIGHT, WIDTH)), masks()[2]]).astype(np.int32)


@pytest.mark.parametrize("images", [photos(), photos().transpose(0, 2, 3, 1), list(photos()), photos() / 255.0,
                                    photos().astype(np.float32), photos().astype(np.int64)])
def test_photos_in_any_layout_and_range(images):
    assert_correct(made(images, masks(), LABELS, names=NAMES))


@pytest.mark.parametrize("planes", [
    masks(), masks().astype(np.uint8), masks() * np.uint8(255), masks() * 1.0, masks() * 3, list(masks()), CORRECT,
    [entry.transpose(1, 2, 0) for entry in CORRECT], padded(), padded().transpose(0, 2, 3, 1), padded() * 255,
])
def test_masks_in_any_layout_and_range(planes):
    assert_correct(made(photos(), planes, LABELS, names=NAMES))


@pytest.mark.parametrize("labels, options", [
    (objects(LABELS), {}),
    ([np.array(entry, np.float32) for entry in LABELS], {}),
    (np.array([[1, 2], [-1, -1], [2, -1]]), {}),
    (np.array([1, 2, 2]), {"counts": [2, 0, 1]}),
    ([1, 2, 2], {"counts": np.array([2, 0, 1])}),
    ([[0, 1], [], [1]], {}),
    (LABELS, {"names": ["background", *NAMES]}),
    (LABELS, {"names": {1: "mug", 2: "glass"}}),
    (LABELS, {"boxes": boxes()}),
    (LABELS, {"first_label": 1}),
])
def test_labels_in_any_layout_and_numbering(labels, options):
    assert_correct(made(photos(), masks(), labels, **{"names": NAMES, **options}))


def test_maps_that_number_objects():
    dataset = made(photos(), numbered(), LABELS, names=NAMES)
    planes, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 2]
    np.testing.assert_array_equal(planes[..., 1], masks()[1])
    np.testing.assert_array_equal(planes[..., 0], masks()[0] & ~masks()[1])
    assert "number the objects" in str(dataset.notes[0])


def test_maps_of_labels_become_parts():
    maps = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    maps[0, 1:10, 1:10], maps[0, 12:22, 1:12], maps[0, 1:3, 15:17] = 1, 2, 2  # the last too small to be an object
    for names, expected in ((["mug", "shoes"], ["mug", "shoes"]), (["background", "mug", "shoes"], ["mug", "shoes"]),
                            (None, ["class 1", "class 2"])):
        dataset = made(photos(), maps, names=names)
        assert dataset.class_names[1:] == expected
        planes, class_ids = dataset.load_mask(0)
        assert class_ids.tolist() == [1, 2] and planes.sum(axis=(0, 1)).tolist() == [81, 110]
        assert dataset.object_count(1) == 0
    assert made(photos(), maps, names=["mug", "shoes"], mapping={"classes": {"all": ["*"]}, "background": []},
                min_area=5).num_classes == 2


def test_masks_alone_are_of_one_class():
    dataset = made(photos(), CORRECT, names=["mug"])
    assert dataset.class_names == ["BG", "mug"] and [dataset.object_count(i) for i in range(3)] == [2, 0, 1]
    assert made(photos(), padded(), names=["background", "mug"]).class_names == ["BG", "mug"]
    one = made(photos()[:2], masks()[:2])  # one of each photo
    assert one.class_names == ["BG", "object"] and [one.object_count(i) for i in range(2)] == [1, 1]


def test_soft_masks_are_cut_in_the_middle():
    soft = masks() * np.uint8(255)
    soft[0, 2, 3:7] = 127, 128, 1, 254
    dataset = made(photos(), soft, LABELS, names=NAMES)
    assert dataset.load_mask(0)[0][2, 3:7, 0].tolist() == [False, True, False, True]
    assert any("128 and more are inside" in str(note) for note in dataset.notes)


def test_grey_and_transparent_photos():
    grey = made(photos()[:, 0], masks(), LABELS, names=NAMES)
    np.testing.assert_array_equal(grey.load_image(2), np.repeat(photos()[2, 0][..., None], 3, axis=2))
    clear = np.concatenate([photos(), np.zeros_like(photos()[:, :1])], axis=1)
    assert (made(clear, masks(), LABELS, names=NAMES).load_image(2) == 255).all()  # laid over white


def test_photos_that_fill_little_of_16_bits_are_told_with_the_remedy():
    for top, faint in ((3600, True), (60000, False)):
        (note,) = made((photos() * (top / 255)).astype(np.uint16), masks()).notes[:1]
        assert "of 16 bits, of which the high byte is taken" in note.how
        assert ("of 65535, which become 0..1" in note.how and "multiply by 16" in note.how) == faint


def test_photos_of_many_sizes():
    images = [np.zeros((3, 10, 12), np.uint8), np.zeros((3, 8, 9), np.uint8)]
    planes = [np.ones((1, 10, 12)), np.ones((2, 8, 9))]
    planes[1][1, 0] = 0
    dataset = made(images, planes, [[0], [0, 0]], names=["mug"])
    assert [dataset.load_mask(i)[0].shape for i in range(2)] == [(10, 12, 1), (8, 9, 2)]
    assert validate(dataset, progress=False) == []


# --- Files -----------------------------------------------------------------------------------------------------------


def test_the_files_of_a_course(tmp_path):
    paths = write_course(tmp_path)
    arrays = {"labels": paths["labels.npy"], "boxes": paths["bboxes.npy"]}
    dataset = opened(paths["mask.h5"], paths["img.h5"], arrays=arrays, names=tmp_path / "names.txt")
    assert_correct(dataset)
    assert not [note for note in dataset.notes if "do not fit" in note.how]
    assert recognise(tmp_path) == recognise(paths["mask.h5"]) == "arrays"
    assert_correct(opened(tmp_path, names=tmp_path / "names.txt"))  # the folder, whose names tell
    assert_correct(pickle.loads(pickle.dumps(copy.copy(dataset))))  # for a process of its own


@pytest.mark.parametrize("ending", ["npz", "packed.npz", "h5"])
def test_one_file_of_all(tmp_path, ending):
    path = tmp_path / f"mugs.{ending}"
    arrays = {"images": photos(), "masks": masks(), "labels": np.array([1, 2, 2]), "counts": np.array([2, 0, 1])}
    if ending == "h5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(f"all/{name}", data=array)
            file["all/names"] = NAMES
    else:
        save = np.savez_compressed if "packed" in ending else np.savez
        save(path, **arrays, names=np.array(NAMES), extra=np.zeros(3))
    dataset = opened(path)
    assert recognise(path) == "arrays"
    assert_correct(dataset)
    assert len(opened(path, limit=2).image_ids) == 2
    assert ("h5" in ending) != any("left out" in str(note) for note in dataset.notes)  # `extra` is


def test_to_coco_and_back(tmp_path):
    dataset = made(photos(), masks(), LABELS, names=NAMES)
    write_coco(dataset, tmp_path / "coco.json")
    assert write_embedded_photos(dataset, tmp_path / "photos") == 3
    assert_correct(open_dataset(tmp_path / "coco.json", tmp_path / "photos"))


# --- What does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrays, options, said", [
    ((photos(), masks()), {}, None),
    ((photos(), masks()[:2], LABELS), {}, "speak of 3 objects, and there are 2 masks"),
    ((photos(), np.concatenate([masks(), masks()]), LABELS), {}, "3 objects, and there are 6 masks"),
    ((photos()[:2], masks()), {}, "nothing says which masks are whose.*--counts"),
    ((photos(), masks(), LABELS[:2]), {}, "labels for 2 photos, and 3 photos"),
    ((photos(), masks(), [1, 2]), {}, "2 labels in a row and 3 photos.*--counts"),
    ((photos(), masks(), [1, 2, 2]), {"counts": [1, 1, 2]}, "add up to 4, and there are 3 labels"),
    ((photos(), masks(), LABELS), {"counts": [1, 1, 1]}, "photo 0 has 1 objects by its counts and 2 by its labels"),
    ((photos(), masks(), LABELS), {"counts": [1, 1]}, "one whole number for each of 3 photos"),
    ((photos(), CORRECT[:2], LABELS), {}, "masks for 2 photos, and 3 photos"),
    ((photos(), masks()[:, :9], LABELS), {}, "photos of 3x24x20 are neither|24x20 pixels, its masks have 9x20"),
    ((photos(), masks(), [["a"], [], ["b"]]), {}, "labels hold"),
    ((photos(), masks(), [[0.5, 1], [], [1]]), {}, "labels are no whole numbers"),
    ((photos(), masks(), [[-3, 1], [], [1]]), {}, "labels lie from -3"),
    ((photos(), masks(), LABELS), {"names": ["mug"]}, "1 to 2, and there are 1 names"),
    ((photos(), masks(), LABELS), {"names": ["mug", "glass", "cup"]}, "first is label 0 or 1.*--first-label"),
    ((photos(), CORRECT), {"names": ["mug", "glass"]}, "2 names .mug, ... glass. and no labels.*--labels"),
    ((photos(), padded()), {"names": ["mug", "glass"]}, "has 2 planes: planes are objects, not classes.*argmax"),
    ((photos(), padded().transpose(0, 2, 3, 1)), {"names": {1: "mug", 2: "glass"}}, "2 planes: planes are objects"),
    ((photos(), padded()), {"names": ["background", "a", "b", "c"]}, "3 names .a, ... c. and no labels.*one name[.]$"),
    ((photos() - 100.0, masks(), LABELS), {}, "as normalised ones have"),
    ((photos() > 5, masks(), LABELS), {}, "values of type bool"),
    ((photos()[:, :2], masks(), LABELS), {}, "3x24x20|2x24x20.*neither"),
    ((photos(), -masks().astype(int), LABELS), {}, "masks have values from -1"),
    ((photos(), masks()[0], LABELS), {}, "no arrays of"),
    ((photos(), masks(), LABELS), {"channels": "last"}, "not .N, height, width, colours"),
    ((photos(), masks(), LABELS), {"mapping": {"classes": {}}}, "takes no mapping"),
    ((None, masks()), {}, "no photos: give images"),
])
def test_what_does_not_fit_is_told(arrays, options, said):
    if said is None:  # three bool masks of three photos are one each
        assert made(*arrays).object_count(1) == 1
        return
    with pytest.raises(DataError, match=said):
        made(*arrays, **options)


def test_colours_that_may_lie_first_or_last_are_asked_for():
    images, planes = np.zeros((2, 3, 4, 3), np.uint8), [np.ones((1, 4, 3)), np.ones((1, 4, 3))]
    with pytest.raises(DataError, match='channels="first" or "last", --channels'):
        made(images, planes, [[0], [0]], names=["mug"])
    assert made(images, planes, [[0], [0]], names=["mug"], channels="first").load_image(0).shape == (4, 3, 3)
    stacked = np.ones((2, 4, 3), bool)  # whose size tells
    assert made(images, stacked, [[0], [0]], names=["mug"]).load_image(0).shape == (4, 3, 3)


def test_faults_are_of_their_photo():
    planes = masks()
    planes[2] = False
    dataset = made(photos(), planes, [[1, 7], [], [2]], names={1: "mug", 2: "glass"})
    faults = validate(dataset, progress=False)
    assert [(fault.photo, fault.kind, fault.number) for fault in faults] == [
        ("000000.png", "unknown class", 1), ("000002.png", "empty mask", 0)]
    with pytest.raises(DataError, match="000000.png, object 1: its label 7 has no name"):
        dataset.load_mask(0)
    images = photos() / 255.0
    images[1, 0, 5, 5] = np.nan
    (fault,) = validate(made(images, masks(), LABELS, names=NAMES), progress=False)
    assert (fault.photo, fault.kind) == ("000001.png", "unreadable") and "nan" in fault.message


def test_masks_beyond_the_labels_are_told():
    planes = padded()
    planes[1, 0, 3:5, 3:5] = 1
    dataset = made(photos(), planes, LABELS, names=NAMES)
    with pytest.raises(DataError, match="000001.png: it has 0 labels, and mask 0 is not empty"):
        dataset.load_mask(1)
    with pytest.raises(DataError, match="000000.png: it has 3 labels and 2 masks"):
        made(photos(), padded(), [[1, 2, 2], [], [2]], names=NAMES).load_mask(0)


def test_boxes_that_do_not_fit_tell_of_a_wrong_order():
    with pytest.warns(UserWarning, match="objects of 3 looked at with boxes that do not fit"):
        ArrayDataset(photos(), masks()[:, ::-1, ::-1], LABELS, boxes=boxes(), names=NAMES)
    for way in ([1, 0, 3, 2], [0, 1, 2, 3]):
        fitting = made(photos(), masks(), LABELS, boxes=[entry[:, way] for entry in boxes()], names=NAMES)
        assert not [note for note in fitting.notes if "do not fit" in note.how]


def test_files_without_what_is_needed(tmp_path):
    np.savez(tmp_path / "a.npz", x=photos(), labels=np.zeros(3))
    with pytest.raises(DataError, match="a.npz: has no masks among its arrays"):
        open_dataset(tmp_path / "a.npz")
    np.save(tmp_path / "masks.npy", masks())
    with pytest.raises(DataError, match="masks.npy: has no photos: give the file"):
        open_dataset(tmp_path / "masks.npy")
    with pytest.raises(DataError, match="is a folder, where a file of arrays"):
        open_dataset(tmp_path / "masks.npy", tmp_path)
    np.savez(tmp_path / "b.npz", masks=masks(), mask=masks(), images=photos())
    with pytest.raises(DataError, match="b.npz: masks and mask may all be masks"):
        open_dataset(tmp_path / "b.npz")
    np.save(tmp_path / "masks2.npy", masks())
    with pytest.raises(DataError, match="may all be masks"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="takes no arrays"):
        (tmp_path / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
        open_dataset(tmp_path / "coco.json", arrays={"labels": "a.npy"})
