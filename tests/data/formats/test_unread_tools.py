"""Exports of labelling tools that are not read are named, with what to export in their place."""

import json

import pytest

from mrcnn.data.formats import recognise
from mrcnn.data.formats.unread_tools import tool_of_entries, tool_of_file, tool_of_table
from mrcnn.errors import DataError

# Name and content of a file, and what is said of it; contents have the keys that the tools write.
FILES = [
    ("a.json", {"export_format_version": "1.1", "label_classes": [], "images": [{"labels": []}]}, "Hasty: export COCO"),
    ("a.json", {"info": {}, "videos": [], "categories": [], "annotations": []}, "YouTube-VIS.*of their frames"),
    ("a.json", {"_id": "x", "filename": "/a.jpg", "annotations": [], "metadata": {}}, "Dataloop.*export COCO"),
    ("a.json", {"metadata": {"name": "a.jpg"}, "instances": [], "tags": []}, "SuperAnnotate: export COCO"),
    ("a.json", {"name": "v1", "dataset": {"name": "x", "samples": []}}, "Segments.ai: export COCO.*coco-instance"),
    ("a.json", {"samples": [{"filepath": "data/a.jpg"}]}, "FiftyOne: export as fo.types.COCODetectionDataset"),
    ("a.json", {"info": {"description": "ISAT"}, "objects": [{"category": "cat", "layer": 1.0}]}, "ISAT: convert"),
    ("a.json", [{"label_hash": "x", "data_units": {}}], "Encord: export COCO"),
    ("a.json", [{"id": "c", "externalId": "a", "labels": []}], "Kili: export COCO"),
    ("a.json", [{"task_id": "5", "params": {}, "response": {}}], "Scale.*write a COCO file"),
    ("output.manifest", '{"source-ref": "s3://b/a.jpg"}\n{"source-ref": "s3://b/b.jpg"}\n', "Ground Truth.*label maps"),
    ("a.csv", "image,id,label,annotator,annotation_id,created_at,updated_at,lead_time\n", "Label Studio: export JSON"),
    ("a.tsv", "image\tid\tlabel\tannotator\tannotation_id\tlead_time\n", "Label Studio: export JSON"),
    ("a.csv", "ID,DataRow ID,Labeled Data,Label,Project Name\n", "Labelbox"),
    ("a.csv", "TRAIN,gs://b/a.jpg,cat,0.1,0.1,,,0.2,0.2,,\n", "Vertex AI: export COCO"),
    ("a.csv", "# Exported using VGG Image Annotator\n# CSV_HEADER = metadata_id,file_list\n", "3: give the project"),
    ("a.csv", "cat,10,10,40,30,a.jpg,120,90\n", "makesense.ai's table of boxes.*export COCO JSON"),
]


@pytest.mark.parametrize("name, content, said", FILES)
def test_the_tool_and_the_export_to_choose_are_named(tmp_path, name, content, said):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=said) as error:
        recognise(str(tmp_path / name))
    assert "\n" not in str(error.value)


LABEL_ROW = {"label_hash": "x", "data_hash": "d", "data_title": "a.jpg", "data_units": {"d": {"labels": {}}}}
DARWIN_1 = {"dataset": "x", "image": {"filename": "a.jpg", "path": "/"}, "annotations": [{"name": "cat"}]}
OBJECT = {"type": "polygon", "classId": 1, "probability": 100, "points": [1, 1], "attributes": []}
TASK = {"task_id": "5", "type": "segmentannotation", "params": {}, "response": {}}
ADE = {"annotation": {"filename": "a.jpg", "imsize": [4, 5, 3], "scene": [], "object": [{"name": "car", "parts": {}}]}}
FEATURE = {"type": "Feature", "geometry": {"type": "Polygon"}, "properties": {}}
# What a tool writes of one photo, and what is said of it, wherever it stands.
PHOTOS = [
    (LABEL_ROW, "Encord"),
    ({"data_row": {"id": "x"}, "media_attributes": {}, "projects": {}}, "Labelbox"),
    ({"dataRow": {"globalKey": "x"}, "name": "cat", "schemaId": "y", "mask": {}}, "Labelbox"),
    ({"id": "c", "externalId": "a", "labels": []}, "Kili"),
    ({"external_id": "a", "latest_label": {}}, "Kili"),
    ({"uuid": "x", "name": "a.jpg", "attributes": {}, "labels": {}}, "Segments.ai"),
    (TASK, "Scale.*write a COCO file"),
    ({"source-ref": "s3://b/a.jpg", "x-ref": "s3://b/a.png"}, "Ground Truth.*label maps"),
    ({"image": "a.jpg", "spans": [], "_input_hash": 1, "_task_hash": 2, "answer": "accept"}, "Prodigy.*write a COCO"),
    ({"image_url": "AmlDatastore://a.jpg", "image_details": {}, "label": []}, "Azure Machine Learning"),
    ({"imageGcsUri": "gs://b/a.jpg", "boundingBoxAnnotations": []}, "Vertex AI"),
    ({"id": "x", "filename": "/a.jpg", "annotations": [], "metadata": {}}, "Dataloop"),
    (DARWIN_1, "V7 Darwin: export COCO"),
    ({"metadata": {"name": "a.jpg"}, "instances": []}, "SuperAnnotate"),
    ({"asset": {"name": "a.jpg"}, "regions": []}, "VoTT"),
    ({"class": "image", "filename": "a.jpg", "annotations": []}, "Sloth"),
    ({"version": 0, "tags": [], "shapes": [], "tracks": []}, "CVAT's own backup"),
    (FEATURE, "GeoJSON"),
]


@pytest.mark.parametrize("photo, said", PHOTOS)
def test_what_is_of_one_photo_is_known_wherever_it_stands(tmp_path, photo, said):
    lines = json.dumps(photo) + "\n" + json.dumps(photo) + "\n"
    for content in (photo, [photo], lines, {"docs": [photo], "total": 1}, {"a.jpg": photo, "b.jpg": photo}):
        (tmp_path / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(DataError, match=f"a.json: .*{said}"):
            recognise(str(tmp_path / "a.json"))


@pytest.mark.parametrize("content, said", [
    ({"a.jpg": [], "b.jpg": [{"type": "meta"}, OBJECT]}, "SuperAnnotate: export COCO"),
    ({"classes": ["cat"], "labels": {"a": [{"label": 0, "bounding_box": []}]}}, "FiftyOne"),
    ({"name": "x", "media_type": "image", "sample_fields": []}, "FiftyOne"),
    ({"frames": [{"name": "a.jpg", "labels": []}], "config": None}, "Scalabel"),
    ({"width": 5, "height": 4, "objects": [{"label": "animal--bird", "polygon": []}]}, "Mapillary Vistas"),
    ({"frames": {"a.jpg": []}, "inputTags": "cat"}, "VoTT"),
    ({"type": "FeatureCollection", "features": [FEATURE]}, "GeoJSON"),
    ([{"id": 1, "name": "cat", "color": "#fff", "attribute_groups": []}], "SuperAnnotate's list of classes"),
    (ADE, "ADE20K's full release.*SceneParsing"),
    ({"type": "dataset", "task": "segment"}, "NDJSON of Ultralytics"),
    ({"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {}}]}, "CreateML"),
])
def test_other_files_of_tools_are_named(tmp_path, content, said):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"a.json: .*{said}"):
        recognise(str(tmp_path / "a.json"))


def test_where_a_reader_may_take_a_file_it_is_not_looked_into():
    assert tool_of_file({"docs": [TASK]}, deep=False) is None and tool_of_file({"docs": [TASK]})


def test_what_is_of_no_tool():
    assert tool_of_file({"images": [], "objects": [], "dataset": "x", "samples": []}) is None
    assert tool_of_entries({"image": "a.jpg"}) is None
    assert tool_of_table(["cat", "10", "10", "40", "x", "a.jpg", "120", "90"]) is None and tool_of_table([]) is None
