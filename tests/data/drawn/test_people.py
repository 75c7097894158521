import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mrcnn.data.drawn import people
from mrcnn.data.drawn.painting import CLOTHES, LABELS, SMALLEST_INSTANCE, Painter, plain_cloth
from mrcnn.data.drawn.people import DrawnPeople, draw_picture, write_files
from mrcnn.data.drawn.person import Person
from mrcnn.errors import DataError

SIZE = (128, 96)


def prepared(count, size=SIZE, seed=0):
    dataset = DrawnPeople()
    dataset.load_drawn(count, size=size, seed=seed)
    dataset.prepare()
    return dataset


@pytest.fixture(scope="module", name="fifty")
def fifty_pictures():
    return [draw_picture(0, index, SIZE) for index in range(50)]


def same(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name))
               for name in ("image", "instances", "class_ids", "label_map", "attributes"))


def test_a_picture_depends_on_its_seed_and_index_alone():
    few, many = prepared(3), prepared(40)
    many.load_image(39)
    assert same(few.load_picture(2), many.load_picture(2))
    assert same(few.load_picture(2), draw_picture(0, 2, SIZE))
    assert not np.array_equal(few.load_image(2), few.load_image(1))
    assert not np.array_equal(few.load_image(2), prepared(3, seed=1).load_image(2))


def test_a_picture_is_drawn_once_as_long_as_there_is_room(monkeypatch):
    drawn = []

    def draw(seed, index, size):
        drawn.append(index)
        return draw_picture(seed, index, size)

    monkeypatch.setattr(people, "draw_picture", draw)
    monkeypatch.setattr(people, "_drawn", people._Drawn())
    monkeypatch.setattr(people, "KEPT_BYTES", 2 * 128 * 96 * 5)  # two pictures: 3 bytes a pixel, and two labels of one
    dataset = prepared(3)
    for image_id in (0, 0, 1, 0, 2, 0, 1):
        assert same(dataset.load_picture(image_id), draw_picture(0, image_id, SIZE))
    assert drawn == [0, 1, 2, 1]  # the one that was asked for least recently makes room


def test_what_is_drawn_once_is_changed_by_nobody():
    dataset = prepared(1)
    changed = [dataset.load_image(0), *dataset.load_mask(0), dataset.load_label_map(0), dataset.load_person_mask(0)]
    for array in changed:  # as an augmentation may
        array[...] = 0
    for array in vars(dataset.load_picture(0)).values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert same(dataset.load_picture(0), draw_picture(0, 0, SIZE))


def test_another_process_draws_the_same_bytes():
    code = ("import hashlib; from mrcnn.data.drawn.people import draw_picture; p = draw_picture(7, 3, (128, 96));"
            "print(hashlib.sha256(p.image.tobytes() + p.label_map.tobytes() + p.instances.tobytes()).hexdigest())")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root,
                           env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": "5"})
    here = draw_picture(7, 3, SIZE)
    data = here.image.tobytes() + here.label_map.tobytes() + here.instances.tobytes()
    assert other.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_masks_show_visible_pixels_only_and_agree_with_the_label_map():
    dataset = prepared(12)
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        label_map = dataset.load_label_map(image_id)
        assert masks.dtype == bool and masks.shape == SIZE + (len(class_ids),)
        assert masks.sum(axis=2).max() <= 1
        for number, class_id in enumerate(class_ids):
            assert masks[..., number].any()
            assert (label_map[masks[..., number]] == class_id).all()
            assert dataset.class_names[class_id] == dataset.label_names[class_id]
        # Clothes in no mask are slivers that were dropped; each is smaller than the smallest instance.
        loose = (label_map > 0) & (label_map <= len(CLOTHES)) & ~masks.any(axis=2)
        assert loose.sum() < 6 * max(4, SMALLEST_INSTANCE * SIZE[0] * SIZE[1])


def test_person_mask_is_everything_but_background():
    dataset = prepared(6)
    for image_id in dataset.image_ids:
        person, label_map = dataset.load_person_mask(image_id), dataset.load_label_map(image_id)
        assert person.dtype == bool
        assert np.array_equal(person, label_map != 0)
        assert person[dataset.load_mask(image_id)[0].any(axis=2)].all()
        assert {LABELS["hair"], LABELS["skin"]} <= set(np.unique(label_map))
        assert not person.all()


@pytest.mark.parametrize("seed", range(8))
def test_left_and_right_shoe_are_instances_of_their_own(seed):
    painter = Painter(256, 256)
    Person(painter, np.random.default_rng(seed), 230, (128, 250)).draw()
    picture = painter.finish(np.random.default_rng(0))
    shoes = [number for number, class_id in enumerate(picture.class_ids, start=1) if class_id == LABELS["shoe"]]
    assert len(shoes) == 2
    centres = [np.argwhere(picture.instances == number).mean(axis=0) for number in shoes]
    assert centres[0][1] < centres[1][1]
    # The soles are at 1.0 of the height, the ankles above 0.93; the tallest boot ends under the knee at 0.73.
    assert all(250 - 0.27 * 230 < centre[0] < 252 for centre in centres)


def test_every_class_occurs_in_fifty_pictures(fifty):
    counts = np.bincount(np.concatenate([picture.class_ids for picture in fifty]), minlength=len(CLOTHES) + 1)
    assert counts[0] == 0 and len(counts) == len(CLOTHES) + 1
    assert (counts[1:] >= 5).all(), dict(zip(CLOTHES, counts[1:]))


def test_one_and_two_people_occur(fifty):
    shoes = np.array([(picture.class_ids == LABELS["shoe"]).sum() for picture in fifty])
    assert shoes.max() == 4
    assert ((shoes > 0) & (shoes <= 2)).sum() > 25
    assert (shoes > 2).sum() >= 5


def test_people_are_large_in_the_picture(fifty):
    rows = [np.flatnonzero((picture.label_map > 0).any(axis=1)) for picture in fifty]
    heights = np.array([own[-1] + 1 - own[0] for own in rows]) / SIZE[0]
    assert heights.min() >= 0.6


def test_sunglasses_stay_visible_at_a_small_size(fifty):
    areas = [(picture.instances == number).sum() for picture in fifty
             for number, class_id in enumerate(picture.class_ids, start=1) if class_id == LABELS["sunglasses"]]
    assert np.median(areas) >= 16


def test_a_pixel_belongs_to_a_shape_that_covers_half_of_it():
    painter = Painter(32, 32)
    red = plain_cloth((200, 0, 0))
    # To the nearest quarter, x runs from 4 to 9.5: pixels 4..8 whole, 9 half; y from 10.75 to 20.25: 11..19 whole, 10
    # and 20 a quarter.
    box = np.array([(4.05, 10.8), (9.4, 10.8), (9.4, 20.2), (4.05, 20.2)])
    painter.paint([box], red, painter.add_instance("top"), shade=0)
    covered = np.zeros((32, 32), bool)
    covered[11:20, 4:10] = True
    assert np.array_equal(painter.instances == 1, covered)
    assert np.array_equal(painter.label_map == LABELS["top"], covered)
    # The colour is mixed by the same cover: 200 inside, about half on the edge column, a quarter on the edge rows.
    assert painter.image[15, 6, 0] == pytest.approx(200, abs=1)
    assert painter.image[15, 9, 0] == pytest.approx(100, abs=1)
    assert painter.image[10, 6, 0] == pytest.approx(50, abs=1)
    assert painter.image[15, 11, 0] == painter.image[15, 2, 0] == 0


def test_later_shapes_hide_earlier_ones_and_holes_stay_open():
    painter = Painter(40, 40)
    square = np.array([(0, 0), (20, 0), (20, 20), (0, 20)])
    painter.paint([square], plain_cloth((10, 10, 10)), painter.add_instance("top"))
    painter.paint([square + 10], plain_cloth((90, 90, 90)), painter.add_instance("bag"), holes=[square * 0.25 + 15])
    # 400 pixels; the second square covers 10 x 10 of the first, less its hole of 5 x 5 that lies in the overlap.
    assert (painter.instances == 1).sum() == 400 - 100 + 25
    assert (painter.instances == 2).sum() == 400 - 25


def test_hidden_instances_are_dropped_and_the_rest_renumbered():
    painter = Painter(40, 40)
    square = np.array([(5, 5), (25, 5), (25, 25), (5, 25)])
    for name in ("top", "bag", "skirt"):
        painter.paint([square + (10 if name == "skirt" else 0)], plain_cloth((50, 60, 70)), painter.add_instance(name))
    picture = painter.finish(np.random.default_rng(0))
    assert picture.class_ids.tolist() == [LABELS["bag"], LABELS["skirt"]]
    assert (picture.label_map[picture.instances == 1] == LABELS["bag"]).all()
    assert (picture.instances == 2).sum() == 400


def test_shapes_outside_the_picture_paint_nothing():
    painter = Painter(32, 32)
    box = np.array([(-9, -9), (-5, -9), (-5, -5), (-9, -5)])
    painter.paint([box], plain_cloth((200, 0, 0)), (1, 1))
    painter.paint([box + 60], plain_cloth((200, 0, 0)), (1, 1))
    assert not painter.image.any() and not painter.label_map.any()


def test_loaded_arrays_are_the_callers_own():
    dataset = prepared(2)
    before = dataset.load_image(0)
    for load in (dataset.load_image, dataset.load_label_map, dataset.load_person_mask):
        load(0)[:] = 0
    dataset.load_mask(0)[0][:] = False
    assert np.array_equal(dataset.load_image(0), before)
    assert dataset.load_person_mask(0).any() and dataset.load_mask(0)[0].any()


def test_classes_and_sizes_are_registered():
    dataset = prepared(2, size=(96, 160), seed=4)
    assert list(dataset.class_names) == ["BG", *CLOTHES]
    assert dataset.load_image(1).shape == (96, 160, 3)
    assert (dataset.image_info[1]["height"], dataset.image_info[1]["width"]) == (96, 160)
    assert dataset.image_info[1]["source"] == "drawn"
    assert dataset.image_info[0]["id"] != dataset.image_info[1]["id"]


@pytest.mark.parametrize("arguments, said", [
    (dict(count=-1), "count=-1"),
    (dict(count=1, seed=-2), "seed=-2"),
    (dict(count=1, size=(31, 24)), "31 x 24"),
])
def test_impossible_requests_are_refused(arguments, said):
    with pytest.raises(DataError, match=said):
        DrawnPeople().load_drawn(**arguments)


def test_written_files_say_what_the_dataset_says(tmp_path):
    dataset = prepared(4)
    annotations, images = write_files(dataset, tmp_path / "split")
    coco = COCO(annotations)
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(CLOTHES)
    assert len(coco.getImgIds()) == 4
    for image_id, coco_id in zip(dataset.image_ids, sorted(coco.getImgIds())):
        name = coco.loadImgs(coco_id)[0]["file_name"]
        assert np.array_equal(np.array(Image.open(os.path.join(images, name))), dataset.load_image(image_id))
        labels = np.array(Image.open(tmp_path / "split" / "labels" / name))
        assert np.array_equal(labels, dataset.load_label_map(image_id))
        masks, class_ids = dataset.load_mask(image_id)
        entries = coco.loadAnns(coco.getAnnIds(imgIds=coco_id))
        assert [annotation["category_id"] for annotation in entries] == class_ids.tolist()
        for number, annotation in enumerate(entries):
            mask = masks[..., number]
            assert np.array_equal(coco_mask.decode(coco.annToRLE(annotation)).astype(bool), mask)
            assert annotation["area"] == mask.sum()
            y, x = np.nonzero(mask)
            assert annotation["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
