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
    ("a.csv", "cat,10,10,40,30,a.jpg,120,90\n", "makesense.ai's table of boxes.*export COCO JSON"),
]


@pytest.mark.parametrize("name, content, said", FILES)
def test_the_tool_and_the_export_to_choose_are_named(tmp_path, name, content, said):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=said) as error:
        recognise(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_what_is_of_no_tool():
    assert tool_of_file({"images": [], "objects": [], "dataset": "x", "samples": []}) is None
    assert tool_of_entries({"image": "a.jpg"}) is None
    assert tool_of_table(["cat", "10", "10", "40", "x", "a.jpg", "120", "90"]) is None and tool_of_table([]) is None
