"""VGG Image Annotator: its three kinds of file, its shapes, its attributes, and what is wrong in them."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import without
from mrcnn.data.formats.upright import UNTOLD
from mrcnn.data.formats.via import ViaDataset, recognises
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import from_polygons as polygons_to_rle
from mrcnn.errors import DataError

HEIGHT, WIDTH = 24, 32
POLYGON = {"name": "polygon", "all_points_x": [3, 20, 11.5], "all_points_y": [2, 4, 19]}
RECT = {"name": "rect", "x": 4, "y": 6, "width": 10, "height": 5}


def region(shape=RECT, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def export(folder, regions, name="a.jpg", **more):
    """Writes annotations as VIA exports them; returns the path."""
    content = {f"{name}123": {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}, **more}
    path = folder / "via.json"
    path.write_text(json.dumps(content))
    return path


def load(path, **options):
    """The data set of a file, of rectangles alone too."""
    dataset = ViaDataset().load(path, **{"boxes_as_masks": True, **options})
    dataset.prepare()
    return dataset


def only_mask(folder, shape):
    masks, class_ids = load(export(folder, [region(shape)])).load_mask(0)
    assert class_ids.tolist() == [1]
    return masks[..., 0]


# --- Shapes ----------------------------------------------------------------------------------------------------------


def test_a_rectangle(folder):
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[6:11, 4:14] = True
    np.testing.assert_array_equal(only_mask(folder, RECT), expected)


@pytest.mark.parametrize("kind", ["polygon", "polyline"])
def test_a_polygon_is_rasterised_as_pycocotools_does(folder, kind):
    from pycocotools import mask as coco_mask

    corners = [3, 2, 20, 4, 11.5, 19]
    expected = coco_mask.decode(coco_mask.frPyObjects([corners], HEIGHT, WIDTH))[..., 0]
    np.testing.assert_array_equal(only_mask(folder, {**POLYGON, "name": kind}), expected)


def test_what_lies_outside_is_cut_off(folder):
    shape = {"name": "rect", "x": -5, "y": 20, "width": 12, "height": 50}
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[20:, :7] = True
    np.testing.assert_array_equal(only_mask(folder, shape), expected)


@pytest.mark.parametrize("ellipse", [
    {"name": "circle", "cx": 15, "cy": 11, "r": 7.3},
    {"name": "circle", "cx": 1, "cy": 22, "r": 6},
    {"name": "ellipse", "cx": 15, "cy": 12, "rx": 11, "ry": 4},
    {"name": "ellipse", "cx": 14.2, "cy": 12, "rx": 11, "ry": 4, "theta": 0.6},
    {"name": "ellipse", "cx": 14.2, "cy": 12, "rx": 3, "ry": 10, "theta": -2.1},
    {"name": "ellipse", "cx": 30, "cy": 3, "rx": 9, "ry": 2, "theta": math.pi / 2},
])
def test_a_pixel_is_in_an_ellipse_if_its_centre_is(folder, ellipse):
    cx, cy, theta = ellipse["cx"], ellipse["cy"], ellipse.get("theta", 0)
    rx, ry = ellipse.get("rx", ellipse.get("r")), ellipse.get("ry", ellipse.get("r"))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            # The centre seen from the ellipse's own axes: turned back by theta.
            offset = complex(column + 0.5 - cx, row + 0.5 - cy) * complex(math.cos(-theta), math.sin(-theta))
            expected[row, column] = math.hypot(offset.real / rx, offset.imag / ry) <= 1
    assert expected.sum() > 10
    np.testing.assert_array_equal(only_mask(folder, ellipse), expected)


# --- Files -----------------------------------------------------------------------------------------------------------


def write_via_1(folder):
    """As VIA 1 exports: regions under "0", "1"; the photos of the balloons have no attributes at all."""
    entry = {"fileref": "", "size": 9, "filename": "a.jpg", "base64_img_data": "x" * 9000, "file_attributes": {},
             "regions": {"0": region(POLYGON, name="shirt"), "1": region(RECT, name="hat")}}
    empty = {"fileref": "", "size": 9, "filename": "b.jpg", "base64_img_data": "", "file_attributes": {}, "regions": {}}
    (folder / "via.json").write_text(json.dumps({"a.jpg9": entry, "b.jpg9": empty}))
    return folder / "via.json"


def write_via_2(folder):
    regions = [region(POLYGON, name="shirt"), region(RECT, name="hat")]
    empty = {"filename": "b.jpg", "size": -1, "regions": [], "file_attributes": {}}
    return export(folder, regions, **{"b.jpg-1": empty})


def write_project(folder):
    metadata = json.loads(write_via_2(folder).read_text())
    attributes = {"region": {"name": {"type": "dropdown", "options": {"shirt": "", "hat": ""}}}, "file": {}}
    content = {"_via_settings": {"ui": {}, "project": {"name": "p"}}, "_via_img_metadata": metadata,
               "_via_attributes": attributes, "_via_data_format_version": "2.0.10"}
    (folder / "via.json").write_text(json.dumps(content))
    return folder / "via.json"


def write_csv(folder):
    def cell(value):
        return '"' + json.dumps(value).replace('"', '""') + '"'

    lines = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    for number, entry in enumerate((region(POLYGON, name="shirt"), region(RECT, name="hat"))):
        cells = cell(entry["shape_attributes"]), cell(entry["region_attributes"])
        lines.append(f'a.jpg,9,"{{}}",2,{number},{cells[0]},{cells[1]}')
    lines.append('b.jpg,9,"{}",0,0,"{}","{}"')
    (folder / "via.csv").write_text("\n".join(lines) + "\n")
    return folder / "via.csv"


def write_csv_1(folder):
    path = write_csv(folder)
    path.write_text("#" + path.read_text())
    return path


@pytest.mark.parametrize("write", [write_via_1, write_via_2, write_project, write_csv, write_csv_1])
def test_every_kind_of_file_says_the_same(folder, write):
    path = write(folder)
    assert recognises(path)
    dataset = load(path)
    assert dataset.class_names == ["BG", "hat", "shirt"]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [2, 1] and dataset.object_count(0) == 2
    triangle = rle_decode(polygons_to_rle([[3, 2, 20, 4, 11.5, 19]], (HEIGHT, WIDTH)))
    np.testing.assert_array_equal(masks[..., 0], triangle)
    assert masks[..., 1].sum() == 50
    assert dataset.load_mask(1)[0].shape == (HEIGHT, WIDTH, 0)  # a photo without regions is kept
    assert dataset.object_count(1) == 0
    assert len(load(path, limit=1).image_info) == 1


def test_what_is_no_via_is_not_recognised(folder):
    for content in ('{"images": [], "annotations": []}', '{"a": {"filename": "a.jpg"}}', "[]", "", "hi", "[" * 99999):
        (folder / "other.json").write_text(content)
        assert not recognises(folder / "other.json")
    assert not recognises(folder) and not recognises(folder / "a.jpg") and not recognises(folder / "none")


# --- Classes ---------------------------------------------------------------------------------------------------------


def test_without_any_attribute_everything_is_an_object(folder):
    dataset = load(export(folder, [region(), region(POLYGON)]))
    assert dataset.class_names == ["BG", "object"] and dataset.load_rles(0)[1].tolist() == [1, 1]


@pytest.mark.parametrize("attributes, names", [
    ([{"colour": "red", "kind": "hat"}, {"kind": "cap"}], ["cap", "hat"]),  # the one that most have
    ([{"colour": "red", "Label": "hat"}, {"colour": "blue", "Label": "cap"}], ["cap", "hat"]),  # the usual name
    ([{"type": "new", "name": "hat"}, {"type": "old", "name": "cap"}], ["cap", "hat"]),  # name comes before type
    ([{"class": {"hat": True, "cap": False}}, {"class": {"cap": True}}], ["cap", "hat"]),  # ticked boxes
    ([{"name": 2}, {"name": " 10 "}], ["10", "2"]),
])
def test_the_attribute_that_holds_the_class(folder, attributes, names):
    dataset = load(export(folder, [region(**entry) for entry in attributes]))
    assert dataset.class_names[1:] == names and dataset.load_rles(0)[1].tolist() == [2, 1]


def test_the_attribute_can_be_named(folder):
    path = export(folder, [region(name="hat", colour="red"), region(name="cap", colour="blue")])
    assert load(path, names="colour").class_names == ["BG", "blue", "red"]
    with pytest.raises(DataError, match="names 'size' .*'name', 'col"):
        load(path, names="size")


def test_a_file_of_names_sets_the_classes_and_their_order(folder):
    path = export(folder, [region(name="hat"), region(name="cap")])
    (folder / "names.txt").write_text("scarf\nhat\ncap\n")
    dataset = load(path, names=folder / "names.txt")
    assert dataset.class_names == ["BG", "scarf", "hat", "cap"] and dataset.load_rles(0)[1].tolist() == [2, 3]
    (folder / "names.txt").write_text("hat\n")
    with pytest.raises(DataError, match="a.jpg, object 1: its class 'cap'"):
        load(path, names=folder / "names.txt")


def test_choices_of_a_project_that_no_region_has_are_classes_too(folder):
    path = write_project(folder)
    content = json.loads(path.read_text())
    content["_via_attributes"]["region"]["name"]["options"]["scarf"] = "worn round the neck"
    path.write_text(json.dumps(content))
    assert load(path).class_names == ["BG", "hat", "scarf", "shirt"]


# --- What is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad, kind, said", [
    (region(), "unknown class", "its attribute 'name', which holds the class, is empty"),
    (region(name={}), "unknown class", "is empty"),
    (region(name="undefined"), "unknown class", "is empty"),
    (region(name={"hat": True, "cap": True}), "bad entry", "several classes, hat, cap"),
    (region({"name": "point", "cx": 3, "cy": 4}, name="hat"), "bad entry", "'point', which encloses nothing"),
    (region({}, name="hat"), "bad entry", "None, which encloses nothing"),
    (region([], name="hat"), "bad entry", "no shape_attributes"),
    ("rect", "bad entry", "no shape_attributes"),
    (region({"name": "rect", "x": 1, "y": 2, "width": 3}, name="hat"), "bad entry", "has not the numbers x, y"),
    (region({**RECT, "x": float("nan")}, name="hat"), "bad entry", "no finite numbers"),
    (region({**RECT, "x": [1, 2]}, name="hat"), "bad entry", "no finite numbers"),
    (region({**RECT, "x": "left"}, name="hat"), "bad entry", "has not the numbers"),
    (region({**RECT, "x": 10**400}, name="hat"), "bad entry", "has not the numbers"),
    (region({**POLYGON, "all_points_x": [3, 20]}, name="hat"), "bad entry", "three or more corners"),
    (region({"name": "polygon", "all_points_x": [3, 9], "all_points_y": [3, 9]}, name="hat"), "bad entry", "three or"),
    (region({**RECT, "x": 32}, name="hat"), "mask outside", "lies outside the photo of 24x32"),
    (region({"name": "circle", "cx": -9, "cy": 5, "r": 8}, name="hat"), "mask outside", "its circle lies outside"),
    (region({**RECT, "width": 9999}, name="hat"), "bad entry", "its rect reaches to 10003, far outside"),
    (region({**RECT, "width": 1e308, "x": 1e308}, name="hat"), "mask outside", "lies outside"),
    (region({"name": "circle", "cx": 5, "cy": 5, "r": 1e300}, name="hat"), "bad entry", "reaches to 1e+300, far"),
    (region({**RECT, "height": 0}, name="hat"), "empty mask", "its rect holds no pixel"),
    (region({"name": "circle", "cx": 5, "cy": 5, "r": 0.5}, name="hat"), "empty mask", "its circle holds no pixel"),
    (region({"name": "ellipse", "cx": 5.5, "cy": 5, "rx": 0, "ry": 4}, name="hat"), "empty mask", "holds no pixel"),
])
def test_a_bad_region_is_named_and_the_others_remain(folder, bad, kind, said):
    path = export(folder, [region(name="hat"), bad, region(POLYGON, name="hat")])
    with pytest.raises(DataError, match="via.json: a.jpg, object 1: ") as error:
        load(path)
    assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="skipped a.jpg, object 1"):
        dataset = load(path, on_error="skip")
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.faults] == [("a.jpg", kind, 1)]
    assert [entry.number for entry in dataset.objects(0)] == [0, 2] and dataset.object_count(0) == 2
    assert without(dataset, [dataset.faults[0]._replace(number=2)]).object_count(0) == 1


@pytest.mark.parametrize("name, regions, kind", [
    ("../z.jpg", [], "path escape"),
    ("/etc/z.jpg", [], "path escape"),
    ("C:\\z.jpg", [], "path escape"),
    ("none.jpg", [], "missing"),
    ("broken.jpg", [], "unreadable"),
    ("a.jpg", None, "bad entry"),
])
def test_a_bad_photo_is_named_and_the_others_remain(folder, name, regions, kind):
    (folder / "broken.jpg").write_text("no photo")
    path = export(folder, regions, name, other={"filename": "b.jpg", "regions": []})
    with pytest.raises(DataError) as error:
        load(path)
    assert name in str(error.value) or repr(name) in str(error.value)
    with pytest.warns(UserWarning, match="skipped"):
        dataset = load(path, on_error="skip")
    assert [(fault.photo, fault.kind) for fault in dataset.faults] == [(name, kind)]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.jpg"]


def test_a_photo_listed_twice(folder):
    path = export(folder, [region()], again={"filename": "a.jpg", "regions": []})
    with pytest.raises(DataError, match="entry 2: the photo a.jpg is listed twice"):
        load(path)
    with pytest.warns(UserWarning, match="skipped entry 2"):
        dataset = load(path, on_error="skip")
    left = without(dataset, dataset.faults)  # the first entry stays
    assert [left.file_name(i) for i in left.image_ids] == ["a.jpg"] and len(left.objects(0)) == 1
    assert not [loss for loss in left.lost if loss.photo == "a.jpg"]
    path = export(folder, [], again={"filename": "a.jpg", "regions": [region()]})  # what the first lacks is lost to it
    dataset = load(path, on_error="skip")
    assert [loss.objects for loss in dataset.lost if loss.photo == "a.jpg"] == [1]


@pytest.mark.parametrize("name, text, said", [
    ("via.json", "{", "no JSON file"),
    ("via.json", "[" * 99999, "no JSON file"),
    ("via.json", "[1]", "no annotations of VIA"),
    ("via.json", '{"project": {}, "file": {}, "metadata": {}}', "no annotations of VIA"),
    ("via.json", '{"_via_img_metadata": {}}', "no photos remain"),
    ("via.csv", "filename,file_attributes,region_count,region_shape_attributes,region_attributes\na.jpg,{},1,{,{}\n",
     "line 2 is not as VIA writes it"),
    ("via.csv", "filename,file_attributes,region_count,region_shape_attributes,region_attributes\na.jpg\n",
     "line 2 is not as VIA writes it"),
])
def test_a_file_that_cannot_be_read(folder, name, text, said):
    (folder / name).write_text(text)
    with pytest.raises(DataError) as error:
        load(folder / name)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_the_format_has_no_use_for_is_refused(folder):
    with pytest.raises(DataError, match="takes no mapping"):
        load(export(folder, []), mapping="ccp-13")
    with pytest.raises(DataError, match="none.json: cannot read"):
        load(folder / "none.json")


# --- Rectangles ------------------------------------------------------------------------------------------------------


def test_rectangles_alone_must_be_asked_for_and_are_told_of(folder):
    with pytest.raises(DataError, match=r"via.json: all 2 objects .*\(first: a.jpg\).*--boxes-as-masks"):
        load(export(folder, [region(), region()]), boxes_as_masks=None)
    with pytest.warns(UserWarning, match="2 objects drawn as a rectangle.*a draft"):
        load(export(folder, [region(), region()]))
    with pytest.warns(UserWarning, match="1 object drawn as a rectangle, among others"):
        load(export(folder, [region(POLYGON), region()]), boxes_as_masks=None)


def test_regions_that_fit_a_photo_before_its_exif_turns_it(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "a.jpg", exif=exif)  # 32 x 24 upright
    wide = {"name": "polygon", "all_points_x": [4, 30, 30, 4], "all_points_y": [6, 6, 11, 11]}
    with pytest.warns(UserWarning, match=r"1 photo .*before its EXIF turns it.*\(first: a.jpg\)"):
        dataset = load(export(folder, [region(wide)]))
    # Columns 4 to 29 become rows 4 to 29, rows 6 to 10 become columns 23 - 10 to 23 - 6.
    expected = np.zeros((WIDTH, HEIGHT), bool)
    expected[4:30, 13:18] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], expected)
    assert dataset.load_image(0).shape == (WIDTH, HEIGHT, 3)
    dataset = load(export(folder, [region(POLYGON)]))  # fits both: as a browser shows the photo
    assert [note.how for note in dataset.notes] == [UNTOLD]
    assert dataset.load_mask(0)[0].shape == (WIDTH, HEIGHT, 1)
    exif[0x0112] = 3
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "b.jpg", exif=exif)
    other = {"filename": "b.jpg", "size": 1, "regions": [region(wide)], "file_attributes": {}}
    mask = load(export(folder, [region(wide)], other=other)).load_mask(1)[0][..., 0]  # goes with a.jpg
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[13:18, 2:28] = True
    np.testing.assert_array_equal(mask, expected)


def test_other_attributes_than_the_class_are_told(folder):
    regions = [region(name="tooth 11", type="crown"), region(name="tooth 12", type="caries", text="")]
    dataset = load(export(folder, regions))
    assert dataset.class_names == ["BG", "tooth 11", "tooth 12"]
    (note,) = [str(note) for note in dataset.notes if "attribute" in str(note)]
    assert note == ("2 regions with the attribute 'type' beside the class, 'name': left out; --names takes it as the "
                    "class (first: a.jpg)")
    assert load(export(folder, regions), names="type").class_names == ["BG", "caries", "crown"]


def test_open_lines_that_are_taken_as_outlines_are_told(folder):
    opened = {"name": "polyline", "all_points_x": [5, 20, 20], "all_points_y": [5, 5, 20]}
    closed = {"name": "polyline", "all_points_x": [5, 20, 20, 5], "all_points_y": [5, 5, 20, 5]}
    dataset = load(export(folder, [region(opened), region(closed)]))
    assert dataset.object_count(0) == 2
    assert [str(note) for note in dataset.notes if "polyline" in str(note)] == [
        "1 polyline that is open: taken as an outline, whose ends a straight line joins (first: a.jpg)"]
