"""Cut-outs have the pixels of their objects, and photos that have changed are left out."""

import io
import json
import os
import tarfile

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from garments import COLOURS, rows_of, write_collection  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.collections.cutouts import cut_out, write_cutouts  # noqa: E402
from mrcnn.collections.reading import Collection  # noqa: E402
from mrcnn.data import run_lengths  # noqa: E402


def samples_of(folder):
    """{key: {ending: bytes}} of all tar files."""
    samples = {}
    for name in sorted(os.listdir(folder)):
        with tarfile.open(folder / name) as archive:
            for member in archive:
                key, ending = member.name.split(".")
                samples.setdefault(key, {})[ending] = archive.extractfile(member).read()
    return samples


def test_cut_outs_are_of_their_objects(tmp_path):
    write_collection(tmp_path, 7, shard_size=3)
    rows = [row for row in rows_of(tmp_path / "out") if row["object"] is not None]
    counts = write_cutouts(Collection(str(tmp_path / "out")), str(tmp_path / "cut"))
    assert counts == {"objects": len(rows), "files": 3, "kept": 0, "maskless": 0, "changed": 0}
    for row, sample in zip(rows, samples_of(tmp_path / "cut").values(), strict=True):
        told = json.loads(sample["json"])
        assert not {"hash", "thumbnail", "rle"} & set(told)
        assert (told["photo"], told["object"], told["class"]) == (row["photo"], row["object"], row["class"])
        pixels = np.asarray(Image.open(io.BytesIO(sample["png"])))
        assert (pixels[..., 3] == 255).sum() == row["area"]
        if row["class"] in COLOURS:
            assert (pixels[pixels[..., 3] == 255][:, :3] == COLOURS[row["class"]]).all()
    os.remove(tmp_path / "cut" / "cutouts-000001.tar")
    again = write_cutouts(Collection(str(tmp_path / "out")), str(tmp_path / "cut"))
    assert (again["files"], again["kept"]) == (1, 2)


def test_a_photo_that_has_changed_is_left_out_and_counted(tmp_path):
    people_of = write_collection(tmp_path, 3)
    changed = next(name for name, people in people_of.items() if people)
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / changed)
    counts = write_cutouts(Collection(str(tmp_path / "out")), str(tmp_path / "cut"), 0.8)
    assert counts["changed"] == 1
    assert changed not in {json.loads(sample["json"])["photo"] for sample in samples_of(tmp_path / "cut").values()}
    assert write_cutouts(Collection(str(tmp_path / "out")), str(tmp_path / "none"), 0.75)["objects"] == 0


def test_a_cut_out_by_hand():
    image = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    mask = np.zeros((3, 4), bool)
    mask[1, 1] = mask[2, 2] = True
    pixels = np.asarray(Image.open(io.BytesIO(cut_out(image, run_lengths.encode(mask)["counts"]))))
    assert pixels.shape == (2, 2, 4) and pixels[..., 3].tolist() == [[255, 0], [0, 255]]
    assert pixels[0, 0, :3].tolist() == image[1, 1].tolist() and pixels[1, 0].tolist() == [0, 0, 0, 0]
