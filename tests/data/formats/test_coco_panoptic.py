"""COCO's panoptic form: ids in colours, things and stuff, crowds, and what is wrong in it."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.coco_panoptic import CocoPanopticDataset, segment_ids
from mrcnn.errors import DataError

HEIGHT, WIDTH = 8, 12
SHIRT, CROWD, SKY = 5, 300, 256 * 256 * 7 + 3  # ids of segments: one byte, two, three
CATEGORIES = [{"id": 1, "name": "shirt", "supercategory": "clothes", "isthing": 1},
              {"id": 92, "name": "sky", "supercategory": "outdoor", "isthing": 0},
              {"id": 3, "name": "bag", "isthing": 1}]


def segments():
    return [{"id": SHIRT, "category_id": 1, "iscrowd": 0, "bbox": [1, 1, 3, 2], "area": 6},
            {"id": SKY, "category_id": 92, "iscrowd": 0, "bbox": [0, 0, 12, 1], "area": 12},
            {"id": CROWD, "category_id": 3, "iscrowd": 1, "bbox": [6, 4, 2, 2], "area": 4}]


def ids():
    values = np.zeros((HEIGHT, WIDTH), int)
    values[0], values[1:3, 1:4], values[4:6, 6:8] = SKY, SHIRT, CROWD
    return values


def colours(values):
    """uint8 [H, W, 3]: id = R + 256 G + 65536 B."""
    return np.stack([values % 256, values // 256 % 256, values // 65536], axis=-1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "annotations" / "panoptic_val2017").mkdir(parents=True)
    (tmp_path / "val2017").mkdir()
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "val2017" / "a.jpg")
    Image.fromarray(colours(ids())).save(tmp_path / "annotations" / "panoptic_val2017" / "a.png")
    return tmp_path


def written(folder, change=None, categories=CATEGORIES, entries=None):
    """Write the JSON file; change: what differs in the entry of the photo."""
    entry = {"image_id": 1, "file_name": "a.png", "segments_info": segments(), **(change or {})}
    content = {"images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
               "annotations": [entry] if entries is None else entries, "categories": categories}
    path = folder / "annotations" / "panoptic_val2017.json"
    path.write_text(json.dumps(content))
    return path


def load(folder, path, **options):
    dataset = CocoPanopticDataset().load(path, folder / "val2017", **options)
    dataset.prepare()
    return dataset


def test_things_are_objects_and_stuff_is_told(folder):
    path = written(folder)
    assert recognise(path) == "coco_panoptic"
    with pytest.warns(UserWarning, match="1 category of stuff.*--names FILE.*first: sky"):
        dataset = open_dataset(path, folder / "val2017")
    assert dataset.class_names == ["BG", "shirt", "bag"]
    assert dataset.class_info[1]["supercategory"] == "clothes"
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == dataset.object_classes(0).tolist() == [1, -2]
    np.testing.assert_array_equal(masks, np.stack([ids() == SHIRT, ids() == CROWD], axis=-1))


def test_names_choose_categories_of_stuff_too(folder, tmp_path):
    (tmp_path / "names.txt").write_text("sky\nbag\n")
    dataset = load(folder, written(folder), names=tmp_path / "names.txt")
    assert dataset.class_names == ["BG", "sky", "bag"] and dataset.load_rles(0)[1].tolist() == [1, -2]
    (tmp_path / "names.txt").write_text("sea\n")
    with pytest.raises(DataError, match="has no category 'sea' of .*names.txt: it has shirt, sky, bag"):
        load(folder, written(folder), names=tmp_path / "names.txt")


def test_without_any_thing_all_categories_are_classes(folder):
    none = [{**entry, "isthing": 0} for entry in CATEGORIES]
    assert load(folder, written(folder, categories=none)).class_names == ["BG", "shirt", "bag", "sky"]
    unsaid = [{"id": entry["id"], "name": entry["name"]} for entry in CATEGORIES]
    assert load(folder, written(folder, categories=unsaid)).class_names == ["BG", "shirt", "bag", "sky"]


def test_ids_in_colours_and_in_greys():
    np.testing.assert_array_equal(segment_ids(colours(ids())), ids())
    alpha = np.dstack([colours(ids()), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    np.testing.assert_array_equal(segment_ids(alpha), ids())
    np.testing.assert_array_equal(segment_ids(np.array([[3, 300]], np.uint16)), [[3, 300]])


def test_masks_may_lie_beside_the_file(folder):
    masks = folder / "annotations" / "panoptic_val2017"
    (masks / "a.png").rename(folder / "annotations" / "a.png")
    assert len(load(folder, written(folder)).objects(0)) == 2
    (folder / "annotations" / "a.png").unlink()
    with pytest.raises(DataError, match="its PNG files \\(a.png\\) are in none of .*panoptic_val2017"):
        load(folder, written(folder))


@pytest.mark.parametrize("change, said", [
    ({"image_id": 2}, "image_id 2, which the file does not list"),
    ({"segments_info": 3}, "no segments_info"),
    ({"segments_info": [{"id": "5"}]}, "no segments_info"),
    ({"segments_info": [*segments(), {**segments()[0], "id": 1 << 24}]}, "whole ids below 16777216"),
    ({"segments_info": [*segments(), {**segments()[0], "id": 1 << 70}]}, "whole ids below 16777216"),
    ({"segments_info": [*segments(), {**segments()[0], "id": -1}]}, "whole ids below 16777216"),
    ({"segments_info": segments() + segments()[:1]}, "has an id twice"),
    ({"segments_info": [{**segments()[0], "category_id": 7}]}, "object 0: segment 5 has category_id 7"),
    ({"segments_info": [{**segments()[0], "iscrowd": 9e99}]}, "a.jpg.*(neither 0 nor 1|ids that segments_info lacks)"),
])
def test_an_entry_at_fault_is_named(folder, change, said):
    with pytest.raises(DataError, match=said):
        dataset = load(folder, written(folder, change))
        dataset.objects(0)


def test_masks_at_fault_are_named(folder):
    png = folder / "annotations" / "panoptic_val2017" / "a.png"
    with pytest.raises(DataError, match="its mask has 1 ids that segments_info lacks, the first 5"):
        load(folder, written(folder, {"segments_info": segments()[1:]})).objects(0)
    more = [*segments(), {"id": 77, "category_id": 1, "iscrowd": 0}]
    dataset = load(folder, written(folder, {"segments_info": more}))
    assert [fault.kind for fault in dataset.object_faults(0)] == ["empty mask"] and len(dataset.objects(0)) == 2
    Image.fromarray(colours(ids())[:-1]).save(png)
    with pytest.raises(DataError, match="a.jpg: the mask has 7x12 pixels, the photo 8x12"):
        load(folder, written(folder))
    png.write_bytes(b"none")
    with pytest.raises(DataError, match="a.png"):
        load(folder, written(folder))


def test_names_cannot_lead_out(folder):
    (folder / "secret.png").write_bytes((folder / "annotations" / "panoptic_val2017" / "a.png").read_bytes())
    entries = [{"image_id": 1, "file_name": "../../secret.png", "segments_info": segments()}]
    with pytest.raises(DataError, match="are in none of|leads out"):
        load(folder, written(folder, entries=entries))


def test_masks_by_their_absolute_paths_are_those_of_their_folder(folder):
    place = folder / "annotations" / "panoptic_val2017"
    entries = [{"image_id": 1, "file_name": str(place / "a.png"), "segments_info": segments()}]
    assert load(folder, written(folder, entries=entries)).image_info[0]["mask"] == str(place / "a.png")
    entries[0]["file_name"] = "C:\\masks\\a.png"
    with pytest.warns(UserWarning, match="1 mask named as its file looks"):
        dataset = load(folder, written(folder, entries=entries))
    assert dataset.image_info[0]["mask"] == str(place / "a.png") and len(dataset.objects(0)) == 2


def test_photos_without_an_entry_are_told_and_a_second_entry_is_a_fault(folder):
    with pytest.raises(DataError, match="no photos remain"), pytest.warns(UserWarning, match="photo without an entry"):
        load(folder, written(folder, entries=[]))
    entry = {"image_id": 1, "file_name": "a.png", "segments_info": segments()}
    with pytest.raises(DataError, match="annotation number 1 is the second of its photo"):
        load(folder, written(folder, entries=[entry, entry]))
