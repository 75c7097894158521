"""Matterport's door gives what its scripts expect of these names."""

import numpy as np

from mrcnn import utils


def test_every_name_is_there():
    assert sorted(utils.__all__) == utils.__all__
    assert all(hasattr(utils, name) for name in utils.__all__)


def test_a_script_written_for_matterport():
    class Balloons(utils.Dataset):
        def load_balloons(self):
            self.add_class("balloon", 1, "balloon")
            self.add_image("balloon", image_id="a.jpg", path="a.jpg", width=40, height=30)

        def load_mask(self, image_id):
            info = self.image_info[image_id]
            mask = np.zeros([info["height"], info["width"], 1], dtype=np.uint8)
            mask[10:20, 5:35, 0] = 1
            return mask.astype(bool), np.ones([mask.shape[-1]], dtype=np.int32)

    dataset = Balloons()
    dataset.load_balloons()
    dataset.prepare()
    mask, class_ids = dataset.load_mask(dataset.image_ids[0])
    bbox = utils.extract_bboxes(mask)
    assert bbox.tolist() == [[10, 5, 20, 35]] and class_ids.tolist() == [1]

    # 30 x 40 at a scale of 64 / 40 is 48 x 64, with 8 rows above and below.
    image = np.zeros((30, 40, 3), np.uint8)
    image, window, scale, padding, crop = utils.resize_image(image, min_dim=64, max_dim=64, mode="square")
    assert (image.shape, window, scale) == ((64, 64, 3), (8, 0, 56, 64), 1.6)
    mask = utils.resize_mask(mask, scale, padding, crop)
    assert utils.extract_bboxes(mask).tolist() == [[24, 8, 40, 56]]  # 8 + 10 * 1.6 and 5 * 1.6
    mini = utils.minimize_mask(utils.extract_bboxes(mask), mask, (56, 56))
    np.testing.assert_array_equal(utils.expand_mask(utils.extract_bboxes(mask), mini, image.shape), mask)


def test_compute_overlaps_is_the_matrix_of_ious():
    a, b = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30]])
    # Halves overlap: 50 shared of 150.
    np.testing.assert_allclose(utils.compute_overlaps(a, b), [[1, 1 / 3, 0]])
