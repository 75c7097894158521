"""Reading COCO's JSON form: what is right comes back exactly, what is wrong is named."""

import copy
import json
import os

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import without
from mrcnn.data.formats.coco import CocoDataset, recognises
from mrcnn.data.images import DataError
from mrcnn.data.masks import rle_encode

HEIGHT, WIDTH = 20, 30


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def corners(y1, x1, y2, x2):
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def runs(mask):
    """COCO's uncompressed run lengths, by their definition."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return ([0] if flat[0] else []) + lengths


# Category ids are sparse and out of order; the annotations use all four ways to write a mask.
CONTENT = {
    "images": [
        {"id": 900, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        {"id": 4, "file_name": "sub/a.png", "height": HEIGHT, "width": WIDTH},
        {"id": 7, "file_name": "empty.png", "height": HEIGHT, "width": WIDTH},
    ],
    "categories": [{"id": 100, "name": "shoe"}, {"id": 2, "name": "coat"}, {"id": 31, "name": "bag, purse"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 31, "segmentation": [corners(2, 3, 8, 9)]},
        {"id": 2, "image_id": 4, "category_id": 2, "iscrowd": 0,
         "segmentation": [corners(0, 0, 4, 4), corners(10, 20, 20, 30)]},
        {"id": 3, "image_id": 900, "category_id": 100, "segmentation": rle_encode(rectangle(5, 5, 9, 25))},
        {"id": 4, "image_id": 4, "category_id": 100, "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(rectangle(0, 0, 20, 2))}},
    ],
}


@pytest.fixture
def files(tmp_path):
    """Function that writes photos and a JSON of content, and returns the two paths that load_coco takes."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "sub/a.png", "empty.png"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)

    def write(content):
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path), str(folder)

    return write


def load(paths, **options):
    dataset = CocoDataset()
    dataset.load_coco(*paths, **options)
    dataset.prepare()
    return dataset


def changed(**edits):
    """CONTENT with edits such as annotations__0__category_id=5."""
    content = copy.deepcopy(CONTENT)
    for path, value in edits.items():
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        place = content
        for part in way:
            place = place[part]
        place[last] = value
    return content


# --- What is right ---------------------------------------------------------------------------------------------------


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
    assert recognises(files("\ufeff" + json.dumps({"info": {"images": 1}, "annotations": []}, indent=1))[0])
    for content in (
        "", "[]", "{not json", '{"categories": [{"id": 0, "name": "shirt"}]}',
        '["images"]', '{"file": {"images": [], "annotations": []}}', '{"a": "images", "b": 1}',
        '{"text": "' + 'x\\"' * 300_000 + '"}', '{"text": "' + "[" * 300_000, '{"text": "' + "x" * 262_133 + '\\\\"}',
        '{"via": "{\\"images\\": []}"}', '{"x.jpg12": {"filename": "x.jpg", "regions": []}}',
    ):
        assert not recognises(files(content)[0])
    assert not recognises(str(tmp_path)) and not recognises(str(tmp_path / "absent"))
    (tmp_path / "photo.jpg").write_bytes(bytes(range(256)))
    assert not recognises(tmp_path / "photo.jpg")


# --- What is wrong ---------------------------------------------------------------------------------------------------

SHORT, LONG = {"size": [HEIGHT, WIDTH], "counts": [100, 20]}, {"size": [HEIGHT, WIDTH], "counts": [100, 501]}
CUT = rle_encode(rectangle(5, 5, 9, 25))["counts"][:-2]
FIRST, THIRD = ("sub/a.png", 0, 1), ("b.png", 0, 3)  # photo, number of the object there, annotation id


def first(segmentation):
    return changed(annotations__0__segmentation=segmentation)


def third(segmentation):
    return changed(annotations__2__segmentation=segmentation)


# name: (content, kind, (photo, number, annotation id) at fault, what the message says after the photo)
FAULTS = {
    "unknown image": (
        changed(annotations__2__image_id=5), "bad entry", ("image 5", None, 3), "annotation 3 has image_id 5"
    ),
    "number against text": (
        changed(annotations__2__image_id="900"), "bad entry", ("image 900", None, 3), "annotation 3 has image_id '900'"
    ),
    "no image": (
        changed(annotations__2__image_id=None), "bad entry", ("image None", None, 3), "annotation 3 has image_id None"
    ),
    "list as image": (
        changed(annotations__2__image_id=[4]), "bad entry", (r"image \[4\]", None, 3), "annotation 3 has image_id "
    ),
    "unknown category": (
        changed(annotations__2__category_id=3), "unknown class", THIRD, "annotation 3 has category_id 3"
    ),
    "line": (first([[1, 1, 5, 5, 9, 9]]), "empty mask", FIRST, "annotation 1: .*no area"),
    "two corners": (first([[1, 1, 5, 5]]), "bad entry", FIRST, "annotation 1: .*corners"),
    "no list of lists": (first([1, 1, 5, 5, 2, 3]), "bad entry", FIRST, "annotation 1: "),
    "words": (first([["a"] * 6]), "bad entry", FIRST, "annotation 1: .*numbers"),
    "no number": (first([[1, 1, 5, 5, 2, float("nan")]]), "bad entry", FIRST, ".*finite"),
    "beside the photo": (
        first([corners(2, 40, 8, 50)]), "mask outside", FIRST, "annotation 1: .*no area"
    ),
    "far away": (
        first([corners(2, 3, 8, 5000)]), "mask outside", FIRST, "annotation 1: .*5000"
    ),
    "no polygon": (first([]), "empty mask", FIRST, "annotation 1: it has no segmentation"),
    "nothing": (first(None), "empty mask", FIRST, "annotation 1: it has no segmentation"),
    "short RLE": (third(SHORT), "RLE overflow", THIRD, ".*120 pixels, .* has 600"),
    "long RLE": (third(LONG), "RLE overflow", THIRD, ".*601 pixels, .* has 600"),
    "large RLE": (
        third(rle_encode(np.ones((HEIGHT + 1, WIDTH), bool))), "wrong size", THIRD,
        r"annotation 3: the RLE has size \[21, 30\]"
    ),
    "size in words": (changed(annotations__2__segmentation__size=["a", 3]), "wrong size", THIRD, "annotation 3: "),
    "no size": (third({"counts": [600]}), "bad entry", THIRD, ".*size None"),
    "no counts": (third({"size": [HEIGHT, WIDTH]}), "bad entry", THIRD, ".*counts"),
    "cut RLE": (changed(annotations__2__segmentation__counts=CUT), "RLE overflow", THIRD, "annotation 3: "),
    "empty RLE": (
        third(rle_encode(rectangle(0, 0, 0, 0))), "empty mask", THIRD, ".*no pixel"
    ),
    "way out": (changed(images__0__file_name="../b.png"), "path escape", ("../b.png", None, 3), "image 900: .*leads"),
    "absolute": (
        changed(images__0__file_name="/tmp/b.png"), "path escape", ("/tmp/b.png", None, 3), "image 900: .* leads out"
    ),
    "web": (
        changed(images__0__file_name="http://shop.org/b.png"), "missing", ("http://shop.org/b.png", None, 3), ""
    ),
    "no name": (changed(images__0__file_name=None), "bad entry", ("image 900", None, 3), "image 900 .*None"),
    "no height": (changed(images__0__height=0), "bad entry", ("b.png", None, 3), "image 900 has height 0"),
    "height in words": (changed(images__0__height="20"), "bad entry", ("b.png", None, 3), "image 900 has height '20'"),
    "endless": (changed(images__0__height=float("inf")), "bad entry", ("b.png", None, 3), "image 900 has height inf"),
    "same image id": (changed(images__1__id=900), "duplicate id", ("sub/a.png", None, None), "image id 900 occ"),
    "photo missing": (changed(images__0__file_name="c.png"), "missing", ("c.png", None, 3), ""),
}


@pytest.mark.parametrize("fault", [name for name in FAULTS if FAULTS[name][1] not in ("missing", "duplicate id")])
def test_a_fault_is_named_with_its_remedy(files, fault):
    content, _, (photo, number, _), message = FAULTS[fault]
    place = photo if number is None else f"{photo}, object {number}"
    with pytest.raises(DataError, match=f"instances.json: {place}: {message}.*on_error") as caught:
        load(files(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_can_be_skipped_with_a_warning(files, fault):
    content, kind, (photo, number, annotation_id), message = FAULTS[fault]
    with pytest.warns(UserWarning, match=f"skipped {photo}.*: {message}"):
        dataset = load(files(content), on_error="skip")
    if fault == "same image id":  # annotations 1, 2 and 4 are of image 4, which is not listed now
        assert dataset.faults.pop(0).kind == kind and {fault.photo for fault in dataset.faults} == {"image 4"}
        assert [info["id"] for info in dataset.image_info] == [900, 7]
        return
    found, = dataset.faults
    assert (found.kind, found.number) == (kind, number) and found.photo == photo.replace("\\", "")
    kept = [annotation["id"] for info in dataset.image_info for annotation in info["annotations"]]
    assert sorted(kept) == [i for i in (1, 2, 3, 4) if i != annotation_id]  # image 900 has annotation 3 alone
    assert len(dataset.image_ids) == (2 if content["images"] != CONTENT["images"] else 3)
    assert dataset.object_faults(0) == []


def test_many_faults_make_one_warning(files):
    content = changed()
    for annotation in content["annotations"]:
        annotation["category_id"] = 55
    with pytest.warns(UserWarning) as caught:
        dataset = load(files(content), on_error="skip")
    assert len(caught) == 1 and "and 1 more" in str(caught[0].message)
    assert len(dataset.image_ids) == 3


def test_missing_photos_are_named_and_counted_before_training(files):
    content = changed()
    content["images"] += [{"id": 1000 + i, "file_name": f"gone{i}.png", "height": 5, "width": 5} for i in range(50)]
    with pytest.raises(DataError, match=r"50 of 53 photos are not in .*: gone0.png, gone1.png, gone2.png, \.\.\.:"):
        load(files(content))
    assert len(load(files(content), limit=3).image_ids) == 3  # the rest is not asked for
    with pytest.warns(UserWarning, match="gone2.png.* and 47 more"):
        dataset = load(files(content), on_error="skip")
    assert [fault.photo for fault in dataset.faults] == [f"gone{i}.png" for i in range(50)]
    assert {fault.kind for fault in dataset.faults} == {"missing"} and len(dataset.image_ids) == 3


def test_numbers_of_objects_count_all_of_the_photo_in_the_file(files):
    # Photo 4 has annotations 1, 2 and 4; the first two are not taken for two different reasons.
    content = changed(annotations__0__segmentation=[])
    with pytest.warns(UserWarning, match="sub/a.png, object 0"):
        dataset = load(files(content), on_error="skip", class_ids=[31, 100])
    assert [entry.number for entry in dataset.objects(1)] == [2]
    assert [entry.number for entry in load(files(CONTENT)).objects(1)] == [0, 1, 2]


def test_an_object_thinner_than_a_pixel_is_a_fault_but_stops_nothing(files):
    sliver = [[3, 3, 9, 3.01, 3, 3.02]]  # area 0.06, but no pixel inside when drawn
    dataset = load(files(changed(annotations__0__segmentation=sliver)))
    fault, = dataset.object_faults(1)
    assert (fault.photo, fault.kind, fault.number) == ("sub/a.png", "empty mask", 0)
    assert dataset.load_mask(1)[1].tolist() == [1, -3]


def test_the_second_photo_of_an_id_does_not_take_the_first_with_it(files):
    content = changed()
    content["images"].append(dict(content["images"][0]))  # image 900 again, under the same name
    with pytest.warns(UserWarning, match="image id 900 occurs twice"):
        dataset = load(files(content), on_error="skip")
    assert len(dataset.image_ids) == 3 == len(without(dataset, dataset.faults).image_ids)


def test_annotation_ids_that_occur_twice_are_listed_and_their_objects_kept(files):
    content = changed(annotations__1__id=1)  # annotations 1 and 2 of photo 4, two objects
    content["annotations"].append({**content["annotations"][2], "area": 80})  # annotation 3 a second time
    with pytest.warns(UserWarning, match="harmless faults: sub/a.png, object 1: annotation 1 occurs twice; b.png, obj"):
        dataset = load(files(content))
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.faults] == [
        ("sub/a.png", "duplicate id", 1), ("b.png", "duplicate id", 1)
    ]
    assert "taken once" in dataset.faults[1].message
    assert [dataset.load_mask(i)[1].tolist() for i in range(3)] == [[3], [2, 1, -3], []]  # as in CONTENT
    left = without(dataset, dataset.faults)  # nothing more is left out
    assert [left.load_mask(i)[1].tolist() for i in range(3)] == [[3], [2, 1, -3], []]


@pytest.mark.parametrize("content, message", [
    ("{not json", "no JSON file"),
    ('{"images": ' + "[" * 99999, "no JSON file"),
    ("[]", "no list 'images'"),
    ({"images": [], "categories": []}, "no list 'annotations'"),
    ({"images": {}, "annotations": [], "categories": []}, "no list 'images'"),
    ({"images": [1], "annotations": [], "categories": []}, "no list 'images' of objects"),
    ({"images": [], "annotations": [], "categories": []}, "no photos remain"),
    (changed(images__1__id=900), "sub/a.png: image id 900 occurs twice"),
    (changed(categories__1__id=100), "category id 100 occurs twice"),
    (changed(images__1__id=None), "image .* has no id"),
    (changed(images__1__id=[1]), "image .* has no id"),
])
def test_files_that_are_no_coco_annotations(files, content, message):
    with pytest.raises(DataError, match=f"instances.json: .*{message}"):
        load(files(content))


def test_missing_files(files, tmp_path):
    annotations, folder = files(CONTENT)
    with pytest.raises(DataError, match="absent.json: cannot read"):
        load((str(tmp_path / "absent.json"), folder))
    with pytest.raises(DataError, match="nowhere: no such image folder"):
        load((annotations, str(tmp_path / "nowhere")))
    with pytest.raises(ValueError, match="neither"):
        load((annotations, folder), on_error="ignore")
