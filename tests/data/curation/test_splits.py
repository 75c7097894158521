"""Splits: shares, classes, groups and seeds; and the files that keep them."""

import json
import pathlib

import numpy as np
import pytest

from mrcnn.data.annotated import Fault, photo_name, without
from mrcnn.data.curation.splits import (
    PRESETS,
    apply_split,
    preset_split,
    random_split,
    read_split,
    split_table,
    stratified_split,
    write_split,
)
from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import class_counts
from mrcnn.errors import DataError

CCP = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ccp"


class Labelled(Dataset):
    """Photos of which only the classes matter; a negative class id is a crowd."""

    def load(self, objects, classes=3):
        for class_id in range(1, classes + 1):
            self.add_class("test", class_id, f"class {class_id}")
        for i, class_ids in enumerate(objects):
            self.add_image("test", i, f"folder/{i}.jpg", class_ids=class_ids)
        self.prepare()
        return self

    def load_mask(self, image_id):
        class_ids = np.array(self.image_info[image_id]["class_ids"], np.int32)
        return np.ones((2, 2, len(class_ids)), bool), class_ids


def sizes(split):
    return {part: len(names) for part, names in split["parts"].items()}


def shown(dataset, split, part):
    """[K] number of photos of a part that show each class."""
    chosen = apply_split(dataset, split, part)
    return (class_counts(chosen) > 0).sum(axis=0)


def long_tail(count=400, classes=12, seed=0):
    """Photos with classes of falling frequency, the rarest in two or three photos."""
    rng = np.random.default_rng(seed)
    frequency = np.geomspace(0.8, 0.006, classes)
    return [list(np.flatnonzero(rng.random(classes) < frequency) + 1) for _ in range(count)]


# --- Random ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [random_split, stratified_split])
def test_every_photo_is_in_one_part_and_the_seed_decides_which(split):
    dataset = Labelled().load(long_tail(), 12)
    first = split(dataset, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=3)
    names = [name for part in first["parts"].values() for name in part]
    assert sorted(names) == sorted(photo_name(dataset, i) for i in dataset.image_ids)
    assert split(dataset, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=3) == first
    assert split(dataset, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=4)["parts"] != first["parts"]
    assert first["seed"] == 3 and first["method"] == split.__name__.removesuffix("_split")


@pytest.mark.parametrize("count", [2, 5, 10, 101])
def test_random_parts_have_their_shares(count):
    numbers = sizes(random_split(Labelled().load([[]] * count)))
    assert sum(numbers.values()) == count and abs(numbers["val"] - 0.2 * count) <= 1 and numbers["val"] >= 1


def test_random_parts_are_uniform():
    # Each of 5 photos is the one in val for 1/5 of the seeds: 80 of 400; 4 standard deviations are 4 * 8 = 32.
    dataset = Labelled().load([[]] * 5)
    chosen = [random_split(dataset, seed=seed)["parts"]["val"] for seed in range(400)]
    counts = np.bincount([int(name.removesuffix(".jpg")) for (name,) in chosen], minlength=5)
    assert np.abs(counts - 80).max() <= 32


# --- Groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [random_split, stratified_split])
def test_groups_stay_together(split):
    dataset = Labelled().load(long_tail(300), 12)
    groups = np.random.default_rng(1).integers(0, 60, 300).tolist()
    parted = split(dataset, groups=groups)
    by_name = split(dataset, groups={photo_name(dataset, i): groups[i] for i in dataset.image_ids})
    assert parted == by_name
    part_of = {name: part for part, names in parted["parts"].items() for name in names}
    for group in set(groups):
        assert len({part_of[f"{i}.jpg"] for i in range(300) if groups[i] == group}) == 1
    assert abs(sizes(parted)["val"] - 60) <= 5  # groups are of 5 photos on average


def test_photos_outside_groups_are_on_their_own():
    dataset = Labelled().load([[]] * 20)
    parted = random_split(dataset, groups={"3.jpg": "a", "4.jpg": "a", "5.jpg": None, "gone.jpg": "a"})
    assert sizes(parted) == {"train": 16, "val": 4}
    assert ("3.jpg" in parted["parts"]["val"]) == ("4.jpg" in parted["parts"]["val"])
    # A group that is called as a photo is has nothing to do with that photo: 2 groups, 2 parts.
    parted = random_split(Labelled().load([[]] * 3), {"a": 0.5, "b": 0.5}, groups=[None, "0.jpg", "0.jpg"])
    assert sorted(parted["parts"].values()) == [["0.jpg"], ["1.jpg", "2.jpg"]]


def test_photos_of_one_name_stay_together():
    dataset = Labelled().load([[]] * 10)
    for i in range(8):
        dataset.image_info[i]["path"] = f"folder {i}/same.jpg"
    parted = random_split(dataset, {"a": 0.5, "b": 0.5})
    assert sorted(sum(parted["parts"].values(), [])) == ["8.jpg", "9.jpg", "same.jpg"]
    assert sum(len(apply_split(dataset, parted, part).image_ids) for part in "ab") == 10


def test_a_large_group_leaves_no_part_empty():
    # 9/10 of 10 photos are owed to train; both groups of 5 would fit there best.
    parted = random_split(Labelled().load([[]] * 10), {"train": 0.9, "val": 0.1}, groups=[0] * 5 + [1] * 5)
    assert sizes(parted) == {"train": 5, "val": 5}


def roboflow(sources, copies):
    """Photos as Roboflow exports them, each source in copies of its own."""
    dataset = Labelled().load([[1]] * (sources * copies))
    for i, info in enumerate(dataset.image_info):
        info["path"] = f"folder/IMG{i % sources}_jpg.rf.{i:032x}.jpg"
    return dataset


@pytest.mark.parametrize("split", [random_split, stratified_split, lambda dataset, **more: preset_split(
    dataset, "full-random", **more)])
def test_copies_that_roboflow_made_stay_together(split):
    dataset = roboflow(10, 3)
    with pytest.warns(UserWarning, match="30 photos are copies of 10, .*first: IMG0_jpg.rf.0*.jpg.*--no-keep-copies"):
        parted = split(dataset)
    sources = [{name.split(".rf.")[0] for name in names} for names in parted["parts"].values()]
    assert sizes(parted) == {"train": 24, "val": 6} and not sources[0] & sources[1]  # 8 and 2 of 10 sources


def test_groups_are_joined_by_copies_and_copies_can_be_parted(recwarn):
    # 0 and 3, 1 and 4, 2 and 5 are copies; 3 and 1 are of one group besides: two groups are left, of 4 and of 2.
    groups = [None, "a", None, "a", None, None]
    parted = random_split(roboflow(3, 2), {"a": 0.5, "b": 0.5}, groups=groups)
    assert sorted(sizes(parted).values()) == [2, 4] and "6 photos are copies of 3" in str(recwarn.pop().message)
    same = roboflow(1, 4)  # as where every photo was called image.jpg
    with pytest.raises(DataError, match="All 4 photos are one group.*--no-keep-copies"):
        random_split(same)
    recwarn.clear()
    assert sizes(random_split(same, {"a": 0.5, "b": 0.5}, keep_copies=False)) == {"a": 2, "b": 2}
    random_split(roboflow(4, 1))  # one file a source: nothing to keep together
    assert not recwarn.list


# --- Stratified ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_each_class_has_its_share_in_every_part(seed):
    dataset = Labelled().load(long_tail(seed=seed), 12)
    total = (class_counts(dataset) > 0).sum(axis=0)
    parted = stratified_split(dataset, seed=seed)
    in_val = shown(dataset, parted, "val")
    # To within one photo, and 5 % of those in val: photos that the rarer classes placed decide for the commoner ones.
    assert np.all(np.abs(in_val - 0.2 * total) <= 1 + 0.05 * in_val)
    assert np.all((in_val >= 1) & (in_val < total) | (total < 2))
    assert abs(sizes(parted)["val"] - 80) <= 8


def test_two_photos_of_a_class_part():
    # 0.8 of 2 photos are 1.6: without a photo owed to val, both would go to train.
    dataset = Labelled().load([[1]] * 50 + [[2]] * 2 + [[3]])
    for seed in range(10):
        parted = stratified_split(dataset, seed=seed)
        assert shown(dataset, parted, "train")[1] == shown(dataset, parted, "val")[1] == 1
        assert shown(dataset, parted, "train")[0] == 40 and shown(dataset, parted, "val")[0] == 10


def test_a_class_that_dealing_left_out_of_a_part_is_brought_there():
    # Class 1, in three photos, is dealt first: 2 to train, 1 to val. Class 2 is in two of these three photos, and in no
    # other: where both are dealt to train, one has to be exchanged.
    dataset = Labelled().load([[1, 2], [1, 2], [1]] + [[]] * 20)
    for seed in range(20):
        parted = stratified_split(dataset, seed=seed)
        for part in ("train", "val"):
            assert shown(dataset, parted, part)[:2].min() == 1


def test_what_cannot_be_parted_is_split_all_the_same():
    # Three classes, each in two of three photos: two of the photos are in one part, and share a class.
    dataset = Labelled().load([[1, 2], [2, 3], [1, 3]])
    parted = stratified_split(dataset, {"a": 0.5, "b": 0.5})
    assert sorted(sizes(parted).values()) == [1, 2]


def test_three_parts():
    dataset = Labelled().load([[1], [2], [1, 2], []] * 25)
    parted = stratified_split(dataset, {"train": 0.6, "val": 0.2, "test": 0.2})
    assert sizes(parted) == {"train": 60, "val": 20, "test": 20}
    assert [shown(dataset, parted, part)[:2].tolist() for part in parted["parts"]] == [[30, 30], [10, 10], [10, 10]]


@pytest.mark.parametrize("seed", range(5))
def test_many_rare_classes_do_not_take_the_parts_from_their_shares(seed):
    # As of 80 photos of COCO: 60 classes, of which most are in two or three photos, each asking for one of them in val.
    rng = np.random.default_rng(seed)
    photos = [[] for _ in range(80)]
    for class_id in range(1, 61):
        for photo in rng.choice(80, 2 + class_id % 3, replace=False):
            photos[photo].append(class_id)
    parted = stratified_split(Labelled().load(photos, 60), seed=seed)
    assert abs(sizes(parted)["val"] / 80 - 0.2) <= 0.02
    in_val = shown(Labelled().load(photos, 60), parted, "val")
    assert (in_val > 0).sum() >= 30  # and still as many classes as have room


def test_evening_out_empties_no_part_and_ends():
    for groups in ([0] * 5 + [1] * 5, [0] * 9 + [1]):
        parted = stratified_split(Labelled().load([[1, 2]] * 10), {"train": 0.5, "val": 0.5}, groups=groups)
        assert sorted(sizes(parted).values()) == sorted(np.bincount(groups).tolist())


def test_one_group_is_told_as_such():
    with pytest.raises(DataError, match="All 9 photos are one group.*--near-duplicates"):
        random_split(Labelled().load([[1]] * 9), groups=["same"] * 9)


# --- Presets and the table -------------------------------------------------------------------------------------------


def test_presets():
    dataset = Labelled().load(long_tail(30) + [[]] * 10_000, 12)
    counts = class_counts(dataset)
    assert set(PRESETS) == {"10k-random", "10k-stratified", "full-random", "full-stratified"}
    for name in PRESETS:
        parted = preset_split(dataset, name, counts=counts)
        total = 10_000 if name.startswith("10k") else 10_030
        assert abs(sizes(parted)["val"] - total / 5) < 3 and sum(sizes(parted).values()) == total
        assert name.endswith(parted["method"])
    assert "10029.jpg" not in sum(preset_split(dataset, "10k-random")["parts"].values(), [])
    assert parted["shares"] == {"train": 0.8, "val": 0.2}
    with pytest.raises(DataError, match="No preset '5k'.*10k-random"):
        preset_split(dataset, "5k")


def test_table():
    dataset = Labelled().load([[1, 1, 2], [1], [2], []], classes=3)
    split = {"parts": {"train": ["0.jpg", "2.jpg"], "val": ["1.jpg"]}}
    # class 1: 2 objects in photo 0, 1 in photo 1; class 2: one each in photos 0 and 2; class 3: none
    assert [line.split() for line in split_table(dataset, split).split("\n")] == [
        ["train", "val"],
        ["photos", "2", "66.7", "%", "1", "33.3", "%"],
        ["objects", "4", "80.0", "%", "1", "20.0", "%"],
        ["class", "1", "2", "66.7", "%", "1", "33.3", "%"],
        ["class", "2", "2", "100.0", "%", "0", "0.0", "%"],
        ["1", "of", "3", "classes", "have", "no", "object"],
    ]
    asked = split_table(dataset, {**split, "shares": {"train": 0.75, "val": 0.25}}).split("\n")
    assert asked[2].split() == ["asked", "for", "75.0", "%", "25.0", "%"]


@pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")
def test_stratified_on_photos_of_clothes():
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(CCP / "imaterialist" / "val.csv", CCP / "photos")
    presence = class_counts(dataset) > 0
    total = presence.sum(axis=0)
    row_of = {photo_name(dataset, i): i for i in dataset.image_ids}

    def in_val(split):
        return presence[[row_of[name] for name in split["parts"]["val"]]].sum(axis=0)

    stratified = [in_val(stratified_split(dataset, seed=seed, counts=presence)) for seed in range(10)]
    assert all(np.all((counts >= 1) & (counts < total) | (total < 2)) for counts in stratified) and total.max() > 70
    at_random = [in_val(random_split(dataset, seed=seed)) for seed in range(10)]
    owed = np.where(total > 1, np.maximum(0.2 * total, 1), 0.2 * total)
    off, off_at_random = (np.abs(np.array(counts) - owed).mean() for counts in (stratified, at_random))
    assert off < 0.75 * off_at_random


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [{}, {"train": 0.8}, {"train": 0.8, "val": 0.3}, {"train": 1.0, "val": 0.0},
                                   {"train": 1.2, "val": -0.2}])
def test_shares_must_make_one(parts):
    with pytest.raises(DataError, match="shares above 0 that make 1"):
        random_split(Labelled().load([[]] * 5), parts)


def test_too_few_photos_or_groups():
    with pytest.raises(DataError, match="1 photos or groups of them cannot be split into 2 parts: give more photos"):
        random_split(Labelled().load([[1]]))
    with pytest.raises(DataError, match="3 groups for 4 photos"):
        random_split(Labelled().load([[1]] * 4), groups=[1, 2, 3])


# --- Files -----------------------------------------------------------------------------------------------------------


def test_a_file_gives_the_split_back(tmp_path):
    dataset = Labelled().load(long_tail(50), 12)
    split = stratified_split(dataset, seed=5)
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split
    chosen = apply_split(dataset, split, "val")
    names = [photo_name(chosen, i) for i in chosen.image_ids]
    assert sorted(names) == sorted(split["parts"]["val"])
    assert names == sorted(names, key=lambda name: int(name.split(".")[0]))  # the data set's order
    assert chosen.class_names == dataset.class_names


@pytest.mark.parametrize("content, message", [
    ([], 'has no "parts"'),
    ({"parts": {}}, 'has no "parts"'),
    ({"parts": {"train": "a.jpg"}}, 'has no "parts"'),
    ({"parts": {"train": [1]}}, 'has no "parts"'),
    ({"parts": {"train": ["a.jpg"], "val": []}}, "part 'val' is empty"),
    ({"parts": {"train": ["a.jpg", "b.jpg"], "val": ["b.jpg"]}}, "photo b.jpg is in both 'train' and 'val'"),
    ({"parts": {"train": ["a.jpg", "a.jpg"]}}, "photo a.jpg is twice in 'train'"),
])
def test_files_that_are_no_splits(tmp_path, content, message):
    (tmp_path / "split.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"split.json: .*{message}"):
        read_split(tmp_path / "split.json")


def test_a_split_of_other_photos():
    dataset = Labelled().load([[1]] * 3)
    split = {"parts": {"train": ["0.jpg", "8.jpg", "9.jpg"], "val": ["1.jpg"]}}
    with pytest.raises(DataError, match="2 of the 3 photos in part 'train' .*: 8.jpg, 9.jpg"):
        apply_split(dataset, split, "train")
    with pytest.raises(DataError, match="no part 'test': it has train, val"):
        apply_split(dataset, split, "test")
    assert apply_split(dataset, split, "val").image_info[0]["id"] == 1
    # What was skipped as faulty when the data was loaded may be missing.
    dataset.faults = [Fault(name, "unreadable", "broken") for name in ("8.jpg", "9.jpg")]
    assert apply_split(dataset, split, "train").num_images == 1


def test_names_with_dots_in_a_split_of_before_are_those_without():
    dataset = Labelled().load([[1], [2], [3]])
    split = {"parts": {"train": ["./0.jpg", ".//2.jpg"], "val": ["./1.jpg"]}}
    assert [photo_name(part, i) for part in (apply_split(dataset, split, "train"),) for i in part.image_ids] == [
        "0.jpg", "2.jpg"]
    faults = [Fault("./1.jpg", "damaged", "its JPEG is damaged")]
    assert [info["path"] for info in without(dataset, faults).image_info] == ["folder/0.jpg", "folder/2.jpg"]
