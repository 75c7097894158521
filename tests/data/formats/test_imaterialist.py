"""Reading iMaterialist CSVs: masks against their definition, what is wrong named, no text kept in memory."""

import concurrent.futures
import csv
import json
import os
import pathlib
import pickle

import numpy as np
import pytest
from encoded_pixels import painted, text_of
from PIL import Image

from mrcnn.data.annotated import Fault, select, without
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.imaterialist import BY_BOTH, IN_TWO_WAYS, SAID_TWICE, ImaterialistDataset, recognises
from mrcnn.data.formats.writers import write_imaterialist
from mrcnn.errors import DataError

NAMES = {
    "categories": [
        {"id": 6, "name": "pants", "supercategory": "lowerbody", "level": 2},
        {"id": 0, "name": "shirt, blouse", "supercategory": "upperbody", "level": 2},
        {"id": 23, "name": "shoe", "supercategory": "legs and feet", "level": 2},
    ],
    "attributes": [{"id": 28, "name": "washed", "supercategory": "textile", "level": 1}],
}
# Photos of 5x4 pixels (height x width), counted from 1 on down the columns.
ROWS = [
    ["a.jpg", "1 3 10 2", "5", "4", "6"],  # rows 0-2 of column 0, rows 4 of column 1 and 0 of column 2
    ["b.jpg", "20 1", "5", "4", "0_28_77"],
    ["a.jpg", "1 20", "5", "4", "23"],
]
HEADER = ["ImageId", "EncodedPixels", "Height", "Width", "ClassId"]


@pytest.fixture
def files(tmp_path):
    """Function that writes a CSV of rows, its label descriptions and empty photos, and returns its path."""
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg", "unlisted.jpg"):
        (tmp_path / "photos" / name).touch()

    def write(rows=ROWS, header=HEADER, names=NAMES, text=None, **options):
        path = tmp_path / "rows.csv"
        if text is None:
            with open(path, "w", newline="") as file:
                csv.writer(file, **{"lineterminator": "\n", **options}).writerows([header, *rows])
        else:
            path.write_bytes(text)
        if names is not None:
            (tmp_path / "label_descriptions.json").write_text(names if isinstance(names, str) else json.dumps(names))
        return str(path)

    return write


def load(path, **options):
    dataset = ImaterialistDataset().load(path, os.path.join(os.path.dirname(path), "photos"), **options)
    dataset.prepare()
    return dataset


FIRST = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], bool)
FIRST[0, 2] = True


# --- What is right ---------------------------------------------------------------------------------------------------


def check_rows(dataset):
    """That a data set holds what ROWS say."""
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]
    masks, class_ids = dataset.load_mask(0)
    assert masks.dtype == bool and masks.shape == (5, 4, 2) and class_ids.dtype == np.int32
    np.testing.assert_array_equal(masks[..., 0], FIRST)
    assert masks[..., 1].all() and class_ids.tolist() == [2, 3]
    masks, class_ids = dataset.load_mask(1)
    np.testing.assert_array_equal(masks[..., 0], painted([(20, 1)], (5, 4)))
    assert class_ids.tolist() == [1]
    assert [dataset.object_count(i) for i in dataset.image_ids] == [2, 1]


def test_rows_of_a_photo_may_lie_apart(files):
    dataset = load(files())
    check_rows(dataset)
    assert [entry.number for entry in dataset.objects(0)] == [0, 1]
    assert dataset.faults == dataset.object_faults(0) == []


def test_all_categories_become_classes_in_the_order_of_their_ids(files):
    dataset = load(files())
    assert dataset.class_names == ["BG", "shirt, blouse", "pants", "shoe"]
    assert [info["id"] for info in dataset.class_info] == [0, 0, 6, 23]  # the category of id 0 is class 1
    assert [dataset.map_source_class_id(f"imaterialist.{i}") for i in (0, 6, 23)] == [1, 2, 3]
    assert dataset.class_info[1]["supercategory"] == "upperbody"
    assert load(files(ROWS[:1])).class_names == ["BG", "shirt, blouse", "pants", "shoe"]


def test_attributes_are_kept(files):
    dataset = load(files())
    assert [entry.attributes for entry in dataset.objects(0)] == [(), ()]
    assert [(entry.class_id, entry.attributes) for entry in dataset.objects(1)] == [(1, (28, 77))]
    assert dataset.attribute_names == {28: "washed"}


@pytest.mark.parametrize("rows, header", [
    ([["b.jpg", "20 1", "5", "4", "6_28_28"], ["b.jpg", "20 1", "5", "4", "6_77_28"]], HEADER),
    ([["b.jpg", "20 1", "5", "4", "6", attributes] for attributes in ("28,28", "77,28")], [*HEADER, "AttributesIds"]),
])
def test_an_attribute_that_is_listed_twice_counts_once(files, tmp_path, rows, header):
    with pytest.warns(UserWarning, match="1 object with an attribute that is listed twice: it counts once .first: "
                                         "line 2"):
        dataset = load(files(rows, header))
    assert [entry.attributes for entry in dataset.objects(0)] == [(28,), (77, 28)]
    write_imaterialist(dataset, tmp_path / "new" / "out.csv")
    lines = (tmp_path / "new" / "out.csv").read_text().splitlines()
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["6_28", "6_77_28"]


def test_the_form_of_2020(files, tmp_path):
    rows = [["a", *ROWS[0][1:], "28,77,143"], ["b", "20 1", "5", "4", "0", ""], ["a", "1 20", "5", "4", "23", "5"]]
    path = files(rows, [*HEADER, "AttributesIds"])
    dataset = load(path)
    check_rows(dataset)
    assert [entry.attributes for i in (0, 1) for entry in dataset.objects(i)] == [(28, 77, 143), (5,), ()]
    os.rename(tmp_path / "photos" / "a.jpg", tmp_path / "photos" / "a.PNG")
    dataset = load(path)
    assert dataset.file_name(0) == "a.PNG" and dataset.image_info[0]["path"].endswith(os.path.join("photos", "a.PNG"))


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 0, 2, 3, 4], [2, 3, 4, 0, 1]])
def test_columns_in_any_order_with_others_among_them(files, order):
    rows = [["x, y", *[row[i] for i in order], ""] for row in ROWS]
    check_rows(load(files(rows, ["note", *[HEADER[i] for i in order], "AttributesIds"])))


def test_the_ways_to_write_a_csv(files):
    check_rows(load(files(lineterminator="\r\n")))
    check_rows(load(files(quoting=csv.QUOTE_ALL)))
    check_rows(load(files(quoting=csv.QUOTE_ALL, lineterminator="\r\n")))
    plain = pathlib.Path(files()).read_bytes()
    check_rows(load(files(text=b"\xef\xbb\xbf" + plain)))  # a byte order mark
    check_rows(load(files(text=plain.rstrip(b"\n"))))
    check_rows(load(files(text=plain.replace(b"\n", b"\n\n"))))  # empty lines
    check_rows(load(files(text=b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n").rstrip())))
    check_rows(load(files(text=plain.replace(b",5,4,", b",5.0,4.0,"))))  # as pandas writes a column with gaps


def test_quotes_within_names(files, tmp_path):
    (tmp_path / "photos" / 'the "red", one.jpg').touch()
    dataset = load(files([['the "red", one.jpg', "3 4", "5", "4", "6"]]))
    assert dataset.file_name(0) == 'the "red", one.jpg'
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], painted([(3, 4)], (5, 4)))


def test_a_field_longer_than_csv_allows(files):
    runs = [(1 + 4 * i, 2) for i in range(60_000)]
    text = text_of(runs).decode()
    assert len(text) > csv.field_size_limit() > 100_000
    dataset = load(files([["a.jpg", text, "600", "400", "6"]]))
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], painted(runs, (600, 400)))


def test_masks_stay_in_the_file(files):
    text = "1 1 " * 50_000 + "1 1"
    path = files([["a.jpg", text, "5", "4", "6"], ["b.jpg", text, "5", "4", "6"]] * 10)
    assert os.path.getsize(path) > 4_000_000
    dataset = load(path)
    assert len(pickle.dumps(dataset)) < 10_000
    assert dataset.object_count(0) == 10
    dataset.objects(0)
    assert len(pickle.dumps(dataset)) < 10_000  # nothing is kept of what was read


def test_counting_objects_asks_for_no_run_lengths(files):
    path = files()
    dataset = load(path)
    os.remove(path)
    assert [dataset.object_count(i) for i in dataset.image_ids] == [2, 1]
    with pytest.raises(DataError, match="rows.csv: cannot read"):
        dataset.load_mask(0)


def test_a_file_that_changed_gives_no_wrong_masks(files):
    dataset = load(files())
    files([["a.jpg", "9 9", "5", "4", "6"], *ROWS])
    with pytest.raises(DataError, match="rows.csv: changed since it was loaded"):
        dataset.load_mask(0)


def test_limit(files):
    rows = [["b.jpg", "2 1", "5", "4", "0"], *ROWS, ["gone.jpg", "x", "0", "y", "z"], ["short"]]
    dataset = load(files(rows), limit=1)
    assert dataset.num_images == 1 and dataset.object_count(0) == 2  # its second row comes later in the file
    assert load(files(rows), limit=2).num_images == 2  # what is wrong further on is not asked for
    assert load(files(), limit=50).num_images == 2


def test_folders_and_names(files, tmp_path):
    path = files()
    with pytest.warns(UserWarning, match=r"2 photos named as .*\(first: a.jpg is photos/a.jpg\)"):
        dataset = ImaterialistDataset().load(path)  # beside the CSV there are none, and one file fits each
    assert dataset.image_info[0]["path"] == str(tmp_path / "photos/a.jpg")
    os.mkdir(tmp_path / "empty")
    with pytest.raises(DataError, match=f"2 of 2 photos are not in {tmp_path}/empty: a.jpg, b.jpg"):
        ImaterialistDataset().load(path, tmp_path / "empty")
    os.rename(tmp_path / "photos", tmp_path / "rows")  # as `train` lies beside `train.csv`
    dataset = ImaterialistDataset().load(path)
    assert dataset.image_info[0]["path"] == str(tmp_path / "rows" / "a.jpg")
    (tmp_path / "other.json").write_text(json.dumps({"categories": [
        {"id": i, "name": f"class {i}"} for i in (0, 6, 23, 40)
    ]}))
    assert ImaterialistDataset().load(path, names=tmp_path / "other.json").class_info[4]["name"] == "class 40"
    os.remove(tmp_path / "label_descriptions.json")
    with pytest.warns(UserWarning, match="no label_descriptions.json beside it"):
        dataset = ImaterialistDataset().load(path)
    assert [info["name"] for info in dataset.class_info] == ["BG", "0", "6", "23"]
    with pytest.raises(DataError, match="takes no mapping"):
        ImaterialistDataset().load(path, mapping="m.json")


def test_choosing_and_sharing(files):
    dataset = load(files())
    chosen = select(dataset, [1, 0])
    assert [chosen.load_mask(i)[1].tolist() for i in chosen.image_ids] == [[1], [2, 3]]
    left = without(chosen, [Fault("a.jpg", "empty mask", "", 0)])
    assert left.load_mask(1)[1].tolist() == [3] and left.object_count(1) == 1 and dataset.object_count(0) == 2
    check_rows(pickle.loads(pickle.dumps(dataset)))


def test_many_threads_read_the_same_masks(files):
    rng = np.random.default_rng(0)
    rows = [[f"{i}.jpg", f"{rng.integers(1, 10)} {rng.integers(1, 10)}", "5", "4", "6"] for i in range(50)] * 3
    path = files(rows)
    for i in range(50):
        (pathlib.Path(path).parent / "photos" / f"{i}.jpg").touch()
    dataset = load(path)
    alone = [dataset.load_mask(i)[0] for i in dataset.image_ids]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: dataset.load_mask(i)[0], list(dataset.image_ids) * 4))
    for i, masks in enumerate(together):
        np.testing.assert_array_equal(masks, alone[i % 50])


def test_two_files_in_one_data_set(files, tmp_path):
    dataset = load(files())
    first = tmp_path / "first.csv"
    os.rename(tmp_path / "rows.csv", first)
    dataset = load(str(first))
    dataset.load(files([["unlisted.jpg", "5 5", "5", "4", "23"]]), str(tmp_path / "photos"))
    dataset.prepare()
    assert dataset.load_mask(2)[1].tolist() == [3] and dataset.load_mask(0)[1].tolist() == [2, 3]
    np.testing.assert_array_equal(dataset.load_mask(2)[0][..., 0], painted([(5, 5)], (5, 4)))


# --- What is wrong ---------------------------------------------------------------------------------------------------


def edited(row, column, value):
    rows = [list(row) for row in ROWS]
    rows[row][column] = value
    return rows


# name: (rows, kind, photo, number, what the message says after the photo)
FAULTS = {
    "unknown class": (edited(2, 4, "7"), "unknown class", "a.jpg", 1, "line 4: its class 7 is none"),
    "class in words": (edited(2, 4, "shoe"), "bad entry", "a.jpg", 1, "line 4: .*'shoe' are no whole numbers"),
    "no class": (edited(0, 4, ""), "bad entry", "a.jpg", 0, "line 2: .*'' are no whole numbers"),
    "attribute in words": (edited(1, 4, "0_x"), "bad entry", "b.jpg", 0, "line 3: .*'0_x' are no whole numbers"),
    "too few fields": ([*ROWS, ["a.jpg", "3 4"]], "bad entry", "line 5", None, "it has 2 fields, the first line 5"),
    "too many fields": ([*ROWS, [*ROWS[0], "7"]], "bad entry", "line 5", None, "it has 6 fields"),
    "no height": (edited(1, 2, ""), "bad entry", "b.jpg", None, "it has Height '' and Width '4'"),
    "no size": (edited(1, 3, "0"), "bad entry", "b.jpg", None, "it has Height '5' and Width '0'"),
    "half a pixel": (edited(1, 3, "4.5"), "bad entry", "b.jpg", None, "it has Height '5' and Width '4.5'"),
    "infinite": (edited(1, 3, "inf"), "bad entry", "b.jpg", None, "it has Height '5' and Width 'inf'"),
    "larger than run lengths": (edited(1, 3, "999999999"), "bad entry", "b.jpg", None, ".*Width '999999999'"),
    "two sizes": (edited(2, 2, "6"), "wrong size", "a.jpg", None, "line 4 gives it 6x4 pixels, its first line 5x4"),
    "way out": (edited(1, 0, "../z.jpg"), "path escape", "../z.jpg", None, ".*leads out"),
    "absolute": (edited(1, 0, "/etc/z.jpg"), "path escape", "/etc/z.jpg", None, ".*leads out"),
    "no name": (edited(1, 0, ""), "bad entry", "", None, "a row has no ImageId"),
    "missing": (edited(1, 0, "gone.jpg"), "missing", "gone.jpg", None, "the photo is not in "),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_rows_and_photos(files, name):
    rows, kind, photo, number, message = FAULTS[name]
    path = files(rows)
    place = photo if number is None else f"{photo}, object {number}"
    expected = "1 of 2 photos are not in .*photos: gone.jpg" if kind == "missing" else f"{place}: {message}"
    with pytest.raises(DataError, match=f"^{path}: {expected}.*on_error") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.warns(UserWarning, match=f"skipped {place}: {message}"):
        dataset = load(path, on_error="skip")
    fault, = dataset.faults
    assert (fault.photo, fault.kind, fault.number) == (photo, kind, number)
    # What is left is sound, and keeps its numbers.
    left = {dataset.file_name(i): [entry.number for entry in dataset.objects(i)] for i in dataset.image_ids}
    expected = {"a.jpg": [0, 1], "b.jpg": [0]}
    if photo in expected and number is None:
        del expected[photo]
    elif photo in expected:
        expected[photo].remove(number)
    elif kind in ("path escape", "missing") or name == "no name":
        del expected["b.jpg"]
    assert left == expected
    assert [dataset.object_count(i) for i in dataset.image_ids] == [len(numbers) for numbers in expected.values()]


def test_a_huge_size_is_compared_with_the_photo(files):
    # 40 x 49,999,999 pixels would be 1.9 GB for each mask.
    path = files([ROWS[0], [*ROWS[1][:2], "40", "49999999", ROWS[1][4]], ROWS[2]])
    folder = pathlib.Path(path).parent / "photos"
    Image.fromarray(np.zeros((5, 4, 3), np.uint8)).save(folder / "b.jpg")
    with pytest.raises(DataError, match="b.jpg: it has 5x4 pixels .*annotated as 40x49999999"):
        load(path)
    with pytest.warns(UserWarning, match="skipped b.jpg"):
        assert [fault.kind for fault in load(path, on_error="skip").faults] == ["wrong size"]


@pytest.mark.parametrize("pixels, kind", [("1 99", "RLE overflow"), ("1 2 3", "bad entry"), ("", "empty mask")])
def test_faults_of_masks_are_met_when_objects_are_read(files, pixels, kind):
    path = files(edited(0, 1, pixels))
    dataset = load(path)
    fault, = dataset.object_faults(0)
    assert (fault.photo, fault.kind, fault.number) == ("a.jpg", kind, 0)
    assert dataset.object_faults(1) == []
    if kind == "empty mask":
        assert dataset.load_mask(0)[1].tolist() == [3] and dataset.object_count(0) == 1
    else:
        with pytest.raises(DataError, match="^a.jpg, object 0: its "):
            dataset.load_mask(0)
        with pytest.warns(UserWarning, match="skipped a.jpg, object 0"):
            assert load(path, on_error="skip").load_mask(0)[1].tolist() == [3]
    assert without(dataset, [fault]).load_mask(0)[1].tolist() == [3]


def test_a_file_cut_off_in_a_quoted_field(files):
    text = pathlib.Path(files(quoting=csv.QUOTE_ALL)).read_bytes()
    with pytest.raises(DataError, match="line 4: a quote in it does not end"):
        load(files(text=text[:-2]))
    with pytest.raises(DataError, match="line 4: a quote in it does not end"):
        load(files(text=text[:-3] + b'"3"\n'))
    with pytest.raises(DataError, match="line 4: it has 2 fields, the first line 5"):
        load(files(text=text[:-20]))


@pytest.mark.parametrize("text, message", [
    (b"", "no column 'ImageId'"), (b"ImageId,Height,Width,ClassId\n", "no column 'EncodedPixels'"),
    (b"\x89PNG\r\n\x1a\n" + bytes(300), "no column 'ImageId'"), (b'"ImageId,EncodedPixels', "no column"),
    (b"ImageId,EncodedPixels,Height,Width,ClassId\n", "no photos remain"),
])
def test_files_of_another_form(files, text, message):
    with pytest.raises(DataError, match=f"rows.csv: .*{message}"):
        load(files(text=text))


@pytest.mark.parametrize("names, message", [
    ("{no json", "no JSON file"), ([], "no label descriptions"), ({"categories": []}, "no label descriptions"),
    ({"categories": [{"id": "6", "name": "pants"}]}, "no label descriptions"), ({"categories": [6]}, "no label desc"),
    ({"categories": [{"id": 6, "name": "pants"}] * 2}, "a category id occurs twice"),
])
def test_label_descriptions_of_another_form(files, names, message):
    with pytest.raises(DataError, match=f"label_descriptions.json: {message}"):
        load(files(names=names))


def test_missing_files(files, tmp_path):
    with pytest.raises(DataError, match="absent.csv: cannot read"):
        load(str(tmp_path / "absent.csv"))
    with pytest.raises(DataError, match="none.json: cannot read the file of class names"):
        load(files(), names=str(tmp_path / "none.json"))
    with pytest.raises(DataError, match="nowhere: no such image folder"):
        ImaterialistDataset().load(files(), str(tmp_path / "nowhere"))


def test_what_is_recognised(files, tmp_path):
    assert recognises(files()) and recognises(files(quoting=csv.QUOTE_ALL))
    assert recognises(files(text=b"\xef\xbb\xbfClassId,Width,Height,EncodedPixels,ImageId,AttributesIds\r\n"))
    assert not recognises(files(text=b"ImageId,Height,Width,ClassId\n")) and not recognises(files(text=b""))
    assert not recognises(files(text=b'{"images": []}')) and not recognises(files(text=bytes(range(256)) * 9))
    assert not recognises(tmp_path) and not recognises(tmp_path / "absent")


# --- One photo in several rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["a", "./a.jpg"])
def test_rows_of_one_photo_under_two_names_are_taken_together(files, other):
    rows = [*ROWS[:2], [other, "1 x", "5", "4", "6"], [other, *ROWS[2][1:]]]
    with pytest.warns(UserWarning, match=f"1 photo named in two ways: .*taken together .first: a.jpg and {other}"):
        dataset = load(files(rows))
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]
    entries = dataset.objects_and_faults(0)
    assert [entry.number for entry in entries] == [0, 1, 2] and isinstance(entries[1], Fault)
    rows[2][4] = "99"
    with pytest.raises(DataError, match="a.jpg, object 1: line 4: its class 99 is none"):
        load(files(rows))
    rows[2:] = [[other, "1 1", "4", "5", "6"]]
    with pytest.raises(DataError, match=f"a.jpg: it has two sizes in pixels .*'a.jpg' 5x4, as '{other}' 4x5"):
        load(files(rows))


def test_of_two_names_of_a_photo_one_may_lack_a_size(files):
    for sizes in (("", "4"), ("5", "4")), (("5", "4"), ("", "4")):
        rows = [["a", "1 1", *sizes[0], "6"], ["a.jpg", "2 1", *sizes[1], "6"], ROWS[1]]
        with pytest.raises(DataError, match="a.jpg: it has Height '' and Width '4'"):
            load(files(rows))
        assert [fault.kind for fault in load(files(rows), on_error="skip").faults] == ["bad entry"]


def test_objects_that_both_names_of_a_photo_list_count_once(files):
    rows = [["a", "1 1", "5", "4", "6"], ["a.jpg", "2 1", "5", "4", "6"], ["a.jpg", "1 1", "5", "4", "6"], ROWS[1]]
    with pytest.warns(UserWarning, match="1 object that both names of a photo list .*taken once .first: object 2 of a"):
        dataset = load(files(rows))
    assert [entry.number for entry in dataset.objects(0)] == [0, 1] and dataset.object_count(0) == 2
    described = [["a", "1 1", "5", "4", "6_28"], ["a.jpg", "1 1", "5", "4", "6_77"], ROWS[1]]
    with pytest.warns(UserWarning, match="1 object that both .*other attributes: .*with the attributes of both"):
        dataset = load(files(described))
    assert [entry.attributes for entry in dataset.objects(0)] == [(28, 77)] and dataset.object_count(0) == 1
    described[1][4] = "6_77_28"  # another order is told as the same
    described[0][4] = "6_28_77"
    with pytest.warns(UserWarning) as told:
        assert load(files(described)).object_count(0) == 1
    assert not any("attributes of both" in str(warning.message) for warning in told)
    rows = [rows[0], rows[0], rows[1], ROWS[1]]  # under one name it is for `data validate` to tell
    assert load(files(rows)).object_count(0) == 3


@pytest.mark.parametrize("listed, expected, told", [
    # those of the same attributes are one, whatever the order
    ({"a": ["6_1", "6_2"], "a.jpg": ["6_2_9", "6_1"]}, [(1,), (2, 9)], {SAID_TWICE: 1, BY_BOTH: 1}),
    ({"a": ["6_1", "6_2"], "a.jpg": ["6_3", "6_4"]}, [(1, 3), (2, 4)], {BY_BOTH: 2}),
    ({"a": ["6_1", "6_2"], "a.jpg": ["6_2", "6_1"]}, [(1,), (2,)], {SAID_TWICE: 2}),
    # each is met by one
    ({"a": ["6"], "a.jpg": ["6", "6"]}, [(), ()], {SAID_TWICE: 1}),
    ({"a": ["6_1", "6_1"], "a.jpg": ["6_1", "6_1"]}, [(1,), (1,)], {SAID_TWICE: 2}),
    ({"a": ["6_1"], "a.jpg": ["6_2"], "./a.jpg": ["6_2_1", "6_5"]}, [(1, 2), (5,)], {SAID_TWICE: 1, BY_BOTH: 1}),
    ({"a": ["6_1"], "a.jpg": ["99", "6_1"]}, [(1,)], {SAID_TWICE: 1}),
])
def test_objects_of_two_names_are_met_one_to_one(files, listed, expected, told):
    rows = [[name, "1 1", "5", "4", label] for name, labels in listed.items() for label in labels]
    dataset = load(files([*rows, ROWS[1]]), on_error="skip")
    entries = [entry for entry in dataset.objects(0) if not isinstance(entry, Fault)]
    assert [entry.attributes for entry in entries] == expected and dataset.object_count(0) == len(expected)
    assert {note.how: note.count for note in dataset.notes if note.how in (SAID_TWICE, BY_BOTH)} == told
    labels = dataset.image_info[0]["table"].labels
    assert len(labels) == len(set(labels))


def test_two_names_of_a_photo_whose_rows_are_all_faulty(files):
    dataset = load(files([[name, "1 1", "5", "4", "99"] for name in ("a", "a.jpg")]), on_error="skip")
    assert dataset.object_count(0) == 0 and [fault.kind for fault in dataset.faults] == ["unknown class"] * 2


@pytest.mark.parametrize("limit, rows, expected", [
    (1, ["a.jpg", "b.jpg", "./a.jpg", "a"], {"a.jpg": 3}), (2, ["b.jpg", "a.jpg", "./a.jpg"], {"b.jpg": 1, "a.jpg": 2}),
    (2, ["a.jpg", "./a.jpg", "b.jpg"], {"a.jpg": 2, "b.jpg": 1}), (1, ["a.jpg", "A.jpg", "b.jpg"], {"a.jpg": 1}),
    (1, ["p.v2.jpg", "b.jpg", "p.v2"], {"p.v2.jpg": 2}), (2, ["p.v2.jpg", "p.v2", "a"], {"p.v2.jpg": 2, "a.jpg": 1})])
def test_a_limit_takes_all_names_of_a_photo_and_counts_it_once(files, limit, rows, expected):
    (pathlib.Path(files()).parent / "photos" / "p.v2.jpg").touch()
    rows = [[name, f"{number + 1} 1", "5", "4", "6"] for number, name in enumerate(rows)]
    dataset = load(files(rows), limit=limit)
    assert {dataset.file_name(i): dataset.object_count(i) for i in dataset.image_ids} == expected


def test_of_photos_beyond_a_limit_nothing_is_told(files):
    photos = pathlib.Path(files()).parent / "photos"
    for name in ("x/a.jpg", "two.jpg", "two.png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).touch()
    beyond = [("x/a.jpg", "6_77"), ("x/a.jpg", "6_28_28"), ("x/a.jpg", "99"), ("two", "6"), ("b.jpg", "6"), ("b", "6"),
              ("B.jpg", "6"), ("/etc/z.jpg", "6"), ("gone.jpg", "6"), ("UNLISTED.jpg", "6"), ("b.jpg", "")]
    rows = [[name, "1 1", "5", "4", label] for name, label in [("a.jpg", "6"), *beyond]]
    dataset = load(files([*rows, ["a", "2 1", "5", "4", "6"], ["short"], ["x/a.jpg", "1 1"]]), limit=1)
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg"] and dataset.object_count(0) == 2
    assert dataset.faults == [] and [(note.how, note.first) for note in dataset.notes] == [
        (IN_TWO_WAYS, "a.jpg and a")]
    with pytest.raises(DataError, match="1 of 1 photos are not in .*: gone.jpg"):
        load(files([["gone.jpg", *ROWS[0][1:]], *ROWS]), limit=1)


def test_problems_within_a_limit_keep_their_places(files):
    rows = [["unlisted.jpg", "1 1", "5", "4", "x"], *edited(2, 4, "7"), ["a.jpg", "1 1"], ["a", "1 1", "5", "4", "8"]]
    rows = [ROWS[0], *rows[:2], *rows[3:], ["short"], ["b.jpg", "1 1", "5", "4", "z"]]
    dataset = load(files(rows), limit=1, on_error="skip")
    assert [(fault.photo, fault.number, fault.message.partition(":")[0]) for fault in dataset.faults] == [
        ("a.jpg", 2, "line 5"), ("line 6", None, "it has 2 fields, the first line 5"), ("a.jpg", 3, "line 7")]


def test_a_bad_line_of_a_photo_within_the_limit_is_told_wherever_it_is(files):
    text = b"ImageId,EncodedPixels,Height,Width,ClassId\na.jpg,1 1,5,4,6\nb.jpg,1 1,5,4,6\na.jpg,1 1,5\nb.jpg,1 1,5\n"
    dataset = load(files(text=text), limit=1, on_error="skip")
    assert [fault.photo for fault in dataset.faults] == ["line 4"]


def test_two_names_that_are_like_one_file_stand_for_none(files):
    dataset = load(files([ROWS[1], ["A.jpg", *ROWS[0][1:]], ["A.JPG", *ROWS[0][1:]]]), on_error="skip")
    assert [(fault.photo, fault.kind) for fault in dataset.faults] == [("A.jpg", "missing"), ("A.JPG", "missing")]
    assert all("looks like a.jpg" in fault.message and "another name stands for or looks like, too" in fault.message
               for fault in dataset.faults)


@pytest.mark.parametrize("other", ["A.JPG", "old/a.jpg"])
def test_a_name_like_that_of_another_photo_takes_out_no_sound_photo(files, other):
    path = files([*ROWS[:2], [other, *ROWS[0][1:]]])
    dataset = load(path, on_error="skip")
    assert [fault.photo for fault in dataset.faults] == [other]
    assert [loss.photo for loss in dataset.lost] == [other]


@pytest.mark.parametrize("other", ["A.JPG", "a%2Ejpg"])
def test_rows_of_a_name_that_looks_like_a_photo_of_another_name_are_lost_to_it(files, other):
    path = files([*ROWS[:2], [other, *ROWS[2][1:]]])
    with pytest.warns(UserWarning, match="left out 1 photo that lost 1 object .first: a.jpg"):
        dataset = open_dataset(path, str(pathlib.Path(path).parent / "photos"), on_error="skip")
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.jpg"]


@pytest.mark.parametrize("cut", ['a.jpg,"1 3', "a.jpg,1 3", "a.jpg"])
def test_a_line_cut_short_costs_its_photo(files, cut):
    lines = [",".join(row) for row in [HEADER, *ROWS]]
    text = "\n".join([*lines, cut]) + "\n"
    photos = str(pathlib.Path(files()).parent / "photos")
    with pytest.raises(DataError, match="line 5: .*: 'a.jpg' lacks an object now"):
        load(files(text=text.encode()))
    dataset = open_dataset(files(text=text.encode()), photos, on_error="skip")
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["b.jpg"]
    text = "\n".join([*lines, cut.replace("a.jpg", "a.j")]) + "\n"
    with pytest.warns(UserWarning, match="skipped line 5: .* which photo lacks an object now is not known"):
        dataset = open_dataset(files(text=text.encode()), photos, on_error="skip")
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.jpg", "b.jpg"]


def test_cells_that_a_spreadsheet_cut_are_told(files):
    pixels = "10 2 " * 6553
    rows = [["a.jpg", pixels + "  ", "5", "4", "6"], ROWS[1]]
    (fault, *_) = load(files(rows)).object_faults(0)
    assert fault.kind == "bad entry" and "a spreadsheet cut them off" in fault.message
    rows[1] = ["b.jpg", pixels + "   ", "5", "4", "6"]  # a file with a longer text was cut by none
    assert len(load(files(rows)).objects(0)) == len(load(files(rows), limit=1).objects(0)) == 1


def test_attributes_that_the_list_has_not_are_told(files):
    rows = [ROWS[0], ["b.jpg", "20 1", "5", "4", "0_28_-5"], ["b.jpg", "20 1", "5", "4", "0_115136143"]]
    with pytest.warns(UserWarning, match="2 objects with an attribute that the list .*attribute -5 of b.jpg"):
        dataset = load(files(rows))
    assert [entry.attributes for entry in dataset.objects(1)] == [(28, -5), (115136143,)]


def test_carriage_returns_alone_are_named(files):
    path = files(lineterminator="\r")
    assert recognises(path)
    with pytest.raises(DataError, match="rows.csv: its lines end in carriage returns alone"):
        load(path)
