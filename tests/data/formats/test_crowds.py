"""Crowds, and objects that a tool marks as crowds because they are run lengths."""

import numpy as np
import pytest

from mrcnn.data.formats.crowds import ask, is_of_coco, judge
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError

ONE = np.zeros((20, 30), bool)
ONE[2:8, 3:9] = True
TWO = ONE.copy()
TWO[12:18, 20:26] = True
POLYGON = [[3, 2, 9, 2, 9, 8, 3, 8]]


def some(count, iscrowd, segmentation, category_id=1):
    if isinstance(segmentation, np.ndarray):
        segmentation = rle_encode(segmentation)
    return [{"iscrowd": iscrowd, "segmentation": segmentation, "category_id": category_id} for _ in range(count)]


@pytest.mark.parametrize("annotations, verdict", [
    ([], "crowds"),
    (some(5, 0, ONE), "crowds"),
    (some(5, 1, ONE), "objects"),  # the whole file
    (some(5, "1", ONE), "objects"),
    (some(1, 1, ONE), "objects"),
    (some(5, 1, POLYGON), "objects"),
    (some(5, 1, POLYGON[0]), "objects"),
    (some(5, 1, TWO), "unclear"),
    (some(4, 1, ONE) + some(1, 1, TWO), "unclear"),  # 80 %
    (some(4, 0, POLYGON) + some(4, 1, ONE, 2), "objects"),  # half of the file
    (some(4, 0, POLYGON) + some(4, 1, TWO, 2), "unclear"),
    (some(98, 0, POLYGON) + some(2, 1, ONE, 2), "objects"),  # few, but the whole of a class
    (some(99, 0, POLYGON) + some(1, 1, ONE, 2), "perhaps"),  # one tells nothing
    (some(95, 0, POLYGON) + some(5, 1, ONE), "perhaps"),
    (some(95, 0, POLYGON) + some(5, 1, TWO), "crowds"),  # as COCO has them
    (some(4, 0, POLYGON) + some(1, 0, ONE) + some(4, 1, ONE), "crowds"),  # other run lengths are none
    (some(4, 0, POLYGON) + some(2, 1, ONE) + some(2, 1, POLYGON), "crowds"),  # polygons are some
])
def test_verdicts(annotations, verdict):
    assert judge(annotations, of_coco=False) == verdict
    assert judge(annotations, of_coco=True) == "crowds"


def test_specks_and_what_cannot_be_decoded_do_not_count():
    speck = ONE.copy()
    speck[15, 20] = True  # one pixel of 37
    assert judge(some(3, 1, speck), False) == "objects"
    assert judge(some(3, 1, ONE) + some(1, 1, {"size": [4, 4], "counts": [99]}) + some(1, 1, None), False) == "objects"
    assert judge(some(2, 1, {"size": "no"}), False) == "unclear"  # nothing can be looked at


def test_files_of_coco():
    images = [{"coco_url": "http://images.cocodataset.org/val2017/000000000139.jpg"}]
    assert is_of_coco({"images": images}) and is_of_coco({"images": [], "info": {"url": "http://cocodataset.org"}})
    assert not is_of_coco({"images": [{"coco_url": ""}], "info": {}}) and not is_of_coco({"images": [], "info": None})


def test_the_question_has_numbers_names_and_the_flag():
    annotations = some(3, 1, TWO) + some(1, 1, TWO, 2) + some(1, 0, POLYGON)
    with pytest.raises(DataError, match=r"a.json: 4 of 5 objects .*\(3 hat, 1 coat\).*--crowds"):
        ask("a.json", annotations, {1: "hat", 2: "coat"})
