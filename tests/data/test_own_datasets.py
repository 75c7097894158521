"""Data sets of users' own, with the habits of Matterport's: all parts of the library see the same objects, or say why
they cannot."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image
from tiny import TinyConfig

from mrcnn.data.annotated import photo_name, select, without
from mrcnn.data.class_choice import choose_classes
from mrcnn.data.curation.splits import apply_split, random_split
from mrcnn.data.curation.statistics import summarise
from mrcnn.data.curation.validate import validate
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.formats.label_studio_writer import write_label_studio
from mrcnn.data.formats.labelme_writer import write_labelme
from mrcnn.data.formats.write_voc import write_voc
from mrcnn.data.formats.write_yolo import write_yolo
from mrcnn.data.formats.writers import write_coco, write_embedded_photos
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.label_samples import true_label_map
from mrcnn.data.objects import class_counts
from mrcnn.errors import DataError
from mrcnn.evaluation.coco_data import ground_truth_from_dataset

CONFIG = TinyConfig(IMAGE_RESIZE_MODE="square")


class Own(Dataset):
    """One photo of 20 x 30 pixels with an object of 6 x 5 pixels for each class id."""

    def load(self, *ids, count=1, path=None):
        self.ids = list(ids)
        for i, name in enumerate(("shirt", "dress", "shoe"), 1):
            self.add_class("s", i, name)
        for i in range(count):
            self.add_image("s", f"p{i}", path, file_name=f"p{i}.png")
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.full((20, 30, 3), 100 + image_id, np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((20, 30, len(self.ids)), bool)
        for k in range(len(self.ids)):
            masks[2:8, 2 + 6 * k : 7 + 6 * k, k] = True
        return masks, np.array(self.ids)


def parts(tmp_path):
    """What asks for the objects of a photo, each by its own door."""
    return {
        "evaluate": ground_truth_from_dataset,
        "coco": lambda dataset: write_coco(dataset, tmp_path / "a.json"),
        "yolo": lambda dataset: write_yolo(dataset, tmp_path / "yolo"),
        "voc": lambda dataset: write_voc(dataset, tmp_path / "voc"),
        "labels": lambda dataset: true_label_map(dataset, 0),
        "training": lambda dataset: load_ground_truth(dataset, CONFIG, 0),
    }


PARTS = ("evaluate", "coco", "yolo", "voc", "labels", "training")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("given, message", [
    (lambda masks, ids: (masks, [0, 1]), "p0.* class id 0"),
    (lambda masks, ids: (masks, [257, 1]), "p0.* class id 257"),
    (lambda masks, ids: (masks, ids[:1]), r"p0.*load_mask gave masks \[20, 30, 2\] for 1 class ids: one each"),
    (lambda masks, ids: (masks.transpose(2, 0, 1), ids), r"p0.*load_mask gave masks \[2, 20, 30\] for 2 class ids"),
    (lambda masks, ids: None, "p0.*load_mask gave NoneType: return .masks"),
    (lambda masks, ids: (None, ids), "p0.*load_mask gave 2 values, or None: return .masks"),
])
def test_what_load_mask_may_not_give_is_told_alike(tmp_path, part, given, message):
    class Wrong(Own):
        def load_mask(self, image_id):
            return given(*super().load_mask(image_id))

    with warnings.catch_warnings(), pytest.raises(DataError, match=message):
        warnings.simplefilter("ignore")
        parts(tmp_path)[part](Wrong().load(1, 2))


@pytest.fixture
def shop(tmp_path):
    """A folder with COCO's a.json of a photo p0.png and its objects, one of each class."""
    Image.new("RGB", (30, 20)).save(tmp_path / "p0.png")
    with pytest.warns(UserWarning, match="photos that load_image makes"):
        write_coco(Own().load(1, 2, 3), tmp_path / "a.json")
    return tmp_path


def test_a_reader_whose_objects_a_subclass_changes_has_these_everywhere(shop):
    class Merged(CocoDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return masks[..., :2], np.ones_like(class_ids)[:2]

    merged = Merged()
    merged.load_coco(shop / "a.json", shop)
    merged.prepare()
    assert load_ground_truth(merged, CONFIG, 0)["gt_class_ids"].tolist() == [1, 1]
    assert [entry["category_id"] for entry in ground_truth_from_dataset(merged)["annotations"]] == [1, 1]
    assert class_counts(merged).tolist() == [[2, 0, 0]] and summarise(merged, CONFIG)["objects"] == 2
    assert set(np.unique(true_label_map(merged, 0))) == {0, 1}
    write_coco(merged, shop / "b.json")
    assert class_counts(open_dataset(shop / "b.json", shop)).tolist() == [[2, 0, 0]]


def test_classes_that_are_chosen_of_a_part_are_those_of_its_objects(shop):
    class Renamed(CocoDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            shoe, dress = (self.class_names.index(name) for name in ("shoe", "dress"))
            return masks, np.where(class_ids == shoe, dress, class_ids)

    whole = Renamed()
    whole.load_coco(shop / "a.json", shop)
    whole.prepare()
    part = choose_classes(select(whole, [0]), ["shoe", "dress"])
    assert part.class_names == ["BG", "shoe", "dress"] and part.load_mask(0)[1].tolist() == [2, 2]


class Lists(Own):
    """Objects that stand in a list of its own, by the photo's id, as many users have them."""

    def load(self, count):
        super().load(1, count=count)
        self.widths = list(range(1, count + 1))
        return self

    def load_mask(self, image_id):
        masks = np.zeros((20, 30, 1), bool)
        masks[:5, : self.widths[image_id]] = True
        return masks, np.array([1])

    def object_classes(self, image_id):
        return np.array([1] * self.widths[image_id])


def test_a_part_of_a_data_set_asks_its_methods_by_the_ids_of_the_whole():
    whole = Lists().load(10)
    part = apply_split(whole, random_split(whole, {"train": 0.8, "val": 0.2}), "val")
    again = select(part, [1])
    for chosen, names in ((part, [photo_name(part, i) for i in part.image_ids]), (again, [photo_name(part, 1)])):
        for image_id, name in zip(chosen.image_ids, names, strict=True):
            number = int(name.removeprefix("p").removesuffix(".png"))
            assert photo_name(chosen, image_id) == name and chosen.load_image(image_id)[0, 0, 0] == 100 + number
            assert chosen.load_mask(image_id)[0].sum() == 5 * (number + 1)
            assert class_counts(chosen)[image_id, 0] == number + 1
    assert len(part.image_ids) == 2 and whole.load_mask(9)[0].sum() == 50


def test_photos_that_load_image_makes_are_written_as_it_makes_them(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "p0.png")

    class Cropped(Own):
        def load_image(self, image_id):
            return np.array(Image.open(self.image_info[image_id]["path"]))[:20, :30] + 7

    dataset = Cropped().load(1, path=str(tmp_path / "p0.png"))
    write_voc(dataset, tmp_path / "voc")
    written = Image.open(tmp_path / "voc" / "JPEGImages" / "p0.png")
    assert written.size == (30, 20) and written.getpixel((3, 3)) == (7, 7, 7)
    with pytest.warns(UserWarning, match="names 1 photos that load_image makes.*write_embedded_photos writes them"):
        write_coco(dataset, tmp_path / "a.json")
    assert write_embedded_photos(dataset, tmp_path / "photos") == 1
    assert validate(open_dataset(tmp_path / "a.json", tmp_path / "photos")) == []
    # Label Studio's tasks are written with the photos, and point at these, not at the file that they were cut from.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_label_studio(dataset, tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    (served,) = (path for path in tmp_path.glob("tasks*/p0.png"))
    assert task["data"]["image"].endswith(f"{served.parent.name}/p0.png") and Image.open(served).size == (30, 20)
    with pytest.warns(UserWarning, match="names 1 photos that load_image makes"):
        assert write_labelme(dataset, tmp_path / "labelme") is None
    assert json.loads((tmp_path / "labelme" / "p0.json").read_text())["imagePath"] == "p0.png"


@pytest.mark.parametrize("change, fault", [
    (lambda photo: photo / 255.0, "load_image gave float64 values from 0.392"),
    (lambda photo: photo > 100, "load_image gave bool values from False to False: return uint8 from 0 to 255"),
])
def test_validate_finds_photos_that_training_refuses(change, fault):
    class Changed(Own):
        def load_image(self, image_id):
            return change(super().load_image(image_id))

    (found,) = validate(Changed().load(1), progress=False)
    assert found.kind == "unreadable" and found.message.startswith(fault)
    with pytest.raises(DataError, match="p0: load_image gave|p0.png: load_image gave|image p0: load_image gave"):
        load_ground_truth(Changed().load(1), CONFIG, 0)


def test_validate_finds_classes_of_another_source():
    dataset = Own().load(1, 4)
    dataset.add_class("other", 9, "hat")
    dataset.prepare()
    assert [fault.message for fault in validate(dataset, progress=False)] == ["class id 4 is none of 1 to 3"]


def test_a_forgotten_prepare_is_told():
    dataset = Own().load(1, count=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(dataset.image_ids) == 2
    dataset.add_image("s", "p9", None)
    with pytest.warns(UserWarning, match=r"Own: 1 of 3 photos are not numbered and are left out: call prepare\(\)"):
        assert len(dataset.image_ids) == 2


def test_what_validate_finds_is_left_out():
    class Second(Own):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return masks, class_ids * (9 if image_id == 1 else 1)

    dataset = Second().load(1, 2, count=3)
    faults = validate(dataset, progress=False)
    assert [(fault.photo, fault.kind) for fault in faults] == [("p1.png", "unknown class")] * 2
    with pytest.warns(UserWarning, match="1 photos with faulty objects are left out whole, for Second .*first: p1.png"):
        left = without(dataset, faults)
    assert [photo_name(left, i) for i in left.image_ids] == ["p0.png", "p2.png"]
    dataset = Own().load(1, count=3)
    dataset.image_info[2]["file_name"] = "p0.png"
    left = without(dataset, validate(dataset, progress=False))
    assert [photo_name(left, i) for i in left.image_ids] == ["p0.png", "p1.png"]


def test_a_photo_that_is_listed_for_each_object_is_left_out_whole():
    class Rows(Own):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return np.roll(masks, image_id, axis=1), class_ids

    dataset = Rows().load(1, count=3)
    dataset.image_info[2]["file_name"] = "p0.png"
    with pytest.warns(UserWarning, match="1 photos listed again with other objects are left out whole.*p0.png"):
        left = without(dataset, validate(dataset, progress=False))
    assert [photo_name(left, i) for i in left.image_ids] == ["p1.png"]


@pytest.mark.parametrize("write", [
    lambda dataset, path: write_coco(dataset, path / "a.json"), lambda dataset, path: write_voc(dataset, path / "voc"),
    lambda dataset, path: write_yolo(dataset, path / "yolo"),
])
@pytest.mark.parametrize("own", [True, False])
def test_masks_of_another_size_than_their_photo_are_not_written(tmp_path, write, own):
    Image.new("RGB", (40, 20)).save(tmp_path / "p0.png")

    class Wider(Own):
        if own:
            def load_image(self, image_id):
                return np.zeros((20, 40, 3), np.uint8)
        else:
            load_image = Dataset.load_image

    message = r"p0.*photo is 20x40 pixels \(height x width, upright\), its masks are 20x30: correct load_mask"
    with pytest.raises(DataError, match=message):
        write(Wider().load(1, path=str(tmp_path / "p0.png")), tmp_path)
