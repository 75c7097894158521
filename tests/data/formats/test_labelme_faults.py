"""LabelMe: what is wrong in its files is named, and all else remains."""

import base64
import os

import numpy as np
import pytest
from labelme_files import BUMP, HEIGHT, SQUARE, WIDTH, bomb, load, mask_shape, shape, text_of, write, write_photos

from mrcnn.data.annotated import without
from mrcnn.data.curation.validate import validate
from mrcnn.data.formats.labelme import recognises
from mrcnn.errors import DataError


@pytest.fixture
def folder(tmp_path):
    return write_photos(tmp_path)


COLOUR = text_of(np.ones((2, 3, 3), np.uint8))
BROKEN = base64.b64encode(base64.b64decode(text_of(BUMP))[:-30]).decode()


@pytest.mark.parametrize("bad, kind, said", [
    ("polygon", "bad entry", "it has no label"),
    (shape(label=None), "bad entry", "it has no label"),
    (shape(label=" "), "unknown class", "its label is empty"),
    (shape(group_id=[1]), "bad entry", "its group_id '[1]' is no whole number"),
    (shape("point", [[3, 4]]), "bad entry", "a point, which encloses nothing"),
    (shape("line", [[3, 4], [9, 9]]), "bad entry", "a line, which encloses nothing"),
    (shape("linestrip", SQUARE), "bad entry", "a linestrip, which encloses nothing: draw a polygon"),
    (shape("cube", SQUARE), "bad entry", "its shape_type 'cube' is none of polygon, rectangle"),
    (shape(["polygon"], SQUARE), "bad entry", "is none of polygon"),
    (shape(points=SQUARE[:2]), "bad entry", "its polygon has not three or more corners"),
    (shape(points=None), "bad entry", "the points of its polygon are no list"),
    (shape(points=[]), "bad entry", "the points of its polygon are no list"),
    (shape(points=[1, 2, 3, 4, 5, 6]), "bad entry", "the points of its polygon are no list"),
    (shape(points=[[1, 2], [3], [4, 5]]), "bad entry", "the points of its polygon are no list"),
    (shape(points=[["a", 2], [3, 4], [4, 5]]), "bad entry", "the points of its polygon are no list"),
    (shape(points=[[float("nan"), 2], [3, 4], [4, 5]]), "bad entry", "of finite numbers"),
    (shape(points=[[10**400, 2], [3, 4], [4, 5]]), "bad entry", "of finite numbers"),
    (shape("rectangle", SQUARE[:3]), "bad entry", "its rectangle has 3 points, needs 2"),
    (shape("circle", SQUARE), "bad entry", "its circle has 4 points, needs 2"),
    (shape("circle", [[-9, 5], [-9, 13]]), "mask outside", "its circle lies outside the photo of 24x32"),
    (shape(points=[[40, 2], [50, 2], [50, 9]]), "mask outside", "its polygon lies outside"),
    (shape(points=[[4, 2], [50, 2], [9999, 9]]), "bad entry", "its polygon reaches to 9999, far outside"),
    (shape("circle", [[5, 5], [1e308, 1e308]]), "bad entry", "far outside"),
    (shape("rectangle", [[4, 6], [14, 6]]), "empty mask", "holds no pixel"),
    (shape("mask", [[5, 7], [7, 8]]), "bad entry", "its mask is no base64 text"),
    (mask_shape("%%%"), "bad entry", "its mask is no base64 text"),
    (mask_shape("aGVsbG8="), "bad entry", "its mask: not a readable image (unknown format)"),
    (mask_shape(BROKEN), "bad entry", "its mask: not a readable image"),
    (mask_shape(text_of(BUMP.astype(np.uint8), "JPEG")), "bad entry", "its mask: not a readable image (unknown"),
    (mask_shape(COLOUR), "bad entry", "its mask is a colour picture"),
    (mask_shape(bomb(30_000, 30_000)), "bad entry", "its mask: too many pixels"),
    (mask_shape(bomb(9_000, 9_000)), "wrong size", "its mask has 9000x9000 pixels, its points span 2x3"),
    (mask_shape(bomb(9_000, 9_000), [[0, 0], [8999, 8999]]), "bad entry", "its mask reaches to 8999, far"),
    (mask_shape(np.ones((HEIGHT, WIDTH), bool)), "wrong size", "its mask has 24x32 pixels, its points span 2x3"),
    (mask_shape(BUMP[:, :1]), "wrong size", "its mask has 2x1 pixels"),
    (mask_shape(points=[[5, 7]]), "bad entry", "its mask has 1 points, needs 2"),
    (mask_shape(points=[[40, 7], [42, 8]]), "mask outside", "its mask lies outside the photo"),
    (mask_shape(points=[[-3, 7], [-1, 8]]), "mask outside", "its mask lies outside the photo"),
    (mask_shape(BUMP & False), "empty mask", "its mask holds no pixel"),
])
def test_a_bad_shape_is_named_and_the_others_remain(folder, bad, kind, said):
    write(folder, [shape(), bad, shape(label="cap")])
    with pytest.raises(DataError, match="a.json: a.jpg, object 1: .*on_error") as error:
        load(folder)
    assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="skipped a.jpg, object 1"):
        dataset = load(folder, on_error="skip")
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.faults] == [("a.jpg", kind, 1)]
    assert dataset.class_names == ["BG", "cap", "hat"] and [entry.number for entry in dataset.objects(0)] == [0, 2]
    assert without(dataset, [dataset.faults[0]._replace(number=2)]).object_count(0) == 1


def test_a_bad_shape_takes_its_group_with_it(folder):
    write(folder, [shape(), shape(group_id=4), shape(group_id=4, points=SQUARE[:2]), shape(group_id=5)])
    with pytest.raises(DataError, match="a.jpg, object 1: shape 2 of its group: its polygon"):
        load(folder)
    with pytest.warns(UserWarning, match="object 1"):
        dataset = load(folder, on_error="skip")
    assert [entry.number for entry in dataset.objects(0)] == [0, 3]


PHOTO = text_of(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


@pytest.mark.parametrize("edits, fault, said", [
    ({"imagePath": ".."}, ("a.json", "path escape"), "leads out of the image folder"),
    ({"imagePath": "sub/"}, ("sub/", "missing"), "1 of 2 photos are not in"),
    ({"imagePath": "/etc/"}, ("a.json", "path escape"), "leads out of the image folder"),
    ({"imagePath": "c.jpg"}, ("c.jpg", "missing"), "1 of 2 photos are not in"),
    ({"imagePath": "c.jpg", "imageData": ""}, ("c.jpg", "missing"), "1 of 2 photos are not in"),
    ({"imagePath": "broken.jpg"}, ("broken.jpg", "unreadable"), "not a readable image"),
    ({"imagePath": "c.jpg", "imageData": "photo"}, ("c.jpg", "unreadable"), "its imageData is no base64 text"),
    ({"imagePath": "c.jpg", "imageData": 7}, ("c.jpg", "unreadable"), "its imageData is no base64 text"),
    ({"imagePath": "c.jpg", "imageData": "aGVsbG8="}, ("c.jpg", "unreadable"), "its imageData: not a readable image"),
    ({"imagePath": "c.jpg", "imageData": bomb(30_000, 30_000)}, ("c.jpg", "unreadable"), "too many pixels"),
    ({"imagePath": "c.jpg", "imageData": PHOTO, "imageWidth": 30}, ("c.jpg", "wrong size"), "annotated as 24x30"),
    ({"imageHeight": 25}, ("a.jpg", "wrong size"), "the photo is 24x32 pixels .* annotated as 25x32"),
    ({"imageHeight": "tall"}, ("a.jpg", "wrong size"), "height 'tall' and width 32"),
    ({"imagePath": None}, ("a.json", "bad entry"), "no LabelMe file, for it has no imagePath"),
    ({"imagePath": ""}, ("a.json", "bad entry"), "no LabelMe file, for it has no imagePath"),
    ({"shapes": {}}, ("a.json", "bad entry"), "no LabelMe file, for it has no shapes"),
])
def test_a_bad_photo_is_named_and_the_others_remain(folder, edits, fault, said):
    (folder / "broken.jpg").write_text("no photo")
    write(folder, **{"shapes": [shape()], **edits})
    write(folder, [shape()], "b")
    with pytest.raises(DataError, match=said) as error:
        load(folder)
    assert "\n" not in str(error.value) and fault[0] in str(error.value)
    with pytest.warns(UserWarning, match="skipped"):
        dataset = load(folder, on_error="skip")
    assert [(fault.photo, fault.kind) for fault in dataset.faults] == [fault]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.jpg"] and dataset.object_count(0) == 1


def test_a_photo_that_cannot_be_decoded_is_found_by_validation(folder):
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    broken = base64.b64encode(base64.b64decode(text_of(pixels, "JPEG"))[:-200]).decode()
    dataset = load(write(folder, [shape()], "c", imageData=broken))
    fault, = validate(dataset, 1, False)
    assert (fault.photo, fault.kind) == ("c.jpg", "unreadable") and "its imageData: not a readable" in fault.message
    write(folder, [shape()], "c")
    with pytest.raises(DataError, match="c.json: its imageData is no base64 text"):  # the file has changed since
        dataset.load_image(0)
    os.remove(folder / "c.json")
    with pytest.raises(DataError, match="c.json: cannot read the LabelMe file"):
        dataset.load_image(0)


def test_two_files_of_one_photo(folder):
    write(folder, [shape()])
    write(folder, [], "b", imagePath="a.jpg")
    with pytest.raises(DataError, match="b.json: b.json: the photo a.jpg is that of another file too"):
        load(folder)
    with pytest.warns(UserWarning, match="skipped b.json"):
        dataset = load(folder, on_error="skip")
    assert without(dataset, dataset.faults).object_count(0) == 1  # the first one stays


@pytest.mark.parametrize("text", ["{", "[" * 99999, "[1]", '{"shapes": []}', "\ud800".encode("utf-8", "surrogatepass")])
def test_a_file_that_is_none(folder, text):
    write(folder, [shape()], "b")
    (folder / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match="a.json: a.json: no (JSON|LabelMe) file") as error:
        load(folder)
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="skipped a.json"):
        assert load(folder, on_error="skip").num_images == 1
    assert recognises(folder) and load(folder / "b.json").num_images == 1


def test_what_cannot_be_loaded(folder):
    with pytest.raises(DataError, match="no photos remain"):
        load(folder)
    with pytest.raises(DataError, match="none: no such folder"):
        load(folder / "none")
    with pytest.raises(DataError, match="none: no such image folder"):
        load(write(folder, [shape()]), images=folder / "none")
    with pytest.raises(DataError, match="takes no mapping"):
        load(folder, mapping="ccp-13")
