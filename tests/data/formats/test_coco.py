"""Reading COCO's JSON form: what is right comes back exactly."""

import json
import os

import numpy as np
import pytest
from coco_files import CONTENT, HEIGHT, WIDTH, changed, corners, load, rectangle, runs, writer
from PIL import Image

from mrcnn.data.class_choice import choose_classes
from mrcnn.data.formats.coco import CocoDataset, recognises
from mrcnn.data.formats.upright import NOTES, UNTOLD, WITH_OTHERS
from mrcnn.data.formats.write_yolo import write_yolo
from mrcnn.data.formats.writers import write_coco
from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import ground_truth_from_dataset


@pytest.fixture
def files(tmp_path):
    return writer(tmp_path)


def test_categories_become_classes_in_the_order_of_their_ids(files):
    dataset = load(files(CONTENT))
    assert dataset.class_names == ["BG", "coat", "bag, purse", "shoe"]
    assert [info["id"] for info in dataset.class_info] == [0, 2, 31, 100]
    assert dataset.map_source_class_id("coco.100") == 3


def test_every_way_to_write_a_mask(files):
    dataset = load(files(CONTENT))
    assert [info["id"] for info in dataset.image_info] == [900, 4, 7]
    masks, class_ids = dataset.load_mask(1)
    assert masks.dtype == bool and masks.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(masks[..., 0], rectangle(2, 3, 8, 9))
    np.testing.assert_array_equal(masks[..., 1], rectangle(0, 0, 4, 4) | rectangle(10, 20, 20, 30))
    np.testing.assert_array_equal(masks[..., 2], rectangle(0, 0, 20, 2))
    assert class_ids.dtype == np.int32 and class_ids.tolist() == [2, 1, -3]  # a crowd is negative
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks[..., 0], rectangle(5, 5, 9, 25))
    assert class_ids.tolist() == [3]


def test_a_photo_without_objects_is_kept(files):
    masks, class_ids = load(files(CONTENT)).load_mask(2)
    assert masks.shape == (HEIGHT, WIDTH, 0) and class_ids.shape == (0,)


def test_image_info_carries_the_annotations_untouched(files):
    dataset = load(files(CONTENT))
    info = dataset.image_info[1]
    assert info["annotations"] == [CONTENT["annotations"][i] for i in (0, 1, 3)]
    assert (info["height"], info["width"], info["source"]) == (HEIGHT, WIDTH, "coco")
    assert dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)
    assert dataset.sample_name(1) == "a.png"
    assert [dataset.object_count(i) for i in range(3)] == [1, 2, 0]  # the crowd is not counted


def test_limit_and_class_ids(files):
    assert [info["id"] for info in load(files(CONTENT), limit=2).image_info] == [900, 4]
    dataset = load(files(CONTENT), class_ids=[31, 2])
    assert dataset.class_names == ["BG", "coat", "bag, purse"]
    assert [info["id"] for info in dataset.image_info] == [4]  # the others show neither
    assert dataset.load_mask(0)[1].tolist() == [2, 1]
    with pytest.raises(DataError, match="no category 5: it has 100, 2, 31"):
        load(files(CONTENT), class_ids=[5])


def test_ids_may_be_text(files):
    content = changed(images__0__id="photo-b", annotations__2__image_id="photo-b")
    assert load(files(content)).load_mask(0)[1].tolist() == [3]


def test_with_a_second_source_each_photo_keeps_to_its_own(files):
    class Mixed(CocoDataset):
        def load_mask(self, image_id):
            if self.image_info[image_id]["source"] == "own":
                return np.ones((4, 4, 1), bool), np.array([4], np.int32)
            return super().load_mask(image_id)

    dataset = Mixed()
    dataset.load_coco(*files(CONTENT))
    dataset.add_class("own", 1, "hat")
    dataset.add_image("own", 1, None)
    dataset.prepare()
    assert dataset.load_mask(3)[1].tolist() == [4] and dataset.load_mask(0)[1].tolist() == [3]
    assert dataset.source_class_ids["coco"] == [0, 1, 2, 3]


def test_load_takes_photos_beside_the_file_and_refuses_what_the_format_has_no_use_for(files, tmp_path):
    content = changed()
    for photo in content["images"]:
        photo["file_name"] = "photos/" + photo["file_name"]
    path, _ = files(content)
    dataset = CocoDataset().load(path, limit=2)
    dataset.prepare()
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["photos/b.png", "photos/sub/a.png"]
    assert dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)
    for option in ("names", "mapping"):
        with pytest.raises(DataError, match=f"instances.json: .*takes no {option}"):
            CocoDataset().load(path, **{option: "names.txt"})


def test_sizes_that_the_file_lacks_come_from_the_photos(files, tmp_path):
    content = changed(images__0__height=None)
    del content["images"][1]["width"]
    paths = files(content)
    # A photo whose EXIF says "turn by 90 degrees": 30 rows and 20 columns in the file are 20x30 upright.
    turned = Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "photos" / "sub" / "a.jpg", exif=exif)
    content["images"][1]["file_name"] = "sub/a.jpg"
    dataset = load(files(content))
    for i in range(3):
        assert (dataset.image_info[i]["height"], dataset.image_info[i]["width"]) == (HEIGHT, WIDTH)
        assert dataset.load_mask(i)[0].shape[:2] == dataset.load_image(i).shape[:2] == (HEIGHT, WIDTH)
    (tmp_path / "photos" / "b.png").write_bytes(b"no photo")
    with pytest.warns(UserWarning, match="b.png"):
        dataset = load(paths, on_error="skip")
    assert [fault.kind for fault in dataset.faults] == ["unreadable"]


@pytest.mark.parametrize("proven", [True, False])
def test_a_photo_that_fits_turned_and_not_goes_with_the_others(tmp_path, proven):
    exif, content = Image.Exif(), {"images": [], "annotations": [], "categories": CONTENT["categories"]}
    for number, orientation in enumerate((6, 3) if proven else (1, 3)):
        exif[0x0112] = orientation
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / f"{number}.jpg", exif=exif)
        content["images"].append({"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH})
        content["annotations"].append({"id": number, "image_id": number, "iscrowd": 0, "segmentation": [
            corners(2, 1, 5, 28)], "bbox": [1, 2, 27, 3], "category_id": CONTENT["categories"][0]["id"]})
    (tmp_path / "a.json").write_text(json.dumps(content))
    dataset = load((str(tmp_path / "a.json"), str(tmp_path)))
    mask, expected = dataset.load_mask(1)[0][..., 0], rectangle(2, 1, 5, 28)
    np.testing.assert_array_equal(mask, expected[::-1, ::-1] if proven else expected)
    box = [WIDTH - 28, HEIGHT - 5, 27, 3] if proven else [1, 2, 27, 3]  # turned with the outline
    assert dataset.image_info[1]["annotations"][0]["bbox"] == pytest.approx(box)
    assert [note.how for note in dataset.notes] == ([NOTES["stored"], WITH_OTHERS] if proven else [UNTOLD])


def test_fashionpedia(files):
    # Its categories begin at 0; annotations carry attributes; here without bbox, area and iscrowd.
    content = {
        "info": {"version": "1.0"}, "licenses": [],
        "images": [{**CONTENT["images"][0], "original_url": "http://a.b/c", "isstatic": 1}],
        "categories": [
            {"id": 0, "name": "shirt, blouse", "supercategory": "upperbody", "level": 2, "taxonomy_id": "obj0"},
            {"id": 1, "name": "top, t-shirt, sweatshirt", "supercategory": "upperbody", "level": 2},
        ],
        "attributes": [{"id": 284, "name": "washed", "supercategory": "textile finishing", "level": 1}],
        "annotations": [
            {"id": 0, "image_id": 900, "category_id": 1, "attribute_ids": [284, 7],
             "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(rectangle(1, 1, 3, 9))}},
            {"id": 1, "image_id": 900, "category_id": 0, "attribute_ids": [], "segmentation": [corners(2, 3, 8, 9)]},
            {"id": 2, "image_id": 900, "category_id": 0, "attribute_ids": 7, "segmentation": [corners(2, 3, 8, 9)]},
        ],
    }
    dataset = load(files(content))
    assert dataset.class_names == ["BG", "shirt, blouse", "top, t-shirt, sweatshirt"]
    assert [info.get("supercategory") for info in dataset.class_info] == [None, "upperbody", "upperbody"]
    first, second, third = dataset.objects(0)
    assert (first.class_id, first.attributes, first.crowd) == (2, (284, 7), False)
    assert (second.class_id, second.attributes, third.attributes) == (1, (), ())
    assert dataset.attribute_names == {284: "washed"}
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], rectangle(1, 1, 3, 9))
    content["annotations"][0]["attribute_ids"] = [284, 7, 284]
    with pytest.warns(UserWarning, match="1 object with an attribute that is listed twice: it counts once"):
        dataset = load(files(content))
    assert dataset.objects(0)[0].attributes == (284, 7)
    assert ground_truth_from_dataset(dataset)["annotations"][0]["attribute_ids"] == [284, 7]


def test_modanet(files):
    names = "bag belt boots footwear outer dress sunglasses pants top shorts skirt headwear scarf/tie".split()
    content = {
        "info": {}, "year": 2018, "licenses": [], "type": "instances",
        "images": [{**CONTENT["images"][0], "license": 3}],
        "categories": [{"id": i, "name": name, "supercategory": "fashion"} for i, name in enumerate(names, 1)],
        "annotations": [{"id": 1, "image_id": 900, "category_id": 13, "bbox": [3, 2, 6, 6], "area": 36, "iscrowd": 0,
                         "segmentation": [corners(2, 3, 8, 9)]}],
    }
    dataset = load(files(content))
    assert dataset.class_names == ["BG", *names] and dataset.load_mask(0)[1].tolist() == [13]


def test_label_studio(files):
    content = changed(
        images__0__file_name="images\\1a2b3c4d-b.png", images__1__file_name="/data/upload/3/0badcafe-a.png",
        images__2__file_name="http://localhost:8080/data/upload/3/12345678-empty.png", categories__0__id=0,
        annotations__2__category_id=0, annotations__3__category_id=0,
    )
    content["info"] = {"contributor": "Label Studio"}
    path, folder = files(content)
    os.rename(os.path.join(folder, "sub", "a.png"), os.path.join(folder, "0badcafe-a.png"))
    dataset = load((path, folder))
    assert [dataset.file_name(i) for i in range(3)] == ["b.png", "0badcafe-a.png", "empty.png"]
    assert dataset.class_names == ["BG", "shoe", "coat", "bag, purse"]
    assert dataset.load_mask(1)[1].tolist() == [3, 2, -1]


def test_what_is_recognised(files, tmp_path):
    assert recognises(files(CONTENT)[0])
    assert recognises(files("\ufeff" + json.dumps({"images": [], "annotations": []}, indent=1))[0])
    long = [{"id": i, "file_name": "a.png"} for i in range(10_000)]  # of which the beginning is looked at
    assert recognises(files({"images": long})[0]) and recognises(files({"annotations": long, "images": []})[0])
    defined = {"info": {}, "categories": [{"id": i, "name": str(i), "def": "worn " * 400} for i in range(400)]}
    assert recognises(files({**defined, "images": long})[0]) and not recognises(files({**defined, "item": long})[0])
    for key, other in (("images", "label_classes"), ("annotations", "videos"), ("annotations", "filename")):
        others = {other: []}  # of Hasty, YouTube-VIS and Dataloop
        assert not recognises(files({**others, key: []})[0]) and not recognises(files({**others, key: long})[0])
    for content in (
        "", "[]", "{not json", '{"categories": [{"id": 0, "name": "shirt"}]}',
        '{"info": {"images": 1}, "annotations": []}',
        '["images"]', '{"file": {"images": [], "annotations": []}}', '{"a": "images", "b": 1}',
        '{"text": "' + 'x\\"' * 300_000 + '"}', '{"text": "' + "[" * 300_000, '{"text": "' + "x" * 262_133 + '\\\\"}',
        '{"via": "{\\"images\\": []}"}', '{"x.jpg12": {"filename": "x.jpg", "regions": []}}',
    ):
        assert not recognises(files(content)[0])
    assert not recognises(str(tmp_path)) and not recognises(str(tmp_path / "absent"))
    (tmp_path / "photo.jpg").write_bytes(bytes(range(256)))
    assert not recognises(tmp_path / "photo.jpg")


def test_attributes_in_words_are_told(files):
    content = json.loads(json.dumps(CONTENT))
    content["annotations"][0]["attributes"] = {"occluded": False, "colour": "red", "rotation": 0.0}
    assert [str(note) for note in load(files(content)).notes] == [
        f"1 object with the attribute 'colour' in words: left out (first: sub/a.png, annotation "
        f"{content['annotations'][0]['id']})"]


def test_lvis_lists_of_classes_are_kept(files, tmp_path):
    content = json.loads(json.dumps(CONTENT))
    first, second = content["categories"][0]["id"], content["categories"][1]["id"]
    photo = content["images"][0]
    photo.update(neg_category_ids=[first, 999], not_exhaustive_category_ids=[second])
    dataset = load(files(content))
    dataset.prepare()
    assert [str(note).partition(" (neg")[0] for note in dataset.notes] == [
        "1 photo labelled for some classes only, as in LVIS"]
    kept = {"neg_category_ids": [first], "not_exhaustive_category_ids": [second]}
    truth = ground_truth_from_dataset(dataset)
    (image,) = [image for image in truth["images"] if "neg_category_ids" in image]
    assert image == {**image, "id": photo["id"], **kept}
    chosen = choose_classes(dataset, [content["categories"][1]["name"]])
    (image,) = [image for image in ground_truth_from_dataset(chosen)["images"] if "neg_category_ids" in image]
    assert (image["neg_category_ids"], image["not_exhaustive_category_ids"]) == ([], [second])
    write_coco(dataset, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    names = {entry["id"]: entry["name"] for entry in written["categories"]}
    (image,) = [image for image in written["images"] if "neg_category_ids" in image]
    assert names[image["neg_category_ids"][0]] == content["categories"][0]["name"]
    with pytest.warns(UserWarning, match="1 photos were labelled for some classes only.*--to coco keeps"):
        write_yolo(dataset, tmp_path / "yolo")
    photo["neg_category_ids"] = 5
    with pytest.raises(DataError, match="neg_category_ids '5', which is no list"):
        load(files(content))


def test_lvis_names_photos_by_their_address(files):
    content = json.loads(json.dumps(CONTENT))
    for image in content["images"]:
        image["coco_url"] = f"http://host/val2017/{image.pop('file_name').split('/')[-1]}"
    assert [load(files(content)).file_name(i) for i in range(3)] == ["b.png", "sub/a.png", "empty.png"]
