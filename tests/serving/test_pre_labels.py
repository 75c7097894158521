"""Pre-labels: classes mapped by the project's configuration, masks as polygons and brushes that read back the same."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.formats import label_studio_brush, open_dataset
from mrcnn.serving.pre_label_tasks import write_tasks
from mrcnn.serving.pre_labels import mapping_of, prediction_of
from mrcnn.serving.refusals import Refused

NAMES = ["BG", "hat", "shoe", "bag"]
POLYGONS = ('<PolygonLabels name="p" toName="img"><Label value="Hat"/>'
            '<Label value="Footwear" predicted_values="shoe, boot"/></PolygonLabels>')
BRUSHES = '<BrushLabels name="b" toName="img"><Label value="Hat"/></BrushLabels>'


def config(*controls):
    return f'<View><Image name="img" value="$picture"/>{"".join(controls)}</View>'


def found(*masks, class_id=1, score=0.75):
    return {"class_ids": np.full(len(masks), class_id), "scores": np.full(len(masks), score),
            "rles": [run_lengths.encode(mask) for mask in masks]}


def block(*boxes, shape=(20, 40), hole=None):
    mask = np.zeros(shape, bool)
    for y1, x1, y2, x2 in boxes:
        mask[y1:y2, x1:x2] = True
    if hole:
        mask[hole[0] : hole[2], hole[1] : hole[3]] = False
    return mask


def predicted(result, *controls):
    return prediction_of(result, mapping_of(config(*controls), NAMES), NAMES, "v3")


def drawn(region):
    """The mask of a polygon of Label Studio, drawn again."""
    height, width = region["original_height"], region["original_width"]
    points = np.array(region["value"]["points"]) * [width, height] / 100
    return run_lengths.decode(run_lengths.from_polygons([points.ravel().tolist()], (height, width)))


def test_a_block_is_a_polygon_in_percent():
    answer = predicted(found(block((5, 10, 15, 30))), POLYGONS, BRUSHES)
    [region] = answer["result"]
    # Of 40 pixels 10 are 25 %, 30 are 75 %; of 20 pixels 5 are 25 %, 15 are 75 %.
    assert sorted(map(tuple, region["value"]["points"])) == [(25, 25), (25, 75), (75, 25), (75, 75)]
    assert region["value"]["polygonlabels"] == ["Hat"] and region["type"] == "polygonlabels"
    assert (region["from_name"], region["to_name"], region["score"]) == ("p", "img", 0.75)
    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (40, 20, 0)
    assert answer["score"] == 0.75 and answer["model_version"] == "v3"


@pytest.mark.parametrize("mask", [block((1, 1, 8, 8), (10, 20, 18, 39)), block((1, 1, 18, 39), hole=(4, 4, 9, 9))])
def test_parts_and_holes_are_a_brush(mask):
    [region] = predicted(found(mask), POLYGONS, BRUSHES)["result"]
    assert region["type"] == "brushlabels" and region["value"]["brushlabels"] == ["Hat"]
    assert np.array_equal(run_lengths.decode(label_studio_brush.decode(region["value"]["rle"], mask.shape)), mask)


def test_without_a_brush_parts_are_polygons_and_holes_are_filled():
    mask = block((1, 1, 18, 19), (10, 30, 18, 39), hole=(4, 4, 9, 9))
    regions = predicted(found(mask), POLYGONS)["result"]
    assert [region["id"] for region in regions] == ["r0_0", "r0_1"]
    assert np.array_equal(np.logical_or(*map(drawn, regions)), block((1, 1, 18, 19), (10, 30, 18, 39)))


def test_without_polygons_all_is_a_brush():
    [region] = predicted(found(block((5, 10, 15, 30))), BRUSHES)["result"]
    assert region["type"] == "brushlabels"


def test_round_outlines_have_few_corners():
    y, x = np.mgrid[:200, :200]
    mask = (y - 100) ** 2 + (x - 100) ** 2 < 80**2
    [region] = predicted(found(mask), POLYGONS)["result"]
    assert len(region["value"]["points"]) < 40  # of over 400 along the pixels
    again = drawn(region)
    assert (again & mask).sum() / (again | mask).sum() > 0.97


def test_classes_are_mapped_by_name_and_by_what_labels_predict():
    mapping = mapping_of(config(POLYGONS), NAMES)
    assert mapping.key == "picture" and mapping.left_out == ["bag"]
    assert {name: label for name, choices in mapping.controls.items() for _, label in choices.values()} == {
        "hat": "Hat", "shoe": "Footwear"}
    nothing = prediction_of(found(block((1, 1, 9, 9)), class_id=3), mapping, NAMES, "v")
    assert nothing == {"result": [], "score": 0.0, "model_version": "v"}


CHOICES = ('<Choices name="Colour" toName="img" perRegion="true"><Choice value="red"/><Choice value="blue"/></Choices>'
           '<Choices name="more" toName="img" perRegion="true" choice="multiple"><Choice value="brim: long" alias="l"/>'
           '<Choice value="vintage" predicted_values="old, aged"/></Choices>'
           '<Choices name="photo" toName="img"><Choice value="new"/></Choices>')
WORDS = ["colour: blue", "colour: red", "brim: long", "old", "new"]


def test_attributes_are_choices_of_the_region():
    mapping = mapping_of(config(POLYGONS, CHOICES), NAMES, WORDS)
    assert mapping.attributes_left_out == ["new"]  # its control is of the photo, not of regions
    result = {**found(block((5, 10, 15, 30))), "attributes": [dict.fromkeys(WORDS, 0.9)]}
    region, *told = prediction_of(result, mapping, NAMES, "v3")["result"]
    assert [(one["from_name"], one["value"]["choices"]) for one in told] == [
        ("Colour", ["blue"]), ("more", ["l", "vintage"])]  # of a control for one choice the best
    for one in told:
        assert one["type"] == "choices" and one["to_name"] == "img"
        assert {one[name] == region[name] for name in ("id", "original_width", "original_height", "score")} == {True}


def test_each_polygon_of_an_object_has_its_attributes():
    result = {**found(block((1, 1, 9, 9), (12, 20, 18, 39))), "attributes": [{"old": 0.9}]}
    told = prediction_of(result, mapping_of(config(POLYGONS, CHOICES), NAMES, WORDS), NAMES, "v3")["result"]
    assert [(one["id"], one["type"]) for one in told] == [
        ("r0_0", "polygonlabels"), ("r0_1", "polygonlabels"), ("r0_0", "choices"), ("r0_1", "choices")]


def test_a_project_without_choices_has_no_attributes():
    mapping = mapping_of(config(POLYGONS), NAMES, WORDS)
    assert mapping.attributes_left_out == WORDS
    result = {**found(block((5, 10, 15, 30))), "attributes": [{"old": 0.9}]}
    assert len(prediction_of(result, mapping, NAMES, "v3")["result"]) == 1


def test_tasks_that_are_written_are_read_with_their_attributes(tmp_path):
    mask = block((5, 10, 15, 30))
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "photos" / "a.png")
    result = {**found(mask), "attributes": [{"colour: red": 0.9, "old": 0.6}]}
    write_tasks(tmp_path, [(str(tmp_path / "photos" / "a.png"), result, {})], NAMES, "v3", ["colour: red", "old"])
    [task] = json.loads((tmp_path / "tasks.json").read_text())
    task["annotations"] = task.pop("predictions")  # as if somebody had taken them over
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    data = open_dataset(str(tmp_path / "tasks.json"), str(tmp_path / "photos"), names=str(tmp_path / "labels.xml"))
    [entry] = data.objects(data.image_ids[0])
    assert sorted(data.attribute_names[number] for number in entry.attributes) == ["colour: red", "old"]


def test_objects_without_a_pixel_are_counted_and_told(tmp_path):
    result = {**found(block((5, 10, 15, 30)), block()), "scores": np.array([0.75, 0.25])}
    answer = predicted(result, POLYGONS)
    assert len(answer["result"]) == 1 and answer["score"] == 0.75  # the mean of what there is
    told = write_tasks(tmp_path, iter([("a/b.png", result, {}), ("a/c.png", found(), {})]), NAMES, "v3")
    assert told.startswith("tasks.json leaves out 1 of 2 objects, whose masks have no pixel.\nLabel Studio: ")
    assert write_tasks(tmp_path, [("a/b.png", found(block((1, 1, 9, 9))), {})], NAMES, "v3").startswith("Label Studio")


@pytest.mark.parametrize("text, message", [
    ("<View>", "no labelling configuration"), (None, "no labelling configuration"),
    ('<!DOCTYPE a [<!ENTITY b "c">]><View/>', "declares entities"),
    ("<View/>", "neither PolygonLabels nor BrushLabels"),
    ('<View><Image name="i" value="$a"/><PolygonLabels name="p" toName="i"><Label value="cat"/></PolygonLabels></View>',
     r"No label of the project is a class of the model \(hat, shoe, bag\)"),
])
def test_projects_that_do_not_fit(text, message):
    with pytest.raises(Refused, match=message) as refused:
        mapping_of(text, NAMES)
    assert refused.value.status == 422
