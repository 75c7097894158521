"""Writing and reading back: the same masks in every form, and nothing half written."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mrcnn.data.annotated import select
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.writers import rle_to_encoded_pixels, write_coco, write_embedded_photos, write_imaterialist
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError

CCP = Path(__file__).resolve().parents[4] / "shared" / "data" / "ccp"
HEIGHT, WIDTH = 14, 18
WRITERS = {"coco": (write_coco, "out.json"), "imaterialist": (write_imaterialist, "out.csv")}


def masks_of(seed, count):
    """bool [H, W, N] of random pixels: many runs, first and last pixel inside and outside."""
    masks = np.random.default_rng(seed).random((HEIGHT, WIDTH, count)) < 0.4
    masks[0, 0], masks[-1, -1] = np.arange(count) % 2 == 0, np.arange(count) % 3 == 0
    return masks


class OwnDataset(Dataset):
    """A user's own data set: no sizes, no run lengths, masks as arrays."""

    def __init__(self, objects, folder=None):
        super().__init__()
        self.objects_by_photo = objects
        for class_id, name in ((3, "coat"), (7, "bag, purse")):
            self.add_class("own", class_id, name)
        for name in objects:
            if folder is not None:
                Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)
            self.add_image("own", name, str((folder or Path("nowhere")) / name))
        self.prepare()

    def load_mask(self, image_id):
        masks, class_ids = self.objects_by_photo[self.image_info[image_id]["id"]]
        return masks, np.array(class_ids, np.int32)


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(path)


# --- A data set in each format, photos in `photos` or where the format has them ---------------------------------------


def make_coco(folder):
    photo(folder / "photos" / "sub" / "a.png")
    photo(folder / "photos" / "b.png")
    masks = masks_of(1, 3)
    segmentations = [rle_encode(masks[..., 0]), rle_encode(masks[..., 1]), [[1, 2, 12, 3, 7.5, 11]]]
    (folder / "in.json").write_text(json.dumps({
        "images": [{"id": 5, "file_name": "sub/a.png", "height": HEIGHT, "width": WIDTH},
                   {"id": 2, "file_name": "b.png", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 4, "name": "coat", "supercategory": "body"}, {"id": 9, "name": "bag, purse"}],
        "annotations": [
            {"id": i + 1, "image_id": 5 if i else 2, "category_id": 9 if i == 1 else 4, "segmentation": segmentation,
             "attribute_ids": [3, 8] if i == 1 else []} for i, segmentation in enumerate(segmentations)],
    }))
    return folder / "in.json", folder / "photos"


def make_imaterialist(folder):
    photo(folder / "photos" / "a.png")
    lines = ["ImageId,EncodedPixels,Height,Width,ClassId"]
    for i, label in enumerate(("0", "6_28_77")):
        lines.append(f"a.png,{rle_to_encoded_pixels(rle_encode(masks_of(2, 2)[..., i]))},{HEIGHT},{WIDTH},{label}")
    (folder / "in").mkdir()
    (folder / "in" / "in.csv").write_text("\n".join(lines))
    categories = [{"id": i, "name": name, "supercategory": "x"} for i, name in ((0, "a, b"), (1, "c"), (6, "d"))]
    names = {"categories": categories,
             "attributes": [{"id": 28, "name": "long"}, {"id": 77, "name": "plain"}]}
    (folder / "in" / "label_descriptions.json").write_text(json.dumps(names))
    return folder / "in" / "in.csv", folder / "photos"


def make_label_maps(folder):
    photo(folder / "photos" / "a.png")
    (folder / "labels").mkdir()
    labels = np.kron(np.random.default_rng(3).integers(0, 4, (2, 2)), np.ones((7, 9))).astype(np.uint8)
    labels[:8, :9] = 3
    Image.fromarray(labels).save(folder / "labels" / "a.png")
    (folder / "label_names.txt").write_text("null\nshoes\ntop\nhat")
    return folder / "labels", folder / "photos"


def make_via(folder):
    photo(folder / "photos" / "a.png")
    shapes = [{"name": "circle", "cx": 8, "cy": 7, "r": 4.4},
              {"name": "polygon", "all_points_x": [1, 15, 8], "all_points_y": [0, 3, 13]}]
    regions = [{"shape_attributes": shape, "region_attributes": {"name": shape["name"]}} for shape in shapes]
    (folder / "in.json").write_text(json.dumps({"a.png1": {"filename": "a.png", "size": 1, "regions": regions}}))
    return folder / "in.json", folder / "photos"


def make_numbered(folder):
    photo(folder / "in" / "PNGImages" / "a.png")
    (folder / "in" / "PedMasks").mkdir()
    values = np.random.default_rng(4).integers(0, 4, (HEIGHT, WIDTH)).astype(np.uint8)
    Image.fromarray(values).save(folder / "in" / "PedMasks" / "a_mask.png")
    return folder / "in", folder / "in" / "PNGImages"


def make_filed(folder):
    photo(folder / "in" / "a" / "images" / "a.png")
    (folder / "in" / "a" / "masks" / "hat").mkdir(parents=True)
    masks = masks_of(5, 2)
    Image.fromarray(masks[..., 0]).save(folder / "in" / "a" / "masks" / "1.png")
    Image.fromarray(masks[..., 1]).save(folder / "in" / "a" / "masks" / "hat" / "2.png")
    return folder / "in", folder / "in"


MAKERS = [make_coco, make_imaterialist, make_label_maps, make_via, make_numbered, make_filed]


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__.removeprefix("make_"))
def test_every_format_is_read_back_with_the_same_masks(tmp_path, make, form):
    annotations, images = make(tmp_path)
    dataset = open_dataset(annotations, images if make is not make_numbered else None)
    write, name = WRITERS[form]
    write(dataset, tmp_path / "new" / name)
    assert recognise(tmp_path / "new" / name) == form
    again = open_dataset(tmp_path / "new" / name, images)
    check_same(dataset, again)


def check_same(dataset, again):
    assert [info["name"] for info in again.class_info] == [info["name"] for info in dataset.class_info]
    assert [again.file_name(i) for i in again.image_ids] == [dataset.file_name(i) for i in dataset.image_ids]
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        read_again, found_ids = again.load_mask(image_id)
        assert class_ids.size  # or nothing would be compared
        np.testing.assert_array_equal(read_again, masks)
        assert found_ids.tolist() == class_ids.tolist()
        assert [e.attributes for e in again.objects(image_id)] == [e.attributes for e in dataset.objects(image_id)]


@pytest.mark.parametrize("form", WRITERS)
def test_a_data_set_of_ones_own(tmp_path, form):
    objects = {"b.png": (masks_of(6, 3), [1, 2, 1]), "a.png": (masks_of(7, 1), [2])}
    write, name = WRITERS[form]
    write(OwnDataset(objects, tmp_path), tmp_path / name)
    again = open_dataset(tmp_path / name)
    assert [info["name"] for info in again.class_info] == ["BG", "coat", "bag, purse"]
    for image_id, (name, (masks, class_ids)) in enumerate(objects.items()):
        assert again.file_name(image_id) == name
        np.testing.assert_array_equal(again.load_mask(image_id)[0], masks)
        assert again.load_mask(image_id)[1].tolist() == class_ids


# --- COCO ------------------------------------------------------------------------------------------------------------


def test_what_coco_holds(tmp_path):
    mask, crowd = np.zeros((2, HEIGHT, WIDTH), bool)
    mask[2:5, 3:10], crowd[6:, 12:] = True, True
    objects = {"a.png": (np.stack([mask, crowd], axis=-1), [2, -1]), "b.png": (np.zeros((0, 0, 0), bool), [])}
    write_coco(OwnDataset(objects, tmp_path), tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["images"] == [{"id": i + 1, "file_name": name, "height": HEIGHT, "width": WIDTH}
                                 for i, name in enumerate(("a.png", "b.png"))]
    assert content["categories"] == [{"id": 3, "name": "coat"}, {"id": 7, "name": "bag, purse"}]
    first, second = content["annotations"]
    # 3 rows of 7 pixels from (x 3, y 2) on; 8 rows of 6 from (x 12, y 6) on.
    assert first.pop("segmentation") == rle_encode(mask) and second.pop("segmentation") == rle_encode(crowd)
    assert first == {"id": 1, "image_id": 1, "category_id": 7, "bbox": [3, 2, 7, 3], "area": 21, "iscrowd": 0}
    assert second == {"id": 2, "image_id": 1, "category_id": 3, "bbox": [12, 6, 6, 8], "area": 48, "iscrowd": 1}
    coco = COCO(tmp_path / "out.json")
    np.testing.assert_array_equal(coco.annToMask(coco.loadAnns(2)[0]), crowd)
    assert open_dataset(tmp_path / "out.json").load_rles(0)[1].tolist() == [2, -1]


@pytest.mark.parametrize("form", WRITERS)
def test_more_than_255_objects_in_a_photo(tmp_path, form):
    write, name = WRITERS[form]
    masks = np.zeros((HEIGHT, WIDTH, 300), bool)
    rows = np.arange(300)
    masks[rows % HEIGHT, rows // HEIGHT % WIDTH, rows] = True
    write(OwnDataset({"a.png": (masks, [1] * 300)}, tmp_path), tmp_path / name)
    dataset = open_dataset(tmp_path / name, tmp_path)
    np.testing.assert_array_equal(dataset.load_mask(0)[0], masks)


def test_ids_of_the_source_stay(tmp_path):
    annotations, images = make_coco(tmp_path)
    write_coco(open_dataset(annotations, images), tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [image["id"] for image in content["images"]] == [5, 2]
    coat = {"id": 4, "name": "coat", "supercategory": "body"}
    assert content["categories"] == [coat, {"id": 9, "name": "bag, purse"}]
    *none, some = sorted(entry["attribute_ids"] for entry in content["annotations"])
    assert none and not any(none) and some == [3, 8]


def test_category_0_stays_from_csv_to_coco_to_csv(tmp_path):
    annotations, images = make_imaterialist(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_coco(open_dataset(annotations, images), tmp_path / "out.json")
        content = json.loads((tmp_path / "out.json").read_text())
        assert [category["id"] for category in content["categories"]] == [0, 1, 6]
        assert [(entry["id"], entry["category_id"]) for entry in content["annotations"]] == [(1, 0), (2, 6)]
        write_imaterialist(open_dataset(tmp_path / "out.json", images), tmp_path / "new" / "out.csv")
    assert (tmp_path / "new" / "out.csv").read_text().strip() == annotations.read_text()
    descriptions = json.loads((tmp_path / "new" / "label_descriptions.json").read_text())
    assert descriptions == json.loads((tmp_path / "in" / "label_descriptions.json").read_text())
    coco = COCO(tmp_path / "out.json")
    assert coco.getAnnIds(catIds=[0]) == [1] and coco.getCatIds() == [0, 1, 6]


class NumberedDataset(OwnDataset):
    """Classes and photos with ids that are given."""

    def __init__(self, class_ids, photo_ids=(), sources=("own", "own")):
        super().__init__({name: (masks_of(i, 1), [1]) for i, name in enumerate(("a.png", "b.png"))})
        for info, number, source in zip(self.class_info[1:], class_ids, sources):
            info.update(id=number, source=source)
        for info, number in zip(self.image_info, photo_ids):
            self.objects_by_photo[number] = self.objects_by_photo[info["id"]]
            info["id"] = number
        self.prepare()


@pytest.mark.parametrize("class_ids, sources, ids, message", [
    ((3, 3), ("own", "other"), [1, 2], "2 of 2 classes have other ids than in their source, for two have one id "
                                       ".first: 'coat', 3 there, 1 here.: go by their names"),
    ((-1, 2), ("own", "own"), [1, 2], "1 of 2 classes have other ids .* whole numbers from 0 on alone .first: 'coat', "
                                      "-1 there, 1 here"),
    (("m1", "m2"), ("own", "own"), [1, 2], "2 of 2 classes have other ids .*'m1' there, 1 here"),
    ((7, 3), ("own", "own"), [7, 3], "the ids of its 2 classes do not rise .first: 'coat', 7.: readers that order"),
    (("coat", "bag, purse"), ("own", "own"), [1, 2], None),  # names in the place of ids are none that is lost
])
@pytest.mark.parametrize("form", WRITERS)
def test_class_ids_that_are_made_anew_are_told(tmp_path, form, class_ids, sources, ids, message):
    write, name = WRITERS[form]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        write(NumberedDataset(class_ids, sources=sources), tmp_path / name)
    assert len(told) == bool(message) and all(re.search(message, str(one.message)) for one in told)
    path = tmp_path / ("out.json" if form == "coco" else "label_descriptions.json")
    assert [entry["id"] for entry in json.loads(path.read_text())["categories"]] == ids


@pytest.mark.parametrize("photo_ids, ids, told", [
    ((0, 5), [0, 5], False), (("a", "b"), [1, 2], False), (("a.png17", "b.png18"), [1, 2], False),
    ((-1, 5), [1, 2], True), (("x1", "x2"), [1, 2], True),
])
def test_photo_ids_that_are_made_anew_are_told(tmp_path, photo_ids, ids, told):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        write_coco(NumberedDataset((3, 7), photo_ids), tmp_path / "out.json")
    assert [image["id"] for image in json.loads((tmp_path / "out.json").read_text())["images"]] == ids
    assert ["2 of 2 photos have other ids than in their source" in str(one.message) for one in said] == [True] * told


def test_some_photos_and_progress(tmp_path):
    objects = {name: (masks_of(8, 1), [1]) for name in ("a.png", "b.png", "c.png")}
    steps = []
    write_coco(OwnDataset(objects), tmp_path / "out.json", [2, 0], lambda done, total: steps.append((done, total)))
    content = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["c.png", "a.png"] and steps == [(1, 2), (2, 2)]
    steps.clear()
    write_imaterialist(OwnDataset(objects), tmp_path / "out.csv", [1], lambda done, total: steps.append((done, total)))
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("b.png,") and steps == [(1, 1)]


def test_no_photos_at_all(tmp_path):
    write_coco(OwnDataset({}), tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["images"] == content["annotations"] == [] and len(content["categories"]) == 2


# --- iMaterialist ----------------------------------------------------------------------------------------------------


def test_encoded_pixels_count_from_1_down_the_columns():
    mask = np.zeros((3, 4), bool)
    mask[1:, 0] = mask[0, 1] = mask[2, 3] = True
    # Columns of 3 pixels: 2, 3 of the first and 4 of the second are one run of 3 from 2 on; the last pixel is 12.
    assert rle_to_encoded_pixels(rle_encode(mask)) == "2 3 12 1"
    assert rle_to_encoded_pixels({"size": [3, 4], "counts": [0, 2, 0, 3, 7]}) == "1 2 3 3"
    assert rle_to_encoded_pixels(rle_encode(np.ones((3, 4), bool))) == "1 12"
    assert rle_to_encoded_pixels(rle_encode(np.zeros((3, 4), bool))) == ""


def test_what_the_csv_cannot_hold_is_left_out_with_a_warning(tmp_path):
    masks = masks_of(9, 3)
    masks[..., 1] = False
    objects = {"a.png": (masks, [1, 2, -1]), "b.png": (masks[..., 2:], [-2])}
    with pytest.warns(UserWarning, match="1 objects without a pixel, 2 crowds, 1 photos without"):
        write_imaterialist(OwnDataset(objects), tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2
    with pytest.warns(UserWarning, match="left out 1 objects without a pixel.$"):
        write_coco(OwnDataset(objects), tmp_path / "out.json")


def test_names_of_another_data_set_are_not_overwritten(tmp_path):
    dataset = OwnDataset({"a.png": (masks_of(1, 1), [1])})
    write_imaterialist(dataset, tmp_path / "train.csv")
    write_imaterialist(dataset, tmp_path / "val.csv")  # the same classes
    dataset.class_info[1]["name"] = "jacket"
    before = (tmp_path / "label_descriptions.json").read_text()
    with pytest.raises(DataError, match="label_descriptions.json: is there and lists other classes"):
        write_imaterialist(dataset, tmp_path / "test.csv")
    assert not (tmp_path / "test.csv").exists() and (tmp_path / "label_descriptions.json").read_text() == before


# --- What is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("error", [DataError("a.png: bad"), KeyboardInterrupt(), FileNotFoundError(2, "gone", "x.png")])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, form, error):
    class Failing(OwnDataset):
        def load_mask(self, image_id):
            if image_id == 1:
                raise error
            return super().load_mask(image_id)

    write, name = WRITERS[form]
    (tmp_path / name).write_text("as it was")
    dataset = Failing({photo: (masks_of(1, 1), [1]) for photo in ("a.png", "b.png")})
    with pytest.raises(type(error)) as raised:
        write(dataset, tmp_path / name)
    assert raised.value is error
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "as it was"


@pytest.mark.parametrize("form", WRITERS)
def test_a_place_that_cannot_be_written_to(tmp_path, form):
    write, name = WRITERS[form]
    (tmp_path / "file").write_text("")
    dataset = OwnDataset({"a.png": (masks_of(1, 1), [1])})
    with pytest.raises(DataError, match="cannot write the file"):
        write(dataset, tmp_path / "file" / name)
    with pytest.raises(DataError, match="cannot write the file"):
        write(dataset, tmp_path / "file" / "deeper" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="cannot write the file"):
        write(dataset, tmp_path / name)


@pytest.mark.parametrize("form", WRITERS)
def test_two_photos_of_one_name(tmp_path, form):
    dataset = OwnDataset({"a.png": (masks_of(1, 1), [1])})
    dataset.add_image("own", "again", "elsewhere/b.png", file_name="a.png")
    dataset.prepare()
    with pytest.raises(DataError, match="a.png: two photos have this name"):
        WRITERS[form][0](dataset, tmp_path / "out")


@pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")
def test_clothing_co_parsing_from_form_to_form(tmp_path):
    dataset = open_dataset(CCP / "instances_val.json", CCP / "photos")
    dataset = select(dataset, range(20))
    write_imaterialist(dataset, tmp_path / "val.csv")
    again = open_dataset(tmp_path / "val.csv", CCP / "photos")
    write_coco(again, tmp_path / "val.json")
    last = open_dataset(tmp_path / "val.json", CCP / "photos")
    for image_id in dataset.image_ids:
        rles, class_ids = dataset.load_rles(image_id)
        read_again, found_ids = last.load_rles(image_id)
        assert [rle["counts"] for rle in read_again] == [rle["counts"] for rle in rles] and len(rles)
        assert found_ids.tolist() == class_ids.tolist()


def test_embedded_photos_of_one_file_are_not_written_over_each_other(tmp_path):
    class Held(Dataset):
        def photo_bytes(self, image_id):
            return b"%d" % image_id

    dataset = Held()
    for name in ("a.jpg", "b.jpg", "./a.jpg"):
        dataset.add_image("own", name, None, file_name=name, embedded=True)
    dataset.prepare()
    assert write_embedded_photos(dataset, tmp_path, [0, 1]) == 2 == write_embedded_photos(dataset, tmp_path, [0, 1])
    with pytest.raises(DataError, match="a.jpg: two photos take this name on this disk: rename one"):
        write_embedded_photos(dataset, tmp_path)
    assert (tmp_path / "a.jpg").read_bytes() == b"0"
