"""Photos whose files are called the same are told apart, by folders or ids, in whatever goes by names of photos."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import photo_name, select, without
from mrcnn.data.curation.splits import apply_split, random_split
from mrcnn.data.curation.validate import validate
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.writers import write_coco
from mrcnn.evaluation.coco_data import ground_truth_from_dataset
from mrcnn.files import read_json
from mrcnn.training.validation import photos_note


class Scenes(Dataset):
    """A folder for each photo."""

    def load(self, folder, count=6):
        self.add_class("s", 1, "a")
        for number in range(count):
            path = folder / f"scene_{number}" / "rgb.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 20 + number, np.uint8)).save(path)
            self.add_image("s", number, str(path))
        self.prepare()
        return self

    def load_mask(self, image_id):
        return np.ones((8, 8, 1), bool), np.array([1], np.int32)


def names(dataset):
    return [photo_name(dataset, image_id) for image_id in dataset.image_ids]


def named(*paths, kind=Dataset, sources=None, ids=None):
    dataset = kind()
    for number, path in enumerate(paths):
        dataset.add_image((sources or {}).get(number, "s"), ids[number] if ids else number, path)
    dataset.prepare()
    return names(dataset)


def test_photos_of_one_name_are_not_taken_for_one(tmp_path):
    dataset = Scenes().load(tmp_path)
    assert names(dataset) == [f"scene_{number}/rgb.png" for number in range(6)]
    assert dataset.sample_name(1) == "scene_1/rgb.png"
    faults = validate(dataset, progress=False)
    assert faults == [] and len(without(dataset, faults).image_ids) == 6
    split = random_split(dataset)
    parts = [apply_split(dataset, split, part) for part in ("train", "val")]
    assert sorted(names(parts[0]) + names(parts[1])) == names(dataset) and len(parts[1].image_ids) == 1
    write_coco(dataset, tmp_path / "a.json")
    assert [photo["file_name"] for photo in read_json(tmp_path / "a.json", "file")["images"]] == names(dataset)
    assert [photo["file_name"] for photo in ground_truth_from_dataset(dataset)["images"]] == names(dataset)


def test_a_part_keeps_the_names_of_the_whole(tmp_path):
    dataset = Scenes().load(tmp_path)
    part = select(dataset, [4])
    assert names(part) == ["scene_4/rgb.png"] and names(select(part, [0])) == names(part)
    # Other photos of the same file name are others, where figures are compared over epochs.
    assert photos_note(part, [0]) != photos_note(select(dataset, [5]), [0])


def test_names_without_need_stay_the_names_of_files(tmp_path):
    assert named("a/x.png", "b/y.png") == ["x.png", "y.png"]
    assert named("a/x.png", "b/x.png", "b/y.png") == ["a/x.png", "b/x.png", "b/y.png"]
    assert named("a/x.png", "./a/x.png") == ["x.png", "x.png"]  # one photo, listed twice
    dataset = Dataset()
    dataset.add_image("s", 0, "a/x.png")
    dataset.prepare()
    dataset.add_image("s", 1, "b/x.png")
    dataset.prepare()
    assert names(dataset) == ["a/x.png", "b/x.png"]
    dataset.image_info.pop()
    dataset.prepare()
    assert names(dataset) == ["x.png"]


@pytest.mark.parametrize("paths, apart", [
    (("s3://one/../x.png", "s3://two/x.png"), ["one/x.png", "two/x.png"]),
    (("s3://one/x.png", "/data/x.png"), ["s3/one/x.png", "data/x.png"]),
])
def test_names_lead_into_a_folder_that_they_are_written_to(paths, apart):
    assert named(*paths) == apart


def test_what_has_no_file_of_its_own_is_told_by_its_id():
    class Frames(Dataset):
        def load_image(self, image_id):
            return np.zeros((4, 4, 3), np.uint8)

    assert named("film.mp4", "film.mp4", "b.png", kind=Frames) == ["film#0.mp4", "film#1.mp4", "b.png"]
    assert named("film.mp4", "film.mp4", ids=("a/0", "a/1"), kind=Frames) == ["film#a_0.mp4", "film#a_1.mp4"]
    assert named("x.png", "x.png") == ["x.png", "x.png"]  # which shows the same both times
    assert named(None, None, ids=(5, 5), sources={1: "t"}) == ["s/5", "t/5"]
    assert named(None, None) == ["0", "1"]


def test_a_path_of_another_kind_is_the_users_own_matter():
    dataset = Dataset()
    for number in range(2):
        dataset.add_image("s", number, ("red.tif", "infrared.tif"))
        dataset.add_image("s", number, np.zeros(3))
    dataset.prepare()
    assert dataset.num_images == 4
