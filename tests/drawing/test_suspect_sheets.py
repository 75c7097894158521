"""Sheets of suspects: the right photos, framed where network and truth disagree."""

import numpy as np
from made_pictures import Pictures, rectangles

from mrcnn.data.run_lengths import encode
from mrcnn.drawing.suspect_sheets import FRAME, labels_drawn, objects_drawn, suspect_sheet, worst_of_photos
from mrcnn.evaluation.suspects import Suspect


def suspect(image, doubt=0.5, **more):
    return Suspect(image, f"{image}.jpg", "missing", doubt, **more)


def frame_of(picture):
    """(y1, x1, y2, x2) round all pixels in the colour of the frame."""
    rows, columns = (np.flatnonzero((picture == FRAME).all(axis=2).any(axis=axis)) for axis in (1, 0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


def test_one_suspect_a_photo():
    listed = [suspect(7, 0.9), suspect(7, 0.8), suspect(2, 0.7), suspect(5, 0.6)]
    assert [(s.image, s.doubt) for s in worst_of_photos(listed, 2)] == [(7, 0.9), (2, 0.7)]


def test_the_frame_is_round_what_is_true_and_found():
    shown = suspect(0, true_box=(20, 20, 40, 40), found_class="coat", found_box=(30, 50, 60, 70), score=0.9)
    pair = [np.full((100, 90, 3), 200, np.uint8) for _ in range(2)]
    sheet = suspect_sheet([shown], lambda _: (pair, 1.0))
    # Rows 20 to 60 and columns 20 to 70, and four pixels all round; both pictures have it.
    assert [frame_of(picture) for picture in pair] == [(16, 16, 64, 74)] * 2
    assert sheet.shape[1] > 180
    # At half the size, beyond the picture's edge it ends at the edge.
    pair = [np.full((50, 45, 3), 200, np.uint8) for _ in range(2)]
    shown = suspect(0, found_class="coat", found_box=(0, 0, 100, 60), score=0.9)
    suspect_sheet([shown], lambda _: (pair, 0.5))
    assert frame_of(pair[0]) == (0, 0, 50, 34)


def test_objects_are_drawn_that_are_sure_or_suspected():
    dataset = Pictures([rectangles((60, 40), [(0, 0, 20, 20)], [1])])
    masks = np.zeros((3, 60, 40), bool)
    masks[0, :20, :20] = masks[1, 30:50, :20] = masks[2, 30:50, 20:] = True
    results = [{"image_id": 5, "category_id": 2, "score": score, "segmentation": encode(mask)}
               for score, mask in zip((0.9, 0.2, 0.1), masks)]
    drawn = objects_drawn(dataset, {5: 0}, results, [{"id": 1, "name": "class 1"}, {"id": 2, "name": "class 2"}])
    (true, found), scale = drawn(suspect(5, found_class="class 2", score=0.2))
    photo = dataset.load_image(0)
    assert scale == 1 and true.shape == found.shape == (60, 40, 3)
    changed = (found != photo).any(axis=2)
    assert changed[:20, :20].mean() > 0.9 and changed[30:50, :20].mean() > 0.9 and changed[35:, 25:].mean() == 0


def test_label_maps_are_drawn_side_by_side():
    dataset = Pictures([rectangles((960, 40), [(0, 0, 480, 40)], [1])])
    (true, found), scale = labels_drawn(dataset, lambda photo: np.zeros(photo.shape[:2], np.uint8))(suspect(0))
    assert scale == 0.5 and true.shape == found.shape == (480, 20, 3)
    assert (true[:200] != found[:200]).mean() > 0.9 and (true[300:] == found[300:]).all()
