"""The worst photos of an evaluation of label maps."""

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.drawing import label_sheets
from mrcnn.drawing.label_maps import palette


class Photo(Dataset):
    """One black photo of 600 x 900 pixels."""

    def __init__(self):
        super().__init__()
        self.add_image("one", "p", path=None)
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((600, 900, 3), np.uint8)


def figures(iou, accuracy=0.5):
    return {"object_IoU": iou, "pixel_accuracy": accuracy, "photo": f"{iou}"}


def test_the_worst_photos_are_kept_small_and_shown_the_worst_first():
    """Of six photos of 900 pixels three are kept, at 480 pixels."""
    worst, dataset = label_sheets.WorstPhotos(["BG", "coat"], most=3), Photo()
    dataset.image_info = dataset.image_info * 6
    truth, labels = np.zeros((600, 900), np.uint8), np.zeros((600, 900), np.uint8)
    truth[:, :450] = 1
    truth[:150] = 255
    for image_id, (iou, accuracy) in enumerate([(0.5, 0.9), (0.9, 0.9), (0.2, 0.9), (0.5, 0.8), (0.5, 0.9), (0.1, 0)]):
        worst.add(image_id, truth, labels, figures(iou, accuracy))
    assert {entry[2][0].shape for entry in worst._kept} == {(320, 480)}
    shown = worst.sheets(dataset)
    assert [(sheet["photo"]["object_IoU"], sheet["photo"]["pixel_accuracy"]) for sheet in shown] == [
        (0.1, 0), (0.2, 0.9), (0.5, 0.8)]
    photo, true, label, difference = shown[0]["panels"]
    assert not photo.any() and not label.any()  # black; all is labelled as background
    assert (true[200, 100] == np.rint(0.75 * palette()[1])).all()
    assert difference[200, 100].tolist() == list(label_sheets.DIFFERENCES["missed: labelled as background"])
    assert difference[10, 10].tolist() == list(label_sheets.DIFFERENCES["ignored"])
    assert [name for name, _ in shown[0]["legend"]] == ["coat", "ignored"]


def test_of_equally_bad_photos_the_first_are_kept():
    worst, labels = label_sheets.WorstPhotos(["BG", "coat"], most=2), np.zeros((4, 4), np.uint8)
    for image_id in range(5):
        worst.add(image_id, labels, labels, figures(float("nan"), 1.0))
    assert sorted(-image_id for _, image_id, _ in worst._kept) == [0, 1]


def test_a_thinned_map_has_the_labels_in_the_middle(monkeypatch):
    """4 of 12 columns: each stands for three, and has the label of the second."""
    monkeypatch.setattr(label_sheets, "SHEET_SIDE", 4)
    labels = np.arange(36, dtype=np.uint8).reshape(3, 12)
    np.testing.assert_array_equal(label_sheets.thinned(labels), [[13, 16, 19, 22]])
    np.testing.assert_array_equal(label_sheets.thinned(labels[:, :4]), labels[:, :4])


def test_a_difference_says_what_kind_of_error_it_is():
    truth, labels = np.uint8([[0, 1, 0, 1, 255]]), np.uint8([[0, 0, 1, 2, 1]])
    drawing = label_sheets.difference(np.full((1, 5, 3), 100, np.uint8), truth, labels)
    missed, false, wrong, ignored = map(list, label_sheets.DIFFERENCES.values())
    # What is right is grey 100 with 0.7 of white: 30 + 178.5, which rounds to the even 208.
    assert drawing[0].tolist() == [[208] * 3, missed, false, wrong, ignored]
