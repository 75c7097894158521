"""LabelMe: its shapes as masks known by hand, groups, names, and photos within the file."""

import base64
import io
import pickle

import numpy as np
import pytest
from labelme_files import BUMP, HEIGHT, SQUARE, WIDTH, load, mask_shape, rectangle, shape, text_of, write, write_photos
from PIL import Image

from mrcnn.data.curation.validate import validate
from mrcnn.data.encoded import opened_image
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.labelme import recognises
from mrcnn.data.formats.writers import write_coco
from mrcnn.data.images import EXIF_ORIENTATION
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.errors import DataError


@pytest.fixture
def folder(tmp_path):
    return write_photos(tmp_path)


def only_mask(folder, entry):
    masks, class_ids = load(write(folder, [entry])).load_mask(0)
    assert class_ids.tolist() == [1]
    return masks[..., 0]


# --- Shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [
    shape(),
    {key: value for key, value in shape().items() if key not in ("shape_type", "group_id", "flags")},
    shape(None),
    shape("oriented_rectangle", SQUARE),
    shape("rectangle", [[4, 6], [14, 11]]),
    shape("rectangle", [[14, 6], [4, 11]]),
    shape("rectangle", SQUARE),  # as other programs write LabelMe's files
    mask_shape(np.ones((5, 10), bool), [[4, 6], [13, 10]]),
])
def test_many_ways_to_say_the_same(folder, entry):
    np.testing.assert_array_equal(only_mask(folder, entry), rectangle(6, 4, 11, 14))


def test_a_pixel_is_in_a_circle_if_its_centre_is(folder):
    # The second point lies on the rim, 5 pixels from the centre: 3-4-5.
    mask = only_mask(folder, shape("circle", [[15, 11], [18, 15]]))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    np.testing.assert_array_equal(mask, (columns - 15) ** 2 + (rows - 11) ** 2 <= 25)


@pytest.mark.parametrize("pixels", [BUMP, BUMP.astype(np.uint8), BUMP.astype(np.uint8) * 255])
@pytest.mark.parametrize("points", [
    [[5, 7], [7, 8]],  # the pixels of its corners, both in it
    [[5, 7], [8, 9]],  # as some programs write: the second beyond it
    [[7, 8], [5, 7]],
    [[5.2, 6.8], [7.4, 8.1]],  # rounded: 5, 7
])
def test_a_mask_lies_at_its_points(folder, pixels, points):
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[7, 6] = expected[8, 5] = expected[8, 6] = expected[8, 7] = True
    np.testing.assert_array_equal(only_mask(folder, mask_shape(pixels, points)), expected)


def test_what_lies_outside_is_cut_off(folder):
    np.testing.assert_array_equal(
        only_mask(folder, shape("rectangle", [[-5, 20], [7, 50]])), rectangle(20, 0, 24, 7)
    )
    # The lower row of the bump is row 0 of the photo, its last two columns are 0 and 1.
    mask = only_mask(folder, mask_shape(points=[[-1, -1], [1, 0]]))
    np.testing.assert_array_equal(mask, rectangle(0, 0, 1, 2))
    mask = only_mask(folder, mask_shape(points=[[WIDTH - 2, HEIGHT - 1], [WIDTH, HEIGHT]]))
    np.testing.assert_array_equal(mask, rectangle(HEIGHT - 1, WIDTH - 1, HEIGHT, WIDTH))  # the bump's one upper pixel


def test_shapes_of_one_label_and_group_are_one_object(folder):
    shapes = [
        shape("rectangle", [[0, 0], [3, 3]], "shoe", 1),
        shape(label="hat", group_id=1),
        shape("rectangle", [[10, 10], [12, 12]], "shoe", 1),
        shape("rectangle", [[2, 2], [5, 5]], "shoe"),
        mask_shape(np.ones((4, 4), bool), [[20, 0], [23, 3]], label="shoe", group_id=1),
        shape("rectangle", [[6, 6], [8, 8]], "shoe", 2),
        shape("rectangle", [[8, 8], [9, 9]], "shoe"),
    ]
    dataset = load(write(folder, shapes))
    assert dataset.class_names == ["BG", "hat", "shoe"]
    assert ("1 object joined of the shapes of one label and group_id: separate things need group_ids of their own "
            "(first: a.jpg, shoe)") in map(str, dataset.notes)
    objects = dataset.objects(0)
    assert [(entry.number, entry.class_id) for entry in objects] == [(0, 2), (1, 1), (3, 2), (5, 2), (6, 2)]
    union = rectangle(0, 0, 3, 3) | rectangle(10, 10, 12, 12) | rectangle(0, 20, 4, 24)
    np.testing.assert_array_equal(rle_decode(objects[0].rle), union)
    np.testing.assert_array_equal(rle_decode(objects[1].rle), rectangle(6, 4, 11, 14))
    np.testing.assert_array_equal(rle_decode(objects[2].rle), rectangle(2, 2, 5, 5))
    masks, class_ids = dataset.load_mask(0)  # all kinds of run lengths decoded together
    assert masks.sum(axis=(0, 1)).tolist() == [9 + 4 + 16, 50, 9, 4, 1] and class_ids.tolist() == [2, 1, 2, 2, 2]


def test_what_labelme_leaves_out_is_no_object(folder):
    shapes = [shape(label="__ignore__"), shape(), shape("line", [[1, 1], [2, 2]], "_background_"), shape(label="hat")]
    dataset = load(write(folder, shapes))
    assert dataset.class_names == ["BG", "hat"] and [entry.number for entry in dataset.objects(0)] == [1, 3]
    assert dataset.faults == []


# --- Classes and files -----------------------------------------------------------------------------------------------


def test_classes_are_those_of_all_files_whatever_the_limit(folder):
    write(folder, [shape(label="scarf"), shape(label=" hat ")])
    write(folder, [shape(label="cap"), shape(label="coat")], "b")
    for limit in (1, None):
        assert load(folder, limit=limit).class_names == ["BG", "cap", "coat", "hat", "scarf"]
    dataset = load(folder, limit=1)
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg"]
    assert dataset.load_rles(0)[1].tolist() == [4, 3]


def test_a_file_of_names_sets_the_classes_and_their_order(folder):
    write(folder, [shape(label="hat"), shape(label="cap"), shape(label="__ignore__")])
    (folder / "labels.txt").write_text("__ignore__\n_background_\nscarf\nhat\ncap\n")
    dataset = load(folder, names=folder / "labels.txt")
    assert dataset.class_names == ["BG", "scarf", "hat", "cap"] and dataset.load_rles(0)[1].tolist() == [2, 3]
    (folder / "labels.txt").write_text("hat\n")
    with pytest.raises(DataError, match="a.json: a.jpg, object 1: its label 'cap'"):
        load(folder, names=folder / "labels.txt")


def test_a_photo_without_shapes_is_kept(folder):
    write(folder, [])
    write(folder, [shape()], "b")
    dataset = load(folder)
    assert [dataset.object_count(i) for i in dataset.image_ids] == [0, 1]
    assert dataset.load_mask(0)[0].shape == (HEIGHT, WIDTH, 0)


@pytest.mark.parametrize("image_path", ["../photos/a.jpg", "..\\photos\\a.jpg", "C:\\me\\a.jpg", "/me/a.jpg", "a.jpg"])
def test_photos_in_a_folder_of_their_own(folder, image_path):
    (folder / "photos").mkdir()
    (folder / "a.jpg").rename(folder / "photos" / "a.jpg")
    (folder / "notes").mkdir()
    write(folder / "notes", [shape()], imagePath=image_path)
    dataset = load(folder / "notes", images=folder / "photos")
    assert dataset.image_info[0]["path"] == str(folder / "photos" / "a.jpg") and dataset.file_name(0) == "a.jpg"
    with pytest.raises(DataError, match="1 of 1 photos .*notes: a.jpg: give the folder"):
        load(folder / "notes")


def test_photos_in_folders_below(folder):
    (folder / "sub").mkdir()
    (folder / "a.jpg").rename(folder / "sub" / "a.jpg")
    assert load(write(folder, [shape()], imagePath="sub\\a.jpg")).file_name(0) == "sub/a.jpg"


def test_sizes_that_the_file_lacks_come_from_the_photo(folder):
    write(folder, [shape()], imageHeight=None, imageWidth=None)
    dataset = load(folder)
    assert (dataset.image_info[0]["height"], dataset.image_info[0]["width"]) == (HEIGHT, WIDTH)


def turn(folder):
    """The photo a.jpg with an EXIF orientation that makes it WIDTHxHEIGHT upright."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "a.jpg", exif=exif)


def test_a_photo_that_its_orientation_turns(folder):
    turn(folder)
    dataset = load(write(folder, [shape()], imageHeight=WIDTH, imageWidth=HEIGHT))  # as LabelMe sees it: upright
    assert dataset.load_image(0).shape[:2] == dataset.load_mask(0)[0].shape[:2] == (WIDTH, HEIGHT)
    # Seen as stored, 24 x 32: rows 6 to 10 and columns 4 to 13, turned clockwise, are rows 4 to 13 and, with 23 - y for
    # row y, columns 13 to 17.
    with pytest.warns(UserWarning, match="1 photo annotated as it is before its EXIF turns it"):
        dataset = load(write(folder, [shape()]))
    expected = np.zeros((WIDTH, HEIGHT), bool)
    expected[4:14, 13:18] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], expected)
    with pytest.raises(DataError, match="the photo is 32x24 pixels .* annotated as 24x33"):
        load(write(folder, [shape()], imageWidth=WIDTH + 1))


def test_a_photo_that_fits_turned_and_not_goes_with_the_others(folder):
    turn(folder)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 3
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "b.jpg", exif=exif)
    write(folder, [shape()])
    dataset = load(write(folder, [shape()], "b"))
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 0], rectangle(6, 4, 11, 14)[::-1, ::-1])
    assert [info["file_name"] for info in dataset.image_info] == ["a.jpg", "b.jpg"]


def test_a_photo_of_more_scans_than_anybody_writes_is_not_decoded(folder, tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    data = data[:-2] + 100 * data[data.rindex(b"\xff\xda"):-2] + data[-2:]
    held = base64.b64encode(data).decode()
    with pytest.raises(DataError, match="its imageData: a JPEG of 1.. scans, of which 100 are decoded: save it anew"):
        load(write(folder, [shape()], "c", imageData=held, imagePath="c.jpg"))
    (tmp_path / "b.jpg").write_bytes(data)
    for opened in (tmp_path / "b.jpg", io.BytesIO(data)):
        with pytest.raises(DataError, match="b.jpg: a JPEG of 1.. scans"), opened_image(opened, "b.jpg"):
            pass


def test_sizes_as_text_or_missing(folder):
    for edits in ({"imageHeight": str(HEIGHT)}, {"imageHeight": None}, {"imageHeight": -1, "imageWidth": -1}):
        assert load(write(folder, [shape()], **edits)).load_mask(0)[0].shape == (HEIGHT, WIDTH, 1)


def test_a_photo_in_a_file_that_names_itself(folder):
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    with pytest.warns(UserWarning, match=r"1 photo .*is no picture.*\(first: c.json\)"):
        dataset = load(write(folder, [shape()], "c", imageData=text_of(pixels), imagePath="c.json"))
    assert dataset.file_name(0) == "c.png"
    np.testing.assert_array_equal(dataset.load_image(0), pixels)


def test_a_photo_that_only_the_file_holds(folder, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    write(folder, [shape()], "c", imageData=text_of(pixels), imagePath="../elsewhere/c.jpg")
    dataset = load(folder)
    assert dataset.file_name(0) == "c.jpg" and dataset.image_info[0]["path"] == str(folder / "c.json")
    np.testing.assert_array_equal(dataset.load_image(0), pixels)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset)).load_image(0), pixels)
    assert len(pickle.dumps(dataset)) < 2000 and validate(dataset, 1, False) == []
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    turned = text_of(pixels, "JPEG", exif=exif)
    write(folder, [shape()], "c", imageData=turned, imageHeight=WIDTH, imageWidth=HEIGHT)
    assert load(folder).load_image(0).shape == (WIDTH, HEIGHT, 3)
    write(folder, [shape()], imageData=text_of(pixels))  # a.jpg is there, and goes first
    assert load(folder, limit=1).load_image(0).max() == 0


@pytest.mark.parametrize("path", ["c.png", "../elsewhere/c.png", "D:\\photos\\c.png", None, "c.json"])
@pytest.mark.filterwarnings("ignore:.*is no picture")
def test_photos_of_one_name_that_files_in_two_folders_hold(tmp_path, path):
    for value, place in enumerate(("cam1", "cam2")):
        (tmp_path / place).mkdir()
        held = text_of(np.full((HEIGHT, WIDTH, 3), value, np.uint8))
        write(tmp_path / place, [shape()], "c", imageData=held, imagePath=path)
    dataset = load(tmp_path)
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["cam1/c.png", "cam2/c.png"]
    assert [dataset.load_image(i).max() for i in dataset.image_ids] == [0, 1]
    write(tmp_path / "cam2", [shape()], "d", imageData=held, imagePath="cam2/d.png")  # the folder is named already
    assert load(tmp_path).file_name(2) == "cam2/d.png"
    write(tmp_path / "cam2", [shape()], "e", imageData=held, imagePath="d.png")
    with pytest.raises(DataError, match="e.json: the photo cam2/d.png is that of another file too"):
        load(tmp_path)


def test_a_folder_and_a_file_are_recognised(folder):
    assert not recognises(folder)
    write(folder, [shape()])
    for path in (folder, folder / "a.json"):
        assert recognises(path) and recognise(str(path)) == "labelme"
        assert open_dataset(str(path)).load_mask(0)[0].any()
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "0.png")  # a photo that could be a label map
    assert recognise(str(folder)) == "labelme"
    for other in (folder / "a.jpg", folder / "none", None):
        assert not recognises(other)
    (folder / "a.json").write_text('{"images": [], "annotations": []}')
    assert not recognises(folder)


def test_converted_to_coco_the_masks_are_the_same(folder):
    write(folder, [shape(), shape("circle", [[15, 11], [18, 15]], "cap"), mask_shape(group_id=3)])
    write(folder, [], "b")
    dataset = load(folder)
    write_coco(dataset, str(folder / "out" / "coco.json"))
    other = open_dataset(str(folder / "out" / "coco.json"), str(folder))
    assert other.class_names == dataset.class_names == ["BG", "cap", "hat"]
    for i in dataset.image_ids:
        np.testing.assert_array_equal(dataset.load_mask(i)[0], other.load_mask(i)[0])
        assert dataset.load_mask(i)[1].tolist() == other.load_mask(i)[1].tolist()


def test_rectangles_alone_must_be_asked_for_and_are_told_of(folder):
    square = shape("rectangle", [[4, 6], [14, 11]])
    with pytest.raises(DataError, match=r"all 2 objects .*\(first: a.jpg\).*--boxes-as-masks"):
        load(write(folder, [square, square]), boxes_as_masks=None)
    with pytest.warns(UserWarning, match="2 objects drawn as a rectangle.*a draft"):
        load(write(folder, [square, square]))
    with pytest.warns(UserWarning, match="1 object drawn as a rectangle, among others"):
        load(write(folder, [square, shape()]), boxes_as_masks=None)


def test_files_of_folders_within_are_read_with_the_photos_beside_them(tmp_path):
    for name, label in (("monday", "hat"), ("tuesday", "coat")):
        (tmp_path / name).mkdir()
        write(write_photos(tmp_path / name), [shape(label=label)])
    (tmp_path / "tuesday" / "settings.json").write_text('{"other": 1}')
    dataset = load(tmp_path)
    assert [dataset.file_name(i) for i in range(2)] == ["monday/a.jpg", "tuesday/a.jpg"]
    assert dataset.class_names == ["BG", "coat", "hat"] and recognises(tmp_path)
    assert validate(dataset, progress=False) == []


def test_descriptions_and_flags_of_the_photo_are_told(folder):
    write(folder, [shape(description="torn"), shape(description="")], flags={"blurred": True, "dark": False})
    assert [str(note) for note in load(folder).notes] == [
        "1 photo with flags of the photo as a whole: these are left out (first: a.jpg)",
        "1 shape with a description: this is left out (first: a.jpg)"]


def test_attributes_and_difficult_of_x_anylabeling_are_told(folder):
    write(folder, [{**shape(), "attributes": {"colour": "red", "torn": "", "size": None}, "difficult": True},
                   {**shape(), "attributes": {}, "difficult": False}, {**shape(), "attributes": None}])
    assert [str(note) for note in load(folder).notes] == [
        "1 shape with the attribute 'colour' in words: left out (as a flag of LabelMe it would be an attribute) "
        "(first: a.jpg)", "1 shape marked as difficult: taken like any other (first: a.jpg)"]
