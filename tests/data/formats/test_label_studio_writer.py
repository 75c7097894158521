"""Writing tasks for Label Studio: read back they have the same masks, classes, attributes and photos."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise, writer
from mrcnn.data.formats.label_studio_config import read_labels
from mrcnn.data.formats.label_studio_writer import address_of, served_name, told_of, write_label_studio
from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError

HEIGHT, WIDTH = 14, 18


def coco(folder, masks, crowds=(), attributes=(), names=("shirt <a>", "bag, purse", "unused")):
    """A COCO data set of two photos, the second without objects."""
    annotations = [{
        "id": number + 1, "image_id": 1, "category_id": 5 + number % 2, "segmentation": encode(mask),
        "iscrowd": int(number in crowds), "attribute_ids": list(attributes) if not number else [],
    } for number, mask in enumerate(masks)]
    (folder / "s").mkdir(exist_ok=True)
    files = {1: "s/a & 50%.png", 2: "b.png"}
    for name in files.values():
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)
    path = folder / "coco.json"
    path.write_text(json.dumps({
        "info": {"url": "http://cocodataset.org"}, "annotations": annotations,
        "images": [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in files.items()],
        "categories": [{"id": 5 + i, "name": name} for i, name in enumerate(names)],
        "attributes": [{"id": 0, "name": "length: mini"}, {"id": 3, "name": "torn"}, {"id": 4, "name": "brush: x"}],
    }))
    return open_dataset(path)


def full(rows, columns):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[rows, columns] = True
    return mask


def reopened(path, images, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(path, images, **options)


def test_photos_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "photos" / folder / "a.png")
    (tmp_path / "coco.json").write_text(json.dumps({
        "images": [{"id": i, "file_name": f"{folder}/a.png", "height": HEIGHT, "width": WIDTH}
                   for i, folder in enumerate(("one", "two"), 1)],
        "annotations": [{"id": i, "image_id": i, "category_id": i, "iscrowd": 0,
                         "segmentation": encode(full(slice(0, 5), slice(0, 7)))} for i in (1, 2)],
        "categories": [{"id": 1, "name": "hat"}, {"id": 2, "name": "shoe"}]}))
    write_label_studio(open_dataset(tmp_path / "coco.json", tmp_path / "photos"), tmp_path / "out.json")
    addresses = [task["data"]["image"] for task in json.loads((tmp_path / "out.json").read_text())]
    assert addresses == ["/data/local-files/?d=photos/one/a.png", "/data/local-files/?d=photos/two/a.png"]
    back = reopened(tmp_path / "out.json", tmp_path / "photos")
    found = {back.image_info[i]["path"].split("/")[-2]: back.class_names[back.load_mask(i)[1][0]]
             for i in back.image_ids}
    assert found == {"one": "hat", "two": "shoe"}


def test_masks_come_back_with_classes_attributes_and_photos(tmp_path):
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.4
    holed = full(slice(2, 9), slice(3, 12))
    holed[4:6, 5:7] = False
    stairs = np.tril(np.ones((HEIGHT, WIDTH), bool))
    masks = [full(slice(0, 5), slice(0, 7)), noise, ~noise, holed, stairs]
    source = coco(tmp_path, masks, attributes=[0, 3, 4])
    said = write_label_studio(source, tmp_path / "out.json")
    assert "labelling configuration" in said and str(tmp_path / "out.xml") in said
    assert recognise(tmp_path / "out.json") == "label_studio"
    again = reopened(tmp_path / "out.json", tmp_path, names=str(tmp_path / "out.xml"))
    assert again.class_names == source.class_names == ["BG", "shirt <a>", "bag, purse", "unused"]
    assert [info["file_name"] for info in again.image_info] == ["s/a & 50%.png", "b.png"]
    read, class_ids = again.load_mask(0)
    np.testing.assert_array_equal(read, np.stack(masks, axis=-1))
    assert class_ids.tolist() == [1, 2, 1, 2, 1] and len(again.objects(1)) == 0
    told = [[again.attribute_names[i] for i in entry.attributes] for entry in again.objects(0)]
    assert [sorted(some) for some in told] == [["brush: x", "length: mini", "torn"], [], [], [], []]
    (annotation,) = json.loads((tmp_path / "out.json").read_text())[0]["annotations"]
    types = [result["type"] for result in annotation["result"]]
    assert types == ["polygonlabels", "choices", "choices", "brushlabels", "brushlabels", "brushlabels",
                     "polygonlabels"]


@pytest.mark.parametrize("shape", [(14, 18), (33, 7), (100, 97), (1, 1), (333, 128)])
def test_polygons_of_any_size_of_photo_come_back_exactly(tmp_path, shape):
    """A percentage of an odd side is no short number: corners on the grid must still be drawn on it."""
    rng = np.random.default_rng(shape[0])
    masks = np.zeros((*shape, 3), bool)
    for number in range(3):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        masks[y : y + 1 + shape[0] // 2, x:, number] = masks[: y + 1, x : x + 1 + shape[1] // 3, number] = True
    source = made(tmp_path, masks)
    write_label_studio(source, tmp_path / "out.json")
    np.testing.assert_array_equal(reopened(tmp_path / "out.json", tmp_path).load_mask(0)[0], masks)
    assert "brush" not in (tmp_path / "out.json").read_text()


def made(folder, masks):
    Image.fromarray(np.zeros((*masks.shape[:2], 3), np.uint8)).save(folder / "a.png")
    annotations = [{"id": i, "image_id": 1, "category_id": 1, "segmentation": encode(masks[..., i])}
                   for i in range(masks.shape[-1])]
    (folder / "in.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": masks.shape[0], "width": masks.shape[1]}],
        "annotations": annotations, "categories": [{"id": 1, "name": "hat"}]}))
    return open_dataset(folder / "in.json")


def test_crowds_are_left_out_and_told(tmp_path):
    source = coco(tmp_path, [full(slice(0, 5), slice(0, 7)), full(slice(6, 9), slice(0, 7))], crowds=[1])
    with pytest.warns(UserWarning, match="out.json: left out 1 crowds"):
        write_label_studio(source, tmp_path / "out.json")
    assert reopened(tmp_path / "out.json", tmp_path).object_count(0) == 1


def test_names_that_the_form_cannot_hold(tmp_path):
    source = coco(tmp_path, [full(0, 0)], names=("a\x1b", "b", "c"))
    with pytest.raises(DataError, match="class or attribute 'a.x1b': .*rename"):
        write_label_studio(source, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists() and not (tmp_path / "out.xml").exists()
    assert served_name("/x/photos/s/a.jpg", "s/a.jpg") == "photos/s/a.jpg"
    assert served_name("/a.jpg", "a.jpg") == "a.jpg" == served_name("/x/b.jpg", "a.jpg")  # no folder, another name
    assert address_of("a/b c%\udcff.jpg") == "/data/local-files/?d=a/b%20c%25%FF.jpg"
    with pytest.raises(DataError, match="no address can hold"):
        address_of("\ud800.jpg")


@pytest.mark.parametrize("word, pair", [
    ("length: mini", ("length", "mini")), ("torn", ("attributes", "torn")), ("a: b: c", ("a", "b: c")),
    ("polygon: x", ("attributes", "polygon: x")), ("attributes: x", ("attributes", "attributes: x")),
    (": x", ("attributes", ": x")),
])
def test_attributes_are_choices_of_controls(word, pair):
    assert told_of(word) == pair


def test_another_configuration_is_not_replaced(tmp_path):
    source = coco(tmp_path, [full(0, 0)])
    (tmp_path / "out.xml").write_text("<View/>")
    with pytest.raises(DataError, match="out.xml: is there and is another labelling configuration"):
        write_label_studio(source, tmp_path / "out.json")
    assert (tmp_path / "out.xml").read_text() == "<View/>" and not (tmp_path / "out.json").exists()
    with pytest.raises(DataError, match="give --output a name that ends in .json"):
        write_label_studio(source, tmp_path / "out.xml")
    (tmp_path / "out.xml").unlink()
    for _ in range(2):  # its own it replaces
        writer("labelstudio")(source, tmp_path / "out.json")
    assert read_labels(tmp_path / "out.xml") == ["shirt <a>", "bag, purse", "unused"]


def test_label_studio_takes_what_is_written(tmp_path):
    """Its own checks of annotations against the configuration; benchmarks/label_studio_agreement.py goes further."""
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="pip install label-studio-sdk")
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.4
    source = coco(tmp_path, [full(slice(0, 5), slice(0, 7)), noise], attributes=[0, 3])
    write_label_studio(source, tmp_path / "out.json")
    label_interface = interface.LabelInterface((tmp_path / "out.xml").read_text())
    for task in json.loads((tmp_path / "out.json").read_text()):
        assert all(label_interface.validate_annotation(annotation) for annotation in task["annotations"])
        assert set(task["data"]) == {entry.value_name for entry in label_interface.objects}


def test_classes_of_one_name_stay_two(tmp_path):
    source = coco(tmp_path, [full(slice(0, 5), slice(0, 7)), full(slice(6, 9), slice(0, 7))], names=("bag", "x"))
    source.class_info[2]["name"] = "bag"
    with pytest.warns(UserWarning, match="2 classes share their name with another"):
        write_label_studio(source, tmp_path / "out.json")
    again = reopened(tmp_path / "out.json", tmp_path, names=tmp_path / "out.xml")
    assert again.class_names == ["BG", "bag (1)", "bag (2)"] and again.object_classes(0).tolist() == [1, 2]
