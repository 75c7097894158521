"""VIA's files of each kind give the same photos with the same regions."""

import json

import pytest

from mrcnn.data.formats.via_files import read_entries, recognises
from mrcnn.errors import DataError

SHAPE, ANSWERS = {"name": "rect", "x": 4, "y": 6, "width": 10, "height": 5}, {"class": "hat"}
REGION = {"shape_attributes": SHAPE, "region_attributes": ANSWERS}
PHOTO = {"filename": "a.jpg", "size": 1, "regions": [REGION], "file_attributes": {}}


def table():
    cells = [json.dumps(value).replace('"', '""') for value in (SHAPE, ANSWERS)]
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    return f'{head}\na.jpg,1,"{{}}",1,0,"{cells[0]}","{cells[1]}"\n'


FILES = {
    "export": json.dumps({"a.jpg1": PHOTO}),
    "version 1": json.dumps({"a.jpg1": {**PHOTO, "regions": {"0": REGION}}}),
    "project": json.dumps({"_via_settings": {}, "_via_img_metadata": {"a.jpg1": PHOTO},
                           "_via_attributes": {"region": {"class": {"options": {"hat": "", "coat": ""}}}}}),
    "version 3": json.dumps({
        "project": {"pid": "x", "vid_list": ["1"]}, "config": {},
        "file": {"1": {"fname": "a.jpg", "type": 2, "loc": 1}},
        "attribute": {"1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "options": {"0": "hat", "1": "coat"}}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {"m": {"vid": "1", "z": [], "xy": [2, 4, 6, 10, 5], "av": {"1": "0"}}}}),
    "table": table(),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file(tmp_path, name):
    path = tmp_path / "via"
    path.write_text(FILES[name])
    assert recognises(path)
    (entry,), options = read_entries(path)
    regions = entry["regions"]
    assert entry["filename"] == "a.jpg"
    assert (list(regions.values()) if isinstance(regions, dict) else regions) == [REGION]
    assert options == ({"class": ["hat", "coat"]} if name in ("project", "version 3") else {})


def test_a_table_with_spaces_behind_its_commas(tmp_path):
    (tmp_path / "via.csv").write_text(table().replace(",", ", ").replace(', ""', ',""'))
    assert read_entries(tmp_path / "via.csv")[0] == [{"filename": "a.jpg", "regions": [REGION]}]


def test_a_table_with_a_polygon_of_many_corners(tmp_path):
    corners = {"name": "polygon", "all_points_x": list(range(40_000)), "all_points_y": [7] * 40_000}
    cell = json.dumps(corners).replace('"', '""')
    assert len(cell) > 1 << 17
    (tmp_path / "via.csv").write_text(table() + f'a.jpg,1,"{{}}",1,0,"{cell}","{{}}"\n')
    (entry,), _ = read_entries(tmp_path / "via.csv")
    assert entry["regions"] == [REGION, {"shape_attributes": corners, "region_attributes": {}}]


def test_a_line_without_a_filename(tmp_path):
    text = "file_attributes,region_count,region_shape_attributes,region_attributes,filename\n{},1,{},{}\n"
    (tmp_path / "via.csv").write_text(text)
    with pytest.raises(DataError, match="via.csv: line 2 is not as VIA writes it .too few columns"):
        read_entries(tmp_path / "via.csv")


OTHERS = ["", "[]", '{"images": [], "annotations": []}', '{"project": {}, "config": {}}', "a,b"]


@pytest.mark.parametrize("text", OTHERS)
def test_other_files_are_not_vias(tmp_path, text):
    (tmp_path / "a").write_text(text)
    assert not recognises(tmp_path / "a") and not recognises(tmp_path)
