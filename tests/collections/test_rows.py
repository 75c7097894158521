"""Rows of drawn people whose objects are known to the pixel."""

import hashlib

import numpy as np
import pytest
from garments import BODY, CLASSES, COLOURS, GarmentFinder, photo_of

from mrcnn.collections.rows import persons_of, photo_rows
from mrcnn.data import run_lengths

SHA = hashlib.sha256(b"").hexdigest()


def test_an_object_belongs_to_the_person_who_has_most_of_its_pixels():
    masks = np.zeros((5, 10, 20), bool)
    masks[0, :, :10], masks[1, :, 10:16] = True, True  # two people
    masks[2, 3, 6:13] = True  # four pixels on the first, three on the second
    masks[3, 4, 9:13] = True  # one and three
    masks[4, :, 18:] = True  # on nobody
    rles = [run_lengths.encode(mask) for mask in masks]
    assert persons_of(rles, ["person", "Person", "bag", "bag", "hat"]) == [0, 1, 0, 1, None]
    assert persons_of(rles, ["coat", "coat", "bag", "bag", "hat"]) == [None] * 5
    tie = [run_lengths.encode(mask) for mask in (masks[0], masks[0], masks[2])]
    assert persons_of(tie, ["person", "person", "bag"]) == [0, 1, 0]


def test_rows_of_two_people():
    image = photo_of([("shirt",), ("shirt", "skirt")])
    rows = photo_rows("a.png", SHA, image, GarmentFinder().find(image), CLASSES)
    assert [(row["object"], row["class"], row["person"]) for row in rows] == [
        (0, "person", 0), (1, "shirt", 0), (2, "person", 2), (3, "shirt", 2), (4, "skirt", 2)]
    skirt = rows[4]
    # Rows 20 to 30, columns 36 to 54: 10 x 18 pixels of one colour.
    assert [skirt[name] for name in ("y1", "x1", "y2", "x2", "area", "score")] == [20, 36, 30, 54, 180, 0.75]
    mask = run_lengths.decode({"size": [skirt["height"], skirt["width"]], "counts": skirt["rle"]})
    assert (image[mask] == COLOURS["skirt"]).all() and mask.sum() == 180
    assert [colour["share"] for colour in skirt["colours"]] == [1.0]
    # Body of 14 x 33 pixels, of which the shirt covers 12 x 14; with it the shirt has 12 x 18.
    shares = [colour["share"] for colour in rows[0]["colours"]]
    area = 33 * 14 + 12 * 4
    assert rows[0]["area"] == area and sorted(shares) == pytest.approx([216 / area, (area - 216) / area], abs=0.01)
    assert len(set(BODY)) == 1  # grey: a and b are 0
    assert rows[0]["colours"][0]["a"] == pytest.approx(0, abs=0.1)
    assert {row["photo"] for row in rows} == {"a.png"} and {row["attributes"] for row in rows} == {None}


def test_a_photo_with_nothing_is_one_row_and_attributes_are_kept():
    image = photo_of([])
    (row,) = photo_rows("a.png", SHA, image, GarmentFinder().find(image), CLASSES)
    assert (row["height"], row["width"], row["sha256"]) == (40, 60, SHA) and "object" not in row and "error" not in row
    image = photo_of([("skirt",)])
    found = {**GarmentFinder().find(image), "attributes": [{}, {"striped": 0.5}]}
    assert [row["attributes"] for row in photo_rows("a.png", SHA, image, found, CLASSES)] == [
        [], [{"name": "striped", "score": 0.5}]]
