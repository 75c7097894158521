"""Submissions by hand, and read back as a data set."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.attributes import load_objects
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.submission import Submission
from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError

CLASSES = {10: "pants", 20: "skirt"}


@pytest.fixture
def descriptions(tmp_path):
    path = tmp_path / "label_descriptions.json"
    path.write_text(json.dumps({
        "categories": [{"id": 6, "name": "pants, trousers"}, {"id": 8, "name": "skirt"}],
        "attributes": [{"id": 28, "name": "striped"}, {"id": 77, "name": "long"}, {"id": 3, "name": "red"}],
    }))
    return path


def results_of(*objects):
    """COCO results of objects (category id, score, first and last row of 6 x 2 pixels, names)."""
    results = []
    for category, score, start, end, names in objects:
        mask = np.zeros((6, 2), bool)
        mask[start:end] = True
        results.append({"category_id": category, "score": score, "segmentation": encode(mask),
                        "attributes": dict.fromkeys(names, 0.9)})
    return results


def test_rows_by_hand(descriptions, tmp_path):
    submission = Submission(descriptions, CLASSES, ["long", "striped"])
    # Rows 1 to 4 of the first, at 0.5, less rows 3 and 4, which the better one has; the third one is covered wholly.
    submission.add("a.jpg", results_of((10, 0.5, 1, 5, ["long", "striped"]), (20, 0.9, 3, 6, []), (20, 0.4, 3, 5, []),
                                       (10, 0.8, 2, 2, [])))  # the last one has no pixel
    submission.add("b.jpg", [])
    told = submission.write(tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_text() == (
        "ImageId,EncodedPixels,ClassId\na.jpg,4 3 10 3,8\na.jpg,2 2 8 2,6_28_77\n")
    assert told.endswith("submission.csv: 2 objects of 2 photos; 1 photos without an object have no row; 1 objects "
                         "that better ones cover wholly are left out; 1 objects whose masks have no pixel are left out")


def test_it_is_read_back(descriptions, tmp_path):
    submission = Submission(descriptions, CLASSES, ["long", "striped"])
    submission.add("a.png", results_of((10, 0.5, 0, 2, ["striped"]), (20, 0.9, 3, 6, ["long"])))
    submission.write(tmp_path / "submission.csv")
    Image.fromarray(np.zeros((6, 2, 3), np.uint8)).save(tmp_path / "a.png")
    dataset = open_dataset(tmp_path / "submission.csv", tmp_path)
    rles, class_ids, attributes = load_objects(dataset, 0)
    assert [dataset.class_names[i] for i in class_ids] == ["skirt", "pants, trousers"] and attributes == [(77,), (28,)]
    assert rles[1]["counts"] == encode(np.arange(6)[:, None] < np.full(2, 2))["counts"]


@pytest.mark.parametrize("classes, attributes, message", [
    ({1: "pants", 2: "hat"}, None, "has no class 'hat', which the network knows .1 of 2 are missing.: give the"),
    (CLASSES, ["long", "torn"], "has no attribute 'torn', which the network knows .1 of 2 are missing.: give the"),
])
def test_names_that_have_no_number(descriptions, classes, attributes, message):
    with pytest.raises(DataError, match=message):
        Submission(descriptions, classes, attributes)


def test_classes_of_one_name_go_by_their_ids(descriptions):
    content = json.loads(descriptions.read_text())
    content["categories"] = [{"id": 0, "name": "top"}, {"id": 5, "name": "top"}, {"id": 6, "name": "skirt"}]
    descriptions.write_text(json.dumps(content))
    assert Submission(descriptions, {0: "top", 5: "top", 7: "skirt"}, None).class_ids == {0: 0, 5: 5, 7: 6}
    with pytest.raises(DataError, match="has 2 categories called 'top', of which none has the id 3"):
        Submission(descriptions, {3: "top"}, None)


@pytest.mark.parametrize("categories, classes, message", [
    (["jacket, light", "jacket, heavy"], {1: "jacket"}, "2 categories that the network's class 'jacket' may stand for "
     ".jacket, light; jacket, heavy.: give one in which"),
    (["jacket", "jacket, heavy"], {0: "jacket", 1: "jacket"}, "category 0 .'jacket'. would be that of two of the"),
])
def test_names_that_fit_several_categories_are_refused(descriptions, categories, classes, message):
    content = [{"id": i, "name": name} for i, name in enumerate(categories)]
    descriptions.write_text(json.dumps({"categories": content}))
    with pytest.raises(DataError, match=message):
        Submission(descriptions, classes, None)
    whole = dict(enumerate(categories))
    assert Submission(descriptions, whole, None).class_ids == {0: 0, 1: 1}


def test_attributes_that_are_known_by_their_ids(descriptions):
    content = json.loads(descriptions.read_text())
    del content["attributes"]
    descriptions.write_text(json.dumps(content))
    assert Submission(descriptions, {8: "skirt"}, ["attribute 28"]).attribute_ids == {"attribute 28": 28}
    with pytest.raises(DataError, match="has no attribute 'long 28'"):
        Submission(descriptions, {8: "skirt"}, ["long 28"])
