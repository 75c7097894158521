"""Label maps: every way to store them, and the rule that makes objects of them."""

import shutil
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import Fault, select, without
from mrcnn.data.class_choice import choose_classes
from mrcnn.data.formats.label_maps import LabelMapDataset, read_label_map, recognises
from mrcnn.data.images import EXIF_ORIENTATION
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.errors import DataError

# 0 null, 1 shoes, 2 top, 3 skin. Shoes: one of 4 pixels (two diagonal pairs that touch over a corner), one of 3, and a
# single pixel; top: two parts of 2 pixels and one of 1.
LABELS = np.array(
    [
        [1, 0, 0, 2, 2, 0, 3, 3],
        [1, 0, 0, 0, 0, 0, 3, 3],
        [0, 1, 1, 0, 2, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 2, 2],
        [1, 0, 1, 1, 1, 0, 0, 0],
    ],
    np.uint8,
)
NAMES = "0 null\n1 shoes\n2 top\n3 skin\n"
MAPPING = {"classes": {"shoes": ["shoes"], "top": ["top"], "skin": ["skin"]}, "min_area": 2}


@pytest.fixture
def folder(tmp_path):
    """A folder with `labels/a.png`, `photos/a.jpg` and the names."""
    for name in ("labels", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "label_names.txt").write_text(NAMES)
    save(tmp_path, "a", LABELS)
    return tmp_path


def save(folder, stem, labels, photo_shape=None):
    image = Image.fromarray(labels)
    if labels.dtype == np.uint8:
        image.putpalette(list(range(256)) * 3)  # makes it one of mode P
    image.save(folder / "labels" / f"{stem}.png")
    shape = photo_shape or labels.shape
    Image.fromarray(np.zeros(shape + (3,), np.uint8)).save(folder / "photos" / f"{stem}.jpg")


def load(folder, mapping=MAPPING, **options):
    dataset = LabelMapDataset().load(folder / "labels", mapping=mapping, **options)
    dataset.prepare()
    return dataset


def pixels(text):
    """bool mask from rows of text, # inside."""
    return np.array([[character == "#" for character in row] for row in text.split()])


# --- The rule --------------------------------------------------------------------------------------------------------


def test_parts_of_pairs_and_the_union_of_the_rest(folder):
    dataset = load(folder)
    assert dataset.class_names == ["BG", "shoes", "top", "skin"]
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 1, 2, 3] and dataset.object_count(0) == 4
    expected = [
        # The shoe at the left touches the next only over a corner; the single pixel is under min_area.
        "#....... #....... .##..... ........ ........",
        "........ ........ ........ ........ ..###...",
        # Two parts of 2 pixels together, without the single pixel.
        "...##... ........ ........ ......## ........",
        "......## ......## ........ ........ ........",
    ]
    for mask, text in zip(np.moveaxis(masks, -1, 0), expected, strict=True):
        np.testing.assert_array_equal(mask, pixels(text))


def test_classes_that_are_one_have_all_their_pixels(folder):
    whole = load(folder, {**MAPPING, "min_area": 1})
    chosen = choose_classes(whole, ["*", "worn=top+shoes"])
    before, after = whole.label_map(0), chosen.label_map(0)
    worn = np.isin(before, [whole.class_names.index(name) for name in ("top", "shoes")])
    assert worn.any() and ((after == chosen.class_names.index("worn")) == worn).all()
    masks, class_ids = chosen.load_mask(0)
    assert (masks[..., class_ids == chosen.class_names.index("worn")].any(axis=-1) == worn).all()
    small = choose_classes(load(folder), ["worn=top+shoes"])
    small.object_classes(0)
    assert small.parts_lines()[1].startswith("2 parts of label maps under 2 pixels are no objects, with 2 pixels in")


def test_the_other_way_round(folder):
    mapping = {**MAPPING, "instances": {"shoes": "union", "top": "parts"}, "min_area": 1}
    masks, class_ids = load(folder, mapping).load_mask(0)
    # One object of all 8 pixels of shoes, three of top, one of skin.
    assert class_ids.tolist() == [1, 2, 2, 2, 3]
    assert masks.sum(axis=(0, 1)).tolist() == [8, 2, 1, 2, 4]


def test_parts_that_are_no_objects_of_their_own_are_told(folder):
    dataset = load(folder)
    assert dataset.parts_lines() == []  # of no photo yet
    dataset.object_classes(0)
    # Two parts of top are one object; a pixel of shoes and one of top are under 2.
    joined, small = dataset.parts_lines()
    assert joined.startswith("1 object is made of 2 parts that lie apart, on 1 photo") and '{"top": "parts"}' in joined
    assert "(first: top on a.jpg, 2 parts)" in joined and "--mapping" in joined
    assert small.startswith("2 parts of label maps under 2 pixels are no objects, with 2 pixels in all")
    assert "(first: shoes on a.jpg)" in small and "--min-area" in small
    counted = load(folder)
    counted.load_rles(0)
    assert counted.parts_lines() == [joined, small]
    assert select(dataset, []).parts_lines() == []  # without the photo
    (line,) = choose_classes(dataset, ["shoes"]).parts_lines()
    assert line.startswith("1 part of label maps under 2 pixels is no object, with 1 pixels")
    every = load(folder, {**MAPPING, "instances": {"top": "parts"}, "min_area": 1})
    every.object_classes(0)
    assert every.parts_lines() == []


def test_a_merged_class_hangs_together_across_its_labels(folder):
    save(folder, "a", np.array([[1, 3, 0, 1], [0, 0, 0, 0]], np.uint8))
    mapping = {"classes": {"boots": ["shoes", "skin"]}, "min_area": 1}
    masks, _ = load(folder, mapping).load_mask(0)
    np.testing.assert_array_equal(masks[..., 0], pixels("##.. ...."))
    np.testing.assert_array_equal(masks[..., 1], pixels("...# ...."))


def test_parts_are_those_of_an_independent_labelling(folder):
    from scipy import ndimage

    labels = np.random.default_rng(3).integers(0, 3, (40, 50)).astype(np.uint8)
    save(folder, "a", labels)
    dataset = load(folder, {"classes": {"shoes": ["shoes"], "top": ["top"]}, "min_area": 4})
    masks = {}
    for entry in dataset.objects(0):
        masks.setdefault(entry.class_id, set()).add(rle_decode(entry.rle).tobytes())
    for class_id, by_parts in ((1, True), (2, False)):
        numbers, count = ndimage.label(labels == class_id, np.ones((3, 3)))
        parts = [numbers == i + 1 for i in range(count) if (numbers == i + 1).sum() >= 4]
        expected = parts if by_parts else [np.any(parts, axis=0)]
        assert masks[class_id] == {mask.tobytes() for mask in expected}


def test_a_photo_without_objects_is_kept(folder):
    save(folder, "a", np.zeros((5, 8), np.uint8))
    masks, class_ids = load(folder).load_mask(0)
    assert masks.shape == (5, 8, 0) and class_ids.shape == (0,)


def test_the_label_map_of_a_photo(folder):
    labels = LABELS.copy()
    labels[3, 0] = 255
    save(folder, "a", labels)
    dataset = load(folder, {"classes": {"top": ["top"], "shoes": ["shoes"]}, "ignore": ["skin"]})
    mapped = dataset.label_map(0)
    # shoes 1 -> 2, top 2 -> 1, skin and 255 -> 255; parts under min_area stay, for pixels need not be objects.
    expected = np.array([0, 2, 1, 255])[LABELS]
    expected[3, 0] = 255
    assert mapped.dtype == np.uint8
    np.testing.assert_array_equal(mapped, expected)


def test_class_ids_are_those_of_the_prepared_data_set(folder):
    dataset = LabelMapDataset()
    dataset.add_class("other", 1, "hat")
    dataset.load(folder / "labels", mapping=MAPPING).prepare()
    assert dataset.class_names == ["BG", "hat", "shoes", "top", "skin"]
    assert dataset.load_rles(0)[1].tolist() == [2, 2, 3, 4]
    np.testing.assert_array_equal(dataset.label_map(0), np.array([0, 2, 3, 4])[LABELS])


# --- Files -----------------------------------------------------------------------------------------------------------


def write_grey_png(path, values, depth):
    """A grey PNG of `depth` bits a pixel, chunk by chunk: Pillow writes none of 2 or 4."""
    rows = b""
    for row in values:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_pngs_of_every_depth_give_the_values_stored(tmp_path, depth):
    values = LABELS % 2 if depth == 1 else LABELS
    write_grey_png(tmp_path / "a.png", values, depth)
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png"), values)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_palette_pngs_give_the_index(tmp_path, bits):
    image = Image.fromarray(LABELS)
    image.putpalette([9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6])
    image.save(tmp_path / "a.png", bits=bits)
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png"), LABELS)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float64, bool])
def test_matlab_files(folder, kind):
    from scipy.io import savemat

    labels = (LABELS % 2 if kind is bool else LABELS).astype(kind)
    (folder / "labels" / "a.png").unlink()
    savemat(folder / "labels" / "a.mat", {"groundtruth": labels, "note": "by hand", "scale": 2.0}, do_compression=True)
    dataset = load(folder)
    assert dataset.image_info[0]["height"] == 5 and dataset.image_info[0]["width"] == 8
    np.testing.assert_array_equal(dataset.label_map(0), labels.astype(np.uint8))


def test_photos_and_names_are_found_where_they_usually_lie(folder):
    assert load(folder).image_info[0]["path"] == str(folder / "photos" / "a.jpg")
    other = folder / "other"
    other.mkdir()
    (folder / "photos" / "a.jpg").rename(other / "a.jpg")
    (folder / "label_names.txt").rename(other / "names.txt")
    dataset = load(folder, images=other, names=other / "names.txt")
    assert dataset.image_info[0]["path"] == str(other / "a.jpg") and dataset.file_name(0) == "a.jpg"
    with pytest.raises(DataError, match="no file of label names .label_names.txt"):
        load(folder)


def test_photos_beside_their_label_maps(folder):
    (folder / "photos" / "a.jpg").rename(folder / "labels" / "a.jpg")
    (folder / "photos").rmdir()
    assert load(folder).image_info[0]["path"] == str(folder / "labels" / "a.jpg")
    (folder / "labels" / "a.jpg").unlink()  # the label map is not its own photo
    with pytest.raises(DataError, match="1 of 1 photos are not in"):
        load(folder)


def test_two_maps_of_one_photo(folder):
    shutil.copy(folder / "labels" / "a.png", folder / "labels" / "a.PNG")
    with pytest.raises(DataError, match="a.png: a.png: the photo a.jpg is that of a.PNG too"):
        load(folder)
    save(folder, "b", LABELS)
    with pytest.warns(UserWarning, match="skipped a.png: "):
        dataset = load(folder, on_error="skip")
    left = without(dataset, dataset.faults)
    assert [left.file_name(i) for i in left.image_ids] == ["a.jpg", "b.jpg"]


def test_the_limit_takes_the_first(folder):
    for stem in ("c", "b"):
        save(folder, stem, LABELS)
    assert [load(folder, limit=2).file_name(i) for i in (0, 1)] == ["a.jpg", "b.jpg"]


def test_a_photo_that_its_orientation_turns(folder):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(np.zeros((8, 5, 3), np.uint8)).save(folder / "photos" / "a.jpg", exif=exif)
    dataset = load(folder)
    assert dataset.load_image(0).shape[:2] == dataset.label_map(0).shape == (5, 8)


def test_select_and_without_leave_the_rule_in_place(folder):
    save(folder, "b", LABELS)
    dataset = select(load(folder), [1])
    assert dataset.file_name(0) == "b.jpg" and dataset.load_rles(0)[1].tolist() == [1, 1, 2, 3]
    dataset = without(dataset, [Fault("b.jpg", "bad entry", "", 0)])
    assert dataset.load_rles(0)[1].tolist() == [1, 2, 3] and dataset.object_count(0) == 3


def test_recognised_by_content(folder, tmp_path):
    assert recognises(folder / "labels")
    for other in (folder, folder / "photos", folder / "label_names.txt", folder / "none", None):
        assert not recognises(other)
    grey = tmp_path / "far" / "away" / "grey"
    grey.mkdir(parents=True)
    write_grey_png(grey / "a.png", LABELS, 8)
    assert recognises(grey)
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(grey / "a.png")  # a photo in grey
    assert not recognises(grey)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(grey / "a.png")
    assert not recognises(grey)


# --- What is wrong ---------------------------------------------------------------------------------------------------


def break_photo(folder):
    (folder / "photos" / "b.jpg").write_bytes(b"no photo")


def break_map(folder):
    (folder / "labels" / "b.png").write_bytes(b"no PNG")


def truncate_map(folder):
    path = folder / "labels" / "b.png"
    path.write_bytes(path.read_bytes()[:-30])


def colour_map(folder):
    colours = np.random.default_rng(0).integers(0, 255, (5, 8, 3), np.uint8)
    Image.fromarray(colours).save(folder / "labels" / "b.png")


def no_matlab_array(folder):
    from scipy.io import savemat

    (folder / "labels" / "b.png").unlink()
    savemat(folder / "labels" / "b.mat", {"a": LABELS, "b": LABELS})


def fractions_in_matlab(folder):
    from scipy.io import savemat

    (folder / "labels" / "b.png").unlink()
    savemat(folder / "labels" / "b.mat", {"a": LABELS * 0.5})


@pytest.mark.parametrize("damage, kind, said", [
    (lambda folder: (folder / "photos" / "b.jpg").unlink(), "missing", "the photo is not in"),
    (break_photo, "unreadable", "not a readable image"),
    (break_map, "bad entry", "not a readable label map (no PNG)"),
    (truncate_map, "bad entry", "not a readable label map"),
    (colour_map, "bad entry", "has 40 colours that are no label's"),
    (no_matlab_array, "bad entry", "needs one two-dimensional integer array, has a 5x8 uint8, b 5x8 uint8"),
    (fractions_in_matlab, "bad entry", "no whole numbers"),
    (lambda folder: save(folder, "b", LABELS, (5, 9)), "wrong size", "the label map has 5x8 pixels, the photo 5x9"),
    (lambda folder: save(folder, "b", LABELS + 60), "unknown class", "labels without a name: 60, 61, 62, 63"),
    (lambda folder: save(folder, "b", LABELS.astype(np.uint16) * 999), "unknown class", "999, 1998, 2997"),
])
def test_faults_are_named_and_the_other_photos_remain(folder, damage, kind, said):
    save(folder, "b", LABELS)
    damage(folder)
    with pytest.raises(DataError, match=r"\bb\.(jpg|png|mat)\b"):
        dataset = load(folder)
        dataset.load_rles(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = load(folder, on_error="skip")
    faults = dataset.faults + [fault for i in dataset.image_ids for fault in dataset.object_faults(i)]
    assert [fault.kind for fault in faults] == [kind]
    assert said in faults[0].message and faults[0].photo.startswith("b.")
    assert dataset.file_name(0) == "a.jpg" and dataset.load_rles(0)[1].tolist() == [1, 1, 2, 3]
    if len(dataset.image_ids) == 2:
        with pytest.warns(UserWarning, match="skipped b.jpg"):
            assert (dataset.label_map(1) == 255).all()
        with pytest.raises(DataError, match="b.jpg"):
            load(folder).label_map(1)


@pytest.mark.parametrize("matlab", [False, True])
def test_a_decompression_bomb_is_refused(folder, monkeypatch, matlab):
    from scipy.io import savemat

    if matlab:
        (folder / "labels" / "a.png").unlink()
        savemat(folder / "labels" / "a.mat", {"a": np.zeros((50, 60), np.uint8)})
    else:
        Image.fromarray(np.zeros((50, 60), np.uint8)).save(folder / "labels" / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match="a.(png|mat): too many pixels"):
        load(folder)


def test_folders_that_are_not_there(folder):
    with pytest.raises(DataError, match="none: no such folder"):
        LabelMapDataset().load(folder / "none")
    with pytest.raises(DataError, match="none: no such image folder"):
        load(folder, images=folder / "none")
    (folder / "labels" / "a.png").unlink()
    with pytest.raises(DataError, match="no photos remain"):
        load(folder)


@pytest.mark.parametrize("photo, mask", [
    ("x_leftImg8bit.png", "x_gtFine_labelIds.png"), ("x.jpg", "x_mask.png"), ("x.png", "x_seg.png"),
    ("x_leftImg8bit.png", "x_gtFine_labelTrainIds.png"), ("x.jpg", "x_labelIds.png"), ("x.png", "x_L.png"),
])
@pytest.mark.parametrize("beside", [True, False])
def test_maps_that_are_called_otherwise_than_their_photo(tmp_path, photo, mask, beside):
    labels = tmp_path / "labels"
    photos = labels if beside else tmp_path / "photos"
    for place in {labels, photos}:
        place.mkdir()
    Image.new("RGB", (6, 4), (9, 9, 9)).save(photos / photo)
    Image.fromarray(np.full((4, 6), 1, np.uint8)).save(labels / mask)
    if "Ids" in mask:
        Image.fromarray(np.zeros((4, 6, 4), np.uint8)).save(labels / "x_gtFine_color.png")
    (tmp_path / "names.txt").write_text("nothing\nshirt\n")
    with pytest.warns(UserWarning, match="1 label map called otherwise than its photo: taken by the usual endings"):
        dataset = LabelMapDataset().load(labels, photos, names=tmp_path / "names.txt", min_area=1)
    dataset.prepare()
    assert dataset.file_name(0) == photo and dataset.load_mask(0)[0].sum() == 24


def test_maps_of_photos_that_differ_in_their_ending(folder):
    """`mrcnn label` calls the maps of a.jpg and a.png a_jpg and a_png; a stem's first photo would be taken for both."""
    Image.fromarray(np.zeros(LABELS.shape + (3,), np.uint8)).save(folder / "photos" / "a.png")
    for name, labels in (("a_jpg", LABELS), ("a_png", LABELS[::-1])):
        Image.fromarray(labels).save(folder / "labels" / f"{name}.png")
    (folder / "labels" / "a.png").unlink()
    with pytest.warns(UserWarning, match="2 label maps called otherwise than its photo: taken by"):
        dataset = load(folder)
    names = [dataset.file_name(i) for i in dataset.image_ids]
    assert names == ["a.jpg", "a.png"]
    np.testing.assert_array_equal(dataset.label_map(1), dataset.label_map(0)[::-1])


def test_maps_of_kinds_that_are_not_read_are_told(folder):
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(folder / "labels" / "later.tif")
    with pytest.warns(UserWarning, match="1 picture of a kind that no label map is read from.*later.tif"):
        load(folder)


def test_two_photos_of_a_map_are_told_but_not_a_map_beside_its_photo(folder):
    Image.fromarray(np.zeros(LABELS.shape, np.uint8)).save(folder / "photos" / "a.png")
    note, = load(folder).notes
    assert "differ in the ending alone" in note.how and note.first == "a.jpg, not a.png"
    shutil.copy(folder / "photos" / "a.jpg", folder / "labels" / "a.jpg")
    assert load(folder, images=folder / "labels").notes == []


@pytest.mark.parametrize("names, soft, hint", [
    ("background\nperson\n", range(16, 256, 16), True),
    ("background\nperson\nhat\n", range(16, 256, 16), False),
    ("background\nperson\n", [200], False),  # a label that is no more than missing
    ("background\nperson\n", range(200, 400, 20), False),
])
def test_soft_edges_in_place_of_labels_are_called_so(folder, names, soft, hint):
    (folder / "label_names.txt").write_text(names)
    labels = np.zeros((20, 20), np.uint16)
    labels.ravel()[: len(soft)] = list(soft)
    save(folder, "a", labels)
    with pytest.raises(DataError, match="labels without a name: ") as error:
        load(folder, None).label_map(0)
    assert ("as soft edges of a mask of 0 to 255 are: write 1 where it is above 127" in str(error.value)) == hint
