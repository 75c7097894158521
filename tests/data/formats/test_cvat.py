"""CVAT for images 1.1: its shapes, groups, labels, attributes and photos, and what is wrong in them."""

import numpy as np
import pytest
from cvat_files import PROJECT, image, label, shape, written
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.formats import open_dataset, parts_of, recognise
from mrcnn.data.formats.cvat import CvatDataset, recognises
from mrcnn.errors import DataError

HEIGHT, WIDTH = 24, 32
POLYGON = 'points="3.00,2.00;20.00,4.00;11.50,19.00"'
BOX = 'xtl="4.00" ytl="6.00" xbr="14.00" ybr="11.00"'


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def load(path, **options):
    """The data set of a file, of boxes alone too."""
    dataset = CvatDataset().load(path, **{"boxes_as_masks": True, **options})
    dataset.prepare()
    return dataset


def only_mask(folder, *shapes):
    masks, class_ids = load(written(folder, image("".join(shapes)))).load_mask(0)
    assert class_ids.tolist() == [1]
    return masks[..., 0]


def notes(dataset):
    return [str(note) for note in dataset.notes]


# --- Shapes ----------------------------------------------------------------------------------------------------------


def test_a_polygon_is_drawn_as_cocos(folder):
    expected = run_lengths.decode(run_lengths.from_polygons([[3, 2, 20, 4, 11.5, 19]], (HEIGHT, WIDTH)))
    np.testing.assert_array_equal(only_mask(folder, shape("polygon", POLYGON)), expected)


def test_a_box(folder):
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[6:11, 4:14] = True
    np.testing.assert_array_equal(only_mask(folder, shape("box", BOX)), expected)


def test_a_box_turned_by_a_quarter_stands_upright(folder):
    # 10 wide and 4 high about (10, 8): turned, 4 wide and 10 high about the same centre.
    box = shape("box", 'xtl="5.00" ytl="6.00" xbr="15.00" ybr="10.00" rotation="90.00"')
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:13, 8:12] = True
    np.testing.assert_array_equal(only_mask(folder, box), expected)


def test_a_box_turns_clockwise(folder):
    # Clockwise by 30 degrees, the right end of a long box sinks.
    mask = only_mask(folder, shape("box", 'xtl="4.00" ytl="10.00" xbr="28.00" ybr="12.00" rotation="30.0"'))
    rows, columns = np.nonzero(mask)
    assert rows[columns > 22].min() > 12 and rows[columns < 10].max() < 10


def test_an_ellipse(folder):
    mask = only_mask(folder, shape("ellipse", 'cx="12.00" cy="11.00" rx="8.00" ry="5.00"'))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    np.testing.assert_array_equal(mask, ((x - 12) / 8) ** 2 + ((y - 11) / 5) ** 2 <= 1)


def test_a_turned_ellipse(folder):
    mask = only_mask(folder, shape("ellipse", 'cx="12.00" cy="11.00" rx="8.00" ry="5.00" rotation="90.00"'))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    np.testing.assert_array_equal(mask, ((x - 12) / 5) ** 2 + ((y - 11) / 8) ** 2 <= 1)


def test_a_mask_runs_along_the_rows_of_its_box(folder):
    # Rows of 4 at (5, 3): "..##", "####", "#..#".
    mask = only_mask(folder, shape("mask", 'rle="2, 7, 2, 1" left="5" top="3" width="4" height="3"'))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:6, 5:9] = [[0, 0, 1, 1], [1, 1, 1, 1], [1, 0, 0, 1]]
    np.testing.assert_array_equal(mask, expected)


def test_a_mask_may_begin_inside_end_early_and_lie_at_the_edge(folder):
    mask = only_mask(folder, shape("mask", 'rle="0,1,3,2" left="29" top="21" width="3" height="3"'))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[21, 29] = expected[22, 30:32] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("kind, given, said", [
    ("polygon", 'points="1,2;3,4"', "three or more corners"),
    ("polygon", 'points="1,2;3;5,6"', "no x,y;x,y"),
    ("polygon", 'points="1,2;3,nan;5,6"', "no x,y;x,y"),
    ("polygon", 'points="90,90;99,90;99,99"', "outside the photo"),
    ("box", 'xtl="4" ytl="6" xbr="x" ybr="11"', "xbr 'x', which is no number"),
    ("box", 'xtl="4" ytl="6" xbr="5e300" ybr="11"', "far outside"),
    ("ellipse", 'cx="12" cy="11" rx="8"', "has no ry"),
    ("mask", 'rle="2, 8, 2, 1" left="5" top="3" width="4" height="3"', "cover 13 pixels, its box has 12"),
    ("mask", 'rle="99999999999" left="5" top="3" width="4" height="3"', "no list of run lengths"),
    ("mask", 'rle="1;2" left="5" top="3" width="4" height="3"', "no list of run lengths"),
    ("mask", 'rle="1, 2" left="30" top="3" width="4" height="3"', "reaches out of the photo"),
    ("mask", 'rle="1, 2" left="-1" top="3" width="4" height="3"', "begins outside the photo"),
    ("mask", 'rle="0, 9" left="0" top="0" width="9999999" height="9999999"', "reaches out of the photo"),
    ("mask", 'rle="12" left="5" top="3" width="4" height="3"', "holds no pixel"),
    ("mask", 'rle="1" left="5" top="3" width="0" height="3"', "box of 3x0 pixels"),
    ("blob", 'points="1,2"', "none of polygon, box, ellipse, mask"),
])
def test_a_shape_at_fault_is_named(folder, kind, given, said):
    path = written(folder, image(shape("polygon", POLYGON) + shape(kind, given)))
    with pytest.raises(DataError, match=f"a.jpg, object 1: .*{said}.*--on-error skip"):
        load(path)
    dataset = load(path, on_error="skip")
    assert [entry.number for entry in dataset.objects(0)] == [0]


# --- Groups, labels, attributes --------------------------------------------------------------------------------------


def test_shapes_of_one_group_and_label_are_one_object(folder):
    parts = [shape("polygon", 'points="1,1;5,1;5,5;1,5"', group_id=2), shape("polygon", POLYGON, "bag", group_id=2),
             shape("mask", 'rle="0, 4" left="20" top="20" width="2" height="2"', group_id=2),
             shape("box", 'xtl="1" ytl="1" xbr="22" ybr="22"', group_id=2)]
    with pytest.warns(UserWarning) as told:
        dataset = load(written(folder, image("".join(parts))))
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 2]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[1:5, 1:5] = expected[20:22, 20:22] = True
    np.testing.assert_array_equal(masks[..., 0], expected)
    text = " ".join(str(warning.message) for warning in told)
    assert "1 object joined of the shapes of one group" in text and "1 box of a group" in text
    assert "1 group with several labels" in text


def test_shapes_without_a_group_stay_apart(folder):
    dataset = load(written(folder, image(shape("polygon", POLYGON, group_id=0) + shape("box", BOX))))
    assert len(dataset.objects(0)) == 2


def test_labels_are_classes_in_their_order_but_those_that_enclose_nothing(folder):
    labels = [label("shoe"), label("pose", "skeleton"), label("left eye", "points", "<parent>pose</parent>"),
              label("bag"), label("blurred", "tag"), label("seam")]
    skeleton = '<skeleton label="pose" z_order="0"><points label="left eye" points="1,1"></points></skeleton>'
    content = (shape("polygon", POLYGON, "bag") + skeleton + shape("polyline", 'points="1,1;5,5"', "seam")
               + '<tag label="blurred" source="manual"></tag>')
    with pytest.warns(UserWarning, match="3 labels of points, lines, skeletons or tags.*no class"):
        dataset = load(written(folder, image(content), labels=labels))
    assert dataset.class_names == ["BG", "shoe", "bag"]
    assert dataset.load_rles(0)[1].tolist() == [2]
    assert dataset.image_info[0]["tags"] == ["blurred"]
    assert any("2 shapes of points, lines or skeletons: left out" in note for note in notes(dataset))


def test_a_line_of_a_class_is_a_fault_unless_it_belongs_to_an_outline(folder):
    line = 'points="1,1;5,5"'
    path = written(folder, image(shape("polygon", POLYGON) + shape("polyline", line)))
    with pytest.raises(DataError, match="object 1: its shape is a polyline, which encloses nothing"):
        load(path)
    grouped = shape("polygon", POLYGON, group_id=1) + shape("polyline", line, group_id=1)
    assert len(load(written(folder, image(grouped))).objects(0)) == 1


def test_a_label_that_meta_lacks_is_a_fault_and_a_file_without_labels_has_those_of_its_shapes(folder):
    with pytest.raises(DataError, match="object 0: its label 'hat' is none"):
        load(written(folder, image(shape("polygon", POLYGON, "hat"))))
    hat_and_bag = image(shape("polygon", POLYGON, "hat") + shape("polygon", POLYGON, "bag"))
    dataset = load(written(folder, hat_and_bag, labels=[]))
    assert dataset.class_names == ["BG", "bag", "hat"]


def test_attributes_are_kept(folder):
    attributes = [("length", "mini"), ("torn", "true"), ("worn", "false"), ("note", "")]
    dataset = load(written(folder, image(shape("polygon", POLYGON, attributes=attributes) + shape("polygon", POLYGON))))
    assert dataset.attribute_names == {1: "length: mini", 2: "torn"}
    assert [entry.attributes for entry in dataset.objects(0)] == [(1, 2), ()]


def test_attributes_that_are_texts_are_told(folder):
    shapes = [shape("polygon", POLYGON, attributes=[("serial", str(n)), ("torn", "true")]) for n in range(101)]
    with pytest.warns(UserWarning, match="1 attribute with more than 100 values.*serial, a.jpg"):
        dataset = load(written(folder, image("".join(shapes))))
    assert dataset.attribute_names == {1: "torn"}


def test_layers_are_told(folder):
    content = shape("polygon", POLYGON, z_order=0) + shape("polygon", POLYGON, z_order=3)
    with pytest.warns(UserWarning, match="1 photo whose shapes have several z_order"):
        load(written(folder, image(content)))


def test_boxes_alone_are_refused_unless_asked_for(folder):
    path = written(folder, image(shape("box", BOX)))
    with pytest.raises(DataError, match="all 1 objects have a box.*--boxes-as-masks"):
        load(path, boxes_as_masks=None)


# --- Photos ----------------------------------------------------------------------------------------------------------


def test_photos_are_found_where_exports_have_them(folder):
    for place in ("images", "images/Train", "Val"):
        (folder / place).mkdir(parents=True)
    (folder / "a.jpg").rename(folder / "images" / "a.jpg")
    (folder / "b.jpg").rename(folder / "images" / "Train" / "b.jpg")
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "Val" / "c.jpg")
    path = written(folder, image(shape("polygon", POLYGON)), image("", "b.jpg", more=' subset="Train" task_id="7"'),
                   image("", "c.jpg", more=' subset="Val"'), form=PROJECT)
    dataset = load(path)
    assert [info["file_name"] for info in dataset.image_info] == ["images/a.jpg", "images/Train/b.jpg", "Val/c.jpg"]
    assert [info["subset"] for info in dataset.image_info] == ["", "Train", "Val"]
    assert not dataset.notes


def test_subsets_of_a_project_are_parts(folder):
    def of(name, subset):
        return image(shape("polygon", POLYGON), name, more=f' subset="{subset}" task_id="7"')

    path = written(folder, of("b.jpg", "Validation"), of("a.jpg", "Train"), form=PROJECT)
    assert parts_of(path) == ("train", "val")
    assert [info["split"] for info in load(path).image_info] == ["val", "train"]
    assert [info["file_name"] for info in open_dataset(path, split="val").image_info] == ["b.jpg"]
    with pytest.raises(DataError, match="no photo is of the subset 'test' .--split.: it has Train, Validation"):
        load(path, split="test")
    assert parts_of(written(folder, of("a.jpg", "Train"), of("b.jpg", "Train"), form=PROJECT)) == ()
    long = written(folder, image(f"<x>{' ' * (3 << 20)}</x>"), of("b.jpg", "mine"), of("a.jpg", "Test"), form=PROJECT)
    assert parts_of(long) == ("test", "mine")


def test_a_task_has_one_subset_and_a_folder_stands_for_its_file(folder):
    path = written(folder, image(shape("polygon", POLYGON)), subset="<subset>Train</subset>")
    (folder / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):  # as CVAT lays them: the XML is the only file of the folder
        (folder / name).rename(folder / "images" / name)
    assert recognise(folder) == "cvat"
    dataset = open_dataset(folder)
    assert dataset.image_info[0]["subset"] == "Train" and recognises(path)


def test_photos_that_are_missing_twice_or_outside_are_named(folder):
    sound = image(shape("polygon", POLYGON))
    with pytest.raises(DataError, match="1 of 2 photos are not in .*gone.jpg"):
        load(written(folder, sound, image("", "gone.jpg")))
    with pytest.raises(DataError, match="listed twice"):
        load(written(folder, sound, sound))
    for second, lost in ((sound, []), (image(shape("box", BOX)), [1])):
        dataset = load(written(folder, sound, second), on_error="skip")
        assert [loss.objects for loss in dataset.lost if loss.photo == "a.jpg"] == lost
    with pytest.raises(DataError, match="leads out of the image folder"):
        load(written(folder, sound, image("", "../z.jpg")))


def test_sizes_are_checked_and_may_lack(folder):
    with pytest.raises(DataError, match="the photo is 24x32 pixels.*annotated as 24x33"):
        load(written(folder, image(shape("polygon", POLYGON), size=(24, 33))))
    assert len(load(written(folder, image(shape("polygon", POLYGON), size=None))).objects(0)) == 1


def test_a_photo_that_exif_turns(folder):
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter clockwise: 24 x 32 as stored is 32 x 24 upright
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "a.jpg", exif=exif)
    mask = shape("mask", 'rle="0, 2" left="30" top="0" width="2" height="1"')
    with pytest.warns(UserWarning, match="before its EXIF turns it"):
        masks, _ = load(written(folder, image(mask))).load_mask(0)
    expected = np.zeros((WIDTH, HEIGHT), bool)
    expected[30:32, HEIGHT - 1] = True  # the top right corner is at the lower right then
    np.testing.assert_array_equal(masks[..., 0], expected)
    exif[274] = 3  # a half turn, which fits both ways: it goes with a.jpg
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "b.jpg", exif=exif)
    masks, _ = load(written(folder, image(mask), image(mask, "b.jpg"))).load_mask(1)
    assert masks.shape[:2] == (HEIGHT, WIDTH) and masks[HEIGHT - 1, :2].all() and masks.sum() == 2


def test_the_limit_counts_photos(folder):
    path = written(folder, image(shape("polygon", POLYGON)), image("", "b.jpg"))
    assert len(load(path, limit=1).image_ids) == 1 and len(load(path).image_ids) == 2


def test_the_mark_of_what_is_occluded_is_told(folder):
    marked = shape("polygon", POLYGON).replace('occluded="0"', 'occluded="1"')
    dataset = load(written(folder, image(marked + shape("polygon", POLYGON))))
    assert "1 shape that is marked as occluded: the mark is left out (first: a.jpg)" in notes(dataset)
