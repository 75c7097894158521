"""Label maps of streets as they are downloaded: CamVid's and Cityscapes' names of files."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import located, open_dataset, recognise
from mrcnn.data.formats.label_maps import LabelMapDataset
from mrcnn.errors import DataError


def test_of_both_kinds_of_cityscapes_one_is_taken_and_told(tmp_path):
    Image.new("RGB", (6, 4), (9, 9, 9)).save(tmp_path / "x_leftImg8bit.png")
    for value, kind in ((1, "labelIds"), (0, "labelTrainIds")):
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(tmp_path / f"x_gtFine_{kind}.png")
    (tmp_path / "label_names.txt").write_text("unlabeled\nego vehicle\n")
    with pytest.warns(UserWarning, match="1 label map left out, as those called .*_labelIds.png.*x_gtFine_labelTrainI"):
        dataset = LabelMapDataset().load(tmp_path, min_area=1)
    dataset.prepare()
    assert dataset.load_mask(0)[0].sum() == 24


def camvid(folder):
    """Maps in colours beside their photos."""
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "0001TP_000690.png")
    pixels[:] = 0
    pixels[:, :12], pixels[:5, :] = (64, 0, 128), (128, 128, 128)
    Image.fromarray(pixels).save(folder / "0001TP_000690_L.png")


@pytest.mark.parametrize("place", ["maps", "."])
def test_camvid_as_it_is_downloaded(tmp_path, place):
    camvid(tmp_path / "maps")
    (tmp_path / place / "class_dict.csv").write_text("name,r,g,b\nCar,64,0,128\nSky,128,128,128\nVoid,0,0,0\n")
    assert recognise(tmp_path / "maps") == "label_maps"
    with pytest.warns(UserWarning, match="first: 0, Void"):
        dataset = open_dataset(tmp_path / "maps")
    assert dataset.class_names == ["BG", "Car", "Sky"] and dataset.num_images == 1
    assert dataset.label_map(0)[[0, 10, 10], [0, 0, 20]].tolist() == [2, 1, 255]


def test_names_that_are_given_tell_that_pictures_are_label_maps(tmp_path):
    camvid(tmp_path / "maps")
    names = tmp_path / "my_colours.txt"
    names.write_text("64 0 128 Car\n128 128 128 Sky\n")
    with pytest.raises(DataError, match="690.png has many values or colours.*--format label_maps and a file"):
        recognise(tmp_path / "maps")
    assert recognise(tmp_path / "maps", named=True) == "label_maps"
    assert open_dataset(tmp_path / "maps", names=names).class_names == ["BG", "Car", "Sky"]
    assert located(tmp_path / "maps", named=True)[0] == "label_maps"
