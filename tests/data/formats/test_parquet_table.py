"""Tables of objects: what is written is read back exactly, and is what it says to any reader of Parquet."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, ObjectAnnotation
from mrcnn.data.class_choice import choose_classes
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.parquet_table import write_parquet
from mrcnn.errors import DataError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

HEIGHT, WIDTH = 20, 24


class Made(AnnotatedDataset):
    def read_objects(self, image_id):
        for number, (class_id, mask, crowd, attributes) in enumerate(self.image_info[image_id]["entries"]):
            yield ObjectAnnotation(number, class_id, run_lengths.encode(mask), crowd, attributes)


@pytest.fixture
def dataset(tmp_path):
    """Three photos; the second has no object."""
    rng = np.random.default_rng(0)
    dataset = Made()
    dataset.add_category("made", 3, "mug", "tableware")
    dataset.add_category("made", 7, "Glas ü")
    dataset.attribute_names = {11: "chipped", 12: "full"}
    noise, block = rng.random((HEIGHT, WIDTH)) > 0.5, np.zeros((HEIGHT, WIDTH), bool)
    block[2:5, 7:20] = True
    entries = {"a.png": [(2, noise, False, (12, 11)), (1, block, True, ())], "sub/b.png": [],
               "c.png": [(1, ~block, False, ())]}
    for name, some in entries.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "photos" / name)
        dataset.add_photo("made", name, str(tmp_path / "photos" / name), name, HEIGHT, WIDTH, entries=some)
    dataset.prepare()
    write_parquet(dataset, tmp_path / "objects.parquet")
    return dataset


def test_what_is_read_back_is_the_same(dataset, tmp_path):
    path = tmp_path / "objects.parquet"
    assert recognise(path) == "parquet"
    back = open_dataset(path, tmp_path / "photos")
    assert back.class_names == dataset.class_names and back.attribute_names == dataset.attribute_names
    assert [info.get("supercategory") for info in back.class_info] == [None, "tableware", None]
    assert [info["id"] for info in back.class_info] == [0, 3, 7]
    for image_id in dataset.image_ids:
        assert back.file_name(image_id) == dataset.file_name(image_id)
        assert back.objects(image_id) == dataset.objects(image_id)
        assert back.load_image(image_id).shape == (HEIGHT, WIDTH, 3)
    chosen = choose_classes(back, ["Glas ü"])
    assert [chosen.object_count(i) for i in chosen.image_ids] == [1, 0, 0]
    assert len(open_dataset(path, tmp_path / "photos", limit=2).image_ids) == 2


def test_a_row_an_object(dataset, tmp_path):
    rows = parquet.read_table(tmp_path / "objects.parquet").to_pylist()
    assert [(row["photo"], row["class"], row["crowd"]) for row in rows] == [
        ("a.png", "Glas ü", False), ("a.png", "mug", True), ("sub/b.png", None, None), ("c.png", "mug", False)]
    assert rows[1]["box"] == [7, 2, 13, 3] and rows[1]["area"] == 39 and rows[1]["rle_size"] == [HEIGHT, WIDTH]
    assert rows[0]["attributes"] == ["full", "chipped"]
    assert (rows[2]["height"], rows[2]["width"], rows[2]["area"]) == (HEIGHT, WIDTH, None)


def test_damaged_tables_are_named(dataset, tmp_path):
    table = parquet.read_table(tmp_path / "objects.parquet")

    def changed(name, values):
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        parquet.write_table(table.set_column(place, field, pyarrow.array(values, field.type)), tmp_path / "bad.parquet")
        return tmp_path / "bad.parquet"

    with pytest.raises(DataError, match="a.png, object 0"):
        open_dataset(changed("rle_counts", ["xx", "yy", None, "zz"]), tmp_path / "photos")
    with pytest.raises(DataError, match="a.png, object 0: its class 'cup' is not listed"):
        open_dataset(changed("class", ["cup", "mug", None, "mug"]), tmp_path / "photos")
    with pytest.raises(DataError, match="leads out of the image folder"):
        open_dataset(changed("photo", ["../z.png"] * 4), tmp_path / "photos")
    with pytest.warns(UserWarning, match="1 photo named as its file looks.*/home/me/a.png is a.png"):
        open_dataset(changed("photo", ["/home/me/a.png"] * 4), tmp_path / "photos")
    with pytest.raises(DataError, match="its size .* is none"):
        open_dataset(changed("height", [-1] * 4), tmp_path / "photos")
    with pytest.raises(DataError, match="4 of 4 photos|1 of 1 photos are not in"):
        open_dataset(changed("photo", ["gone.png"] * 4), tmp_path / "photos")
    parquet.write_table(table.drop_columns(["rle_counts"]), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="lacks rle_counts"):
        open_dataset(tmp_path / "bad.parquet", tmp_path / "photos")


def test_classes_of_one_name_keep_their_ids(dataset, tmp_path):
    dataset.class_info[2]["name"] = "mug"
    path = tmp_path / "alike.parquet"
    with pytest.warns(UserWarning, match=r"2 classes share their name .* as mug \(1\), mug \(2\)"):
        write_parquet(dataset, path)
    back = open_dataset(path, tmp_path / "photos")
    assert back.class_names[1:] == ["mug (1)", "mug (2)"] and [info["id"] for info in back.class_info] == [0, 3, 7]
    assert [entry.class_id for entry in back.objects(0)] == [2, 1]


def test_a_table_that_lists_a_name_twice_is_told(dataset, tmp_path):
    table = parquet.read_table(tmp_path / "objects.parquet")
    about = json.loads(table.schema.metadata[b"mrcnn"])
    about["classes"].append({"id": 9, "name": "mug"})
    path = tmp_path / "twice.parquet"
    parquet.write_table(table.replace_schema_metadata({"mrcnn": json.dumps(about)}), path)
    told = "1 class of the name of another: all objects of the name are of the first, mug; .*first: 9: mug"
    with pytest.warns(UserWarning, match=told):
        back = open_dataset(path, tmp_path / "photos")
    assert [back.class_info[entry.class_id]["id"] for entry in back.objects(0)] == [7, 3]
