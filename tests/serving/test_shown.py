"""What is shown of photos: by score and class, as detect gives it; the files hold what is shown."""

import dataclasses
import io
import json
import types
import zipfile

import numpy as np
import pytest
import stub_server
from PIL import Image
from stub_server import Describing, StubLabels, photo, png, served

from mrcnn.data import run_lengths
from mrcnn.data.formats import open_dataset
from mrcnn.serving.limits import Limits
from mrcnn.serving.page import Page
from mrcnn.serving.pre_labels import without_pixels
from mrcnn.serving.refusals import Refused
from mrcnn.serving.shown import chosen, cut_outs, files_of, label_map_of, look, stems

LIMITS = Limits()


@pytest.fixture
def seen():
    return look(served(), "a b.png", png(photo(score=0.8)), LIMITS)


@pytest.mark.parametrize("score, least, classes, count", [
    (0.8, 0.5, [1], 1), (0.8, 0.9, [1], 0), (0.8, 0.5, [2], 0), (0.8, 0.5, [], 0), (0.2, 0.1, [1, 2], 1)])
def test_the_objects_of_a_score_and_of_classes(score, least, classes, count):
    model = stub_server.Stub()
    seen = look(served(model), "a.png", png(photo(score=score)), LIMITS)
    objects = chosen(seen, least, classes)
    assert [len(values) for values in objects.values()] == [count] * len(objects)
    if set(classes) >= {1}:  # as detect finds it at that score; masks within a box (y1, x1, y2, x2) of 4 x 6 pixels
        expected = model.detect([photo(score=score)], rle=True, min_confidence=least)[0]
        assert objects["rles"] == expected["rles"] and run_lengths.areas(objects["rles"]).tolist() == [24] * count


@pytest.mark.parametrize("floor, confidence, least", [
    (None, 0.5, 0.05), (None, 0.01, 0.01), (0.3, 0.5, 0.3), (0.3, 0.1, 0.3), (0.02, 0.5, 0.05)])
def test_no_less_is_looked_for_than_an_exported_file_gives(floor, confidence, least):
    asked = []

    class Exported(stub_server.Stub):
        config, score_floor = types.SimpleNamespace(DETECTION_MIN_CONFIDENCE=confidence), floor

        def detect(self, images, min_confidence=None, **options):
            asked.append(min_confidence)
            return super().detect(images, min_confidence=min_confidence, **options)

    look(served(Exported()), "a.png", png(photo()), LIMITS)
    assert asked == [least]


def test_the_label_map_is_of_what_is_shown(seen):
    model, pixels = served(), photo(score=0.8)
    inside = np.zeros((12, 16), np.uint8)
    inside[2:6, 3:9] = 1
    assert (label_map_of(model, seen, pixels, chosen(seen, 0.5, [1]), [1]) == inside).all()
    assert not label_map_of(model, seen, pixels, chosen(seen, 0.5, [2]), [2]).any()
    swapped = label_map_of(model, seen, pixels, chosen(seen, 0.5, [1]), [1],
                           lambda image, probabilities: probabilities[..., ::-1])
    assert (swapped[2:6, 3:9] == 1).all() and (swapped[0] == 2).all()  # of three classes 0 and 2 change places


def test_label_maps_of_a_network_without_objects():
    model = served(StubLabels())
    seen = look(model, "a.png", png(photo()), LIMITS)
    assert chosen(seen, 0.5, [2]) is None
    assert label_map_of(model, seen, photo(), None, [2]).sum() == 2 * 24 and not label_map_of(
        model, seen, photo(), None, [1]).any()
    assert list(files_of(model, [seen], 0.5, [1, 2], LIMITS)) == ["a_labels.png"]


def test_the_files_hold_what_is_shown(seen):
    other = look(served(), "x/ü.jpeg.png", png(photo((1, 1, 3, 4), score=0.6)), LIMITS)
    files = files_of(served(), [seen, other], 0.5, [1, 2], LIMITS)
    assert list(files) == ["a-b_labels.png", "x-ü-jpeg_labels.png", "detections.json", "cut-outs.zip"]
    assert (np.asarray(Image.open(io.BytesIO(files["a-b_labels.png"]))) == 1).sum() == 24
    document = json.loads(files["detections.json"])
    assert document["images"][1] == {"id": 2, "file_name": "x/ü.jpeg.png", "height": 12, "width": 16}
    assert document["categories"] == [{"id": 1, "name": "hat"}, {"id": 2, "name": "shoe"}]
    first, second = document["annotations"]
    assert (first["bbox"], first["area"], first["category_id"]) == ([3, 2, 6, 4], 24, 1)  # x, y, width, height
    assert second["image_id"] == 2 and second["area"] == 6 and abs(second["score"] - 0.6) < 1e-6
    with zipfile.ZipFile(io.BytesIO(files["cut-outs.zip"])) as archive:
        assert archive.namelist() == ["a-b/001_hat.png", "x-ü-jpeg/001_hat.png"]
        cut = np.asarray(Image.open(archive.open("a-b/001_hat.png")))
    assert cut.shape == (4, 6, 4) and (cut[..., 3] == 255).all() and (cut[..., :3] == photo()[2:6, 3:9]).all()


def test_the_file_tells_attributes_as_detect_does_and_as_training_reads_them(tmp_path):
    model = served(Describing())
    seen = look(model, "a.png", png(photo(score=0.8)), LIMITS)
    assert len(seen.objects["attribute_names"]) == 3
    document = json.loads(files_of(model, [seen], 0.5, [1, 2], LIMITS)["detections.json"])
    assert document["attributes"] == [{"id": 1, "name": "colour: red"}, {"id": 2, "name": "brim: long"},
                                      {"id": 3, "name": "old"}]
    [row] = document["annotations"]
    assert row["attributes"] == {"colour: red": 0.9, "brim: long": 0.6} and row["attribute_ids"] == [1, 2]
    (tmp_path / "a.png").write_bytes(seen.data)
    (tmp_path / "found.json").write_text(json.dumps(document))
    data = open_dataset(str(tmp_path / "found.json"))
    [entry] = data.objects(data.image_ids[0])
    assert [data.attribute_names[number] for number in entry.attributes] == ["colour: red", "brim: long"]


def test_objects_without_a_pixel_are_not_in_a_file_that_training_reads(seen, tmp_path):
    """Their annotations were no COCO, and one of them made the whole file unreadable."""
    empty = run_lengths.encode(np.zeros((12, 16), bool))
    objects = {name: values * 2 if isinstance(values, list) else np.concatenate([values, values])
               for name, values in chosen(seen, 0.5, [1, 2]).items()}
    objects["rles"] = [empty, objects["rles"][1]]
    two = dataclasses.replace(seen, objects=objects)
    assert without_pixels(chosen(two, 0.5, [1, 2])) == 1
    files = files_of(served(), [two], 0.5, [1, 2], LIMITS)
    [row] = json.loads(files["detections.json"])["annotations"]
    assert (row["id"], row["area"]) == (1, 24)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / seen.name).write_bytes(seen.data)
    (tmp_path / "found.json").write_bytes(files["detections.json"])
    data = open_dataset(str(tmp_path / "found.json"), str(tmp_path / "photos"))
    assert data.load_mask(0)[0].sum() == 24
    page = Page(served())
    assert page.left_out([two], 0.5, ["hat"]) == "The files leave out 1 of 2 objects, whose masks have no pixel."
    assert page.left_out([seen], 0.5, ["hat"]) == page.left_out([two], 0.5, ["shoe"]) == ""


def test_names_of_attributes_are_of_no_object():
    one_of_three = look(served(Describing()), "a.png", png(photo(score=0.8)), LIMITS)
    as_many = {name: values * 3 if isinstance(values, list) and name != "attribute_names" else values
               for name, values in one_of_three.objects.items()}
    as_many.update({name: np.repeat(one_of_three.objects[name], 3, axis=0) for name in (
        "boxes", "rois", "class_ids", "scores", "attribute_scores", "mask_probabilities")})
    objects = chosen(dataclasses.replace(one_of_three, objects=as_many), 0.9, [1])  # three objects, three names
    assert "attribute_names" not in objects and objects["attributes"] == []


def test_what_lies_outside_a_mask_is_transparent(seen):
    mask = np.zeros((12, 16), bool)
    mask[[2, 3], [3, 4]] = True  # a diagonal
    objects = {"class_ids": np.array([2]), "rles": [run_lengths.encode(mask)]}
    data = cut_outs([(seen, photo(), objects)], ["BG", "hat", "../shoe"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["a-b/001_---shoe.png"]  # no name leads out of the folder
        alpha = np.asarray(Image.open(archive.open(archive.namelist()[0])))[..., 3]
    assert alpha.tolist() == [[255, 0], [0, 255]]


def test_photos_of_one_name_have_files_of_their_own(seen):
    assert stems([seen, seen]) == ["a-b_1", "a-b_2"]


@pytest.mark.parametrize("names, expected", [
    (["coat.jpg", "coat.png", "coat_2.jpg"], ["coat_1", "coat_3", "coat_2"]),  # 2 is a photo's own
    (["coat_3.jpg", "a.jpg", "coat.png", "coat.jpg"], ["coat_3", "a", "coat_4", "coat_5"]),
    (["Coat.jpg", "coat.jpg", "COAT_1.jpg"], ["Coat_2", "coat_3", "COAT_1"]),  # one file where case is not told
    (["a b.jpg", "a-b.jpg"], ["a-b_1", "a-b_2"])])
def test_no_photo_has_the_files_of_another(seen, names, expected):
    photos = [dataclasses.replace(seen, name=name) for name in names]
    assert stems(photos) == expected
    files = files_of(served(), photos, 0.5, [1, 2], LIMITS)
    assert [name for name in files if name.endswith("_labels.png")] == [f"{name}_labels.png" for name in expected]
    with zipfile.ZipFile(io.BytesIO(files["cut-outs.zip"])) as archive:
        assert archive.namelist() == [f"{name}/001_hat.png" for name in expected]


def test_what_is_no_photo_is_refused_by_its_name():
    with pytest.raises(Refused, match="notes.txt: no photo that is read here"):
        look(served(), "notes.txt", b"hello", LIMITS)
