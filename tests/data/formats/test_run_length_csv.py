"""CSVs of run lengths with other columns than iMaterialist's: each kind, its masks known by hand, and what is wrong."""

import json
import pickle

import numpy as np
import pytest
from encoded_pixels import painted
from PIL import Image

from mrcnn.data.annotated import Fault, without
from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.imaterialist import ImaterialistDataset
from mrcnn.data.formats.run_length_csv import RunLengthDataset, recognises
from mrcnn.data.formats.writers import write_coco
from mrcnn.data.images import EXIF_ORIENTATION
from mrcnn.errors import DataError

SHAPE = (5, 4)  # height, width of the photos: pixels are counted from 1 on down the columns
# Runs of the objects of a.jpg, and of the one of b.jpg; c.jpg has none.
FIRST, SECOND, THIRD = [(1, 3), (10, 2)], [(20, 1)], [(6, 10)]
FIRST_MASK = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], bool)


@pytest.fixture
def folder(tmp_path):
    """A folder of three photos, of different formats."""
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.png", "c.tif"):
        Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path


def write(folder, text):
    (folder / "rows.csv").write_text(text)
    return folder / "rows.csv"


def load(path, **options):
    dataset = RunLengthDataset().load(str(path), **{"images": str(path.parent / "photos"), **options})
    dataset.prepare()
    return dataset


def check(dataset, classes, class_ids, names=("a.jpg", "b.png", "c.tif")):
    """That a data set holds the objects above. class_ids: of the first three, in the order of the photos."""
    assert dataset.class_names == ["BG", *classes]
    assert [dataset.file_name(i) for i in dataset.image_ids] == list(names)
    masks, ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks[..., 0], FIRST_MASK)
    np.testing.assert_array_equal(masks[..., 1], painted(SECOND, SHAPE))
    assert ids.tolist() == class_ids[:2]
    masks, ids = dataset.load_mask(1)
    np.testing.assert_array_equal(masks[..., 0], painted(THIRD, SHAPE))
    assert ids.tolist() == class_ids[2:]
    assert dataset.load_mask(2)[0].shape == (*SHAPE, 0)  # listed without an object
    assert [dataset.object_classes(i).tolist() for i in dataset.image_ids] == [class_ids[:2], class_ids[2:], []]
    assert dataset.faults == validate(dataset, 1, False) == []
    assert [entry.number for entry in dataset.objects(0)] == [0, 1]


NUCLEI = "ImageId,EncodedPixels\na,1 3 10 2\nb,6 10\na,20 1\nc,\n"
SHIPS = "ImageId,EncodedPixels\na.jpg,1 3 10 2\na.jpg,20 1\nb.png,6 10\nc.tif,\n"
STEEL = "ImageId_ClassId,EncodedPixels\n" + "".join(
    f"{name}_{number},{pixels}\n" for name, rows in (
        ("a.jpg", ["", "1 3 10 2", "20 1", ""]), ("b.png", ["", "6 10", "", ""]), ("c.tif", ["", "", "", ""])
    ) for number, pixels in enumerate(rows, 1)
)
CLOUDS = STEEL.replace("ImageId_ClassId", "Image_Label").replace("_2,", "_Sugar,").replace("_3,", "_Fish,")
CLOUDS = CLOUDS.replace("_1,", "_Gravel,").replace("_4,", "_Flower,")
STEEL_2 = "ImageId,ClassId,EncodedPixels\na.jpg,10,1 3 10 2\na.jpg,9,20 1\nb.png,10,6 10\nc.tif,,\n"
WORDS = "EncodedPixels,note,ClassId,ImageId\n1 3 10 2,,pants,a\n20 1,x,shoe,a\n6 10,,pants,b\n,,,c\n"
SIZED = "ImageId,EncodedPixels,Height,Width,Usage\na,1 3 10 2,5,4,x\nb,6 10,5,4,x\na,20 1,5,4,x\nc,,5,4,x\n"


# --- What is right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, classes, class_ids", [
    (NUCLEI, ["object"], [1, 1, 1]),
    (SHIPS, ["object"], [1, 1, 1]),
    (SIZED, ["object"], [1, 1, 1]),
    (STEEL, ["1", "2", "3", "4"], [2, 3, 2]),  # classes that no object is of are classes too
    (CLOUDS, ["Fish", "Flower", "Gravel", "Sugar"], [4, 1, 4]),
    (STEEL_2, ["9", "10"], [2, 1, 2]),  # by number, not by text
    (WORDS, ["pants", "shoe"], [1, 2, 1]),
])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_kind(folder, text, classes, class_ids, ending):
    path = write(folder, "")
    path.write_bytes(text.replace("\n", ending).encode())
    assert recognises(path) and recognise(str(path)) == "run_length_csv"
    check(load(path), classes, class_ids)


@pytest.mark.parametrize("text", [NUCLEI, STEEL, CLOUDS, WORDS])
def test_converted_to_coco_the_masks_are_the_same(folder, text):
    dataset = load(write(folder, text))
    write_coco(dataset, str(folder / "coco.json"))
    other = open_dataset(str(folder / "coco.json"), str(folder / "photos"))
    assert other.class_names == dataset.class_names and other.num_images == 3
    for i in dataset.image_ids:
        np.testing.assert_array_equal(dataset.load_mask(i)[0], other.load_mask(i)[0])
        assert dataset.load_mask(i)[1].tolist() == other.load_mask(i)[1].tolist()


def test_imaterialists_rows_without_sizes_are_those_with_sizes(folder):
    path = write(folder, "ImageId,ClassId,EncodedPixels\na.jpg,6,1 3 10 2\nb.png,0_28_77,20 1\na.jpg,23,1 20\n")
    (folder / "label_descriptions.json").write_text(json.dumps({
        "categories": [{"id": i, "name": f"class {i}", "supercategory": "all"} for i in (23, 6, 0, 9)],
        "attributes": [{"id": 28, "name": "washed"}],
    }))
    dataset = load(path)
    sized = folder / "sized.csv"
    lines = path.read_text().splitlines()
    sized.write_text("\n".join([lines[0] + ",Height,Width", *(f"{line},5,4" for line in lines[1:])]))
    assert recognise(str(sized)) == "imaterialist" and not recognises(sized)
    expected = ImaterialistDataset().load(str(sized), str(folder / "photos"))
    expected.prepare()
    assert dataset.class_names == expected.class_names == ["BG", "class 0", "class 6", "class 9", "class 23"]
    assert dataset.attribute_names == expected.attribute_names == {28: "washed"}
    assert [info.get("supercategory") for info in dataset.class_info] == [None, *["all"] * 4]
    for i in expected.image_ids:
        assert dataset.objects(i) == expected.objects(i) and dataset.file_name(i) == expected.file_name(i)


def test_names_of_numbered_classes(folder):
    path = write(folder, STEEL)
    (folder / "names.txt").write_text("1 pitted\n2 crazing\n3 scratches\n4 patches\n")
    check(load(path, names=folder / "names.txt"), ["pitted", "crazing", "scratches", "patches"], [2, 3, 2])
    (folder / "names.json").write_text(json.dumps({"categories": [{"id": i, "name": f"c{i}"} for i in range(5)]}))
    check(load(path, names=folder / "names.json"), ["c0", "c1", "c2", "c3", "c4"], [3, 4, 3])


def test_a_file_of_names_sets_the_classes_and_their_order(folder):
    path = write(folder, CLOUDS)
    (folder / "names.txt").write_text("Sugar\nGravel\nFish\nFlower\n")
    check(load(path, names=folder / "names.txt"), ["Sugar", "Gravel", "Fish", "Flower"], [1, 3, 1])
    (folder / "names.txt").write_text("Gravel\nSugar\n")
    with pytest.raises(DataError, match="a.jpg, object 1: line 4: its class Fish"):
        load(path, names=folder / "names.txt")
    (folder / "names.txt").write_text("Gravel\nGravel\n")
    with pytest.raises(DataError, match="names.txt: a class name occurs twice"):
        load(path, names=folder / "names.txt")


def test_the_name_of_the_only_class(folder):
    path = write(folder, NUCLEI)
    (folder / "names.txt").write_text("nucleus\n")
    check(load(path, names=folder / "names.txt"), ["nucleus"], [1, 1, 1])
    (folder / "names.txt").write_text("nucleus\nship\n")
    with pytest.raises(DataError, match="names.txt: names 2 classes, but .*rows.csv has one"):
        load(path, names=folder / "names.txt")


def test_photos_in_folders_of_their_own(folder):
    """The nuclei of 2018: stage1_train_labels.csv beside stage1_train/ID/images/ID.png."""
    for name in "ab":
        place = folder / "stage1_train" / name / "images"
        place.mkdir(parents=True)
        Image.fromarray(np.zeros((*SHAPE, 4), np.uint8)).save(place / f"{name}.png")
    path = folder / "stage1_train_labels.csv"
    path.write_text(NUCLEI.replace("c,\n", ""))
    dataset = load(path, images=None)
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a/images/a.png", "b/images/b.png"]
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], FIRST_MASK)
    assert dataset.load_image(0).shape == (*SHAPE, 3)


@pytest.mark.parametrize("place", ["rows", "rows_images", "."])
def test_where_photos_are_looked_for(folder, place):
    path = write(folder, NUCLEI)
    if place == ".":
        for photo in (folder / "photos").iterdir():
            photo.rename(folder / photo.name)
    else:
        (folder / "photos").rename(folder / place)
    check(load(path, images=None), ["object"], [1, 1, 1])


def test_a_half_turn_is_told(folder):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 3
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(folder / "photos" / "a.jpg", exif=exif)
    with pytest.warns(UserWarning, match="1 photo with an EXIF orientation, of which nothing tells.*upright.*a.jpg"):
        check(load(write(folder, NUCLEI)), ["object"], [1, 1, 1])


def test_a_photo_that_its_orientation_turns(folder):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(np.zeros((*SHAPE[::-1], 3), np.uint8)).save(folder / "photos" / "a.jpg", exif=exif)
    check(load(write(folder, NUCLEI)), ["object"], [1, 1, 1])


def test_classes_are_those_of_all_rows_whatever_the_limit(folder):
    dataset = load(write(folder, WORDS.replace("pants,b", "coat,b")), limit=1)
    assert dataset.class_names == ["BG", "coat", "pants", "shoe"] and dataset.num_images == 1
    assert dataset.load_mask(0)[1].tolist() == [2, 3]


def test_of_photos_beyond_a_limit_nothing_is_told(folder):
    (folder / "photos" / "in").mkdir()
    (folder / "photos" / "in" / "a.jpg").write_text("no photo")
    lines = ["ImageId,EncodedPixels,ClassId", "a,-1,1", "in/a,-1,1", "in/a,1 1,1_5_5", "in/a,1", "a,1 1,1", "other"]
    text = "\n".join(lines)
    dataset = load(write(folder, text), limit=1)
    assert dataset.object_count(0) == 1 and dataset.faults == []
    assert [(note.what, note.count, note.first) for note in dataset.notes] == [("row", 1, "line 2")]


def test_rows_without_objects_do_not_count(folder):
    path = write(folder, "ImageId,EncodedPixels\na,\na,1 3\na,\na,99 1\na,4 1\n")
    dataset = load(path)
    assert dataset.object_faults(0)[0][:2] == ("a.jpg", "RLE overflow") and dataset.object_faults(0)[0].number == 1
    dataset = without(dataset, [Fault("a.jpg", "RLE overflow", "", 1)])
    assert [entry.number for entry in dataset.objects(0)] == [0, 2]
    assert pickle.loads(pickle.dumps(dataset)).object_classes(0).tolist() == [1, 1]


# --- What is wrong ---------------------------------------------------------------------------------------------------

FAULTS = {
    "no class": (CLOUDS + "a.jpg_,3 4\n", ("a.jpg", 2, "bad entry"), "line 14: its class is empty"),
    "no joint": (CLOUDS + "picture,3 4\n", ("line 14", None, "bad entry"), "its Image_Label 'picture' is no photo's n"),
    "no photo": (CLOUDS + "_Fish,3 4\n", ("", None, "bad entry"), "a row has no Image_Label"),
    "missing": (NUCLEI + "gone,1 2\n", ("gone", None, "missing"), "1 of 4 photos are not in"),
    "way out": (NUCLEI + "../z,1 2\n", ("../z", None, "path escape"), "leads out of the image folder"),
    "too many fields": (NUCLEI + "a,1 2,3\n", ("line 6", None, "bad entry"), "it has 3 fields, the first line 2"),
    "broken photo": (NUCLEI + "broken,1 2\n", ("broken.jpg", None, "unreadable"), "not a readable image"),
    "no size": (SIZED + "d,1 2,,4,x\n", ("d", None, "bad entry"), "it has Height '' and Width '4'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_rows_and_photos(folder, name):
    text, fault, said = FAULTS[name]
    (folder / "photos" / "broken.jpg").write_text("no photo")
    if name == "no size":
        Image.new("RGB", SHAPE[::-1]).save(folder / "photos" / "d.png")
        fault = ("d.png", *fault[1:])
    path = write(folder, text)
    with pytest.raises(DataError, match="rows.csv: ") as error:
        load(path)
    assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="skipped"):
        dataset = load(path, on_error="skip")
    assert [(f.photo, f.number, f.kind) for f in dataset.faults] == [fault]
    assert [dataset.object_count(i) for i in dataset.image_ids] == [2, 1, 0]


@pytest.mark.parametrize("pixels, kind, said", [
    ("1 21", "RLE overflow", "its run of 21 pixels from pixel 1 lies outside the pixels 1 to 20 of a photo of 5x4"),
    ("1 2 3", "bad entry", "3 numbers, which make no pairs"),
    ("-2", "bad entry", "'-2' are no whole numbers"),
    ("3 0", "empty mask", "hold no pixel"),
])
def test_faults_of_masks_are_met_when_objects_are_read(folder, pixels, kind, said):
    dataset = load(write(folder, NUCLEI + f"b,{pixels}\n"))
    fault, = validate(dataset, 1, False)
    assert (fault.photo, fault.number, fault.kind) == ("b.png", 1, kind) and said in fault.message


@pytest.mark.parametrize("text, said", [
    ("", "no CSV of run lengths, for its first line has not the columns EncodedPixels and ImageId"),
    ("ImageId,Label\na,b\n", "no CSV of run lengths"),
    ("ImageId,EncodedPixels\n", "no photos remain"),
])
def test_files_of_another_form(folder, text, said):
    path = write(folder, text)
    assert recognises(path) == ("EncodedPixels" in text)
    with pytest.raises(DataError, match=f"rows.csv: {said}"):
        load(path)


def test_what_cannot_be_loaded(folder):
    path = write(folder, NUCLEI)
    with pytest.raises(DataError, match="none.csv: cannot read"):
        load(folder / "none.csv")
    with pytest.raises(DataError, match="nowhere: no such image folder"):
        load(path, images=folder / "nowhere")
    with pytest.raises(DataError, match="takes no mapping"):
        load(path, mapping="ccp-13")
    with pytest.raises(DataError, match="names.txt: cannot read"):
        load(path, names=folder / "names.txt")
    assert not recognises(folder) and not recognises(folder / "photos" / "a.jpg")


def test_a_row_of_minus_one_lists_its_photo_and_is_told(folder):
    with pytest.warns(UserWarning, match=r"2 rows whose EncodedPixels are -1.*line 3"):
        dataset = load(write(folder, "ImageId, EncodedPixels\na,1 3 10 2\nb, -1\nc,-1\n"))
    assert [dataset.object_count(i) for i in dataset.image_ids] == [1, 0, 0] and validate(dataset, 1, False) == []


def test_starts_that_count_from_the_end_of_the_run_before_are_refused(folder):
    # Summed up, the first covers 5 of its 13 pixels; as absolute ones its second and third run start at one pixel.
    text = "ImageId,EncodedPixels\na,2 2 3 2 3 1\nb,-1\nc,1 1 1 1 1 1\n"
    with pytest.raises(DataError, match=r"rows.csv: 2 of 2 rows of three or more runs.*SIIM-ACR.*write each start"):
        load(write(folder, text))


@pytest.mark.parametrize("rows", ["a,1 3 6 2 10 2\n", "a,12 2 6 2 10 2\n",  # 34 of 20 pixels: merely out of order
                                  "a,5 1 2 1 8 1\n",  # 18 of 20, but one start of two falls
                                  "a,2 2 3 2 3 1\nb,1 1 3 1 6 1\nc,1 1 4 1 7 1\n", "a,5 2 1 2\n"])
def test_runs_out_of_order_are_their_union(folder, rows):
    dataset = load(write(folder, "ImageId,EncodedPixels\n" + rows))
    assert all(dataset.object_count(i) for i in dataset.image_ids[:1]) and validate(dataset, 1, False) == []
