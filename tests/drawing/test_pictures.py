import os

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from mrcnn import visualize
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.drawing import pictures as drawing
from mrcnn.errors import DataError

matplotlib.use("Agg")

NAMES = ["BG", "top", "bag"]
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def grey(height=60, width=90, value=100):
    return np.full((height, width, 3), value, np.uint8)


def masks_of(boxes, shape=(60, 90)):
    masks = np.zeros(shape + (len(boxes),), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return masks


# --- draw_instances -------------------------------------------------------------------------------------------
def test_masks_are_blended_inside_and_outlined():
    boxes, image = [(30, 30, 50, 60)], grey()
    drawn = drawing.draw_instances(image, boxes, masks_of(boxes), [1], NAMES, colors=[RED], show_bbox=False)
    # 100 * 0.55 + 45 % of (255, 0, 0) = (169.75, 55, 55), cut to whole numbers.
    assert drawn[40, 45].tolist() == [169, 55, 55]
    # The outline is the mask's own outermost pixel, at full strength; the pixel outside keeps the photo.
    assert drawn[40, 30].tolist() == drawn[49, 45].tolist() == [255, 0, 0]
    assert drawn[40, 29].tolist() == drawn[50, 45].tolist() == [100, 100, 100]
    assert (image == 100).all()


def test_the_outline_follows_the_border_of_the_photo():
    boxes = [(40, 70, 60, 90)]
    drawn = drawing.draw_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[RED], show_bbox=False)
    assert (drawn[45:, 89] == (255, 0, 0)).all() and (drawn[59, 72:] == (255, 0, 0)).all()


def test_boxes_are_drawn_on_their_own_pixels():
    boxes = [(30, 30, 50, 60)]
    drawn = drawing.draw_instances(grey(), boxes, None, [1], NAMES, colors=[BLUE])
    blue = (drawn == (0, 0, 255)).all(axis=2)
    blue[:30] = False  # the label is above the box
    # A border one pixel wide: 30 wide, 20 high.
    assert blue.sum() == 2 * 30 + 2 * 18
    assert blue[30, 30] and blue[49, 59] and not blue[40, 45] and not blue[50, 60]


def test_small_instances_are_drawn_over_large_ones():
    boxes = [(100, 100, 140, 140), (60, 60, 190, 190)]
    masks = masks_of(boxes, (200, 200))
    drawn = drawing.draw_instances(grey(200, 200), boxes, masks, [2, 1], NAMES, colors=[RED, BLUE], show_bbox=False)
    assert drawn[139, 120].tolist() == [255, 0, 0]


def test_run_lengths_are_drawn_as_their_masks():
    boxes = [(30, 30, 50, 60), (0, 0, 20, 90), (0, 0, 0, 0)]
    masks = masks_of(boxes)
    masks[35:40, 40:45, 0] = False
    rles = [rle_encode(masks[..., i]) for i in range(3)]
    for settings in ({}, {"scale": 2}, {"show_mask": False}):
        drawn = [drawing.draw_instances(grey(), boxes, some, [1, 2, 0], NAMES, **settings) for some in (masks, rles)]
        np.testing.assert_array_equal(*drawn)
    with pytest.raises(ValueError, match="2 masks"):
        drawing.draw_instances(grey(), boxes, rles[:2], [1, 2, 0], NAMES)


@pytest.mark.parametrize("name", ["show_mask", "show_bbox"])
def test_masks_and_boxes_can_be_left_out(name):
    masks = masks_of([(35, 35, 45, 55)])
    arguments = dict(show_mask=False, show_bbox=False)
    arguments[name] = True
    drawn = drawing.draw_instances(grey(), [(30, 30, 50, 60)], masks, [1], NAMES, colors=[RED], **arguments)
    assert (drawn[40, 45].tolist() == [100, 100, 100]) == (name == "show_bbox")
    assert (drawn[49, 45].tolist() == [100, 100, 100]) == (name == "show_mask")


def test_labels_say_name_and_score_and_stay_apart(monkeypatch):
    said, places = [], []
    place = drawing._free_place

    def recorded(*arguments):
        places.append(place(*arguments))
        return places[-1]

    monkeypatch.setattr(drawing, "_free_place", recorded)
    monkeypatch.setattr("PIL.ImageDraw.ImageDraw.text", lambda self, at, text, **style: said.append(text))
    boxes = [(50, 60, 80, 100), (52, 62, 82, 100), (0, 90, 20, 119)]
    drawn = drawing.draw_instances(grey(120, 120), boxes, None, [1, 2, 9], NAMES, scores=[0.987, 0.5, 1],
                                     colors=[RED, BLUE, RED])
    assert said == ["top 0.99", "bag 0.50", "class 9 1.00"]
    for i, (y1, x1, y2, x2) in enumerate(places):
        assert 0 <= y1 < y2 <= 120 and 0 <= x1 < x2 <= 120
        middle = drawn[int(y1 + y2) // 2, int(x1 + x2) // 2]
        assert middle.tolist() == [[255, 0, 0], [0, 0, 255], [255, 0, 0]][i]
        for other in places[:i]:
            assert y2 <= other[0] or other[2] <= y1 or x2 <= other[1] or other[3] <= x1


def test_no_instances_says_so():
    image = grey(60, 160, 30)
    drawn = drawing.draw_instances(image, np.zeros((0, 4)), np.zeros((60, 160, 0), bool), np.zeros(0, int), NAMES)
    changed = (drawn != image).any(axis=2)
    assert changed[:20].any() and not changed[20:].any()
    padding = drawing.draw_instances(image, np.zeros((2, 4)), np.zeros((60, 160, 2), bool), [0, 0], NAMES)
    assert np.array_equal(padding, drawn)


def test_disagreeing_numbers_are_refused():
    with pytest.raises(ValueError, match="2 boxes, 1 class_ids, 2 masks"):
        drawing.draw_instances(grey(), np.ones((2, 4)), np.zeros((60, 90, 2), bool), [1], NAMES)
    with pytest.raises(ValueError, match="3 scores"):
        visualize.display_instances(grey(), np.ones((1, 4)), np.zeros((60, 90, 1), bool), [1], NAMES, scores=[1, 1, 1])


def test_masks_of_another_size_than_the_photo_are_refused():
    mini, message = np.ones((56, 56, 1), bool), r"of size \[56, 56\], the photo of \[60, 90\].*utils.expand_mask"
    for masks in (mini, [rle_encode(mini[..., 0])]):
        with pytest.raises(ValueError, match=message):
            drawing.draw_instances(grey(), [(30, 30, 50, 60)], masks, [1], NAMES)
        drawing.draw_instances(grey(), [(30, 30, 50, 60)], masks, [1], NAMES, show_mask=False)
    with pytest.raises(ValueError, match=message):
        visualize.display_instances(grey(), np.float32([(30, 30, 50, 60)]), mini, [1], NAMES)
    with pytest.raises(ValueError, match=message):
        visualize.draw_boxes(grey(), np.float32([(30, 30, 50, 60)]), masks=mini)


def test_masks_one_by_one_are_drawn_as_the_array_of_all():
    boxes = [(30, 30, 50, 60), (0, 0, 20, 90)]
    masks = masks_of(boxes)
    rles = tuple(rle_encode(masks[..., i]) for i in range(2))
    for few in ([masks[..., 0], masks[..., 1]], rles, (masks[..., 0], rles[1])):
        drawn = [drawing.draw_instances(grey(), boxes, some, [1, 2], NAMES) for some in (masks, few)]
        np.testing.assert_array_equal(*drawn)


def test_names_by_id_are_drawn_as_the_list_of_all():
    boxes = [(30, 30, 50, 60), (0, 0, 20, 90)]
    for names, ids in (({1: "top", 2: "bag"}, [1, 2]), ({5: "top", 9: "bag"}, [5, 9])):
        drawn = [drawing.draw_instances(grey(), boxes, None, *some) for some in (([1, 2], NAMES), (ids, names))]
        np.testing.assert_array_equal(*drawn)


def test_colours_outside_their_range_are_refused():
    boxes = [(30, 30, 50, 60)]
    message = r"in 0..1, not \(255, 0, 0\): divide"
    with pytest.raises(ValueError, match=message):
        drawing.draw_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[(255, 0, 0)])
    with pytest.raises(ValueError, match=message):
        visualize.display_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[(255, 0, 0)], show_bbox=False)
    with pytest.raises(ValueError, match=message):
        drawing.apply_mask(grey(), np.ones((60, 90), bool), (255, 0, 0))


def test_captions_are_counted_and_may_be_left_out():
    boxes, none = [(30, 30, 50, 60), (5, 5, 20, 30)], {"show_bbox": False}
    with pytest.raises(ValueError, match="2 boxes, 2 class_ids, .*1 captions"):
        drawing.draw_instances(grey(), boxes, None, [1, 2], NAMES, captions=["one"])
    with pytest.raises(ValueError, match="2 boxes, 1 captions"):
        visualize.draw_boxes(grey(), np.float32(boxes), captions=["one"])
    drawn = drawing.draw_instances(grey(), boxes, None, [1, 2], NAMES, captions=[None, ""], **none)
    assert (drawn == 100).all()


def test_class_names_that_cannot_be_drawn_are_told(monkeypatch):
    monkeypatch.setattr("mrcnn.fonts._told", set())
    monkeypatch.setattr("mrcnn.fonts.fonts_with", lambda letters: ())  # whatever this machine has
    with pytest.warns(UserWarning, match="1 name is drawn as empty boxes.*赤い ドレス"):
        drawing.draw_instances(grey(), [(30, 30, 50, 60)] * 2, None, [1, 1], ["BG", "赤い ドレス"], scores=[0.9, 0.8])


@pytest.mark.parametrize("image, value", [
    (np.full((4, 6), 200, np.uint8), 200), (np.full((4, 6, 1), 200), 200), (np.ones((4, 6), bool), 255),
    (np.full((4, 6, 3), 0.4), 102), (np.full((4, 6, 3), 1.000001), 255), (np.full((4, 6, 3), 1.2, np.float32), 255),
    (np.zeros((4, 6, 3)), 0), (np.full((4, 6, 3), 200.4, np.float32), 200),
    (np.full((4, 6, 3), 51400, np.uint16), 200),  # 51400 = 200 * 256 + 200: the high byte, as of 16-bit files
    (np.dstack([np.full((4, 6, 3), 50), np.full((4, 6), 51)]).astype(np.uint8), 214),  # 50 / 5 + 255 * 4 / 5
    (np.dstack([np.full((4, 6), 50), np.full((4, 6), 51)]).astype(np.uint8), 214),
])
def test_photos_of_any_kind_become_rgb(image, value):
    rgb = drawing.as_rgb(image)
    assert rgb.dtype == np.uint8 and rgb.shape == (4, 6, 3) and (rgb == value).all()
    drawn = [drawing.draw_instances(photo, [(0, 0, 4, 6)], None, [1], NAMES, captions=[""]) for photo in (image, rgb)]
    np.testing.assert_array_equal(*drawn)
    ax = visualize.display_instances(image, np.zeros((0, 4)), None, [], NAMES, ax=plt.figure().add_subplot())
    assert (np.asarray(ax.images[0].get_array()) == value).all()
    plt.close()


def test_a_path_is_drawn_as_its_photo(tmp_path):
    Image.fromarray(grey()).save(tmp_path / "a.png")
    for photo in (str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), Image.open(tmp_path / "a.png")):
        np.testing.assert_array_equal(drawing.as_rgb(photo), grey())
    boxes = [(30, 30, 50, 60)]
    photos = tmp_path / "a.png", grey()
    drawn = [drawing.draw_instances(photo, boxes, masks_of(boxes), [1], NAMES) for photo in photos]
    np.testing.assert_array_equal(*drawn)
    with pytest.raises(DataError, match="gone.png: cannot read the photo"):
        drawing.as_rgb("gone.png")


@pytest.mark.parametrize("image, message", [
    (np.full((4, 6, 3), -1.0), "values from -1 to -1.*unmold_image"), (np.full((4, 6, 3), np.nan), "from nan"),
    (np.full((4, 6, 3), 70000), "to 70000"), (np.zeros((1, 4, 6, 3)), r"not \[1, 4, 6, 3\]"),
    (np.full((4, 6), "x"), "has numbers, not <U1"),
])
def test_what_is_no_photo_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        drawing.as_rgb(image)


def test_enlarged_drawings_keep_the_places():
    boxes = [(30, 30, 50, 60)]
    drawn = drawing.draw_instances(grey(), boxes, masks_of(boxes), [1], NAMES, colors=[RED], scale=2)
    assert drawn.shape == (120, 180, 3)
    assert drawn[80, 90].tolist() == [169, 55, 55]
    red = (drawn == (255, 0, 0)).all(axis=2)
    # Box and mask of rows 30..49 end at row 99 of the double size.
    assert red[99, 60:120].all() and not red[100:].any() and red[80, 60] and red[80, 119] and not red[80, 120:].any()


# --- Other pictures -------------------------------------------------------------------------------------------
def test_contact_sheet_places_every_picture_in_its_cell():
    images = [grey(20, 30, 10), np.full((10, 10), 70, np.uint8), np.ones((20, 30), bool)]
    sheet = drawing.contact_sheet(images, columns=2)
    # Two rows and columns of 20 x 30 with gaps of 6: (6 + 20 + 6 + 20 + 6) x (6 + 30 + 6 + 30 + 6).
    assert sheet.shape == (58, 78, 3)
    assert (sheet[6:26, 6:36] == 10).all()
    # The small one is centred: 10 pixels of the 30 on each side.
    assert (sheet[6:16, 52:62] == 70).all() and (sheet[6:26, 42:52] == 255).all()
    assert (sheet[32:52, 6:36] == 255).all()
    assert (sheet[:6] == 255).all() and (sheet[32:52, 42:72] == 255).all()


def test_contact_sheet_writes_titles_below_and_cuts_long_ones():
    images = [grey(20, 60, 200)] * 2
    sheet = drawing.contact_sheet(images, ["", "far too long a title for 60 pixels"], columns=1)
    below = sheet[26 + 18 + 6 + 20:]
    assert (sheet[26:44] == 255).all()
    assert (below < 128).any() and (below[:, 66:] == 255).all()
    with pytest.raises(ValueError, match="2 and 1"):
        drawing.contact_sheet(images, ["one"])
    with pytest.raises(ValueError, match="0 and 0"):
        drawing.contact_sheet([])
    with pytest.raises(ValueError, match="columns=0 must be 1 or more"):
        drawing.contact_sheet(images, columns=0)


def test_distinct_colors_differ():
    colors = np.array(drawing.distinct_colors(12))
    distance = np.abs(colors[:, None] - colors[None]).max(axis=2) + np.eye(12)
    assert distance.min() > 0.1
    assert colors.min() >= 0 and colors.max() <= 1
    assert drawing.distinct_colors(5) == drawing.distinct_colors(30)[:5]


def test_random_colors_are_the_even_hues_in_some_order():
    # Hues 0, 1/3 and 2/3 are pure red, green and blue.
    expected = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert np.allclose(sorted(drawing.random_colors(3)), expected)
    assert np.allclose(sorted(drawing.random_colors(3, bright=False)), np.array(expected) * 0.7)
    assert drawing.random_colors(0) == []


def test_apply_mask_blends_in_place():
    image, mask = grey(4, 4), np.eye(4)
    result = drawing.apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.2)
    assert result is image
    # 100 * 0.8 + 255 * 0.2 * (1, 0, 0.5) = (131, 80, 105.5)
    assert image[2, 2].tolist() == [131, 80, 105]
    assert image[0, 1].tolist() == [100, 100, 100]


@pytest.mark.parametrize("part", [np.s_[:, :], np.s_[3:11, 2:9], np.s_[::2, ::-1]])
def test_apply_mask_is_the_same_for_every_value_and_part_of_a_picture(part):
    """Bytes go through a table; the arithmetic, pixel by pixel, is that of the docstring."""
    rng = np.random.default_rng(0)
    image = np.arange(16 * 16 * 3).astype(np.uint8).reshape(16, 16, 3)  # each of the 256 values three times
    mask, color, before = rng.random(image[part].shape[:2]) < 0.5, np.array([0.9, 0.0, 0.35]), image.copy()
    drawing.apply_mask(image[part], mask, color, alpha=0.45)
    blended = (before[part] * 0.55 + 0.45 * 255 * color).astype(np.uint8)
    expected = before.copy()
    expected[part] = np.where(mask[..., None], blended, before[part])
    np.testing.assert_array_equal(image, expected)
    floats = before.astype(float)
    drawing.apply_mask(floats, np.ones((16, 16)), color, alpha=0.45)
    np.testing.assert_allclose(floats, before * 0.55 + 0.45 * 255 * color)


def test_draw_box_stays_inside_box_and_image():
    image = grey(10, 10, 0)
    assert drawing.draw_box(image, [2, 3, 8, 9], (9, 9, 9), thickness=1) is image
    # 6 x 6: a border of 20 pixels.
    assert (image[..., 0] == 9).sum() == 20 and image[2, 3, 0] == image[7, 8, 0] == 9 and image[8, 9, 0] == 0
    # Only the part of the border that lies in the image: the right side in 5 rows, the lower side in 5 columns.
    corner = drawing.draw_box(grey(10, 10, 0), [-4, -4, 5, 5], (9, 9, 9), thickness=1)
    assert (corner[..., 0] == 9).sum() == 9
    assert not drawing.draw_box(grey(10, 10, 0), [20, 20, 30, 30], (9, 9, 9)).any()
    # A box of one row is no thicker than itself.
    assert (drawing.draw_box(grey(10, 10, 0), [4, 2, 5, 8], (9, 9, 9))[..., 0] == 9).sum() == 6


# --- Files -----------------------------------------------------------------------------------------------------


def test_a_jpeg_longer_than_jpeg_allows_is_written_smaller(tmp_path):
    with pytest.warns(UserWarning, match="drawn with 65500x2 of its 65600x3 pixels, for a JPEG has sides of at most"):
        drawing.write_picture(tmp_path / "long.jpg", np.zeros((3, 65600, 3), np.uint8))
    assert Image.open(tmp_path / "long.jpg").size == (65500, 2)


def test_pictures_are_written_as_their_names_say(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    for name, form in (("a.png", "PNG"), ("b.JPG", "JPEG"), ("c", "PNG")):
        drawing.write_picture(tmp_path / "new" / name, pixels)
        with Image.open(tmp_path / "new" / name) as picture:
            assert picture.format == form
            if form == "PNG":
                np.testing.assert_array_equal(np.asarray(picture), pixels)
    with pytest.raises(DataError, match=r"new: cannot write the file \(Is a directory\)"):
        drawing.write_picture(tmp_path / "new", pixels)
    assert sorted(os.listdir(tmp_path / "new")) == ["a.png", "b.JPG", "c"]


def test_figures_are_written_as_their_names_say(tmp_path):
    from matplotlib.figure import Figure

    for name, head in (("a.png", b"\x89PNG"), ("b.svg", b"<?xml"), ("c.pdf", b"%PDF"), ("d", b"\x89PNG")):
        drawing.write_figure(tmp_path / name, Figure(figsize=(1, 1)))
        assert (tmp_path / name).read_bytes().startswith(head)
    assert len(os.listdir(tmp_path)) == 4


def test_attributes_stand_behind_the_caption():
    names = ["neckline: v", "length: long", "sleeves: long", "leopard"]
    words = [{"length: long": 0.9, "neckline: v": 0.6}, ["leopard"], {}]
    # "long" is of two kinds, which are told apart; "v" is of one.
    assert drawing.described(["dress 0.97", "skirt 0.80", "shoe 0.70"], words, names) == [
        "dress 0.97: length long, v", "skirt 0.80: leopard", "shoe 0.70"]


def test_soft_masks_are_drawn_as_what_is_inside_of_them():
    inside = np.zeros((20, 20, 1), bool)
    inside[4:9, 5:12] = True
    black = np.zeros((20, 20, 3), np.uint8)
    for masks in (np.where(inside, 0.95, 0.02), np.where(inside, 250, 3).astype(np.uint8)):
        with pytest.warns(UserWarning, match="more than two values"):
            drawn = drawing.draw_instances(black, [[4, 5, 9, 12]], masks, [1], ["BG", "a"], captions=[""],
                                           show_bbox=False)
            painted = drawing.apply_mask(black.copy(), masks[..., 0], (1, 1, 1))
        for picture in (drawn, painted):
            np.testing.assert_array_equal(picture.any(axis=2), inside[..., 0])
