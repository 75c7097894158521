"""What tools write otherwise than COCO does is set right, and told once."""

import numpy as np
import pytest
from coco_files import CONTENT, HEIGHT, WIDTH, changed, corners, load, rectangle, writer
from PIL import Image

from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError


@pytest.fixture
def files(tmp_path):
    return writer(tmp_path)


def loaded(files, content, note, **options):
    """The data set of a file about which one note is told."""
    with pytest.warns(UserWarning, match=f"instances.json: {note}") as caught:
        dataset = load(files(content), **options)
    assert len(caught) == len(dataset.notes) == 1
    return dataset


def same_as_content(dataset):
    """Whether a data set has the photos, classes and masks of CONTENT."""
    assert [info["id"] for info in dataset.image_info] == [900, 4, 7]
    assert [dataset.load_mask(i)[1].tolist() for i in range(3)] == [[3], [2, 1, -3], []]
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 0], rectangle(2, 3, 8, 9))
    return dataset.faults == []


def test_ids_may_be_text_in_one_place_and_number_in_another(files):
    content = changed(annotations__2__image_id="900", annotations__0__category_id="31", annotations__1__image_id=4.0)
    assert same_as_content(loaded(files, content, r"2 ids .*text.*\(first: annotation 1: image_id 4, category_id '31'"))


def test_numbers_of_ids_may_have_a_point(files):
    content = changed(images__0__id=900.0, annotations__2__image_id=900.0,
                      categories__0__id=100.0, annotations__2__id=3.0, annotations__2__category_id=100.0)
    dataset = load(files(content))
    assert same_as_content(dataset) and dataset.notes == []


def test_an_id_that_fits_two_is_told_as_text_against_number(files):
    content = changed(images__0__id="4", annotations__2__image_id="4")  # beside image 4: both are named exactly
    assert load(files(content)).load_mask(0)[1].tolist() == [3]
    content = changed(images__0__id="04", images__1__id="4", annotations__2__image_id="04")
    with pytest.raises(DataError, match="annotation 1 has image_id 4, .*'04' and '4'"):
        load(files(content))


def test_sizes_as_text_or_missing(files):
    content = changed(images__0__height=str(HEIGHT), images__1__width=float(WIDTH))
    assert same_as_content(loaded(files, content, r"1 size written as text.*\(first: b.png\)"))
    for value in (-1, 0, None, ""):
        content = changed(images__0__height=value, images__1__width=value)
        assert same_as_content(loaded(files, content, r"2 photos without a size.*\(first: b.png\)"))


def test_crowds_as_text(files):
    content = changed(annotations__0__iscrowd="0", annotations__1__iscrowd=None, annotations__3__iscrowd="1")
    dataset = load(files(content))
    assert same_as_content(dataset)
    assert [annotation.get("iscrowd") for annotation in dataset.image_info[1]["annotations"]] == [0, 0, 1]


def test_other_forms_of_polygons_and_crumbs_are_told_once(files):
    content = changed(annotations__0__segmentation=corners(2, 3, 8, 9))
    assert same_as_content(loaded(files, content, "1 outline written as one list of numbers"))
    content = changed(annotations__0__segmentation=[corners(2, 3, 8, 9), [1, 1], [5, 5, 6, 6]])
    assert same_as_content(loaded(files, content, "2 outline parts without area.*first: sub/a.png, annotation 1"))


def test_an_outline_elsewhere_than_its_box_is_told(files):
    loaded(files, changed(annotations__0__bbox=[20, 10, 5, 5]), "1 object with an outline that lies elsewhere")


@pytest.mark.parametrize("change, told", [
    ({"area": -36}, "a negative area"), ({"area": "36"}, "an area that is no number"), ({"area": 0}, "an area of 0"),
    ({"area": 1e6}, "an area larger than the photo"), ({"bbox": [9, 8, -6, -6]}, "a bbox of negative width or height"),
    ({"bbox": ["3", "2", "6", "6"]}, "a bbox that is no"), ({"bbox": [3, 2, 6]}, "a bbox that is no"),
    ({"bbox": [3, 2, 9, 8]}, "a bbox that looks like .x1, y1, x2, y2."),
])
def test_an_area_or_box_that_cannot_be_is_taken_from_the_mask(files, change, told):
    content = changed(**{f"annotations__0__{key}": value for key, value in change.items()})
    dataset = loaded(files, content, rf"1 object with {told}.*taken.*\(first: sub/a.png, annotation 1: ")
    assert same_as_content(dataset)
    entry = dataset.image_info[1]["annotations"][0]
    assert all(entry[key] == {"area": 36, "bbox": [3, 2, 6, 6]}[key] for key in change)


def test_boxes_that_are_masks_and_look_like_corners_are_told(files):
    content = boxes_alone()
    for annotation in content["annotations"]:
        annotation["bbox"] = [WIDTH - 8, HEIGHT - 8, WIDTH, HEIGHT]
    with pytest.warns(UserWarning, match=r"4 objects with a bbox that reaches beyond .*x1, y1, x2, y2"):
        load(files(content), boxes_as_masks=True)


def boxes_alone(count=4):
    content = changed()
    for annotation in content["annotations"][:count]:
        annotation.update(segmentation=[], bbox=[3, 2, 6, 6], iscrowd=0)
    return content


def test_boxes_alone_must_be_asked_for(files):
    for on_error in ("raise", "skip"):
        with pytest.raises(DataError, match=r"all 4 objects .*\(first: annotation 3\).*--boxes-as-masks"):
            load(files(boxes_alone()), on_error=on_error)
    dataset = loaded(files, boxes_alone(), "4 objects with a box.*draft", boxes_as_masks=True)
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], rectangle(2, 3, 8, 9))
    assert [dataset.load_mask(i)[1].tolist() for i in range(3)] == [[3], [2, 1, 3], []]


def test_a_box_beside_outlines_is_a_fault_but_a_rectangle_in_label_studio(files):
    with pytest.raises(DataError, match="sub/a.png, object 0: annotation 1: .*no outline.*--boxes"):
        load(files(boxes_alone(1)))
    content = {**boxes_alone(1), "info": {"contributor": "Label Studio"}}
    dataset = loaded(files, content, "1 object drawn as a rectangle")
    assert same_as_content(dataset)


def test_a_category_that_names_a_group_is_no_class(files):
    content = changed()
    content["categories"].insert(0, {"id": 0, "name": "clothes", "supercategory": "none"})
    for category in content["categories"][1:]:
        category["supercategory"] = "clothes"
    dataset = loaded(files, content, r"1 category without objects .*\(first: 0, clothes\)")
    assert same_as_content(dataset) and dataset.class_names == ["BG", "coat", "bag, purse", "shoe"]
    kept = load(files(content), class_ids=[0, 2, 31, 100])  # asked for
    assert kept.class_names == ["BG", "clothes", "coat", "bag, purse", "shoe"]


def test_categories_of_one_name_become_one_class(files):
    content = changed(annotations__0__category_id=500)
    content["categories"].append({"id": 500, "name": "bag, purse"})
    dataset = loaded(files, content, r"1 category of a name that another has.*\(first: 500, bag, purse\)")
    assert same_as_content(dataset) and dataset.class_names == ["BG", "coat", "bag, purse", "shoe"]


def brushed(*segmentations):
    content = changed()
    for annotation, segmentation in zip(content["annotations"], segmentations):
        annotation.update(segmentation=segmentation, iscrowd=int(isinstance(segmentation, dict)))
    return content


def test_a_file_in_which_every_run_length_is_a_crowd(files):
    runs = [rle_encode(rectangle(y, x, 8, 9)) for y, x in ((2, 3), (0, 0), (1, 1), (3, 3))]
    dataset = loaded(files, brushed(*runs), r"4 objects of 4 marked iscrowd: 1.*as objects.*\(first: annotation 3\)")
    assert [dataset.object_classes(i).tolist() for i in range(3)] == [[3], [2, 1, 3], []]
    kept = load(files(brushed(*runs)), crowds="ignore")
    assert [kept.object_classes(i).tolist() for i in range(3)] == [[-3], [-2, -1, -3], []] and kept.notes == []
    pieces = rle_encode(rectangle(0, 0, 4, 4) | rectangle(10, 20, 20, 30))
    with pytest.raises(DataError, match=r"4 of 4 objects .* \(2 shoe, 1 bag, purse, 1 coat\).*--crowds"):
        load(files(brushed(*[pieces] * 4)))
    assert load(files(brushed(*[pieces] * 4)), crowds="objects").object_classes(1).tolist() == [2, 1, 3]
    with pytest.raises(DataError, match="crowds='all'.*must be"):
        load(files(CONTENT), crowds="all")


def turned(tmp_path, *names):
    """Save photos of CONTENT as phones do: 30 rows and 20 columns in the file, EXIF turns them to 20 x 30."""
    for name in names:
        image = Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8))
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "photos" / name, exif=exif)


def test_sizes_or_outlines_of_a_photo_before_its_exif_turns_it(files, tmp_path):
    swapped = dict(images__1__height=WIDTH, images__1__width=HEIGHT, images__1__file_name="sub/a.jpg")
    wide = corners(10, 20, 20, 30)  # fits 20 x 30 alone
    paths = files(changed(**swapped, annotations__3__segmentation=[wide], annotations__3__iscrowd=0))
    turned(tmp_path, "sub/a.jpg")
    with pytest.warns(UserWarning, match=r"1 photo .*fit it upright.*\(first: sub/a.jpg\)"):
        dataset = load(paths)
    assert dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 2], rectangle(10, 20, 20, 30))
    # In the photo as stored, 30 rows and 20 columns: turned clockwise, column x becomes row x, and row y becomes column
    # 29 - y, so that rows 20 to 29 and columns 10 to 19 become rows 10 to 19 and columns 0 to 9.
    high = [corners(20, 10, 30, 20)]
    for index in (0, 1, 3):
        swapped.update({f"annotations__{index}__segmentation": high, f"annotations__{index}__iscrowd": 0})
    paths = files(changed(**swapped))
    with pytest.warns(UserWarning, match=r"1 photo annotated as it is before .*\(first: sub/a.jpg\)"):
        dataset = load(paths)
    for plane in dataset.load_mask(1)[0].transpose(2, 0, 1):
        np.testing.assert_array_equal(plane, rectangle(10, 0, 20, 10))


def test_a_background_without_objects_is_no_class_and_told(files):
    content = changed()
    content["categories"] = [{"id": 0, "name": "_background_", "supercategory": None}, *content["categories"]]
    dataset = loaded(files, content, r"1 category without objects and called like the background.*\(first: 0, _back")
    assert same_as_content(dataset) and "_background_" not in dataset.class_names
    assert [info["name"] for _, info in dataset.unused_groups] == ["_background_"]
    content["annotations"][0]["category_id"] = 0
    assert "_background_" in load(files(content)).class_names
