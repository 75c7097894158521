"""COCO's forms: made of data sets and detections, and what is refused in them."""

import numpy as np
import pytest
from rectangles import Rectangles, as_detection, comparable

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation, without
from mrcnn.data.dataset import Dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError
from mrcnn.evaluation import coco
from mrcnn.evaluation.comparison import read_comparison

OBJECTS = [[(1, 10, 10, 50, 50), (2, 60, 60, 80, 80)], [(2, 5, 5, 95, 115)]]


def test_sub_pixel_boxes_are_kept():
    dataset = Rectangles().load([[(1, 10, 10, 50, 50)]])
    detection = {**as_detection([(1, 10, 10, 50, 50)]), "boxes": np.array([[10.25, 10.5, 50.75, 50.0]], np.float32)}
    result, = coco.results_from_detections(dataset, 0, detection)
    assert result["bbox"] == [10.5, 10.25, 39.5, 40.5]  # x, y, width, height


def test_annotations_of_a_file_are_handed_on_untouched():
    annotation = {"id": 5, "image_id": 9, "category_id": 10, "iscrowd": 0, "area": 3.5, "bbox": [1, 2, 3, 4],
                  "segmentation": [[1, 2, 4, 2, 4, 6.5]], "attributes": [1]}
    dataset = Dataset()
    dataset.add_class("coco", 10, "hat")
    dataset.add_image("coco", np.int64(9), path="a/b.jpg", width=20, height=30, annotations=[annotation])
    dataset.prepare()
    assert coco.ground_truth_from_dataset(dataset) == {
        "images": [{"id": 9, "file_name": "b.jpg", "height": 30, "width": 20}],
        "annotations": [annotation],
        "categories": [{"id": 10, "name": "hat"}],
    }


def test_boxes_and_areas_are_those_of_the_masks():
    annotation = coco.ground_truth_from_dataset(Rectangles().load([[(2, 60, 70, 80, 75)], []]))["annotations"][0]
    assert annotation["bbox"] == [70, 60, 5, 20] and annotation["area"] == 100
    assert annotation["category_id"] == 20 and annotation["image_id"] == 1000


class Rows(AnnotatedDataset):
    """Photos whose objects are run lengths already; their masks are not to be decoded."""

    def load(self, masks):
        self.add_class("rows", 7, "hat")
        self.add_photo("rows", "a", "photos/sub/a.jpg", "sub/a.jpg", 30, 20, masks=masks)
        self.prepare()
        return self

    def read_objects(self, image_id):
        for number, mask in enumerate(self.image_info[image_id]["masks"]):
            yield ObjectAnnotation(number, 1, rle_encode(mask), crowd=number == 1)


def test_run_lengths_are_taken_as_they_are(monkeypatch):
    monkeypatch.setattr(run_lengths, "decode_all", None)  # a call of it fails
    masks = np.zeros((3, 30, 20), bool)
    masks[0, 5:9, 0:20] = masks[1, 3:30, 4] = masks[1, 0:2, 5] = True  # the third is empty
    truth = coco.ground_truth_from_dataset(Rows().load(masks))
    assert truth["images"] == [{"id": "a", "file_name": "sub/a.jpg", "height": 30, "width": 20}]
    first, second = truth["annotations"]
    assert first["bbox"] == [0, 5, 20, 4] and first["area"] == 80 and first["iscrowd"] == 0
    assert second["bbox"] == [4, 0, 2, 30] and second["area"] == 29 and second["iscrowd"] == 1
    assert first["segmentation"] == rle_encode(masks[0]) and first["category_id"] == 7


def test_dropped_objects_are_no_ground_truth():
    annotations = [{"id": i, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25} for i in range(3)]
    dataset = AnnotatedDataset()
    dataset.add_class("coco", 1, "hat")
    # The object of number 1 was left out when the file was read.
    dataset.add_photo("coco", 1, "a.jpg", "a.jpg", 9, 9, annotations=annotations, numbers=[0, 2, 3])
    dataset.prepare()
    rest = without(dataset, [Fault("a.jpg", "empty mask", "", 2)])
    assert [a["id"] for a in coco.ground_truth_from_dataset(rest)["annotations"]] == [0, 2]
    assert len(coco.ground_truth_from_dataset(dataset)["annotations"]) == 3


def test_image_ids_of_numbers_and_of_text_together():
    truth, results = comparable(OBJECTS, OBJECTS)
    for entry in truth["images"] + truth["annotations"] + results:
        key = "image_id" if "image_id" in entry else "id"
        entry[key] = "second" if entry[key] == 1001 else entry[key]
    for kind in ("segm", "bbox"):
        assert coco.coco_average_precision(truth, results, kind)["AP"] == pytest.approx(1)


def test_what_is_compared_counts_from_0():
    truth, results = comparable(OBJECTS, OBJECTS)
    comparison = read_comparison(truth, results, "bbox", image_ids=[1001])
    assert comparison.image_ids == [1001] and comparison.sizes == [(100, 120)]
    assert [c["id"] for c in comparison.categories] == [10, 20]
    entry, = comparison.objects
    assert (entry["image_id"], entry["category_id"], entry["iscrowd"], entry["bbox"]) == (0, 1, 0, [5, 5, 110, 90])
    assert len(comparison.detections) == 1 and comparison.detections[0]["area"] == 110 * 90


def test_two_sources_that_share_category_ids():
    """Then the class ids are the category ids, in the annotations of files as well."""
    dataset = Dataset()
    dataset.add_class("a", 1, "hat")
    dataset.add_class("b", 1, "coat")
    for i, source in enumerate("ab"):
        annotation = {"id": 1 + i, "image_id": i, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
        dataset.add_image(source, i, f"{source}.jpg", height=100, width=120, annotations=[annotation])
    dataset.prepare()
    truth = coco.ground_truth_from_dataset(dataset)
    assert [c["id"] for c in truth["categories"]] == [a["category_id"] for a in truth["annotations"]] == [1, 2]
    result, = coco.results_from_detections(dataset, 1, as_detection([(2, 1, 1, 6, 6)]))
    assert result["category_id"] == 2


# --- Bad input -------------------------------------------------------------------------------------------------------


def truth_and_result():
    """A ground truth and the results of its first picture."""
    return comparable(OBJECTS, OBJECTS[:1])


@pytest.mark.parametrize("change, message", [
    ({"image_id": 77}, "Result 1 is of image 77, which the ground truth does not have"),
    ({"image_id": "1000"}, "number against text"),
    ({"category_id": 3}, "Result 1 has category 3, but the ground truth has categories 10, 20"),
    ({"score": float("nan")}, "score nan"),
    ({"score": None}, "score None"),
    ({"bbox": [1, 2, 3]}, r"must be \[x, y, width, height\]"),
    ({"segmentation": {"size": [120, 100], "counts": "0"}}, "Result 1 of image 1000 .* size .*120, 100"),
    ({"segmentation": {"size": [100, 120], "counts": "0"}}, "Result 1 of image 1000 .* covers 0 pixels"),
    ({"segmentation": None}, "no mask"),
])
def test_a_bad_result_is_named(change, message):
    truth, results = truth_and_result()
    results[1] = {**results[1], **change}
    with pytest.raises(DataError, match=message):
        coco.coco_average_precision(truth, results, "segm")


@pytest.mark.parametrize("change, message", [
    ({"image_id": 77}, "Annotation 2 is of image 77"),
    ({"category_id": 3}, "Annotation 2 has category 3"),
    ({"segmentation": []}, "Annotation 2 of image 1000 has no segmentation"),
    ({"segmentation": {"size": [100, 120]}}, "Annotation 2 of image 1000 has a segmentation that cannot be read"),
    ({"segmentation": [[1, 1, 1e9, 1, 1e9, 1e9]], "bbox": None}, "Annotation 2 of image 1000 .*far outside a photo"),
    ({"segmentation": [[1, 1, 119, 99] * 30_000], "bbox": None}, "Annotation 2 of image 1000 .*simplify"),
    ({"segmentation": [1, 1, 9, 1, 9, 9]}, "Annotation 2 of image 1000 .*corners"),
    ({"segmentation": [{"size": [100, 120], "counts": [1]}]}, "Annotation 2 of image 1000 .*list of numbers"),
    ({"segmentation": 7}, "Annotation 2 of image 1000 .*must be"),
    ({"iscrowd": "yes"}, "Annotation 2 has iscrowd 'yes'"),
    ({"iscrowd": -1}, "Annotation 2 has iscrowd -1: it must be 0 or 1"),
])
def test_a_bad_annotation_is_named(change, message):
    truth, results = truth_and_result()
    truth["annotations"][1] = {**truth["annotations"][1], **change}
    with pytest.raises(DataError, match=message):
        coco.coco_average_precision(truth, results, "segm")


@pytest.mark.parametrize("height, message", [
    ("100", "whole pixels"), (float("inf"), "whole pixels"), (None, "whole pixels"), (2**31, "more than 4294967295"),
])
def test_a_bad_size_is_named(height, message):
    truth, results = truth_and_result()
    for image in truth["images"]:
        image["height"] = height
    with pytest.raises(DataError, match=f"image 1000 .*{message}"):
        coco.coco_average_precision(truth, results, "segm")


def test_a_crumb_beside_a_polygon_counts_nothing():
    truth, results = truth_and_result()
    square = [10, 10, 50, 10, 50, 60, 10, 60]
    truth["annotations"] = [{**truth["annotations"][0], "segmentation": [square], "iscrowd": 0}]
    whole = coco.coco_average_precision(truth, results, "segm")
    for crumb in ([5, 5], [5, 5, 9, 9]):
        truth["annotations"][0]["segmentation"] = [crumb, square, crumb]
        np.testing.assert_equal(coco.coco_average_precision(truth, results, "segm"), whole)


def test_a_detection_of_a_class_that_the_dataset_lacks():
    with pytest.raises(DataError, match="class 3, but the dataset knows classes 1 to 2"):
        coco.results_from_detections(Rectangles().load(OBJECTS), 0, as_detection([(3, 1, 1, 9, 9)]))


def test_two_images_of_one_id():
    dataset = Dataset()
    dataset.add_image("a", 1, "a/1.jpg", height=1, width=1, annotations=[])
    dataset.add_image("b", 1, "b/1.jpg", height=1, width=1, annotations=[])
    dataset.prepare()
    with pytest.raises(DataError, match="Image id 1 occurs twice, in sources 'a' and 'b'"):
        coco.ground_truth_from_dataset(dataset)


def test_other_questions_are_refused():
    truth, results = truth_and_result()
    with pytest.raises(DataError, match="'keypoints': take one of segm, bbox"):
        read_comparison(truth, results, "keypoints")
    with pytest.raises(DataError, match="no image 7, which was to be evaluated"):
        read_comparison(truth, results, "segm", image_ids=[7])
    with pytest.raises(DataError, match="is no COCO results file"):
        read_comparison(truth, {"annotations": []}, "segm")
    with pytest.raises(DataError, match="image id 1000 twice"):
        read_comparison({**truth, "images": truth["images"][:1] * 2}, results, "segm")
