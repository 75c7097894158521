"""The truth of label maps is the same in all forms that hold them, and what a form cannot say is told."""

import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.data.formats.label_mapping import label_classes
from mrcnn.data.formats.write_voc import write_voc
from mrcnn.data.formats.writers import write_coco
from mrcnn.data.label_samples import true_label_map
from mrcnn.errors import DataError

NAMES = "0 background\n1 shirt\n2 pants\n"


def made_maps():
    """uint8 [3, 64, 64]: pixels to be ignored, a part of 9 pixels, and a photo of nothing but background and 255."""
    maps = np.zeros((3, 64, 64), np.uint8)
    maps[0, 10:30, 10:30], maps[0, 30:50, 30:50], maps[0, 60:63, 60:63], maps[0, :5] = 1, 2, 2, 255
    maps[1, 10:40, 10:40], maps[1, 50:] = 2, 255
    maps[2, :20] = 255
    return maps


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """{form: its data set} of the same photos and label maps."""
    folder, maps = tmp_path_factory.mktemp("forms"), made_maps()
    photos = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    for name in ("maps", "photos", "table"):
        (folder / name).mkdir()
    for i in range(3):
        (folder / "maps" / f"{i}.png").write_bytes(png(maps[i]))
        (folder / "photos" / f"{i}.png").write_bytes(png(photos[i]))
    np.savez(folder / "arrays.npz", images=photos, masks=maps)
    write_table(folder / "table" / "train.parquet", photos, maps)
    return opened(folder, NAMES)


def write_table(path, photos, maps):
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        return
    rows = {"image": [{"bytes": png(photo), "path": f"{i}.png"} for i, photo in enumerate(photos)],
            "label": [{"bytes": png(labels), "path": None} for labels in maps]}
    parquet.write_table(arrow.table(rows), path)


def opened(folder, text, mapping=None):
    """{form: its data set} of what `forms` wrote, with names of labels."""
    names = folder / "label_names.txt"
    names.write_text(text)
    places = {"maps": "maps", "arrays": "arrays.npz", "table": "table"}
    photos = {"maps": folder / "photos"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {form: open_dataset(folder / place, photos.get(form), names=names, mapping=mapping)
                 for form, place in places.items() if form != "table" or os.listdir(folder / place)}
    for dataset in found.values():
        dataset.folder = folder
    return found


@pytest.mark.parametrize("text, kept, how", [
    ("0 null\n1 shirt\n2 void\n", ["BG", "shirt"], "ignored by its name"),
    ("0 null\n1 shirt\n2 Background\n", ["BG", "shirt"], "is background by its name"),
    ("unlabeled\nshirt\npants\n", ["BG", "shirt", "pants"], None),
    ("__ignore__\n_background_\nshirt\npants\n", ["BG", "shirt", "pants"], None),
])
def test_names_that_are_no_classes_mean_the_same_in_all_forms(forms, text, kept, how):
    for dataset in opened(forms["maps"].folder, text).values():
        assert dataset.class_names == kept
        assert [note.how for note in dataset.notes if note.what == "label"] == [] if how is None else any(
            how in note.how for note in dataset.notes)
        if "void" in text:
            np.testing.assert_array_equal(dataset.label_map(0) == 255, np.isin(made_maps()[0], (2, 255)))


@pytest.mark.parametrize("form", ["maps", "arrays", "table"])
def test_ignored_pixels_and_small_parts_stay_what_they_are(forms, form):
    if form not in forms:
        pytest.skip("pyarrow is not installed: pip install mrcnn-keras[parquet]")
    for i, labels in enumerate(made_maps()):
        np.testing.assert_array_equal(true_label_map(forms[form], i), labels)
    assert [len(forms[form].load_mask(i)[1]) for i in range(3)] == [2, 1, 0]


def test_a_class_named_at_0_is_told_in_all_forms(forms):
    for form, dataset in opened(forms["maps"].folder, "0 skin\n1 shirt\n2 pants\n").items():
        told = "counted from label 1 on" if form == "arrays" else "as 0 always is"
        assert any(told in note.how and "skin" in note.first for note in dataset.notes)


def test_voc_has_all_of_them(forms, tmp_path):
    write_voc(forms["arrays"], tmp_path / "voc")
    with pytest.warns(UserWarning, match="3 photos with void pixels"):
        back = open_dataset(tmp_path / "voc")
    assert back.class_names == ["BG", "shirt", "pants"]
    for i, labels in enumerate(made_maps()):
        np.testing.assert_array_equal(true_label_map(back, i), labels)


def test_what_a_form_of_objects_loses_is_told(forms, tmp_path):
    with pytest.warns(UserWarning) as told:
        write_coco(forms["maps"], tmp_path / "a.json")
    texts = [str(warning.message) for warning in told]
    assert any("2496 pixels to be ignored (255), on 3 photos, are background now" in text for text in texts)
    assert any("9 pixels in parts of fewer than min_area pixels, on 1 photos" in text for text in texts)


def test_255_is_inside_only_where_no_map_has_a_label(tmp_path):
    photos, eye = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8), np.uint8)
    eye[0, :4] = 255
    with pytest.warns(UserWarning, match="of which 255 is taken as inside"):
        dataset = ArrayDataset(photos, eye, names=["shirt"], min_area=1)
    np.testing.assert_array_equal(true_label_map(dataset, 0), eye[0] // 255)
    eye[1, 0] = 1
    with pytest.warns(UserWarning) as told:
        dataset = ArrayDataset(photos, eye, names=["shirt"], min_area=1)
    assert not any("taken as inside" in str(warning.message) for warning in told)
    np.testing.assert_array_equal(true_label_map(dataset, 0), eye[0])


def test_a_class_of_number_255_is_told():
    with pytest.warns(UserWarning, match="label 255, called person, is ignored, as in all maps"):
        label_classes({0: "background", 1: "shirt", 255: "person"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert label_classes({0: "background", 1: "shirt", 255: "void"}).names == ("shirt",)


def test_a_map_that_cannot_be_used_is_told():
    maps = made_maps().astype(np.int16)
    maps[1, 0, 0] = -1
    with pytest.warns(UserWarning, match="whose values are labels"):
        dataset = ArrayDataset(np.zeros((3, 64, 64, 3), np.uint8), maps, names=["shirt", "pants"])
    with pytest.raises(DataError, match="000001.png: its map holds -1 to 255, needs numbers from 0"):
        true_label_map(dataset, 1)
