"""What all readers share, on a reader that makes its objects up."""

import copy
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import (
    AnnotatedDataset,
    ObjectAnnotation,
    keep_groups,
    photo_name,
    select,
    without,
)
from mrcnn.data.class_choice import choose_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.faults import FAULT_KINDS, Fault
from mrcnn.data.formats import open_dataset
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import ground_truth_from_dataset

HEIGHT, WIDTH = 5, 7


class Rows(AnnotatedDataset):
    """Object i of a photo is its row i; entries of info["objects"]: (class id, crowd), or the kind of a fault."""

    def load(self, photos, on_error="raise", faults=()):
        self.start_loading(on_error)
        self.add_category("rows", 10, "coat", "outer")
        self.add_category("rows", 20, "shoe")
        for name, objects in photos.items():
            self.add_photo("rows", name, f"folder/{name}", name, HEIGHT, WIDTH, objects=objects)
        for fault in faults:
            self.fault("rows.txt", fault)
        self.finish_loading("rows.txt")
        self.prepare()
        return self

    def read_objects(self, image_id):
        for number, entry in enumerate(self.image_info[image_id]["objects"]):
            if isinstance(entry, str):
                yield Fault(self.file_name(image_id), entry, "made up", number)
            else:
                yield ObjectAnnotation(number, entry[0], rle_encode(row(number)), entry[1])


def row(number):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[number] = True
    return mask


PHOTOS = {
    "a/1.jpg": [(1, False), (2, False), (2, True)],
    "a/2.jpg": [(1, False), "RLE overflow", (2, False)],
    "b/1.jpg": [],
    "b/2.jpg": ["empty mask", (1, False)],
}


# --- Objects and masks -----------------------------------------------------------------------------------------------


def test_masks_and_class_ids():
    dataset = Rows().load(PHOTOS)
    masks, class_ids = dataset.load_mask(0)
    assert masks.dtype == bool and class_ids.dtype == np.int32
    np.testing.assert_array_equal(masks, np.stack([row(0), row(1), row(2)], axis=-1))
    assert class_ids.tolist() == [1, 2, -2] and dataset.object_count(0) == 2  # the crowd is not counted
    masks, class_ids = dataset.load_mask(2)
    assert masks.shape == (HEIGHT, WIDTH, 0) and class_ids.shape == (0,) and dataset.object_count(2) == 0
    assert [info.get("supercategory") for info in dataset.class_info] == [None, "outer", None]


def test_an_attribute_that_a_reader_gives_twice_counts_once():
    assert ObjectAnnotation(0, 1, {}, attributes=(28, 7, 28)).attributes == (28, 7)


def test_a_fault_stops_training_with_its_name_unless_it_is_to_be_skipped():
    dataset = Rows().load(PHOTOS)
    with pytest.raises(DataError, match="^a/2.jpg, object 1: made up: .*on_error"):
        dataset.load_mask(1)
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.object_faults(1)] == [
        ("a/2.jpg", "RLE overflow", 1)
    ]
    skipping = Rows().load(PHOTOS, on_error="skip")
    with pytest.warns(UserWarning, match="skipped a/2.jpg, object 1: made up"):
        masks, class_ids = skipping.load_mask(1)
    np.testing.assert_array_equal(masks, np.stack([row(0), row(2)], axis=-1))
    assert class_ids.tolist() == [1, 2]
    assert len(skipping.object_faults(1)) == 1


def test_an_object_without_a_pixel_is_listed_and_left_out():
    dataset = Rows().load(PHOTOS)
    assert [fault.kind for fault in dataset.object_faults(3)] == ["empty mask"]
    np.testing.assert_array_equal(dataset.load_mask(3)[0][..., 0], row(1))
    assert dataset.object_count(3) == 1


# --- Faults met while loading ----------------------------------------------------------------------------------------


def test_faults_are_raised_or_kept_as_asked():
    fault = Fault("c.jpg", "bad entry", "no sense in it")
    assert fault.kind in FAULT_KINDS
    with pytest.raises(DataError, match='^rows.txt: c.jpg: no sense in it: .*on_error="skip"'):
        Rows().load(PHOTOS, faults=[fault])
    many = [Fault("c.jpg", "bad entry", "no sense in it", number) for number in range(5)]
    with pytest.warns(UserWarning, match="rows.txt: skipped c.jpg, object 0: .*object 2: .* and 2 more") as seen:
        dataset = Rows().load(PHOTOS, "skip", many)
    assert dataset.faults == many and len(seen) == 1
    with pytest.raises(ValueError, match="neither"):
        Rows().load(PHOTOS, "ignore")


def test_a_harmless_fault_is_told_of_and_stops_nothing():
    twice = Fault("a/1.jpg", "duplicate id", "id 7 occurs twice", 1)
    assert twice.harmless and not Fault("a/1.jpg", "duplicate id", "image id 7 occurs twice").harmless
    with pytest.warns(UserWarning, match="harmless faults: a/1.jpg, object 1: id 7 occurs twice"):
        dataset = Rows().load(PHOTOS, faults=[twice])
    assert dataset.faults == [twice]
    assert without(dataset, [twice]).load_mask(0)[1].tolist() == [1, 2, -2]


def test_a_second_file_warns_of_its_own_faults_and_must_have_photos_of_its_own():
    with pytest.warns(UserWarning, match="first"):
        dataset = Rows().load(PHOTOS, "skip", [Fault("x", "bad entry", "first")])
    with pytest.warns(UserWarning) as seen:
        dataset.load({"c.jpg": []}, "skip", [Fault("y", "bad entry", "second")])
    assert len(seen) == 1 and "first" not in str(seen[0].message) and len(dataset.faults) == 2
    with pytest.raises(DataError, match="rows.txt: no photos remain"):
        dataset.load({})


def test_missing_photos_are_one_error_or_a_fault_each():
    dataset = Rows()
    dataset.start_loading("raise")
    dataset.missing_photos("rows.txt", "folder", [], 4)
    with pytest.raises(DataError, match=r"^rows.txt: 4 of 9 photos .*: a, b, c, \.\.\.: give"):
        dataset.missing_photos("rows.txt", "folder", ["a", "b", "c", "d"], 9)
    dataset.start_loading("skip")
    dataset.missing_photos("rows.txt", "folder", ["a", "b"], 9)
    assert [(fault.photo, fault.kind, fault.number) for fault in dataset.faults] == [
        ("a", "missing", None), ("b", "missing", None)
    ]


def test_options_that_a_format_has_no_use_for():
    Rows().refuse("rows.txt", names=None, mapping=None)
    with pytest.raises(DataError, match="^rows.txt: .*takes no mapping: leave mapping 'm.json' out"):
        Rows().refuse("rows.txt", names=None, mapping="m.json")


# --- Choosing photos and objects -------------------------------------------------------------------------------------


def test_select_takes_photos_in_the_order_asked_and_leaves_the_original_alone():
    dataset = Rows().load(PHOTOS)
    before = copy.deepcopy(dataset.image_info)
    chosen = select(dataset, np.array([3, 0]))
    assert type(chosen) is Rows and chosen.num_images == 2 and chosen.image_ids.tolist() == [0, 1]
    assert [chosen.file_name(i) for i in chosen.image_ids] == ["b/2.jpg", "a/1.jpg"]
    assert chosen.class_names == ["BG", "coat", "shoe"]
    np.testing.assert_array_equal(chosen.load_mask(1)[0], dataset.load_mask(0)[0])
    chosen.image_info[1]["objects"] = []
    assert dataset.image_info == before and dataset.num_images == 4
    assert select(dataset, []).num_images == 0


def test_without_drops_objects_by_number_and_photos_by_name():
    dataset = Rows().load(PHOTOS)
    left = without(dataset, [
        Fault("a/1.jpg", "empty mask", "", 1), Fault("a/2.jpg", "RLE overflow", "", 1), Fault("b/2.jpg", "missing", ""),
        Fault("never/heard.jpg", "missing", ""), Fault("1.jpg", "missing", ""), Fault("b/1.jpg", "empty mask", "", 55),
    ])
    assert [left.file_name(i) for i in left.image_ids] == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    masks, class_ids = left.load_mask(0)
    np.testing.assert_array_equal(masks, np.stack([row(0), row(2)], axis=-1))
    assert class_ids.tolist() == [1, -2] and left.object_count(0) == 1
    assert left.load_mask(1)[1].tolist() == [1, 2] and left.object_faults(1) == []  # the fault is gone
    assert dataset.num_images == 4 and dataset.load_mask(0)[1].tolist() == [1, 2, -2]
    # Numbers stay those of the file, however often something is dropped, and photos may be chosen in between.
    again = without(select(left, [1, 0]), [Fault("a/1.jpg", "empty mask", "", 0), Fault("a/2.jpg", "bad entry", "", 2)])
    assert again.load_mask(1)[1].tolist() == [-2] and again.load_mask(0)[1].tolist() == [1]


def test_a_chosen_data_set_goes_to_another_process_whole():
    left = without(Rows().load(PHOTOS), [Fault("a/1.jpg", "empty mask", "", 1)])
    arrived = pickle.loads(pickle.dumps(left))
    np.testing.assert_array_equal(arrived.load_mask(0)[0], left.load_mask(0)[0])


def test_names_of_photos_of_any_data_set():
    dataset = Dataset()
    dataset.add_image("own", 5, "folder/sub/c.jpg")
    dataset.add_image("own", 6, None)
    dataset.prepare()
    assert [photo_name(dataset, i) for i in range(2)] == ["c.jpg", "6"]
    assert photo_name(Rows().load(PHOTOS), 1) == "a/2.jpg"
    assert without(dataset, [Fault("6", "unreadable", "")]).num_images == 1


# --- Some of the classes ---------------------------------------------------------------------------------------------


def test_chosen_classes_are_all_that_a_data_set_knows(tmp_path):
    path = coco_file(tmp_path)
    whole = open_dataset(path)
    chosen = choose_classes(whole, ["shoe", "hat"])
    assert whole.class_names == ["BG", "hat", "coat", "shoe"] and chosen.class_names == ["BG", "shoe", "hat"]
    # Photo 0 has a hat, a coat and a shoe, photo 1 a coat.
    assert chosen.load_mask(0)[1].tolist() == [2, 1] and chosen.load_mask(1)[1].tolist() == []
    assert (chosen.load_mask(0)[0] == whole.load_mask(0)[0][..., [0, 2]]).all()
    assert chosen.object_classes(0).tolist() == [2, 1] and chosen.object_count(1) == 0
    assert len(chosen.load_rles(0)[0]) == 2 and [entry.number for entry in chosen.objects(0)] == [0, 2]
    # The rest of them in turn: what was left out stays out.
    assert choose_classes(chosen, ["hat"]).object_classes(0).tolist() == [1]
    truth = ground_truth_from_dataset(chosen)
    assert [annotation["category_id"] for annotation in truth["annotations"]] == [1, 5]
    assert {category["name"]: category["id"] for category in truth["categories"]} == {"shoe": 5, "hat": 1}


def test_classes_that_are_not_there_are_named(tmp_path):
    dataset = open_dataset(coco_file(tmp_path))
    with pytest.raises(DataError, match="'shoes' .*did you mean 'shoe'.*: take some of hat"):
        choose_classes(dataset, ["hat", "shoes"])
    with pytest.raises(DataError, match="'hat' are named twice"):
        choose_classes(dataset, ["hat", "hat"])


def test_several_classes_become_one(tmp_path):
    whole = open_dataset(coco_file(tmp_path))  # photo 0 has a hat, a coat and a shoe, photo 1 a coat
    chosen = choose_classes(whole, ["*", "wear=hat+coat"])
    assert whole.class_names == ["BG", "hat", "coat", "shoe"] and chosen.class_names == ["BG", "shoe", "wear"]
    assert chosen.load_mask(0)[1].tolist() == [2, 2, 1] and chosen.object_classes(1).tolist() == [2]
    assert (chosen.load_mask(0)[0] == whole.load_mask(0)[0]).all()
    truth = ground_truth_from_dataset(chosen)
    assert [annotation["category_id"] for annotation in truth["annotations"]] == [1, 1, 5, 1]
    assert {category["name"]: category["id"] for category in truth["categories"]} == {"shoe": 5, "wear": 1}
    # In turn: what is one stays one, under another name, as a part of another, or left out.
    assert choose_classes(chosen, ["worn = wear"]).object_classes(0).tolist() == [1, 1]
    assert choose_classes(chosen, ["all=shoe+wear"]).object_classes(0).tolist() == [1, 1, 1]
    assert choose_classes(chosen, ["shoe"]).object_classes(0).tolist() == [1]
    assert choose_classes(select(chosen, [1]), ["wear"]).object_classes(0).tolist() == [1]
    assert choose_classes(whole, ["hat", "wear=coat+shoe"]).object_classes(0).tolist() == [1, 2, 2]


def test_classes_of_two_sources_become_one():
    class Two(Rows):
        def load(self):
            super().load({"a.jpg": [(1, False)]})
            self.add_category("b", 7, "boots", "foot")
            self.add_photo("b", "b.jpg", "folder/b.jpg", "b.jpg", HEIGHT, WIDTH, objects=[(3, False)])
            self.prepare()
            return self

        def read_objects(self, image_id):
            key = ("", "rows.10", "rows.20", "b.7")
            for number, (class_id, _) in enumerate(self.image_info[image_id]["objects"]):
                yield ObjectAnnotation(number, self.map_source_class_id(key[class_id]), rle_encode(row(number)))

    chosen = choose_classes(Two().load(), ["footwear=shoe+boots", "coat"])
    assert chosen.class_names == ["BG", "footwear", "coat"]
    assert chosen.source_class_ids == {"": [0], "rows": [0, 1, 2], "b": [0, 1]}
    assert [chosen.object_classes(i).tolist() for i in (0, 1)] == [[2], [1]]
    # The group is that of all of them, or none.
    assert "supercategory" not in chosen.class_info[1] and chosen.class_info[2]["supercategory"] == "outer"
    assert choose_classes(chosen, ["coat"]).object_classes(1).tolist() == []


def test_classes_of_one_name_are_chosen_together(tmp_path):
    dataset = Rows().load({"a.jpg": [(1, False), (2, False)]})
    dataset.class_info[2]["name"] = "coat"
    dataset.prepare()
    chosen = choose_classes(dataset, ["coat"])
    assert chosen.class_names == ["BG", "coat"]
    assert [chosen.map_source_class_id(key) for key in ("rows.10", "rows.20")] == [1, 1]


def test_classes_of_photos_labelled_for_some_only_do_not_become_one(tmp_path):
    dataset = open_dataset(coco_file(tmp_path))
    dataset.image_info[0]["class_lists"] = {"neg_category_ids": [2]}
    with pytest.raises(DataError, match="labelled for some classes only"):
        choose_classes(dataset, ["wear=hat+coat"])
    assert choose_classes(dataset, ["cap=hat"]).class_names == ["BG", "cap"]


def test_a_group_without_objects_is_a_class_where_others_have_it_as_one(tmp_path):
    path = coco_file(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    # Category 2, without objects, is the group of hat and shoe.
    content["categories"] = [{"id": 1, "name": "hat", "supercategory": "coat"}, {"id": 2, "name": "coat"},
                             {"id": 5, "name": "shoe", "supercategory": "coat"}]
    content["annotations"] = [entry for entry in content["annotations"] if entry["category_id"] != 2]
    (tmp_path / "a.json").write_text(json.dumps(content))
    dataset = open_dataset(path)
    part = select(dataset, [0])
    assert dataset.class_names == ["BG", "hat", "shoe"] and dataset.object_classes(0).tolist() == [1, 2]
    for names in (None, ["hat", "glove"]):
        keep_groups(dataset, names, "x")
        assert dataset.class_names == ["BG", "hat", "shoe"]
    with pytest.warns(UserWarning, match="coat: kept as a class, .*: b.json has it as a class"):
        keep_groups(dataset, ["BG", "coat"], "b.json has it as a class")
    assert dataset.class_names == ["BG", "hat", "coat", "shoe"]  # in the order of the ids
    assert dataset.object_classes(0).tolist() == [1, 3] and dataset.load_mask(0)[1].tolist() == [1, 3]
    assert part.class_names == ["BG", "hat", "shoe"]  # of another data set nothing changes
    with pytest.warns(UserWarning, match="coat: kept as a class, .*: CLASSES names it"):
        chosen = choose_classes(part, ["shoe", "coat"])
    assert chosen.class_names == ["BG", "shoe", "coat"] and chosen.object_classes(0).tolist() == [1]
    assert part.class_names == ["BG", "hat", "shoe"]


def coco_file(folder):
    """Path of COCO annotations of two photos."""
    square = [[1, 1, 6, 1, 6, 6, 1, 6]]
    objects = [(0, 1), (0, 2), (0, 5), (1, 2)]
    for i in range(2):
        Image.new("RGB", (10, 8)).save(folder / f"{i}.png")
    (folder / "a.json").write_text(json.dumps({
        "images": [{"id": i, "file_name": f"{i}.png", "height": 8, "width": 10} for i in range(2)],
        "categories": [{"id": 1, "name": "hat"}, {"id": 2, "name": "coat"}, {"id": 5, "name": "shoe"}],
        "annotations": [{"id": i, "image_id": photo, "category_id": category, "segmentation": square, "iscrowd": 0,
                         "area": 25, "bbox": [1, 1, 5, 5]} for i, (photo, category) in enumerate(objects)],
    }))
    return str(folder / "a.json")
