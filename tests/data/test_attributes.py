"""Attributes from every kind of data set, counted by hand, and kept on the way through a file."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.attributes import (
    AttributeColumns,
    attribute_names,
    count_attributes,
    distinct_names,
    learned_attributes,
    load_objects,
    short_names,
    told_apart,
    told_of_attributes,
)
from mrcnn.data.augmentation import compose
from mrcnn.data.augmenters import copy_paste, horizontal_flip
from mrcnn.data.curation.statistics import summarise, summary_text
from mrcnn.data.curation.validate import validate
from mrcnn.data.dataset import Dataset
from mrcnn.data.drawn.people import DrawnPeople, write_files
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.cvat_writer import write_cvat
from mrcnn.data.formats.parquet_table import write_parquet
from mrcnn.data.formats.writers import write_coco, write_imaterialist
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.data.run_lengths import encode
from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import ground_truth_from_dataset
from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.evaluate import with_known_attributes

CONFIG = Config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=64, NUM_CLASSES=3)


class Shop(Dataset):
    """One photo with a shirt and two skirts, the second of which is a crowd."""

    attribute_names = {3: "striped", 7: "long", 9: "leopard"}
    given = [[7, 3, 3], [3], [7]]

    def load(self):
        for class_id, name in enumerate(("shirt", "skirt"), 1):
            self.add_class("shop", class_id, name)
        self.add_image("shop", 0, None, height=20, width=30)
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.zeros((20, 30, 3), np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((20, 30, 3), bool)
        masks[2:10, 2:10, 0] = masks[12:18, 4:20, 1] = masks[:5, 20:, 2] = True
        return masks, np.array([1, 2, -2], np.int32), self.given


class Runs(Shop):
    """The same as run lengths."""

    def load_rles(self, image_id):
        masks, class_ids, attributes = Shop.load_mask(self, image_id)
        return [encode(masks[..., i]) for i in range(3)], class_ids, attributes


@pytest.mark.parametrize("kind", [Shop, Runs])
def test_a_third_value_is_read_and_everything_else_takes_it(kind):
    dataset = kind().load()
    _, class_ids, attributes = load_objects(dataset, 0)
    assert class_ids.tolist() == [1, 2, -2] and attributes == [(3, 7), (3,), (7,)]
    assert load_ground_truth(dataset, CONFIG, 0)["gt_class_ids"].tolist() == [1, 2, 2]
    summary = summarise(dataset, CONFIG)
    # The crowd counts for nothing; leopard is of no object.
    assert summary["attributes"] == [{"name": "striped", "objects": 2, "classes": {"shirt": 1, "skirt": 1}},
                                     {"name": "long", "objects": 1, "classes": {"shirt": 1}}]
    assert (summary["with_attributes"], summary["unused_attributes"]) == (2, 1)
    text = summary_text(summary)
    assert "2 of 2 objects have attributes; 1 named ones are of no object" in text
    assert ["striped", "2", "shirt", "1,", "skirt", "1"] in [line.split() for line in text.split("\n")]


def test_attributes_stay_with_their_objects_through_augmentation():
    dataset = Shop().load()
    dataset.add_image("shop", 1, None, height=20, width=30)
    dataset.prepare()
    config = Config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=64, NUM_CLASSES=3, USE_MINI_MASK=False)
    # The skirt lies lower than the shirt, and the crowd above 5 of 20 rows; flips change neither.
    for augmentation in (None, horizontal_flip(1.0), compose([horizontal_flip(1.0), copy_paste(share=1.0, least=0.0)])):
        sample = load_ground_truth(dataset, config, 0, augmentation, attributes=True)
        told = list(zip(sample["gt_class_ids"].tolist(), sample["gt_crowd"].tolist(), sample["gt_attributes"]))
        assert (1, False, (3, 7)) in told and (2, False, (3,)) in told
        assert set(told) <= {(1, False, (3, 7)), (2, False, (3,)), (2, True, (7,))}
        assert len(told) == len(sample["gt_boxes"])
    assert "gt_attributes" not in load_ground_truth(dataset, config, 0)


def test_names_are_shortened_where_they_stay_apart():
    names = {1: "sleeves: long", 2: "length: long", 3: "neckline: v", 4: "leopard"}
    assert short_names(names) == {1: "sleeves long", 2: "length long", 3: "v", 4: "leopard"}


def test_a_network_learns_what_objects_have_and_of_what_classes():
    dataset = Shop().load()
    dataset.given = [[7, 3], [3], [9]]  # the crowd's does not count
    assert learned_attributes(dataset) == {"ATTRIBUTES": ["striped", "long"], "ATTRIBUTE_PAIRS": [[], [0, 1], [0]]}
    chosen = learned_attributes(dataset, ["long"])
    assert chosen == {"ATTRIBUTES": ["long"], "ATTRIBUTE_PAIRS": [[], [0], []]}
    config = Config(NUM_CLASSES=3, **learned_attributes(dataset))
    config.check()
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))).ATTRIBUTE_PAIRS == [[], [0, 1], [0]]


def test_what_is_learned_is_told_with_what_is_left_out():
    dataset = Shop().load()
    dataset.given = [[7], [], []]
    counts = count_attributes(dataset)
    learned = learned_attributes(dataset, counts=counts)
    assert told_of_attributes(dataset, learned, counts) == (
        "Attributes: 1 are learned, of 1 of 2 classes; 2 more names are left out, for no object has them or ATTRIBUTES "
        "leaves them out.")
    dataset.given = [[7, 55], [7], []]
    counts = count_attributes(dataset)
    told = told_of_attributes(dataset, learned_attributes(dataset, counts=counts), counts)
    assert "; 1 attributes of objects are left out, for attribute_names does not name them." in told
    dataset.load_mask = lambda image_id: (Shop.load_mask(dataset, 0)[0], np.array([1, 1, 1]), [[7, 3], [9], []])
    counts = count_attributes(dataset)
    told = told_of_attributes(dataset, learned_attributes(dataset, counts=counts), counts)
    assert told == ("Attributes: 3 are learned, of 1 of 2 classes; 1 of 3 objects of these classes have none, which "
                    "teaches that they have none: ATTRIBUTES_PARTIAL=True if nobody described them.")


@pytest.mark.parametrize("given, names, message", [
    ([[], [], [3]], None, "None of the objects of 1 photos has an attribute that Shop names: give annotations with"),
    ([[3], [], []], ["long"], "No object has the attribute 'long' of ATTRIBUTES .1 of 1 are of none.: leave it out"),
])
def test_nothing_to_learn_is_an_error(given, names, message):
    dataset = Shop().load()
    dataset.given = given
    with pytest.raises(DataError, match=message):
        learned_attributes(dataset, names)


def test_names_that_occur_twice_are_told_apart():
    dataset = Shop().load()
    dataset.attribute_names = {3: "long", 7: " long ", 9: "leopard"}
    assert distinct_names(dataset) == {3: "long (3)", 7: "long (7)", 9: "leopard"}
    assert told_apart({1: "long", 2: "long", 3: "long (1)"}) == {1: "long (1) (1)", 2: "long (2)", 3: "long (1)"}


@pytest.mark.parametrize("form", ["parquet", "cvat"])
def test_forms_that_know_names_alone_keep_what_is_alike_apart(tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    dataset = Shop().load()
    dataset.image_info[0]["file_name"] = "0.png"
    dataset.attribute_names = {3: "long", 7: "long", 9: "lined: false"}
    dataset.given = [[7, 9], [3], [78]]  # 78 has no name
    path = tmp_path / ("a.parquet" if form == "parquet" else "annotations.xml")
    with pytest.warns(UserWarning, match=r"2 attributes share their name .* written as long \(3\), long \(7\)"):
        (write_parquet if form == "parquet" else write_cvat)(dataset, path)
    Image.fromarray(dataset.load_image(0)).save(tmp_path / "0.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = open_dataset(path, tmp_path)
    names = attribute_names(read)
    told = [[names.get(i, f"attribute {i}") for i in ids] for ids in load_objects(read, 0)[2]]
    expected = [["lined: false", "long (7)"], ["long (3)"], ["attribute 78"]]
    assert [sorted(words) for words in told] == expected[: len(told)]
    assert len(told) == (3 if form == "parquet" else 2)  # CVAT has no crowds


def test_descriptions_of_other_attributes_are_not_written_beside(tmp_path):
    write_imaterialist(Shop().load(), tmp_path / "train.csv")
    write_imaterialist(Shop().load(), tmp_path / "val.csv")
    other = Shop().load()
    other.attribute_names = {3: "LEATHER", 7: "TORN", 9: "leopard"}
    with pytest.raises(DataError, match="is there and lists other classes or attributes: write to another folder"):
        write_imaterialist(other, tmp_path / "test.csv")


@pytest.mark.parametrize("listed, message", [
    ([{"id": 1, "name": "striped"}, {"id": 1, "name": "long"}], "two attributes have the id 1: give each its own"),
    ([{"id": "3", "name": "striped"}], None),
])
def test_lists_of_attributes_that_do_not_tell(tmp_path, listed, message):
    write_coco(Shop().load(), tmp_path / "shop.json")
    content = json.loads((tmp_path / "shop.json").read_text())
    content["attributes"] = listed
    (tmp_path / "shop.json").write_text(json.dumps(content))
    Image.new("RGB", (30, 20)).save(tmp_path / content["images"][0]["file_name"], "PNG")
    if message:
        with pytest.raises(DataError, match=message):
            open_dataset(tmp_path / "shop.json", tmp_path)
    else:
        with pytest.warns(UserWarning, match="1 entry of attributes without an id that is a whole number"):
            open_dataset(tmp_path / "shop.json", tmp_path)


def test_attributes_that_the_reader_left_out_stay_out_of_the_truth(tmp_path):
    write_coco(Shop().load(), tmp_path / "shop.json")
    content = json.loads((tmp_path / "shop.json").read_text())
    for entry, ids in zip(content["annotations"], ("3,7", [3, "long"], 5), strict=True):
        entry["attribute_ids"] = ids
    (tmp_path / "shop.json").write_text(json.dumps(content))
    Image.new("RGB", (30, 20)).save(tmp_path / content["images"][0]["file_name"], "PNG")
    with pytest.warns(UserWarning, match="attribute_ids that are no whole numbers"):
        read = open_dataset(tmp_path / "shop.json", tmp_path)
    truth = ground_truth_from_dataset(read)
    assert [entry["attribute_ids"] for entry in truth["annotations"]] == [[], [3], []]
    read_comparison(truth, [], "segm")


def test_what_training_and_validation_do_not_share_is_told():
    with pytest.warns(UserWarning, match=r"1 of the 2 ATTRIBUTES .* not named in this data \(torn\), .* it names 2 "
                                         r"that the network does not know \(long, leopard\)"):
        AttributeColumns(Shop().load(), ["striped", "torn"])
    truth = {"annotations": [{"attribute_ids": [3, 7]}],
             "attributes": [{"id": i, "name": name} for i, name in Shop.attribute_names.items()]}
    with pytest.warns(UserWarning) as warned:
        kept = with_known_attributes(truth, ["striped", "torn"])
    assert [entry["name"] for entry in kept["attributes"]] == ["striped", "leopard"]  # no object is leopard
    texts = [str(warning.message) for warning in warned]
    assert "1 attributes of the data are left out of the figures, for the network does not know them: long." in texts
    assert "1 attributes of the network are not measured, for the data does not name them: torn." in texts
    assert with_known_attributes(truth, None) is truth


def test_batches_have_attributes_where_the_network_has():
    dataset = Shop().load()
    config = Config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=64, NUM_CLASSES=3, MAX_GT_INSTANCES=4,
                    ATTRIBUTES=["long", "striped"])
    samples = InstanceSamples(dataset, config)
    sample = samples.load(0, None, np.random.default_rng(0), None)
    batch = samples.collate([sample, sample])
    # Shirt: 7 long and 3 striped; skirt: 3; crowd: 7.
    expected = [[True, True], [False, True], [True, False], [False, False]]
    assert batch["gt_attributes"].tolist() == [expected, expected]
    samples.blank(batch, 1)
    assert not batch["gt_attributes"][1].any()
    config.MAX_GT_INSTANCES = 2  # a choice of objects keeps each one's own
    of_class = {(1, False): [True, True], (2, False): [False, True], (2, True): [True, False]}
    with pytest.warns(UserWarning, match="3 objects, more than MAX_GT_INSTANCES=2"):
        sample = samples.load(0, None, np.random.default_rng(1), None)
    for row, class_id, crowd in zip(sample["gt_attributes"], sample["gt_class_ids"], sample["gt_crowd"], strict=True):
        assert row.tolist() == of_class[int(class_id), bool(crowd)]
    assert "gt_attributes" not in InstanceSamples(dataset, CONFIG).load(0, None, np.random.default_rng(0), None)


def test_data_without_the_attributes_of_the_network_are_refused():
    with pytest.raises(DataError, match="Shop has none of the 2 ATTRIBUTES of the network .plain, torn ...; it names "
                                        "striped, long, leopard.: give annotations with these"):
        AttributeColumns(Shop().load(), ["plain", "torn"])


def test_two_values_are_as_ever():
    class Plain(Shop):
        def load_mask(self, image_id):
            return Shop.load_mask(self, image_id)[:2]

    dataset = Plain().load()
    assert load_objects(dataset, 0)[2] == [(), (), ()]
    summary = summarise(dataset, CONFIG)
    assert summary["attributes"] == [] and "attribute" not in summary_text(summary)


def test_names_without_attributes_of_objects_are_told_once():
    class Plain(Shop):
        def load_mask(self, image_id):
            return Shop.load_mask(self, image_id)[:2]

    dataset = Plain().load()
    with pytest.warns(UserWarning, match=r"Plain names 3 attributes \(striped, long, leopard\), but its load_mask "
                                         r"gives none .*shop image 0.*: return a list of attribute ids") as told:
        load_objects(dataset, 0)
        load_objects(dataset, 0)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_objects(Shop().load(), 0)


def test_attributes_that_a_data_set_does_not_name_are_counted():
    dataset = Shop().load()
    dataset.attribute_names = {}
    with pytest.raises(DataError, match=r"Shop: its objects have 2 attributes that it does not name \(ids 3, 7\): let"):
        learned_attributes(dataset)


@pytest.mark.parametrize("form", ["csv", "coco"])
def test_attributes_without_names_are_called_by_their_ids(tmp_path, form):
    shop, path = Shop().load(), tmp_path / ("shop.csv" if form == "csv" else "shop.json")
    shop.attribute_names = {}
    shop.image_info[0]["file_name"] = "a.png"
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (write_imaterialist if form == "csv" else write_coco)(shop, path)
    for _ in range(2):  # what was called so is so again after writing
        with pytest.warns(UserWarning, match=r"its 2 attributes are named by their ids \(attribute 3, attribute 7\)"):
            read = open_dataset(path, tmp_path)
        assert learned_attributes(read) == {"ATTRIBUTES": ["attribute 3", "attribute 7"],
                                            "ATTRIBUTE_PAIRS": [[], [0, 1], [0]]}
        (write_imaterialist if form == "csv" else write_coco)(read, path)


@pytest.mark.parametrize(("given", "message"), [
    ([[3]], "attributes of 1 objects are given for 3: give a list of attribute ids for each object"),
    ([["striped"], [], []], "the attribute 'striped' is no id: give a list of attribute ids, whole numbers"),
    ([3, 7, 9], "give a list of attribute ids, whole numbers"),
])
def test_what_is_no_list_of_ids_is_named(given, message):
    dataset = Shop().load()
    dataset.given = given
    with pytest.raises(DataError, match=message):
        load_objects(dataset, 0)


def test_validate_finds_attributes_that_cannot_be():
    dataset = Shop().load()
    assert validate(dataset, progress=False) == []
    dataset.given = [[3], []]
    (fault,) = validate(dataset, progress=False)
    assert fault.kind == "bad entry" and "attributes of 2 objects are given for 3" in fault.message


def test_attributes_go_through_files(tmp_path):
    drawn = DrawnPeople()
    drawn.load_drawn(4, size=(96, 72))
    drawn.prepare()
    path, images = write_files(drawn, tmp_path / "coco")
    write_imaterialist(drawn, tmp_path / "drawn.csv")
    for annotations in (path, tmp_path / "drawn.csv"):
        read = open_dataset(annotations, images)
        names, own = attribute_names(read), attribute_names(drawn)
        for image_id in drawn.image_ids:
            again = next(i for i in read.image_ids if read.sample_name(i) == drawn.sample_name(image_id))
            told = [[names[i] for i in ids] for ids in load_objects(read, again)[2]]
            assert told == [[own[i] for i in ids] for ids in load_objects(drawn, image_id)[2]]
            assert sum(map(len, told)) > 3


def test_coco_attributes_that_are_no_ids_are_left_out_and_told(tmp_path):
    path, photo = tmp_path / "shop.json", tmp_path / "a.png"
    Image.new("RGB", (30, 20)).save(photo)
    outline = {"segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]], "bbox": [2, 2, 10, 10], "area": 100, "iscrowd": 0}
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
        "categories": [{"id": 1, "name": "shirt"}], "attributes": [{"id": 3, "name": "striped"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "attribute_ids": [3, "long", None], **outline},
                        {"id": 2, "image_id": 1, "category_id": 1, "attribute_ids": [3], **outline},
                        {"id": 3, "image_id": 1, "category_id": 1, **outline}],
    }))
    read = open_dataset(path, tmp_path)
    assert load_objects(read, 0)[2] == [(3,), (3,), ()]
    notes = [str(note) for note in read.notes if "attribute_ids" in str(note)]
    assert len(notes) == 1 and "that are no whole numbers: these are left out" in notes[0] and "a.png" in notes[0]


def test_coco_lists_the_names_of_the_attributes(tmp_path):
    path = tmp_path / "shop.json"
    write_coco(Shop().load(), path)
    content = json.loads(path.read_text())
    assert content["attributes"] == [{"id": 3, "name": "striped"}, {"id": 7, "name": "long"},
                                     {"id": 9, "name": "leopard"}]
    assert [entry["attribute_ids"] for entry in content["annotations"]] == [[3, 7], [3], [7]]


class Nameless(Shop):
    """Attributes that no list names."""

    attribute_names = {}


class Silent(Shop):
    """Objects of which no attributes are told."""

    attribute_names, given = {}, None


@pytest.mark.parametrize("kind", [Shop, Nameless, Silent])
def test_every_object_of_data_with_attributes_has_a_list_of_them_in_coco(tmp_path, kind):
    dataset = kind().load()
    dataset.given = None if kind is Silent else [[], [3], []]
    write_coco(dataset, tmp_path / "shop.json")
    entries = json.loads((tmp_path / "shop.json").read_text())["annotations"]
    assert [entry.get("attribute_ids") for entry in entries] == ([None] * 3 if kind is Silent else [[], [3], []])
    if kind is Shop:  # and in the truth, of a file that leaves the key out too
        content = json.loads((tmp_path / "shop.json").read_text())
        del content["annotations"][0]["attribute_ids"]
        (tmp_path / "shop.json").write_text(json.dumps(content))
        Image.new("RGB", (30, 20)).save(tmp_path / content["images"][0]["file_name"], "PNG")
        truth = ground_truth_from_dataset(open_dataset(tmp_path / "shop.json", tmp_path))
        assert [entry["attribute_ids"] for entry in truth["annotations"]] == [[], [3], []]
