"""iMaterialist's run lengths: masks against their definition, against pycocotools, and against Clothing Co-Parsing."""

import pathlib

import numpy as np
import pytest
from encoded_pixels import painted, text_of

from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.formats.imaterialist import ImaterialistDataset, PixelsError, encoded_pixels_to_rle
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import encode as rle_encode

CCP = pathlib.Path(__file__).parents[3].parent / "shared" / "data" / "ccp"
needs_ccp = pytest.mark.skipif(not CCP.exists(), reason=f"needs {CCP.name} at ../shared/data")

# --- Run lengths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [
    [(1, 20)], [(1, 1)], [(20, 1)], [(3, 4), (7, 2)], [(12, 2), (1, 3)], [(1, 5), (2, 2), (4, 6)], [(9, 0), (2, 3)],
    [(6, 5), (6, 5)], [(15, 6), (1, 14)],
])
def test_runs_are_those_of_pycocotools(runs):
    mask = painted(runs, (5, 4))
    rle = encoded_pixels_to_rle(text_of(runs), (5, 4))
    assert rle["size"] == [5, 4] and rle["counts"] == rle_encode(mask)["counts"]


def test_any_runs_are_their_union():
    rng = np.random.default_rng(3)
    for _ in range(200):
        shape = tuple(rng.integers(1, 12, 2).tolist())
        area = shape[0] * shape[1]
        firsts = rng.integers(1, area + 1, rng.integers(1, 9))
        runs = [(int(first), int(rng.integers(1, area - first + 2))) for first in firsts]
        mask = painted(runs, shape)
        assert encoded_pixels_to_rle(text_of(runs), shape) == rle_encode(mask)


def test_a_photo_of_10717_pixels_is_not_decoded():
    shape = (10717, 10000)
    rle = encoded_pixels_to_rle(b"1 3 107169999 2", shape)  # 107,170,000 pixels
    assert rle["size"] == [10717, 10000] and len(rle["counts"]) < 20


@pytest.mark.parametrize("text, kind, message", [
    (b"", "empty mask", "no pixel"), (b"  ", "empty mask", "no pixel"), (b"4 0 7 0", "empty mask", "no pixel"),
    (b"1 21", "RLE overflow", "its run of 21 pixels from pixel 1 lies outside .* 1 to 20 of a photo of 5x4"),
    (b"2 3 21 1", "RLE overflow", "run of 1 pixels from pixel 21"), (b"0 4", "RLE overflow", "4 pixels from pixel 0"),
    (b"20 2", "RLE overflow", "run of 2 pixels from pixel 20"),
    (b"9223372036854775807 9223372036854775807", "RLE overflow", "of 9223372036854775807 pixels"),
    (b"1 99999999999999999999999999", "RLE overflow", "from pixel 1 lies"),
    (b"1 2 3", "bad entry", "3 numbers, which make no pairs"), (b"7", "bad entry", "1 numbers"),
    (b"1 2 x 4", "bad entry", "'1 2 x 4' are no whole numbers"), (b"1 -2", "bad entry", "no whole numbers"),
    (b"1.0 2.0", "bad entry", "no whole"), (b"1,2", "bad entry", "no whole"), (b"nan", "bad entry", "no whole"),
    (b"\xff\x00", "bad entry", "no whole"),
])
def test_pixels_that_make_no_mask(text, kind, message):
    with pytest.raises(PixelsError, match=message) as caught:
        encoded_pixels_to_rle(text, (5, 4))
    assert caught.value.kind == kind and "\n" not in str(caught.value)


# --- Clothing Co-Parsing ---------------------------------------------------------------------------------------------

# Which of ModaNet's classes the categories of the CSV may be; those not listed are not in the COCO file.
CLASSES = {
    "shirt": {"top"}, "top": {"top"}, "sweater": {"top"}, "cardigan": {"outer"}, "jacket": {"outer"}, "vest": {"outer"},
    "coat": {"outer"}, "cape": {"outer"}, "pants": {"pants"}, "shorts": {"shorts"}, "skirt": {"skirt"},
    "dress": {"dress"}, "jumpsuit": {"dress", "pants"}, "glasses": {"sunglasses"}, "hat": {"headwear"},
    "tie": {"scarf_tie"}, "scarf": {"scarf_tie"}, "belt": {"belt"}, "shoe": {"footwear", "boots"}, "bag": {"bag"},
}


@needs_ccp
def test_ccp_has_the_same_masks_as_csv_and_as_coco_json():
    """A COCO object is the union of the rows of one photo whose category is of its class and whose pixels lie in it.

    It is one row, unless a photo has several categories of one class, as a shirt under a sweater; shoes and boots are
    an object for each connected part in both files, so each is one row. No row of a listed category is left over.
    """
    from pycocotools import mask as coco_mask

    rows, objects = ImaterialistDataset(), CocoDataset()
    rows.load(str(CCP / "imaterialist" / "val.csv"), str(CCP / "photos"))
    objects.load(str(CCP / "instances_val.json"), str(CCP / "photos"))
    rows.prepare()
    objects.prepare()
    assert rows.num_classes == 1 + 46 and rows.num_images == objects.num_images == 80
    assert [info["path"] for info in rows.image_info] == [info["path"] for info in objects.image_info]
    singles = total = 0
    for image_id in objects.image_ids:
        entries = [(rows.class_names[entry.class_id].split(",")[0], entry.rle) for entry in rows.objects(image_id)]
        used = 0
        for entry in objects.objects(image_id):
            name, area = objects.class_names[entry.class_id], coco_mask.area(entry.rle)
            parts = [
                rle for category, rle in entries if name in CLASSES.get(category, ())
                and coco_mask.area(coco_mask.merge([rle, entry.rle], intersect=True)) == coco_mask.area(rle)
            ]
            union = coco_mask.merge(parts)
            assert coco_mask.area(union) == area == sum(map(coco_mask.area, parts))
            np.testing.assert_array_equal(rle_decode(union), rle_decode(entry.rle))
            assert len(parts) == 1 or name not in ("footwear", "boots")
            used += len(parts)
            singles += len(parts) == 1
            total += 1
        assert used == sum(category in CLASSES for category, _ in entries)
    assert (singles, total) == (440, 442)
