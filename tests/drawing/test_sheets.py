"""Sheets of photos, as annotated and as detected."""

from types import SimpleNamespace

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.drawing import sheets


class Photo(Dataset):
    """One photo of 600 x 900 pixels with one object of 300 x 300."""

    def __init__(self):
        super().__init__()
        self.add_class("one", 5, "coat")
        self.add_image("one", "p", path=None)
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((600, 900, 3), np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((600, 900, 1), bool)
        masks[150:450, 300:600] = True
        return masks, np.array([1], np.int32)


def test_true_and_detected_are_drawn_side_by_side():
    dataset = Photo()
    missed = sheets.drawn_pair(dataset, 0, [], [{"id": 5}], [(0, 0, 0), (1, 0, 0)])
    results = [{"category_id": 5, "score": 0.9, "segmentation": rle_encode(dataset.load_mask(0)[0][..., 0])}]
    both = sheets.drawn_pair(dataset, 0, results, [{"id": 5}], [(0, 0, 0), (1, 0, 0)])
    # 900 pixels become 480: the object fills rows 80 to 240 and columns 160 to 320, in the colour of its class.
    for picture, seen in ((missed[0], True), (missed[1], False), (both[1], True)):
        assert picture.shape == (320, 480, 3)
        inside = picture[85:235, 165:315]
        assert (inside[..., 0] > 50).all() == seen and inside[..., 1].max() < 50
        assert picture[250:, 330:].max() == 0


def test_the_sheet_takes_photos_from_all_of_the_data(monkeypatch):
    drawn = []

    def draw(dataset, image_id, results, categories, colors):
        drawn.append((image_id, results))
        return [np.zeros((9, 9, 3), np.uint8)] * 2

    monkeypatch.setattr(sheets, "drawn_pair", draw)
    truth = {"images": [{"id": f"i{i}", "file_name": f"{i}.png"} for i in range(100)], "categories": []}
    dataset = SimpleNamespace(class_names=["BG", "hat"], image_ids=range(100))
    results = [{"image_id": "i99", "score": 0.5}, {"image_id": "i99", "score": 0.4}, {"image_id": "i1", "score": 0.9}]
    (title, sheet), = sheets.photo_sheet(dataset, results, truth, 0.5)
    assert [image_id for image_id, _ in drawn] == [0, 14, 28, 42, 56, 70, 84, 99]
    assert drawn[-1][1] == results[:1] and "0.50" in title and sheet.dtype == np.uint8


def test_depth_beside_the_colours_is_no_transparency():
    class Deep(Photo):
        def load_image(self, image_id):
            return np.full((600, 900, 4), [10, 20, 30, 0], np.int64)

    _, detected = sheets.drawn_pair(Deep(), 0, [], [{"id": 5}], [(0, 0, 0), (1, 0, 0)])
    assert detected[300, 400].tolist() == [10, 20, 30]
