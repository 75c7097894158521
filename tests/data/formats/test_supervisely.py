"""Projects of Supervisely: their folders, classes, tags, photos that EXIF turns, and faults by name."""

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.supervisely import SuperviselyDataset
from mrcnn.data.formats.upright import turned_mask
from mrcnn.errors import DataError

HEIGHT, WIDTH = 20, 30


def entry(title="hat", corners=((4, 3), (12, 3), (12, 9), (4, 9)), kind="polygon", tags=()):
    return {"id": 1, "classId": 2, "classTitle": title, "geometryType": kind, "tags": list(tags), "description": "",
            "points": {"exterior": [list(corner) for corner in corners], "interior": []}}


def box(y1=3, x1=4, y2=10, x2=13):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def add(folder, name, *objects, size=(HEIGHT, WIDTH), ending=".jpg", **more):
    """A photo and its annotations in a data set."""
    for place in ("img", "ann"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "img" / f"{name}.jpg")
    content = {"description": "", "tags": [], "size": {"height": size[0], "width": size[1]}, "objects": list(objects)}
    (folder / "ann" / f"{name}{ending}.json").write_text(json.dumps({**content, **more}))


def meta(folder, *classes):
    classes = [{"title": title, "shape": shape, "color": "#112233"} for title, shape in classes]
    (folder / "meta.json").write_text(json.dumps({"classes": classes, "tags": [], "projectType": "images"}))


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    add(folder / "ds1", "a", entry(), entry("coat", ((1, 1), (6, 6)), "rectangle"))
    add(folder / "ds1" / "datasets" / "inner", "b", entry("coat"))
    add(folder / "ds2", "c")
    meta(folder, ("shoe", "polygon"), ("hat", "any"), ("eye", "point"))
    return folder


def opened(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = open_dataset(str(path), **options)
    return dataset, [str(note) for note in dataset.notes if note.what != "class"]


def told_of_classes(dataset):
    return [str(note) for note in dataset.notes if note.what == "class"]


def test_a_project(project):
    assert recognise(str(project)) == "supervisely"
    dataset, notes = opened(project)
    assert dataset.class_names == ["BG", "shoe", "hat", "coat"]  # in the order of meta.json; a point is no class
    assert [dataset.file_name(i) for i in dataset.image_ids] == [
        "ds1/img/a.jpg", "ds1/datasets/inner/img/b.jpg", "ds2/img/c.jpg"]
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks, np.stack([box(), box(1, 1, 7, 7)], axis=-1))
    assert class_ids.tolist() == [2, 3] and dataset.object_count(2) == 0 and dataset.load_image(1).shape[2] == 3
    assert notes[0].startswith("1 object drawn as a rectangle, among others")


@pytest.mark.parametrize("part, first", [
    ("", "ds1/datasets/inner/img/b.jpg"), ("ds1", "datasets/inner/img/b.jpg"), ("ds1/datasets", "inner/img/b.jpg"),
    ("ds1/datasets/inner", "img/b.jpg"), ("ds1/datasets/inner/ann", "img/b.jpg"),
    ("ds1/datasets/inner/ann/b.jpg.json", "img/b.jpg"),
])
@pytest.mark.parametrize("empty", [True, False])
def test_a_data_set_that_holds_others_alone(tmp_path, part, first, empty):
    add(tmp_path / "ds1" / "datasets" / "inner", "b", entry("zebra"), entry("ant"))
    meta(tmp_path, ("zebra", "polygon"), ("ant", "polygon"), ("cow", "polygon"))
    for place in ("ann", "img") if empty else ():
        (tmp_path / "ds1" / place).mkdir()
    assert recognise(str(tmp_path / part)) == "supervisely"
    dataset, _ = opened(tmp_path / part)
    assert dataset.class_names == ["BG", "zebra", "ant", "cow"] and dataset.file_name(0) == first
    assert told_of_classes(dataset) == []


def test_data_sets_in_data_sets_to_any_depth(tmp_path):
    place = tmp_path / "ds"
    for number in range(6):
        place = place / "datasets" / f"d{number}"
    add(place, "b", entry("zebra"), entry("ant"))
    meta(tmp_path, ("zebra", "polygon"), ("ant", "polygon"))
    for path in (tmp_path, tmp_path / "ds", place, place / "ann", place.parent.parent):
        dataset, _ = opened(path)
        assert recognise(str(path)) == "supervisely" and dataset.class_names == ["BG", "zebra", "ant"]


def test_projects_side_by_side_have_the_classes_of_both(tmp_path):
    for name, classes in (("p1", ("zebra", "ant")), ("p2", ("cow", "ant"))):
        add(tmp_path / name / "ds", "a", *map(entry, classes))
        meta(tmp_path / name, *((title, "polygon") for title in classes))
    (tmp_path / "meta.json").write_text('{"of": "another program"}')
    dataset = SuperviselyDataset().load(tmp_path)
    dataset.prepare()
    assert dataset.class_names == ["BG", "zebra", "ant", "cow"]


def test_classes_that_meta_json_does_not_list_are_told(project, tmp_path):
    dataset, _ = opened(project)
    assert told_of_classes(dataset) == [
        "1 class that meta.json does not list: taken in the order of the names, after those that it does; give the "
        "whole project, or the names in their order by --names (first: coat)"]
    (project / "meta.json").unlink()
    dataset, _ = opened(project)
    assert dataset.class_names == ["BG", "coat", "hat"]
    assert told_of_classes(dataset) == [
        "2 classes that no meta.json lists, in the folder or above it: taken in the order of the names, and no others; "
        "give the whole project, or the names in their order by --names (first: coat)"]
    (tmp_path / "names.txt").write_text("hat\ncoat\n")
    assert told_of_classes(opened(project, names=str(tmp_path / "names.txt"))[0]) == []


@pytest.mark.parametrize("part, names", [
    ("ds1", ["img/a.jpg", "datasets/inner/img/b.jpg"]), ("ds1/ann", ["img/a.jpg"]),
    ("ds1/ann/a.jpg.json", ["img/a.jpg"]),
])
def test_a_part_of_a_project(project, part, names):
    assert recognise(str(project / part)) == "supervisely"
    dataset, _ = opened(project / part)
    assert [dataset.file_name(i) for i in dataset.image_ids] == names


def test_photos_in_a_folder_of_their_own(project, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in project.rglob("*.jpg"):
        shutil.move(path, photos / path.name)
    dataset, _ = opened(project, images=str(photos))
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg", "c.jpg"]
    with pytest.raises(DataError, match="3 of 3 photos are not in .*ds1/img/a.jpg"):
        opened(project)


def test_annotations_named_without_the_photos_ending(tmp_path):
    add(tmp_path / "ds", "a", entry(), ending="")
    assert opened(tmp_path)[0].file_name(0) == "ds/img/a.jpg"


def test_two_annotations_of_one_photo(tmp_path):
    add(tmp_path / "ds", "a", entry())
    add(tmp_path / "ds", "a", entry(), ending="")
    with pytest.raises(DataError, match="ds/ann/a.json: the photo ds/img/a.jpg is that of another file too"):
        opened(tmp_path)


def test_tags_of_objects_are_attributes(tmp_path):
    tags = [{"name": "worn", "value": None}, {"name": "length", "value": "mini"}, {"name": "n", "value": 3}, "old", 7]
    add(tmp_path / "ds", "a", entry(tags=tags), entry("coat"), tags=[{"name": "street"}])
    dataset, notes = opened(tmp_path)
    told = [[dataset.attribute_names[i] for i in one.attributes] for one in dataset.objects(0)]
    assert told == [["worn", "length: mini", "n: 3", "old"], []]
    assert notes == ["1 photo with tags of the photo as a whole: these are left out (first: ds/img/a.jpg)"]


def test_points_and_lines_are_told(tmp_path):
    add(tmp_path / "ds", "a", entry(), entry("eye", ((1, 1),), "point"), entry("seam", ((1, 1), (2, 2)), "line"))
    dataset, notes = opened(tmp_path)
    assert dataset.class_names == ["BG", "hat"] and dataset.object_count(0) == 1
    assert notes == ["1 object that is a point, which encloses nothing: left out (first: ds/img/a.jpg)",
                     "1 object that is a line, which encloses nothing: left out (first: ds/img/a.jpg)"]


def test_rectangles_alone_are_asked_for(tmp_path):
    add(tmp_path / "ds", "a", entry("coat", ((1, 1), (6, 6)), "rectangle"))
    with pytest.raises(DataError, match="all 1 objects have a box and no outline"):
        opened(tmp_path)
    assert opened(tmp_path, boxes_as_masks=True)[0].object_count(0) == 1


def test_a_file_of_class_names(project, tmp_path):
    (tmp_path / "names.txt").write_text("coat\nhat\n")
    dataset, _ = opened(project, names=str(tmp_path / "names.txt"))
    assert dataset.class_names == ["BG", "coat", "hat"]
    (tmp_path / "names.txt").write_text("coat\n")
    with pytest.raises(DataError, match="ds1/img/a.jpg, object 0: its class 'hat' is not in the file of class names"):
        opened(project, names=str(tmp_path / "names.txt"))


def test_a_photo_that_exif_turns(tmp_path):
    add(tmp_path / "ds", "a", entry(), size=(WIDTH, HEIGHT))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored WIDTH high and HEIGHT wide
    Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8)).save(tmp_path / "ds" / "img" / "a.jpg", exif=exif)
    dataset, notes = opened(tmp_path)
    stored = np.zeros((WIDTH, HEIGHT), bool)
    stored[3:10, 4:13] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], turned_mask(stored, 6))
    assert "annotated as it is before its EXIF turns it" in notes[0]
    add(tmp_path / "ds", "b", entry())
    exif[0x0112] = 3  # a half turn, which fits both ways: it goes with a.jpg
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "ds" / "img" / "b.jpg", exif=exif)
    dataset, notes = opened(tmp_path)
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 0], box()[::-1, ::-1])
    assert len(notes) == 2 and "1 photo with an EXIF orientation" in notes[1]


@pytest.mark.parametrize("objects, more, said", [
    ([{**entry(), "classTitle": " "}], {}, "a.jpg, object 0: it has no classTitle"),
    ([entry(kind="cuboid")], {}, "its geometryType 'cuboid' is none of polygon"),
    ([5], {}, "a.jpg, object 0: it is no object"),
    ([entry()], {"size": (5, 5)}, "the photo is 20x30 pixels .* annotated as 5x5"),
    ([entry()], {"size": ([], 5)}, r"a.jpg: height \[\] and width 5, which are not whole"),
    ([entry(corners=((1, 2), (3, 4)))], {}, "has 2 corners"),
    ([entry()], {"objects": 5}, "ds/ann/a.jpg.json: no annotations of Supervisely, for it has no list of objects"),
])
def test_faults(tmp_path, objects, more, said):
    add(tmp_path / "ds", "a", *objects, **more)
    add(tmp_path / "ds", "b", entry())
    with pytest.raises(DataError, match=said) as error:
        opened(tmp_path, form="supervisely")
    assert "\n" not in str(error.value)
    dataset, _ = opened(tmp_path, on_error="skip", form="supervisely")
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["ds/img/b.jpg"]


@pytest.mark.parametrize("content", ["[]", '{"size": {}}', "", '{"objects": [], "imgHeight": 1}'])
def test_other_files_are_not_superviselys(tmp_path, content):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "a.json").write_text(content)
    with pytest.raises(DataError, match="annotations of no known format|a folder|a file of"):
        recognise(str(tmp_path / "ann"))


def test_descriptions_are_told(project):
    add(project / "ds2", "d", {**entry(), "description": "torn"})
    assert "1 object with a description: this is left out (first: ds2/img/d.jpg)" in opened(project)[1]
