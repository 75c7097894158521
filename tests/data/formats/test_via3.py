"""Projects of VIA 3: files, views, shapes by number, attributes by option, and what is none."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise
from mrcnn.errors import DataError

HEIGHT, WIDTH = 24, 32
POLYGON = [7, 3, 2, 20, 4, 11.5, 19]
CLASS = {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "type": 4, "desc": "", "default_option_id": "",
         "options": {"0": "hat", "1": "coat", "2": "bag"}}


def project(*metadata, files=("a.jpg",), attribute=None, views=None, **more):
    """A project as VIA 3 saves it, a view for each file; metadata: (view, xy, attributes)."""
    entries = {str(i): {"fid": str(i), "fname": name, "type": 2, "loc": 1, "src": ""} for i, name in enumerate(files)}
    return {
        "project": {"pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__", "pname": "x", "created": 1,
                    "data_format_version": "3.1.1", "vid_list": list(entries)},
        "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
        "attribute": {"1": CLASS} if attribute is None else attribute,
        "file": entries,
        "metadata": {f"{vid}_{n}": {"vid": vid, "flg": 0, "z": [], "xy": xy, "av": av}
                     for n, (vid, xy, av) in enumerate(metadata)},
        "view": views or {key: {"fid_list": [key]} for key in entries},
        **more,
    }


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def opened(folder, content, **options):
    (folder / "via.json").write_text(json.dumps(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(str(folder / "via.json"), **{"boxes_as_masks": True, **options})


def as_version_2(folder, shape):
    content = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [
        {"shape_attributes": shape, "region_attributes": {"class": "hat"}}]}}
    return opened(folder, content).load_mask(0)[0][..., 0]


@pytest.mark.parametrize("xy, shape", [
    (POLYGON, {"name": "polygon", "all_points_x": [3, 20, 11.5], "all_points_y": [2, 4, 19]}),
    ([6, *POLYGON[1:]], {"name": "polyline", "all_points_x": [3, 20, 11.5], "all_points_y": [2, 4, 19]}),
    ([2, 4, 6, 10, 5], {"name": "rect", "x": 4, "y": 6, "width": 10, "height": 5}),
    ([3, 15, 11, 7.3], {"name": "circle", "cx": 15, "cy": 11, "r": 7.3}),
    ([4, 15, 11, 9, 4], {"name": "ellipse", "cx": 15, "cy": 11, "rx": 9, "ry": 4}),
    ([8, 4, 8, 9, 6, 14, 9, 7, 11], {"name": "rect", "x": 4, "y": 6, "width": 10, "height": 5}),
    ([9, 20, 11, 15, 16, 10, 11], {"name": "circle", "cx": 15, "cy": 11, "r": 5}),
])
def test_a_shape_is_that_of_the_earlier_versions(folder, xy, shape):
    mask = opened(folder, project(("0", xy, {"1": "0"}))).load_mask(0)[0][..., 0]
    assert mask.any()
    np.testing.assert_array_equal(mask, as_version_2(folder, shape))


def test_a_project(folder):
    content = project(("0", POLYGON, {"1": "1"}), ("1", [2, 1, 1, 5, 5], {"1": "0"}), ("0", [], {"1": "2"}),
                      files=("a.jpg", "b.jpg"))
    content["view"]["1"] = {"fid_list": [1]}  # ids are numbers where other programs wrote them
    dataset = opened(folder, content)
    assert recognise(str(folder / "via.json")) == "via"
    assert dataset.class_names == ["BG", "bag", "coat", "hat"]  # what may be chosen is a class, too
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]
    assert [dataset.load_mask(i)[1].tolist() for i in (0, 1)] == [[2], [3]]


@pytest.mark.parametrize("attribute, value, expected", [
    ({**CLASS, "type": 3}, "2", "bag"),
    ({**CLASS, "type": 2}, "1", "coat"),
    ({"aname": "Class", "anchor_id": "FILE1_Z0_XY1", "type": 1, "options": {}}, "scarf", "scarf"),
    ({"aname": "label", "type": 1}, "scarf", "scarf"),
])
def test_kinds_of_attributes(folder, attribute, value, expected):
    other = {"aname": "class", "anchor_id": "FILE1_Z0_XY0", "type": 4, "options": {"0": "street"}}
    dataset = opened(folder, project(("0", POLYGON, {"1": value}), attribute={"1": attribute, "9": other}))
    assert [dataset.class_names[i] for i in dataset.load_mask(0)[1]] == [expected]


def test_several_ticked_classes_are_a_fault(folder):
    content = project(("0", POLYGON, {"1": "0,1"}), attribute={"1": {**CLASS, "type": 2}})
    with pytest.raises(DataError, match="a.jpg, object 0: its 'class' is several classes, hat, coat: tick one"):
        opened(folder, content)


@pytest.mark.parametrize("xy, said", [
    ([1, 5, 5], "its shape is 'point', which encloses nothing"),
    ([5, 1, 1, 9, 9], "its shape is 'line', which encloses nothing"),
    ([12, 1, 1, 9, 9], "its shape is 'shape 12'"),
    ([7, 1, 1, 2, 2], "has not three or more corners"),
    ([7, 1, 1, 2, 2, 3], "has not three or more corners"),
    ([2, 1, 1], "has not the numbers"),
    ([9, 1, 1, 2, 2, 3, 3], "its circle has not the numbers"),  # three points on a line
    ([8, "x", 2], "its rect has not the numbers"),
    ([7, 1, 1, float("inf"), 2, 3, 9], "no finite numbers"),
    ([3, 1e9, 1, 4], "outside the photo|far outside"),
])
def test_faults_of_regions(folder, xy, said):
    with pytest.raises(DataError, match=f"a.jpg, object 0: .*{said}"):
        opened(folder, project(("0", xy, {"1": "0"})))


@pytest.mark.parametrize("file", [
    {"fname": "a.jpg", "loc": 2, "src": "http://localhost:8001/street/a.jpg"},
    {"fname": "http://localhost:8001/street/a.jpg?x=1", "loc": 2, "src": ""},
    {"fname": "", "loc": 3, "src": "file:///home/ann/street/a.jpg"},
    {"fname": "/home/ann/a.jpg", "loc": 3, "src": "/home/ann/a.jpg"},
    {"fname": "C:\\photos\\a.jpg", "loc": "3", "src": ""},
    {"fname": "a.jpg", "loc": 4, "src": "data:image/png;base64,AAAA"},
])
def test_names_of_photos(folder, file):
    content = project(("0", POLYGON, {"1": "0"}))
    content["file"]["0"].update(file)
    assert opened(folder, content).file_name(0) == "a.jpg"


@pytest.mark.parametrize("file, said", [
    ({"fname": "../z.jpg"}, "leads out of the image folder"),
    ({"fname": "../z.jpg", "loc": 3}, "leads out of the image folder"),
    ({"fname": "gone.jpg"}, "1 of 1 photos are not in"),
    ({"type": 4}, "a video or a sound"),
    ({"fname": "", "src": "data:image/png;base64,AAAA"}, "file 0: the file has no name"),
])
def test_photos_that_cannot_be_used(folder, file, said):
    content = project(("0", POLYGON, {"1": "0"}))
    content["file"]["0"].update(file)
    with pytest.raises(DataError, match=said):
        opened(folder, content)


def test_regions_of_a_view_of_two_files_are_of_neither(folder):
    views = {"0": {"fid_list": ["0"]}, "1": {"fid_list": ["0", "1"]}, "2": {"fid_list": []}}
    content = project(("0", POLYGON, {"1": "0"}), ("1", POLYGON, {"1": "0"}), files=("a.jpg", "b.jpg"), views=views)
    with pytest.raises(DataError, match="view 1: 1 regions in a view of several files"):
        opened(folder, content)
    dataset = opened(folder, content, on_error="skip")
    assert len(dataset.image_ids) == 2 and dataset.object_count(0) == 1


@pytest.mark.parametrize("views", [
    {"0": {"fid_list": ["0"]}}, {"0": {"fid_list": ["0"]}, "1": {"fid_list": []}},
    {"0": {"fid_list": ["0"]}, "1": {"fid_list": ["7"]}},
])
def test_regions_of_no_file_are_told(folder, views):
    content = project(("0", POLYGON, {"1": "0"}), ("1", POLYGON, {"1": "0"}), views=views)
    with pytest.raises(DataError, match="view 1: 1 regions in a view that shows no file of the project"):
        opened(folder, content)
    assert opened(folder, content, on_error="skip").object_count(0) == 1


@pytest.mark.parametrize("part, value", [
    ("attribute", []), ("attribute", {"1": 5}), ("attribute", {"1": {"options": [1], "aname": None}}),
    ("view", {"0": 7}), ("view", {"0": {"fid_list": {}}}), ("metadata", {"x": 1, "y": {"vid": {}, "xy": [7, 1]}}),
    ("metadata", {"x": {"vid": "0", "xy": [[7], {}], "av": []}}), ("file", {"0": 1}), ("file", {"0": {"fname": 5}}),
    ("metadata", {"x": {"vid": "0", "xy": [{}, 2], "av": {"1": {"a": 1}}}}),
])
def test_hostile_projects_end_in_one_line_or_in_a_data_set(folder, part, value):
    content = project(("0", POLYGON, {"1": "0"}), **{part: value} if part == "attribute" else {})
    content[part] = value
    for on_error in ("raise", "skip"):
        try:
            opened(folder, content, on_error=on_error)
        except DataError as error:
            assert "\n" not in str(error)
