"""What is left to learn from, and what is told of what is not."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import Fault, without
from mrcnn.data.curation.census import check_census, leave_out_partial, take_census
from mrcnn.data.curation.splits import apply_split
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.coco import CocoDataset
from mrcnn.errors import DataError

SQUARE = [[2, 2, 9, 2, 9, 9, 2, 8]]  # but for a corner


def write(tmp_path, *photos, names=("hat", "shoe")):
    """Path of a COCO file; a photo is a list of (category id, iscrowd, segmentation)."""
    images, annotations = [], []
    for i, objects in enumerate(photos):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 20, "width": 30})
        for category_id, crowd, segmentation in objects:
            annotations.append({"id": len(annotations), "image_id": i, "category_id": category_id, "iscrowd": crowd,
                                "segmentation": segmentation})
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return str(path)


HAT, SHOE = (1, 0, SQUARE), (2, 0, SQUARE)
BAD, CROWD = (2, 0, [[1, 1, 5, 5]]), (1, 1, SQUARE)


def told(call):
    """(what a call returns, list of its warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [str(warning.message) for warning in caught]


def test_nothing_is_told_where_all_is_well(tmp_path):
    dataset, lines = told(lambda: open_dataset(write(tmp_path, [HAT, SHOE], [HAT], [])))
    assert lines == [] and told(lambda: check_census(dataset, "a.json", "train")) == (None, [])
    census = take_census(dataset)
    assert (census.counts.tolist(), census.photos, census.crowds, census.lost) == ([2, 1], 3, 0, {})


def test_classes_without_objects_are_named(tmp_path):
    names = ("hat", "shoe", "belt", "bag", "scarf", "coat", "tie")
    dataset = open_dataset(write(tmp_path, [HAT], names=names))
    for use, words in (("train", "cannot be learned"), ("measure", "are not measured")):
        _, (line,) = told(lambda use=use: check_census(dataset, "a.json", use))
        assert line == f"a.json: 6 of 7 classes have no object and {words}: shoe, belt, bag, scarf, coat, ...."


def test_nothing_left_is_an_error(tmp_path):
    dataset = open_dataset(write(tmp_path, [], []))
    with pytest.raises(DataError, match="a.json: none of 2 photos has an object"):
        check_census(dataset, "a.json", "train")
    dataset = open_dataset(write(tmp_path, [CROWD, CROWD]), crowds="ignore")
    with pytest.raises(DataError, match="none of 1 photos .*2 are marked as crowds.*--crowds objects"):
        check_census(dataset, "a.json", "measure")
    dataset, _ = told(lambda: open_dataset(write(tmp_path, [BAD], []), on_error="skip", keep_partial=True))
    with pytest.raises(DataError, match="none of 2 photos .*: 1 left out as at fault"):
        check_census(dataset, "a.json", "train")


def test_more_than_a_tenth_lost_is_told_with_numbers_and_reasons(tmp_path):
    dataset, _ = told(lambda: open_dataset(write(tmp_path, [HAT] * 9, [SHOE, CROWD]), crowds="ignore"))
    assert told(lambda: check_census(dataset, "a.json", "train"))[1] == []  # 1 of 11
    dataset, _ = told(lambda: open_dataset(write(tmp_path, [HAT] * 8 + [SHOE], [CROWD, CROWD]), crowds="ignore"))
    _, (line,) = told(lambda: check_census(dataset, "a.json", "train"))
    assert "2 of 11 objects (18 %) are not left to train on: 2 crowds, which are ignored: " in line


def test_photos_that_lost_objects_are_left_out_and_told_of(tmp_path):
    path = write(tmp_path, [HAT, BAD], [HAT, SHOE, BAD, BAD], [HAT, SHOE], [(1, 0, [[1, 1, 5, 5, 9, 9]]), SHOE])
    dataset, lines = told(lambda: open_dataset(path, on_error="skip"))
    # The last photo has an object without a pixel, which is no loss.
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["2.png", "3.png"]
    assert "left out 2 photos that lost 3 objects (first: 0.png), for" in lines[-1] and "--keep-partial" in lines[-1]
    census = take_census(dataset)
    assert census.lost == {"left out as at fault": 3, "in photos left out, which lost others": 3}
    assert census.lost_photos == 2 and census.counts.tolist() == [1, 2]
    _, (line,) = told(lambda: check_census(dataset, "a.json", "train"))
    assert "6 of 9 objects (67 %)" in line and "2 of 4 photos left out" in line
    dataset, lines = told(lambda: open_dataset(path, on_error="skip", keep_partial=True))
    assert len(dataset.image_ids) == 4
    assert "kept 2 photos that lost 3 objects (first: 0.png): what was lost is taught as background" in lines[-1]


def test_where_every_photo_lost_an_object(tmp_path):
    path = write(tmp_path, [HAT, BAD])
    with pytest.raises(DataError, match="every photo lost an object.*--keep-partial"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        open_dataset(path, on_error="skip")


def test_what_a_list_of_faults_drops_is_lost_too(tmp_path):
    dataset = open_dataset(write(tmp_path, [HAT, SHOE], [HAT, SHOE], [SHOE], [HAT]))
    faults = [Fault("0.png", "mask outside", "", 1), Fault("1.png", "empty mask", "", 0),
              Fault("2.png", "unreadable", "")]
    left, lines = told(lambda: leave_out_partial(without(dataset, faults), "faults.json", False))
    assert [left.file_name(i) for i in left.image_ids] == ["1.png", "3.png"] and len(lines) == 1
    assert dataset.lost == []  # the original is as it was
    census = take_census(left)
    assert census.lost_photos == 2 and sum(census.lost.values()) == 2 and census.counts.tolist() == [1, 1]


@pytest.mark.parametrize("second, stays", [([HAT], True), ([SHOE], False), ([HAT, SHOE], False)])
def test_objects_of_a_second_listing_are_lost_to_the_photo(tmp_path, second, stays):
    dataset = open_dataset(write(tmp_path, [HAT], second, [SHOE]))
    dataset.image_info[1]["file_name"] = "0.png"
    faults = [Fault("0.png", "duplicate id", "the photo is listed 2 times")]
    left, lines = told(lambda: leave_out_partial(without(dataset, faults), "faults.json", False))
    assert [left.file_name(i) for i in left.image_ids] == ["0.png"] * stays + ["2.png"]
    assert stays or "left out 1 photo that lost 1 object (first: 0.png)" in lines[0]
    left, _ = told(lambda: leave_out_partial(without(dataset, faults), "faults.json", True))
    assert [left.object_count(i) for i in left.image_ids] == [1, 1]


def test_a_part_of_a_split_lost_what_its_own_photos_lost(tmp_path):
    path = write(tmp_path, [HAT, BAD], [HAT, SHOE], [HAT, SHOE])
    dataset, _ = told(lambda: open_dataset(path, on_error="skip"))
    split = {"parts": {"train": ["0.png", "1.png"], "val": ["2.png"]}}
    assert take_census(apply_split(dataset, split, "train")).lost_photos == 1
    assert take_census(apply_split(dataset, split, "val")).lost_photos == 0


def test_formats_that_look_at_objects_late_are_looked_at(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / f"{name}.png")
    path = tmp_path / "a.csv"
    path.write_text("ImageId,EncodedPixels,ClassId\na.png,1 2,1\na.png,19 9,1\nb.png,1 2,1\n")
    dataset, lines = told(lambda: open_dataset(str(path), on_error="skip"))
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.png"]
    assert "skipped a.png, object 1: its run of 9 pixels" in lines[0] and "1 photo that lost 1 object" in lines[1]


def test_a_reader_alone_keeps_photos_that_lost_objects(tmp_path):
    dataset, _ = told(lambda: CocoDataset().load(write(tmp_path, [HAT, BAD], [HAT]), on_error="skip"))
    assert len(dataset.image_info) == 2


def test_outlines_that_are_boxes_are_told(tmp_path):
    box = (1, 0, [[2, 2, 9, 2, 9, 9, 2, 9]])
    dataset = open_dataset(write(tmp_path, [box] * 3, names=("hat",)))
    _, (line,) = told(lambda: check_census(dataset, "a.json", "train"))
    assert "every outline is an upright rectangle" in line
    dataset = open_dataset(write(tmp_path, [box] * 3 + [HAT], names=("hat",)))
    assert told(lambda: check_census(dataset, "a.json", "train"))[1] == []


def maps(tmp_path, *parts, names="background\ncat\n", **options):
    """Data set of a label map with parts of 5x5 pixels, whose labels are given."""
    labels = np.zeros((20, 30), np.uint8)
    for i, label in enumerate(parts):
        labels[:5, 7 * i : 7 * i + 5] = label
    (tmp_path / "maps").mkdir(exist_ok=True)
    Image.fromarray(labels).save(tmp_path / "maps" / "a.png")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "maps" / "label_names.txt").write_text(names)
    return open_dataset(tmp_path / "maps", tmp_path, **options)


def test_parts_of_label_maps_that_are_no_objects_are_told(tmp_path):
    dataset = maps(tmp_path, 1, 1, min_area=9)
    _, (line,) = told(lambda: check_census(dataset, "maps", "train"))
    assert line.startswith("maps: 1 object is made of 2 parts that lie apart") and "--mapping" in line
    assert told(lambda: check_census(dataset, "maps", "train", objects=False))[1] == []  # for networks of label maps


def test_small_parts_of_label_maps_are_enough_for_networks_of_label_maps(tmp_path):
    dataset = maps(tmp_path, 1, 1)
    for use in ("train", "measure"):
        assert told(lambda use=use: check_census(dataset, "maps", use, objects=False)) == (None, [])
        with pytest.raises(DataError, match="has an object to .*: 2 parts of label maps under 60 pixels.*--min-area 1"):
            check_census(dataset, "maps", use)
    with pytest.raises(DataError, match="maps: none of 1 photos has a labelled pixel to train on: the photos have"):
        check_census(maps(tmp_path), "maps", "train", objects=False)


def test_classes_of_networks_of_label_maps_are_counted_by_their_pixels(tmp_path):
    dataset = maps(tmp_path, 2, 255, names="background\ncat\nearring\nhat\n")
    assert take_census(dataset, objects=False).counts.tolist() == [0, 1, 0]
    _, (line,) = told(lambda: check_census(dataset, "maps", "train", objects=False))
    assert line == "maps: 2 of 3 classes have no pixel and cannot be learned: cat, hat."
    _, (line,) = told(lambda: check_census(dataset, "maps", "measure", objects=False))
    assert "no pixel and count in the mean IoU, as 0, only if the network sees them: cat, hat." in line


def test_objects_stand_for_pixels_where_there_are_no_label_maps(tmp_path):
    dataset = open_dataset(write(tmp_path, [HAT, SHOE], [HAT], []))
    assert take_census(dataset, objects=False).counts.tolist() == [2, 1]
