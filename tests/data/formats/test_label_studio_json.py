"""Label Studio's own JSON as a data set: photos, classes, several annotators, sizes, and what is told."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.annotated import without
from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.label_studio_brush import encode
from mrcnn.data.formats.upright import turned_mask
from mrcnn.errors import DataError

HEIGHT, WIDTH = 40, 50
BOX = [[10, 20], [50, 20], [50, 70], [10, 70]]  # percent: rows 8 to 27, columns 5 to 24


def region(value=None, label="hat", control="label", size=(HEIGHT, WIDTH), **more):
    """A result; value: of its outline, the box by default."""
    value = {"points": BOX} if value is None else value
    kind = "brushlabels" if "rle" in value else "polygonlabels" if "points" in value else "rectanglelabels"
    return {"from_name": control, "to_name": "image", "type": kind, "original_height": size[0],
            "original_width": size[1], "image_rotation": 0,
            "value": {**value, **({} if label is None else {kind: [label]})}, **more}


def task(*results, photo="a.jpg", key=1, by=1, **more):
    return {"id": key, "data": {"image": photo}, **more,
            "annotations": [{"id": key * 10, "completed_by": by, "result": list(results)}]}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def written(folder, *tasks):
    (folder / "tasks.json").write_text(json.dumps(list(tasks)))
    return str(folder / "tasks.json")


def opened(path, **options):
    """(data set; the notes on it)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = open_dataset(path, **options)
    return dataset, [str(note) for note in dataset.notes]


def box(y1=8, x1=5, y2=28, x2=25):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def turned_photo(folder, name, orientation, size=(HEIGHT, WIDTH)):
    """A photo that EXIF turns to (HEIGHT, WIDTH)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(folder / name, exif=exif)


# --- A data set ------------------------------------------------------------------------------------------------------


def test_a_project(folder):
    mask = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.4
    path = written(
        folder,
        task(region(), region({"rle": encode(run_lengths.encode(mask)), "format": "rle"}, "coat", "brush"),
             region({"x": 20, "y": 25, "width": 40, "height": 25, "rotation": 0}, "bag", "box")),
        task(photo="b.jpg", key=2),
    )
    assert recognise(path) == "label_studio"
    dataset, notes = opened(path)
    assert dataset.class_names == ["BG", "bag", "coat", "hat"]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == dataset.object_classes(0).tolist() == [3, 2, 1]
    np.testing.assert_array_equal(masks, np.stack([box(), mask, box(10, 10, 20, 30)], axis=-1))
    assert dataset.load_mask(1)[0].shape == (HEIGHT, WIDTH, 0) and dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)
    assert notes == ["1 object drawn as a rectangle, among others drawn as outlines: taken as its mask (first: a.jpg)"]
    assert not validate(dataset, 1, False) and dataset.image_info[0]["id"] == 1


def test_json_min_gives_the_same(folder):
    mask = box(3, 3, 9, 20)
    rle = encode(run_lengths.encode(mask))
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    entry = {"image": "/data/upload/1/1a2b3c4d-a.jpg", "id": 4, "annotator": "ann@shop.com", "annotation_id": 9,
             "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z", "lead_time": 3.2,
             "scene": "street", "label": [{"points": BOX, "polygonlabels": ["hat"], **size}],
             "brush": [{"format": "rle", "rle": rle, "brushlabels": ["coat"], **size}]}
    dataset, _ = opened(written(folder, entry))
    np.testing.assert_array_equal(dataset.load_mask(0)[0], np.stack([box(), mask], axis=-1))
    assert [dataset.class_names[i] for i in dataset.load_mask(0)[1]] == ["hat", "coat"]
    assert dataset.file_name(0) == "a.jpg"


def test_answers_that_json_min_writes_without_their_region_are_told(folder):
    outline = {"points": BOX, "original_width": WIDTH, "original_height": HEIGHT}
    # As label-studio-sdk 2.1.2 writes it: a choice alone is a text, several for one region are a dict.
    entry = {"image": "a.jpg", "title": "a photo", "meta": {"shop": "x"}, "tags": ["new"], "id": 4,
             "sleeves": "short", "colour": ["red", {"choices": ["red", "blue"], **outline}, "blue"],
             "state": {"choices": ["worn", "old"], **outline}, "note": "",
             "label": [{"polygonlabels": ["hat"], **outline}], "annotator": {"id": 1}, "annotation_id": 9,
             "created_at": "2024-01-01T00:00:00Z", "lead_time": 3.2}
    other = {**entry, "image": "b.jpg", "id": 5, "annotation_id": 10, "colour": "red"}
    by_name = {key: other[key] for key in sorted(other)}  # another program sorted the keys
    for second, title_may_be_one in ((other, False), (by_name, True)):
        dataset, notes = opened(written(folder, entry, second))
        assert dataset.object_count(0) == 1 and sorted(dataset.attribute_names.values()) == [
            "colour: blue", "colour: red", "state: old", "state: worn"]
        why = "that JSON-MIN writes without its region: left out; export JSON, which keeps those of regions (first: "
        assert f"2 answers of 'sleeves' {why}a.jpg)" in notes and f"3 answers of 'colour' {why}a.jpg)" in notes
        assert any("of 'title'" in note for note in notes) == title_may_be_one


def test_a_folder_of_tasks(folder):
    photos = folder / "photos"
    photos.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).rename(photos / name)
        (folder / f"{name}.json").write_text(json.dumps(task(region(), photo=name, key=ord(name[0]))))
    dataset, _ = opened(str(folder), images=str(photos))
    assert recognise(str(folder)) == "label_studio" and len(dataset.image_ids) == 2


# --- Names of photos -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [
    "/data/upload/3/1a2b3c4d-my%20photo.jpg", "http://host:8080/data/upload/3/1a2b3c4d-my%20photo.jpg",
    "/data/local-files/?d=street/my%20photo.jpg", "/data/local-files/?d=C%3A%5Cdata%5Cupload%5C1a2b3c4d-my photo.jpg",
    "s3://bucket/deep/street/my photo.jpg", "gs://bucket/my photo.jpg", "azure-blob://box/street/my photo.jpg",
    "https://cdn.shop.com/street/my%20photo.jpg?width=800&sig=a%2Fb#top", "https://shop.com/My%20Photo.JPG",
    "/storage-data/uploaded/?filepath=upload/3/1a2b3c4d-my%20photo.jpg",
    "/tasks/7/resolve/?fileuri=czM6Ly9idWNrZXQvc3RyZWV0L215IHBob3RvLmpwZw==", "street\\my photo.jpg", "my photo.jpg",
    "file:///home/ann/street/my photo.jpg", "s3://bucket/in/a#1.jpg",
])
def test_addresses_of_photos(tmp_path, address):
    (tmp_path / "photos" / "street").mkdir(parents=True)
    for name in ("street/my photo.jpg", "other.jpg", "a#1.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "photos" / name)
    if address.startswith(("/data/upload", "http://host", "/data/local-files/?d=C", "/storage")):
        (tmp_path / "photos" / "street" / "my photo.jpg").rename(tmp_path / "photos" / "my photo.jpg")
    dataset, _ = opened(written(tmp_path, task(region(), photo=address)), images=str(tmp_path / "photos"))
    assert dataset.file_name(0).endswith(address[-7:] if "#1" in address else "my photo.jpg")


@pytest.mark.parametrize("address", [
    "../x.jpg", "/data/local-files/?d=../../x.jpg", "/data/local-files/?d=%2E%2E/x.jpg", "s3://b/../x.jpg",
    "http://a/b/%2e%2e/%2e%2e/x.jpg", "/tasks/7/resolve/?fileuri=czM6Ly9iLy4uL3guanBn", "..\\x.jpg", "C:\\x.jpg",
    "a\0.jpg",
])
def test_no_address_leads_out_of_the_folder(tmp_path, address):
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in (tmp_path / "x.jpg", photos / "y.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(path)
    path = written(tmp_path, task(region(), photo=address), task(region(), photo="y.jpg", key=2))
    dataset, _ = opened(path, images=str(photos), on_error="skip")
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["y.jpg"]
    assert [fault.kind for fault in dataset.faults] == ["path escape"]
    with pytest.raises(DataError, match="leads out of the image folder|zero byte"):
        opened(path, images=str(photos))


def test_missing_and_repeated_photos(folder):
    path = written(folder, task(region()), task(region(), photo="s3://b/a.jpg", key=2), task(photo="gone.jpg", key=3),
                   {"id": 4, "data": {"text": "hello"}, "annotations": [{"id": 5, "result": []}]})
    dataset, _ = opened(path, on_error="skip")
    assert len(dataset.image_ids) == 1
    assert {(fault.photo, fault.kind) for fault in dataset.faults} == {
        ("task 2", "duplicate id"), ("gone.jpg", "missing"), ("task 4", "bad entry")}
    with pytest.raises(DataError, match="task 4: its data names no photo"):
        opened(path)


# --- Labels ----------------------------------------------------------------------------------------------------------


def two_labels(second, control):
    first = region(id="x")
    other = region(id="x", label=None, control=control)
    other["value"]["labels"] = [second]
    return first, {**other, "type": "labels"}


def test_several_labels_of_a_region(folder):
    bag = region({"points": [[60, 60], [90, 60], [90, 90]]}, "bag")
    path = written(folder, task(*two_labels("red", "colour"), bag))
    with pytest.raises(DataError, match="a.jpg, object 0: its polygon has several labels, hat, red: keep one, or say "
                                        "which control names the classes \\(--names label\\)"):
        opened(path)
    dataset, _ = opened(path, names="label")
    assert dataset.class_names == ["BG", "bag", "hat"] and dataset.attribute_names == {1: "colour: red"}
    assert [entry.attributes for entry in dataset.objects(0)] == [(1,), ()]
    with pytest.raises(DataError, match="its polygon has no label of the control 'colour'"):
        opened(path, names="colour")
    with pytest.raises(DataError, match="names 'color' is neither a file nor a control that labels .'colour', 'label'"):
        opened(path, names="color")
    both = region()
    both["value"]["polygonlabels"] = ["hat", "coat"]
    with pytest.raises(DataError, match="several labels, hat, coat: keep one: correct"):
        opened(written(folder, task(both)))


def test_choices_made_for_a_region_are_attributes(folder):
    worn = region(id="x", label=None, control="state")
    worn["value"]["choices"] = ["worn", "new"]
    dataset, notes = opened(written(folder, task(region(id="x"), {**worn, "type": "choices"})))
    (entry,) = dataset.objects(0)
    assert [dataset.attribute_names[i] for i in entry.attributes] == ["state: worn", "state: new"] and not notes


def test_choices_of_what_is_no_object_are_no_attributes(folder):
    def choice(control, *texts, value=(), **more):
        return {"from_name": control, "type": "choices", "value": {**dict(value), "choices": list(texts)}, **more}

    nose = region({"x": 5, "y": 6, "width": 1}, label=None, type="keypointlabels", id="k")
    line = {"vertices": [{"x": 1, "y": 2}, {"x": 3, "y": 2}], "closed": False, "vectorlabels": ["seam"]}
    dataset, notes = opened(written(folder, task(
        region(id="x"), choice("state", "worn", value=region()["value"], id="x"),
        choice("scene", "street", "day", id="s"), nose, choice("side", "left", id="k"),
        {"from_name": "v", "type": "vectorlabels", "value": line, "id": "v"}, choice("seam", "double", id="v"))))
    assert dataset.attribute_names == {1: "state: worn"} and dataset.class_names == ["BG", "hat"]
    scene, *others = [note.removesuffix(" (first: a.jpg)") for note in notes]
    assert scene.startswith("2 choices of 'scene' about the whole photo: left out; make choices for each region (")
    assert all(note.endswith(" that encloses nothing: left out") for note in others)
    assert [note.split(" that")[0] for note in others] == [
        "1 result of type keypointlabels,", "1 choice of 'side' about a region",
        "1 result of type vectorlabels,", "1 choice of 'seam' about a region"]


def test_names_of_classes_from_a_list_or_the_configuration(folder):
    (folder / "names.txt").write_text("shirt\nhat\n")
    (folder / "config.xml").write_text('<View><Labels name="a" toName="b"><Label value="shirt"/><Label value="hat"/>'
                                       "</Labels></View>")
    path = written(folder, task(region()))
    for names in ("names.txt", "config.xml"):
        dataset, _ = opened(path, names=str(folder / names))
        assert dataset.class_names == ["BG", "shirt", "hat"] and dataset.object_classes(0).tolist() == [2]
        with pytest.raises(DataError, match="its label 'bag' is not in the file of class names"):
            opened(written(folder, task(region(label="bag"))), names=str(folder / names))
        written(folder, task(region()))


def test_what_is_no_region_is_told_and_no_region_without_label(folder):
    keypoint = region({"x": 5, "y": 6, "width": 1}, label=None, type="keypointlabels")
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    open_vector = region({"vertices": [{"x": 1, "y": 2}, {"x": 3, "y": 2}], "closed": False}, None, type="vectorlabels")
    dataset, notes = opened(written(folder, task(region(), keypoint, keypoint, relation, open_vector)))
    assert dataset.object_count(0) == 1
    assert notes == ["2 results of type keypointlabels, that encloses nothing: left out (first: a.jpg)",
                     "1 result of type relation, that is no region: left out (first: a.jpg)",
                     "1 result of type vectorlabels, that encloses nothing: left out (first: a.jpg)"]
    with pytest.raises(DataError, match="a.jpg, object 0: its polygon has no label"):
        opened(written(folder, task(region(label=None))))


def test_rectangles_alone_are_asked_for(folder):
    path = written(folder, task(region({"x": 20, "y": 25, "width": 40, "height": 25, "rotation": 30})))
    with pytest.raises(DataError, match="all 1 objects have a box and no outline"):
        opened(path)
    assert opened(path, boxes_as_masks=True)[0].object_count(0) == 1


# --- Annotators ------------------------------------------------------------------------------------------------------


def test_several_annotators(folder):
    content = task(region(), by={"id": 3, "email": "ann@shop.com"})
    content["annotations"][0]["created_at"] = "2024-01-01T00:00:00Z"
    content["annotations"].append({"id": 2, "completed_by": {"id": 4, "email": "bob@shop.com"}, "result": [],
                                   "created_at": "2024-01-02T00:00:00Z"})
    content["predictions"] = [{"id": 1, "result": [region(label="bag")]}]
    path = written(folder, content, task(region(label="coat"), photo="b.jpg", key=2, by=7))
    dataset, notes = opened(path)
    assert dataset.class_names == ["BG", "coat"] and list(map(dataset.object_count, (0, 1))) == [0, 1]
    assert notes[-1].startswith("1 task annotated more than once: the newest is taken (--annotator EMAIL|ID")
    dataset, notes = opened(path, annotator="ann@shop.com")
    assert len(dataset.image_ids) == 1 and dataset.object_count(0) == 1
    assert notes[-1] == "1 task without one of ann@shop.com: left out (first: b.jpg)"
    dataset, _ = opened(path, annotator="predictions")
    assert dataset.class_names == ["BG", "bag"] and len(dataset.image_ids) == 1
    with pytest.raises(DataError, match="no annotation of annotator 'eve'"):
        opened(path, annotator="eve")


def test_other_formats_take_no_annotator(folder):
    content = {"images": [], "annotations": [], "categories": []}
    (folder / "coco.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="takes no annotator: leave annotator 'ann' out"):
        open_dataset(str(folder / "coco.json"), annotator="ann")


# --- Sizes -----------------------------------------------------------------------------------------------------------


def test_a_photo_that_exif_turns_was_seen_upright_or_not(folder):
    for orientation in (6, 8, 3):
        turned_photo(folder, "a.jpg", orientation, (HEIGHT, WIDTH) if orientation != 3 else (WIDTH, HEIGHT))
        dataset, notes = opened(written(folder, task(region())))
        np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], box())
        assert not notes
    # As stored it is WIDTH high and HEIGHT wide: percent of that, and a brush of its pixels.
    turned_photo(folder, "a.jpg", 6)
    stored = np.zeros((WIDTH, HEIGHT), bool)
    stored[10:35, 4:20] = True  # 20 to 70 % of 50 rows, 10 to 50 % of 40 columns
    rle = encode(run_lengths.encode(stored))
    dataset, notes = opened(written(folder, task(*(region(value, size=(WIDTH, HEIGHT))
                                                   for value in (None, {"rle": rle})))))
    for number in (0, 1):
        np.testing.assert_array_equal(dataset.load_mask(0)[0][..., number], turned_mask(stored, 6))
    assert notes == ["1 photo annotated as it is before its EXIF turns it: its outlines are turned with it "
                     "(first: a.jpg)"]
    turned_photo(folder, "b.jpg", 3, (WIDTH, HEIGHT))  # a half turn, which fits both ways: it goes with a.jpg
    dataset, notes = opened(written(folder, task(region(size=(WIDTH, HEIGHT))), task(region(), photo="b.jpg")))
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 0], box()[::-1, ::-1])
    assert len(notes) == 2 and "1 photo with an EXIF orientation" in notes[1]


def test_percentages_fit_a_photo_of_another_size(folder):
    dataset, notes = opened(written(folder, task(region(size=(400, 501)))))
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], box())
    assert notes[0].startswith("1 photo annotated at another size than it has")
    with pytest.raises(DataError, match="the photo is 40x50 pixels .* annotated as 400x600"):
        opened(written(folder, task(region(size=(400, 600)))))
    rle = encode(run_lengths.encode(np.ones((80, 100), bool)))
    with pytest.raises(DataError, match="annotated as 80x100"):
        opened(written(folder, task(region({"rle": rle}, size=(80, 100)))))


@pytest.mark.parametrize("size", [(None, None), (0, 0), ("", None)])
def test_a_size_that_is_not_given_is_the_photos(folder, size):
    dataset, notes = opened(written(folder, task(region(size=size), region({"rle": encode(run_lengths.encode(box()))},
                                                                           size=size))))
    np.testing.assert_array_equal(dataset.load_mask(0)[0], np.stack([box(), box()], axis=-1))
    assert notes[0].startswith("1 photo without the size of the photo that it was drawn on")


def test_a_view_that_was_turned_is_told(folder):
    dataset, notes = opened(written(folder, task(region(image_rotation=90))))
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], box())
    assert notes[0].startswith("1 photo drawn in a view turned by its annotator")


# --- Faults ----------------------------------------------------------------------------------------------------------


def test_faults_are_left_out_by_name(folder):
    path = written(folder, task(region(), region({"points": BOX[:2]}), region(size=("x", 3))))
    with pytest.raises(DataError, match="tasks.json: a.jpg, object 1: its polygon has not three or more corners"):
        opened(path)
    dataset, _ = opened(path, on_error="skip", keep_partial=True)
    assert dataset.object_count(0) == 1 and len(dataset.faults) == 2
    assert [entry.number for entry in without(dataset, dataset.faults).objects(0)] == [0]


@pytest.mark.parametrize("entry", [
    {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": 7}, 8, None]},
    {"id": [1], "data": {"image": "a.jpg"}, "annotations": [{"id": {}, "completed_by": [], "result": [7, {}]}]},
    {"id": 1, "data": 5, "annotations": {}, "image": "a.jpg"},
    task({"value": {"points": {}}, "id": {"a": 1}}),
    task(region({"rle": {"a": 1}})),
    task(region({"rle": [0, 0, 31, 64, 57, 27, 252] + [255] * 9})),
    task(region({"points": [[1e308, -1e308]] * 4})),
    task(region(size=(1e400, 2))), task(region(size=(2.5, 2))), task(region(size=({}, []))),
    task(region(image_rotation={"a": "b"}), photo="a" * 5000 + ".jpg"),
    task(region(), photo="\ud800.jpg"),
])
def test_hostile_entries_end_in_one_line_or_in_a_data_set(folder, entry):
    path = written(folder, entry, task(region(), photo="b.jpg", key=2))
    for on_error in ("raise", "skip"):
        try:
            dataset, _ = opened(path, on_error=on_error, keep_partial=True)
        except DataError as error:
            assert on_error == "raise" and "\n" not in str(error)
            continue
        assert "b.jpg" in [dataset.file_name(i) for i in dataset.image_ids]
        for image_id in dataset.image_ids:
            dataset.load_mask(image_id)


def test_answers_about_a_region_that_are_left_out_are_told(folder):
    outline = region()["value"]
    more = [{"from_name": name, "id": "r", "type": name, "value": {**outline, **value}}
            for name, value in (("note", {"text": ["torn"]}), ("stars", {"rating": 3}), ("empty", {"text": [""][:0]}))]
    dataset, notes = opened(written(folder, task(region(id="r"), *more)))
    assert dataset.object_count(0) == 1
    assert [note.split(" (first")[0] for note in notes if "answer" in note] == [
        "1 region with an answer of type rating: the answer is left out",
        "1 region with an answer of type text: the answer is left out"]


def test_results_that_all_were_left_out_are_told_where_no_class_remains(folder):
    keypoint = region({"x": 5, "y": 6, "width": 1}, label=None, type="keypointlabels")
    with pytest.raises(DataError, match=r"names no class \(2 results of type keypointlabels, that encloses nothing"):
        opened(written(folder, task(keypoint, keypoint)))
