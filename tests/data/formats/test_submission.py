"""Submissions by hand, and read back as a data set."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.attributes import load_objects
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.submission import Submission, form_of
from mrcnn.data.formats.upright import turned_mask
from mrcnn.data.formats.writers import rle_to_encoded_pixels
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
    assert told.endswith("; 1 photos without an object have no row; 1 objects that better ones cover wholly are left "
                         "out; 1 objects whose masks have no pixel are left out")
    assert "submission.csv: 2 objects of 2 photos, in the form of 2019 (" in told


def test_the_form_of_2020_by_hand(descriptions, tmp_path):
    submission = Submission(descriptions, CLASSES, ["long", "striped"], form="2020")
    submission.add("a.b.jpg", results_of((10, 0.5, 0, 2, ["long", "striped"]), (20, 0.9, 3, 6, [])))
    told = submission.write(tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_text() == (
        'ImageId,EncodedPixels,ClassId,AttributesIds\na.b,4 3 10 3,8,\na.b,1 2 7 2,6,"28,77"\n')
    assert "in the form of 2020 (as asked for)" in told


def test_the_form_that_goes_with_descriptions(tmp_path):
    path = tmp_path / "label_descriptions.json"

    def form(count, **more):
        path.write_text(json.dumps({**more, "attributes": [{"id": i, "name": str(i)} for i in range(count)]}))
        return form_of(path)

    assert form(294, info={"year": 2019}) == ("2020", f"{path} lists 294 attributes, as 2020's")
    assert form(5, info={"year": "2020"}) == ("2020", f"by the year in {path}")
    assert form(92, info={"year": 2019})[0] == "2019"
    assert form(92) == ("2019", f"{path} lists 92 attributes, 2020's 294; --submission-form asks for another")


def test_photos_that_differ_in_their_ending_alone(descriptions):
    names = ["a.jpg", "b.jpg", "a.png"]
    Submission(descriptions, CLASSES, None, "2019").check_photos(names)
    with pytest.raises(DataError, match="a.jpg and a.png would have one ImageId, a, for the form of 2020"):
        Submission(descriptions, CLASSES, None, "2020").check_photos(names)


def test_photos_that_cannot_be_read_are_none_without_an_object(descriptions, tmp_path):
    submission = Submission(descriptions, CLASSES, None)
    for name, results in (("a.jpg", []), ("b.jpg", None), ("c.jpg", None)):
        submission.add(name, results)
    told = submission.write(tmp_path / "submission.csv")
    assert "0 objects of 1 photos" in told and "; 1 photos without an object have no row; 2 photos that cannot be " \
        "read have no row (first: b.jpg)" in told


@pytest.mark.parametrize("turn", range(1, 9))
def test_photos_that_exif_turns(descriptions, tmp_path, turn):
    stored = np.random.default_rng(turn).random((3, 4)) < 0.5
    upright = {"category_id": 10, "score": 1, "segmentation": encode(np.ascontiguousarray(turned_mask(stored, turn)))}
    for as_stored, mask in ((False, turned_mask(stored, turn)), (True, stored)):
        submission = Submission(descriptions, CLASSES, None, as_stored=as_stored)
        submission.add("a.jpg", [upright], turn)
        submission.add("b.jpg", [], turn)
        told = submission.write(tmp_path / "submission.csv")
        assert submission.rows == [("a.jpg", rle_to_encoded_pixels(encode(np.ascontiguousarray(mask))), "6")]
        how = "as the photos are stored" if as_stored else "upright; if the competition counts them as stored, ask"
        line = f"; 1 photos are turned by their EXIF (first: a.jpg): their pixels count {how}"
        assert line in told if turn > 1 else "EXIF" not in told


@pytest.mark.parametrize("form", ["2019", "2020"])
def test_it_is_read_back(descriptions, tmp_path, form):
    submission = Submission(descriptions, CLASSES, ["long", "striped"], form)
    submission.add("a.png", results_of((10, 0.5, 0, 2, ["striped", "long"]), (20, 0.9, 3, 6, [])))
    submission.write(tmp_path / "submission.csv")
    Image.fromarray(np.zeros((6, 2, 3), np.uint8)).save(tmp_path / "a.png")
    dataset = open_dataset(tmp_path / "submission.csv", tmp_path)
    rles, class_ids, attributes = load_objects(dataset, 0)
    assert [dataset.class_names[i] for i in class_ids] == ["skirt", "pants, trousers"] and attributes == [(), (28, 77)]
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


def test_classes_that_are_named_by_their_ids(descriptions, tmp_path):
    submission = Submission(descriptions, {1: "6", 2: "8"}, ["attribute 28", "long"])
    assert submission.class_ids == {1: 6, 2: 8} and submission.attribute_ids == {"attribute 28": 28, "long": 77}
    assert "classes are named by numbers, which are taken for the ids" in submission.write(tmp_path / "s.csv")
    with pytest.raises(DataError, match="has no class '7', which the network knows .1 of 2 are missing"):
        Submission(descriptions, {1: "6", 2: "7"}, None)
    with pytest.raises(DataError, match="has no attribute 'attribute 29'"):
        Submission(descriptions, {1: "6"}, ["attribute 29"])
    content = json.loads(descriptions.read_text())
    content["categories"] = [{"id": 6, "name": "8"}, {"id": 8, "name": "6"}]  # names go before ids
    descriptions.write_text(json.dumps(content))
    assert Submission(descriptions, {1: "6", 2: "8"}, None).class_ids == {1: 8, 2: 6}
