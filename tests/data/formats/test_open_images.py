"""Open Images: masks in PNG files of other sizes than their photos, named in a CSV."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, recognise
from mrcnn.errors import DataError

HEAD = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
MUG, GLASS = "/m/02jvh9", "/m/09tvcd"
SIZE = (30, 40)


def made(folder, rows=None, masks=None, names=True):
    """A CSV as the documentation shows it, its masks in a folder as the archives unpack, photos and names."""
    photos, found = folder / "photos", folder / "masks" / "train-masks-0"
    photos.mkdir(parents=True)
    found.mkdir(parents=True)
    for name in ("0a1", "0b2"):
        Image.new("RGB", SIZE[::-1], "white").save(photos / f"{name}.jpg")
    half = np.zeros((15, 20), bool)  # half as high and wide as the photo
    half[2:7, 4:14] = True
    whole = np.zeros(SIZE, bool)
    whole[10:20, 5:9] = True
    for name, mask in {"0a1_m02jvh9_aa.png": half, "0a1_m09tvcd_bb.png": whole, **(masks or {})}.items():
        Image.fromarray(mask).save(found / name)  # of one bit, as Open Images has them
    lines = rows or [f"0a1_m02jvh9_aa.png,0a1,{MUG},aa,0.1,0.7,0.1,0.5,0.9,",
                     f"0a1_m09tvcd_bb.png,0a1,{GLASS},bb,0.1,0.3,0.3,0.7,0.8,0.5 0.5 1"]
    (folder / "train-annotations-object-segmentation.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    if names:
        (folder / "class-descriptions-boxable.csv").write_text(f'{MUG},Mug\n{GLASS},"Glass, tall"\n/m/01xyz,Cup\n')
    return folder / "train-annotations-object-segmentation.csv"


@pytest.mark.filterwarnings("ignore:.*of another size")
def test_masks_are_stretched_over_their_photos(tmp_path):
    path = made(tmp_path)
    assert recognise(path) == "open_images"
    dataset = open_dataset(path, tmp_path / "photos")
    assert dataset.class_names == ["BG", "Glass, tall", "Mug"] and dataset.file_name(0) == "0a1.jpg"
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [2, 1] == dataset.object_classes(0).tolist()
    expected = np.zeros(SIZE, bool)
    expected[4:14, 8:28] = True  # twice as far
    np.testing.assert_array_equal(masks[..., 0], expected)
    expected[:] = False
    expected[10:20, 5:9] = True
    np.testing.assert_array_equal(masks[..., 1], expected)
    (note,) = dataset.notes
    assert "1 mask of another size than its photo: stretched over it (first: 0a1_m02jvh9_aa.png)" in str(note)
    assert validate(dataset, progress=False) == []


@pytest.mark.filterwarnings("ignore:.*of another size")
def test_names_of_version_7_and_without_names(tmp_path):
    path = made(tmp_path, names=False)
    with pytest.warns(UserWarning, match="2 labels in the masks without a name, called by its id: give"):
        assert open_dataset(path, tmp_path / "photos").class_names == ["BG", MUG, GLASS]
    (tmp_path / "oidv7-class-descriptions-boxable.csv").write_text(f"LabelName,DisplayName\n{MUG},Mug\n{GLASS},Glass\n")
    assert open_dataset(path, tmp_path / "photos").class_names == ["BG", "Glass", "Mug"]
    (tmp_path / "names.csv").write_text("nothing\n")
    with pytest.raises(DataError, match="names.csv: has no line of id and name"):
        open_dataset(path, tmp_path / "photos", names=tmp_path / "names.csv")


@pytest.mark.parametrize("row, kind, said", [
    (f"gone.png,0a1,{MUG},,,,,,,", "no mask", "gone.png is not in .*unpack"),
    (f"../../a.png,0a1,{MUG},,,,,,,", "path escape", "leads out"),
    (f"wide.png,0a1,{MUG},,,,,,,", "wrong size", "has 10x40 pixels, which is no shrunken form"),
    (f"0a1_m02jvh9_aa.png,gone,{MUG},,,,,,,", "missing", "1 of 2 photos are not in"),
    (f"0a1_m02jvh9_aa.png,../../b,{MUG},,,,,,,", "path escape", "segmentation.csv: ../../b: .*leads out"),
    (f"empty.png,0a1,{MUG},,,,,,,", "empty mask", "has no pixel"),
])
@pytest.mark.filterwarnings("ignore")
def test_faults_are_named(tmp_path, row, kind, said):
    masks = {"wide.png": np.ones((10, 40), bool), "empty.png": np.zeros(SIZE, bool)}
    path = made(tmp_path, [row, f"0a1_m09tvcd_bb.png,0b2,{GLASS},,,,,,,"], masks)
    dataset = open_dataset(path, tmp_path / "photos", on_error="skip", keep_partial=True)
    found = [fault for fault in [*dataset.faults, *validate(dataset, progress=False)] if fault.kind == kind]
    assert found
    with pytest.raises(DataError, match=said):
        dataset = open_dataset(path, tmp_path / "photos")
        raise DataError(str(validate(dataset, progress=False)[0]))  # one that is met when the photo is asked for


def test_transparency_is_not_inside(tmp_path):
    grey = np.zeros((*SIZE, 2), np.uint8)
    grey[..., 1] = 255  # no pixel is transparent
    grey[2:4, 5:8, 0] = 255
    path = made(tmp_path, [f"grey.png,0a1,{MUG},,,,,,,"], {"grey.png": grey})
    np.testing.assert_array_equal(open_dataset(path, tmp_path / "photos").load_mask(0)[0][..., 0], grey[..., 0] > 0)


def test_a_row_without_what_it_needs(tmp_path):
    path = made(tmp_path, [f"a.png,,{MUG},,,,,,,"])
    with pytest.raises(DataError, match="line 2 has no ImageID"):
        open_dataset(path, tmp_path / "photos")


@pytest.mark.filterwarnings("ignore:.*of another size")
def test_a_row_of_many_clicks(tmp_path):
    clicks = "0.5 0.5 1;" * 20_000  # of the last column, which is not read
    path = made(tmp_path, [f"0a1_m02jvh9_aa.png,0a1,{MUG},aa,0.1,0.7,0.1,0.5,0.9,{clicks}"])
    assert recognise(path) == "open_images" and open_dataset(path, tmp_path / "photos").object_count(0) == 1
