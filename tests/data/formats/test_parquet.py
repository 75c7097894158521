"""Parquet: data sets as Hugging Face's package writes them, tables of ours, and files that are damaged."""

import io
import json
import pickle
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, parts_of, recognise
from mrcnn.data.formats.writers import write_embedded_photos
from mrcnn.errors import DataError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

HEIGHT, WIDTH = 20, 24
PICTURE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
SQUARE = [2, 3, 12, 3, 12, 13, 2, 13]  # x 2 to 12, y 3 to 13


def picture(number=0, mode="RGB", form="PNG", path=None, pixels=None):
    """A photo as a row has it, of a colour of its own."""
    file = io.BytesIO()
    image = Image.new(mode, (WIDTH, HEIGHT), (number, 80, 90) if mode == "RGB" else number)
    (image if pixels is None else Image.fromarray(pixels)).save(file, form)
    return {"bytes": file.getvalue(), "path": path}


def square():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:13, 2:12] = True
    return mask


def written(path, rows, types, features=None):
    schema = pyarrow.schema(list(types.items()))
    if features is not None:
        schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path, row_group_size=2)
    return path


NUMBERS, TEXTS = pyarrow.list_(pyarrow.float32()), pyarrow.string()
LABEL = {"_type": "ClassLabel", "names": ["mug", "glass"]}
# Objects in the forms that data sets have: (type, features, of a row with a square of class "glass").
FORMS = {
    "struct of lists": (pyarrow.struct([("bbox", pyarrow.list_(NUMBERS)), ("category", pyarrow.list_(pyarrow.int64())),
                                        ("segmentation", pyarrow.list_(pyarrow.list_(NUMBERS)))]),
                        {"bbox": {}, "category": {"feature": LABEL, "_type": "List"}},
                        {"bbox": [[2, 3, 10, 10]], "category": [1], "segmentation": [[SQUARE]]}),
    "old sequence": (pyarrow.struct([("category_id", pyarrow.list_(pyarrow.int64())),
                                     ("segmentation", pyarrow.list_(pyarrow.list_(NUMBERS)))]),
                     {"feature": {"category_id": LABEL}, "_type": "Sequence"},
                     {"category_id": [1], "segmentation": [[SQUARE]]}),
    "list of structs": (pyarrow.list_(pyarrow.struct([("label", pyarrow.int64()),
                                                      ("polygon", pyarrow.list_(NUMBERS))])),
                        [{"label": LABEL}], [{"label": 1, "polygon": [SQUARE]}]),
    "one polygon": (pyarrow.list_(pyarrow.struct([("label", TEXTS), ("segmentation", NUMBERS)])), None,
                    [{"label": "glass", "segmentation": SQUARE}]),
    "run lengths": (pyarrow.list_(pyarrow.struct([("category", TEXTS), ("segmentation", pyarrow.struct(
        [("size", pyarrow.list_(pyarrow.int32())), ("counts", pyarrow.list_(pyarrow.int32()))]))])), None,
        [{"category": "glass", "segmentation": {"size": [HEIGHT, WIDTH], "counts": [43, *[10, 10] * 9, 10, 247]}}]),
    "masks": (pyarrow.list_(pyarrow.struct([("category", pyarrow.int64()), ("mask", PICTURE)])),
              {"feature": {"category": LABEL, "mask": {"_type": "Image"}}, "_type": "List"},
              [{"category": 1, "mask": picture(pixels=square().astype(np.uint8) * 255)}]),
}


@pytest.mark.parametrize("sizes", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_objects_of_many_forms(tmp_path, form, sizes):
    kind, features, objects = FORMS[form]
    types = {"image_id": pyarrow.int64(), "image": PICTURE, "objects": kind}
    size = {"height": HEIGHT, "width": WIDTH} if sizes else {}
    types.update(dict.fromkeys(size, pyarrow.int32()))
    nothing = {name: [] for name in objects} if isinstance(objects, dict) else []
    rows = [{"image_id": i, "image": picture(i), "objects": objects if i != 1 else nothing, **size} for i in range(3)]
    path = written(tmp_path / "a.parquet", rows, types, None if features is None else {"objects": features})
    assert recognise(path) == "parquet"
    dataset = open_dataset(path)
    names = ["BG", "mug", "glass"] if features is not None else ["BG", "glass"]
    assert dataset.class_names == names and [dataset.object_count(i) for i in range(3)] == [1, 0, 1]
    masks, class_ids = dataset.load_mask(2)
    assert class_ids.tolist() == [names.index("glass")]
    np.testing.assert_array_equal(masks[..., 0], square())
    assert dataset.load_image(2)[0, 0].tolist() == [2, 80, 90] and dataset.file_name(2) == "2.png"
    assert validate(pickle.loads(pickle.dumps(dataset)), progress=False) == []


def test_lists_that_are_columns(tmp_path):
    types = {"image": PICTURE, "bbox": pyarrow.list_(NUMBERS), "category": pyarrow.list_(pyarrow.int64()),
             "segmentation": pyarrow.list_(pyarrow.list_(NUMBERS)), "split": TEXTS}
    rows = [{"image": picture(path="a.png"), "bbox": [[2, 3, 10, 10]], "category": [0], "segmentation": [[SQUARE]]}]
    path = written(tmp_path / "a.parquet", rows, types)
    with pytest.warns(UserWarning, match="categorys? without a name|without a name, called by its number"):
        dataset = open_dataset(path)
    assert dataset.class_names == ["BG", "class 0"] and dataset.file_name(0) == "a.png"
    (tmp_path / "names.txt").write_text("mug\nglass\n")
    assert open_dataset(path, names=tmp_path / "names.txt").class_names == ["BG", "mug", "glass"]


def test_files_of_names_nearby_do_not_rename_objects_and_are_told_of_label_maps(tmp_path):
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nshirt:128,0,0::\n")
    (tmp_path / "p").mkdir()
    kind, features, objects = FORMS["struct of lists"]
    path = written(tmp_path / "p" / "a.parquet", [{"image": picture(), "objects": objects}],
                   {"image": PICTURE, "objects": kind}, {"objects": features})
    assert open_dataset(path).class_names == ["BG", "mug", "glass"]
    rows = [{"image": picture(), "label": picture(pixels=square().astype(np.uint8))}]
    path = written(tmp_path / "p" / "b.parquet", rows, {"image": PICTURE, "label": PICTURE})
    with pytest.warns(UserWarning, match=r"1 file of names taken as it lies there: another is given by.*labelmap.txt"):
        assert open_dataset(path).class_names == ["BG", "shirt"]


def test_label_maps(tmp_path):
    labels = square().astype(np.uint8) * 2
    labels[15:20, 0:20] = 1
    rows = [{"pixel_values": picture(form="JPEG"), "label": picture(pixels=labels)}]
    path = written(tmp_path / "a.parquet", rows, {"pixel_values": PICTURE, "label": PICTURE})
    with pytest.raises(DataError, match="label maps have no names: give a file of them, such as id2label.json"):
        open_dataset(path)
    (tmp_path / "id2label.json").write_text(json.dumps({"0": "unlabelled", "1": "table", "2": "mug"}))
    dataset = open_dataset(path)
    masks, class_ids = dataset.load_mask(0)
    assert [dataset.class_names[i] for i in class_ids] == ["table", "mug"] and dataset.file_name(0) == "000000.jpg"
    np.testing.assert_array_equal(masks[..., 1], square())
    assert open_dataset(path, mapping={"classes": {"all": ["table", "mug"]}}).class_names == ["BG", "all"]


def test_label_maps_of_0_and_255_alone(tmp_path):
    rows = [{"pixel_values": picture(form="JPEG"), "label": picture(pixels=square() * np.uint8(255))}]
    path = written(tmp_path / "a.parquet", rows, {"pixel_values": PICTURE, "label": PICTURE})
    (tmp_path / "id2label.json").write_text(json.dumps({"0": "background", "1": "mug"}))
    with pytest.warns(UserWarning, match="255 is taken as inside, mug"):
        dataset = open_dataset(path)
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], square())


def test_parts_are_files(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    (tmp_path / "data").mkdir()
    for part, count in {"train": 3, "validation": 2}.items():
        rows = [{"image": picture(i), "objects": objects} for i in range(count)]
        written(tmp_path / "data" / f"{part}-00000-of-00001.parquet", rows, {"image": PICTURE, "objects": kind},
                {"objects": features})
    assert parts_of(tmp_path) == ("train", "val") and recognise(tmp_path) == "parquet"
    assert [len(open_dataset(tmp_path, split=part).image_ids) for part in ("train", "val", None)] == [3, 2, 5]
    assert len(open_dataset(tmp_path, limit=4).image_ids) == 4
    with pytest.raises(DataError, match="no Parquet files of the part test"):
        open_dataset(tmp_path, split="test")


def test_photos_beside_the_table(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    rows = [{"image": {"bytes": None, "path": "sub/a.png"}, "objects": objects}]
    path = written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": kind}, {"objects": features})
    with pytest.raises(DataError, match="sub/a.png is not in"):
        open_dataset(path)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    (tmp_path / "photos" / "sub" / "a.png").write_bytes(picture(7)["bytes"])
    assert open_dataset(path, tmp_path / "photos").load_image(0)[0, 0, 0] == 7
    (tmp_path / "secret.png").write_bytes(picture(8)["bytes"])
    for name in ("../secret.png", f"{tmp_path}/secret.png"):
        rows[0]["image"]["path"] = name
        path = written(tmp_path / "b.parquet", rows, {"image": PICTURE, "objects": kind}, {"objects": features})
        with pytest.raises(DataError, match="secret.png is not in .*photos: give the folder .* bytes into the Parquet"):
            open_dataset(path, tmp_path / "photos")


def test_photos_by_their_absolute_paths_as_to_parquet_writes_them(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    types, told = {"image": PICTURE, "objects": kind}, {"objects": features}
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for place, value in (("a.png", 3), ("sub/b.png", 7)):
        (tmp_path / "photos" / place).write_bytes(picture(value)["bytes"])

    def table(*paths):
        rows = [{"image": {"bytes": None, "path": str(path)}, "objects": objects} for path in paths]
        return written(tmp_path / "a.parquet", rows, types, told)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = open_dataset(table(tmp_path / "photos/a.png", tmp_path / "photos/sub/b.png"), tmp_path / "photos")
    assert [dataset.load_image(i)[0, 0, 0] for i in range(2)] == [3, 7]
    with pytest.warns(UserWarning, match=r"2 photos named as its file looks.*first: /home/me/x/a.png is a.png"):
        dataset = open_dataset(table("/home/me/x/a.png", "C:\\x\\sub\\b.png"), tmp_path / "photos")
    assert [dataset.load_image(i)[0, 0, 0] for i in range(2)] == [3, 7]
    with pytest.raises(DataError, match="/[xy]/a.png looks like a.png in .*which another name"):
        open_dataset(table("/home/me/x/a.png", "/home/me/y/a.png"), tmp_path / "photos")


def test_a_mask_that_is_called_as_a_photo_is_not_read_from_the_photo(tmp_path):
    rows = [{"image": {"bytes": None, "path": "/x/photos/a.png"},
             "objects": {"mask": [{"bytes": None, "path": "/x/masks/a.png"}], "category": ["hat"]}}]
    kind = pyarrow.struct({"mask": pyarrow.list_(PICTURE), "category": pyarrow.list_(pyarrow.string())})
    path = written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": kind})
    for place in ("photos", "masks"):
        (tmp_path / "x" / place).mkdir(parents=True)
        (tmp_path / "x" / place / "a.png").write_bytes(picture(9)["bytes"])
    with pytest.warns(UserWarning, match="named as its file looks"):
        dataset = open_dataset(path, tmp_path / "x" / "photos")
    assert "a.png looks like a.png in" in str(dataset.object_faults(0)[0])
    with pytest.warns(UserWarning, match="1 mask named as its file looks.*masks/a.png is masks/a.png"):
        dataset = open_dataset(path, tmp_path / "x")
    assert len(dataset.objects(0)) == 1


def test_photos_are_written_where_only_the_table_holds_them(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    rows = [{"image": picture(i, path="same.png"), "objects": objects} for i in range(2)]
    path = written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": kind}, {"objects": features})
    dataset = open_dataset(path)
    assert [dataset.file_name(i) for i in range(2)] == ["same.png", "000001.png"]
    assert write_embedded_photos(dataset, tmp_path / "photos") == 2
    assert (tmp_path / "photos" / "000001.png").read_bytes() == rows[1]["image"]["bytes"]


@pytest.mark.parametrize("objects, kind, said", [
    ([{"label": 5, "polygon": [SQUARE]}], "unknown class", "category 5 has no name"),
    ([{"label": None, "polygon": [SQUARE]}], "unknown class", "category None has no name"),
    ([{"label": 1, "polygon": [SQUARE[:4]]}], "bad entry", ""),
    ([{"label": 1, "polygon": []}], "no mask", "no segmentation"),
    ([{"label": 1, "polygon": [[1e9] * 8]}], "mask outside", "far outside"),
])
@pytest.mark.filterwarnings("ignore:.*skipped")
def test_faults_are_of_their_object(tmp_path, objects, kind, said):
    form, features, good = FORMS["list of structs"]
    rows = [{"image": picture(), "objects": good + objects}]
    path = written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": form}, {"objects": features})
    dataset = open_dataset(path, on_error="skip", keep_partial=True)
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.faults][0] == ("000000.png", kind, 1)
    with pytest.raises(DataError, match=f"000000.png, object 1.*{said}"):
        open_dataset(path)


@pytest.mark.parametrize("types, row, said", [
    ({"image": PICTURE, "objects": pyarrow.list_(pyarrow.struct([("bbox", NUMBERS)]))},
     {"image": picture(), "objects": [{"bbox": [1, 2, 3, 4]}]}, "boxes alone cannot train"),
    ({"image": PICTURE, "text": TEXTS}, {"image": picture(), "text": "x"}, "give a table with outlines"),
    ({"text": TEXTS}, {"text": "x"}, "no column of photos among text.*or make a COCO file"),
])
def test_tables_without_what_is_needed(tmp_path, types, row, said):
    with pytest.raises(DataError, match=f"a.parquet: .*{said}"):
        open_dataset(written(tmp_path / "a.parquet", [row], types))


def test_damaged_photos_and_lists(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    rows = [{"image": {"bytes": b"\x89PNG no", "path": None}, "objects": objects}]
    path = written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": kind}, {"objects": features})
    with pytest.raises(DataError, match="not a readable"):
        open_dataset(path)
    kind, features, _ = FORMS["struct of lists"]
    uneven = {"bbox": [[1, 1, 2, 2]], "category": [1, 0], "segmentation": [[SQUARE]]}
    path = written(tmp_path / "b.parquet", [{"image": picture(), "objects": uneven}],
                   {"image": PICTURE, "objects": kind}, {"objects": features})
    with pytest.raises(DataError, match="its lists have different lengths"):
        open_dataset(path)
    kind = pyarrow.struct([("category", pyarrow.int64()), ("segmentation", pyarrow.list_(NUMBERS))])
    path = written(tmp_path / "c.parquet", [{"image": picture(), "objects": {"category": 1, "segmentation": [SQUARE]}}],
                   {"image": PICTURE, "objects": kind})
    with pytest.raises(DataError, match="one object that is in no list: give a list"):
        open_dataset(path)
    lists = pyarrow.list_(NUMBERS)
    kind = pyarrow.struct([("category", lists), ("segmentation", pyarrow.list_(lists))])
    row = {"image": picture(), "objects": {"category": [[1, 2]], "segmentation": [[SQUARE]]}}
    path = written(tmp_path / "d.parquet", [row], {"image": PICTURE, "objects": kind})
    with pytest.raises(DataError, match=r"category \[1.0, 2.0\] has no name"):
        open_dataset(path)


def test_pictures_of_more_scans_than_anybody_writes_are_not_decoded(tmp_path):
    photo, objects = picture(form="JPEG"), FORMS["masks"]
    data = photo["bytes"]
    photo["bytes"] = data[:-2] + 100 * data[data.rindex(b"\xff\xda"):-2] + data[-2:]
    path = written(tmp_path / "a.parquet", [{"image": photo, "objects": objects[2]}],
                   {"image": PICTURE, "objects": objects[0]}, {"image": {"_type": "Image"}, "objects": objects[1]})
    with pytest.raises(DataError, match="a JPEG of 101 scans, of which 100 are decoded: save it anew"):
        open_dataset(str(path))


def test_masks_that_are_pictures(tmp_path):
    kind, features, objects = FORMS["masks"]
    grey = np.stack([square().astype(np.uint8) * 255, np.full((HEIGHT, WIDTH), 255, np.uint8)], axis=-1)  # with alpha
    half = square()[::2, ::2].astype(np.uint8)

    def opened(pixels):
        row = {"image": picture(), "objects": [{"category": 1, "mask": picture(pixels=pixels)}]}
        return open_dataset(written(tmp_path / "a.parquet", [row], {"image": PICTURE, "objects": kind},
                                    {"objects": features}))

    np.testing.assert_array_equal(opened(grey).load_mask(0)[0][..., 0], square())
    np.testing.assert_array_equal(opened(half).load_mask(0)[0][..., 0], half.repeat(2, axis=0).repeat(2, axis=1))
    with pytest.raises(DataError, match="its mask has 24x20 pixels, the photo 20x24 .*EXIF"):
        opened(square().T.astype(np.uint8)).load_mask(0)


def test_photos_of_bytes_alone_with_their_sizes(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    row = {"image": {"bytes": picture(7)["bytes"]}, "height": HEIGHT, "width": WIDTH, "objects": objects}
    types = {"image": pyarrow.struct([("bytes", pyarrow.binary())]), "height": pyarrow.int32(),
             "width": pyarrow.int32(), "objects": kind}
    path = written(tmp_path / "a.parquet", [row], types, {"objects": features})
    assert open_dataset(path).load_image(0)[0, 0].tolist() == [7, 80, 90]


def test_pages_of_photos_are_counted(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    file, page = io.BytesIO(), Image.new("RGB", (WIDTH, HEIGHT))
    page.save(file, "TIFF", save_all=True, append_images=[page])
    path = written(tmp_path / "a.parquet", [{"image": {"bytes": file.getvalue()}, "objects": objects}],
                   {"image": PICTURE, "objects": kind}, {"objects": features})
    with pytest.warns(UserWarning, match="1 of 1 photos have several pages.*000000.jpg, with 2"):  # not by its ending
        assert validate(open_dataset(path), progress=False) == []


def test_damaged_files_end_in_a_line(tmp_path):
    kind, features, objects = FORMS["list of structs"]
    path = written(tmp_path / "a.parquet", [{"image": picture(), "objects": objects}],
                   {"image": PICTURE, "objects": kind}, {"objects": features})
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for some in [data[:4], data[:100], data[:-1], data[:-8], data[8:]]:
        path.write_bytes(some)
        with pytest.raises(DataError) as error:
            open_dataset(path, form="parquet")
        assert "\n" not in str(error.value)
    for _ in range(60):
        some = bytearray(data)
        for place in rng.integers(len(some), size=3):
            some[place] = rng.integers(256)
        path.write_bytes(bytes(some))
        try:
            dataset = open_dataset(path, form="parquet")
            dataset.load_mask(0)
            dataset.load_image(0)
        except DataError as error:
            assert "\n" not in str(error)


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    assert recognise(path) == "parquet"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "mrcnn-keras\[parquet\]"'):
        open_dataset(path)


def test_fields_of_objects_that_are_not_read_are_told(tmp_path):
    kind = pyarrow.list_(pyarrow.struct([("label", TEXTS), ("segmentation", NUMBERS), ("colour", TEXTS),
                                         ("area", pyarrow.int64())]))
    rows = [{"image": picture(), "objects": [{"label": "mug", "segmentation": SQUARE, "colour": "red", "area": 100}]}]
    with pytest.warns(UserWarning, match=r"1 field of objects that is not read: left out \(first: colour\)"):
        open_dataset(written(tmp_path / "a.parquet", rows, {"image": PICTURE, "objects": kind}))
