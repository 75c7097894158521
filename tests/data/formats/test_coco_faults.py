"""Reading COCO's JSON form: what is wrong is named."""

import numpy as np
import pytest
from coco_files import CONTENT, HEIGHT, WIDTH, changed, corners, load, rectangle, writer

from mrcnn.data.annotated import without
from mrcnn.data.curation.census import leave_out_bad
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError


@pytest.fixture
def files(tmp_path):
    return writer(tmp_path)


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
    "words": (first([["a"] * 6]), "bad entry", FIRST, "annotation 1: .*numbers"),
    "no number": (first([[1, 1, 5, 5, 2, float("nan")]]), "bad entry", FIRST, ".*finite"),
    "beside the photo": (
        first([corners(2, 40, 8, 50)]), "mask outside", FIRST, "annotation 1: .*no area"
    ),
    "far away": (
        first([corners(2, 3, 8, 5000)]), "mask outside", FIRST, "annotation 1: .*5000"
    ),
    "no polygon": (first([]), "no mask", FIRST, "annotation 1: it has no segmentation"),
    "nothing": (first(None), "no mask", FIRST, "annotation 1: it has no segmentation"),
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
    "way out": (changed(images__0__file_name="../z.png"), "path escape", ("../z.png", None, 3), "image 900: .*leads"),
    "absolute": (
        changed(images__0__file_name="/tmp/z.png"), "path escape", ("/tmp/z.png", None, 3), "image 900: .* leads out"
    ),
    "web": (
        changed(images__0__file_name="http://shop.org/c.png"), "missing", ("http://shop.org/c.png", None, 3), ""
    ),
    "no name": (changed(images__0__file_name=None), "bad entry", ("image 900", None, 3), "image 900 .*None"),
    "height in words": (
        changed(images__0__height="tall"), "bad entry", ("b.png", None, 3), "image 900 has height 'tall'"
    ),
    "half a pixel": (changed(images__0__height=20.5), "bad entry", ("b.png", None, 3), "image 900 has height 20.5"),
    "another size": (
        changed(images__0__height=40), "wrong size", ("b.png", None, 3), "the photo is 20x30 .*annotated as 40x30"
    ),
    "turned": (
        changed(images__0__height=30, images__0__width=20), "wrong size", ("b.png", None, 3),
        "the photo is 20x30 .*annotated as 30x20, .*EXIF"
    ),
    "crowd in words": (
        changed(annotations__2__iscrowd="perhaps"), "bad entry", THIRD, "annotation 3 has iscrowd 'perhaps'"
    ),
    "odd": (first([[1, 1, 5, 5, 9]]), "bad entry", FIRST, "annotation 1: part 1 of 1 .* 5 numbers, which do not pair"),
    "odd part": (
        first([corners(2, 3, 8, 9), [1, 1, 5]]), "bad entry", FIRST, "annotation 1: part 2 of 2 .* 3 numbers, which do"
    ),
    "lists and numbers": (first([5, [1, 1, 5, 5]]), "bad entry", FIRST, "annotation 1: part 1 of 1 .*list of numbers"),
    "shares": (first([[0.1, 0.1, 0.5, 0.1, 0.5, 0.9]]), "bad entry", FIRST, "annotation 1: .*multiply them by its"),
    "runs as a list": (first([100, 20, 480]), "bad entry", FIRST, 'annotation 1: .*"counts"'),
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
    met, = dataset.faults
    assert (met.kind, met.number) == (kind, number) and met.photo == photo.replace("\\", "")
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
    with pytest.raises(DataError, match=r"50 of 53 photos .*: gone0.png, gone1.png, gone2.png, \.\.\.:"):
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


def test_two_images_of_one_photo(files):
    content = changed(images__1__file_name="b.png")  # as image 900 is called, whose annotation is 3
    with pytest.raises(DataError, match="image 4: the photo b.png is that of image 900 too"):
        load(files(content))
    with pytest.warns(UserWarning, match="skipped image 4: "):
        dataset = load(files(content), on_error="skip")
    assert [info["id"] for info in without(dataset, dataset.faults).image_info] == [900, 7]


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


@pytest.mark.parametrize("name", ["/home/me/data/b.png", "C:\\data\\b.png", "../data/b.png", "\\\\host\\share\\b.png"])
def test_a_name_of_another_machine_is_the_one_file_that_it_looks_like(files, name):
    with pytest.warns(UserWarning, match="1 photo named as its file looks.* is b.png"):
        dataset = load(files(changed(images__0__file_name=name)))
    assert "b.png" in [dataset.file_name(i) for i in dataset.image_ids] and not dataset.faults


@pytest.mark.parametrize("name", ["b.png", "./b.png", "B.png"])
def test_objects_of_a_second_image_of_a_photo_are_lost_to_the_photo(files, name):
    content = changed()
    content["images"].append({**content["images"][0], "id": 901, "file_name": name})
    same, *others = [entry for entry in content["annotations"] if entry["image_id"] == 900]
    content["annotations"].append({**same, "image_id": 901, "id": 77})
    dataset = load(files(content), on_error="skip")
    assert not [loss for loss in dataset.lost if loss.photo == "b.png"]  # the first has it all
    content["annotations"].append({**same, "image_id": 901, "id": 78, "segmentation": [[1, 1, 5, 1, 5, 6]]})
    dataset = load(files(content), on_error="skip")
    assert [loss.objects for loss in dataset.lost if loss.photo == "b.png"] == [1]
    left = leave_out_bad(dataset, "b.json", False)
    assert "b.png" not in [left.file_name(i) for i in left.image_ids] and len(left.image_ids) == 2


def test_an_absent_photo_of_another_folder_costs_none_of_the_same_name(files):
    content = changed()
    content["images"].append({**content["images"][0], "id": 901, "file_name": "old/b.png"})
    other = next(entry for entry in content["annotations"] if entry["image_id"] == 900)
    content["annotations"].append({**other, "image_id": 901, "id": 78, "segmentation": [[1, 1, 5, 1, 5, 6]]})
    dataset = load(files(content), on_error="skip")
    assert [fault.photo for fault in dataset.faults] == ["old/b.png"] and "looks like b.png" in str(dataset.faults[0])
    assert not [loss for loss in dataset.lost if loss.photo == "b.png"]
