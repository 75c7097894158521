"""Pre-labels: classes mapped by the project's configuration, masks as polygons and brushes that read back the same."""

import numpy as np
import pytest

from mrcnn.data import run_lengths
from mrcnn.data.formats import label_studio_brush
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
