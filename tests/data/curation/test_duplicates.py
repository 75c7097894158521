"""Near-duplicates: what was made from one photo is found, what only looks alike is not."""

import io
import pathlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.curation.duplicates import DISTANCE, find_duplicates, hash_groups, perceptual_hash, perceptual_hashes
from mrcnn.data.curation.splits import random_split
from mrcnn.data.dataset import Dataset
from mrcnn.data.drawn.people import DrawnPeople

CCP = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ccp"


@pytest.fixture(scope="module")
def pictures():
    """Eight drawn pictures, uint8 [256, 192, 3]."""
    dataset = DrawnPeople()
    dataset.load_drawn(8, size=(256, 192), seed=5)
    dataset.prepare()
    return [dataset.load_image(i) for i in dataset.image_ids]


def recompressed(image, quality=30):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


COPIES = {
    "half the size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "three times the size": lambda image: cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC),
    "stretched": lambda image: cv2.resize(image, (200, 250), interpolation=cv2.INTER_AREA),
    "recompressed": recompressed,
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "grey": lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


def bits(a, b):
    return bin(int(a) ^ int(b)).count("1")


@pytest.mark.parametrize("change", COPIES)
def test_copies_are_near_and_others_are_not(pictures, change):
    hashes = [perceptual_hash(image) for image in pictures]
    for i, image in enumerate(pictures):
        copy = perceptual_hash(COPIES[change](image))
        distances = [bits(copy, other) for other in hashes]
        assert distances[i] <= DISTANCE and np.argmin(distances) == i
        assert min(d for j, d in enumerate(distances) if j != i) > DISTANCE


def test_bits_are_those_of_the_transform():
    # A product of the third wave across and the fifth down has one frequency and no other: that of row 5, column 3.
    across, down = (np.cos(np.pi * k * (np.arange(32) + 0.5) / 32) for k in (3, 5))
    image = np.rint(128 + 100 * np.outer(down, across)).astype(np.uint8)
    on = np.unpackbits(np.array([perceptual_hash(image)], ">u8").view(np.uint8))
    assert np.flatnonzero(on).tolist() == [0, 5 * 8 + 3]  # and the mean


def test_plain_pictures_have_one_hash():
    assert len({int(perceptual_hash(np.full((40, 30, 3), value, np.uint8))) for value in (3, 128, 250)}) == 1


@pytest.mark.parametrize("distance", [0, 3, 6])
def test_groups_are_the_connected_parts_of_all_pairs(distance):
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2**63, 30, dtype=np.uint64)
    flips = np.array([sum(1 << int(b) for b in rng.choice(64, rng.integers(0, 5), replace=False)) for _ in range(90)],
                     np.uint64)
    hashes = rng.permutation(np.repeat(centres, 3) ^ flips)
    near = np.array([[bits(a, b) <= distance for b in hashes] for a in hashes])
    for _ in range(7):  # brute force: a pair reaches whatever its members reach
        near = near @ near
    assert hash_groups(hashes, distance).tolist() == near.argmax(axis=1).tolist()


def test_no_hashes():
    assert hash_groups([]).tolist() == []


def test_groups_of_photos(tmp_path, pictures):
    dataset = Dataset()
    for name, image in (("a", pictures[0]), ("b", pictures[1]), ("c", COPIES["stretched"](pictures[0])),
                        ("d", pictures[2]), ("e", COPIES["darker"](pictures[1])),
                        ("f", COPIES["three times the size"](pictures[1]))):
        Image.fromarray(image).save(tmp_path / f"{name}.jpg", quality=90)
    (tmp_path / "g.jpg").write_bytes(b"no photo")
    for name in "abcdefg":
        dataset.add_image("test", name, str(tmp_path / f"{name}.jpg"))
    dataset.prepare()
    groups = find_duplicates(dataset)
    assert groups == {"a.jpg": "a.jpg", "c.jpg": "a.jpg", "b.jpg": "b.jpg", "e.jpg": "b.jpg", "f.jpg": "b.jpg"}
    assert perceptual_hashes(dataset)[1].tolist() == [True] * 6 + [False]
    for seed in range(5):
        parts = random_split(dataset, {"one": 0.5, "two": 0.5}, seed, groups)["parts"]
        part_of = {name: part for part, names in parts.items() for name in names}
        assert part_of["a.jpg"] == part_of["c.jpg"] and part_of["b.jpg"] == part_of["e.jpg"] == part_of["f.jpg"]


def test_a_turned_photo_is_seen_upright(tmp_path, pictures):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(pictures[0]).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(np.rot90(pictures[0])).save(tmp_path / "b.jpg", quality=95, exif=exif)
    dataset = Dataset()
    for name in ("a.jpg", "b.jpg"):
        dataset.add_image("test", name, str(tmp_path / name))
    dataset.prepare()
    assert set(find_duplicates(dataset)) == {"a.jpg", "b.jpg"}


def test_hashes_are_of_the_pixels_that_the_network_sees(tmp_path, pictures):
    """Of 16 bits the high byte, of what is transparent the matte: what lies under it, and the low byte, are no mark."""
    rng, shown = np.random.default_rng(0), pictures[0][..., 1] > 100
    under = np.where(shown[..., None], pictures[1], rng.integers(0, 256, pictures[1].shape)).astype(np.uint8)
    deep = pictures[2][..., 0].astype(np.uint16) * 256 + rng.integers(0, 256, shown.shape).astype(np.uint16)
    Image.fromarray(np.dstack([under, np.uint8(255) * shown])).save(tmp_path / "clear.png")
    Image.fromarray(np.where(shown[..., None], pictures[1], np.uint8([0, 0, 250]))).save(tmp_path / "laid.png")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(pictures[2][..., 0]).save(tmp_path / "flat.png")
    Image.fromarray(pictures[3]).convert("CMYK").save(tmp_path / "ink.jpg")
    names, dataset = ("clear", "laid", "deep", "flat", "ink"), Dataset()
    dataset.matte = (0, 0, 250)
    for name in names:
        dataset.add_image("test", name, str(tmp_path / f"{name}.{'jpg' if name == 'ink' else 'png'}"))
    dataset.prepare()
    hashes = dict(zip(names, perceptual_hashes(dataset)[0]))
    assert hashes["clear"] == hashes["laid"] and hashes["deep"] == hashes["flat"] != hashes["clear"]
    assert hashes["ink"] == perceptual_hash(dataset.load_image(4))


def test_pictures_without_files():
    dataset = DrawnPeople()
    dataset.load_drawn(6, size=(256, 192), seed=5)
    dataset.prepare()
    hashes, readable = perceptual_hashes(dataset)
    assert readable.all() and hashes[4] == perceptual_hash(dataset.load_image(4))


@pytest.mark.skipif(not CCP.exists(), reason="needs ../shared/data/ccp")
def test_pairs_among_photos_of_clothes():
    # Looked at: the first three pairs show the same, the others only alike.
    dataset = Dataset()
    for number in (907, 990, 183, 730, 692, 732, 98, 211, 24, 525, 48, 610, 127, 715):
        dataset.add_image("ccp", number, str(CCP / "photos" / f"{number:04d}.jpg"))
    dataset.prepare()
    groups = find_duplicates(dataset)
    assert groups == {"0907.jpg": "0907.jpg", "0990.jpg": "0907.jpg", "0183.jpg": "0183.jpg", "0730.jpg": "0183.jpg",
                      "0692.jpg": "0692.jpg", "0732.jpg": "0692.jpg"}


@pytest.mark.parametrize("loose", [
    lambda photo: photo.astype(np.int64), lambda photo: np.concatenate([photo, photo[..., :2]], axis=2),
])
def test_photos_of_other_types_and_channels_are_looked_at_by_their_colours(pictures, loose):
    class Two(Dataset):
        def load_image(self, image_id):
            return pictures[0] if image_id == 0 else loose(pictures[0])

    dataset = Two()
    for i in range(2):
        dataset.add_image("made", i, None)
    dataset.prepare()
    hashes, readable = perceptual_hashes(dataset)
    assert readable.all() and hashes[0] == hashes[1]
