"""Photos of label maps that lie elsewhere in the same folder or archive."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.photo_places import other_photo_folder
from mrcnn.errors import DataError

SIDE = 24
LABELS = np.zeros((SIDE, SIDE), np.uint8)
LABELS[2:12, 2:12] = 1
NAMES = "0 background\n1 shirt\n"
CAMVID = ("train", "trainannot", "trainannot/label_names.txt")
FIFTYONE = ("data", "labels", "labels/label_names.txt")
ADE = ("images/training", "annotations/training", "annotations/label_names.txt")


def bytes_of(pixels, form):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form)
    return data.getvalue()


MAP, PHOTO = bytes_of(LABELS, "PNG"), bytes_of(np.full((SIDE, SIDE, 3), 90, np.uint8), "JPEG")


def members(photos, maps, names, stems=("a", "b")):
    return {names: NAMES, **{f"{photos}/{stem}.jpg": PHOTO for stem in stems},
            **{f"{maps}/{stem}.png": MAP for stem in stems}}


def laid(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def stem_sets(*stems):
    return [(stem,) for stem in stems]


@pytest.mark.parametrize("layout", [CAMVID, FIFTYONE, ADE])
@pytest.mark.parametrize("packed", [False, True])
def test_the_one_other_folder_is_taken_and_told(tmp_path, layout, packed):
    photos, maps, _ = layout
    files = members(*layout)
    place = zipped(tmp_path / "a.zip", files) if packed else laid(tmp_path / "set", files) / maps
    with pytest.warns(UserWarning, match=f"1 folder of photos not beside .*images=, --images: another.*{photos}"):
        dataset = open_dataset(place)
    top = tmp_path / ("a.zip.unpacked" if packed else "set")
    assert [info["path"] for info in dataset.image_info] == [str(top / photos / f"{stem}.jpg") for stem in "ab"]
    assert len(dataset.objects(0)) == 1


def test_a_folder_of_photos_deeper_in_an_archive(tmp_path):
    path = zipped(tmp_path / "a.zip", members("x/y/pictures", "maps", "maps/label_names.txt"))
    with pytest.warns(UserWarning, match="x/y/pictures"):
        assert len(open_dataset(path).image_ids) == 2
    # Outside of an archive only the folders beside are looked into.
    folder = laid(tmp_path / "set", members("x/y/pictures", "maps", "maps/label_names.txt"))
    with pytest.raises(DataError, match="2 of 2 photos are not in .*maps or a folder beside it: a.png, b.png"):
        open_dataset(folder / "maps")


def test_an_archive_without_the_photos_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", {"maps/label_names.txt": NAMES, "maps/a.png": MAP, "other/z.jpg": PHOTO})
    with pytest.raises(DataError, match="1 of 1 photos are not in .*maps or another folder of .*a.zip: a.png"):
        open_dataset(path)


def test_several_folders_are_named_as_images_takes_them(tmp_path):
    files = {**members(*FIFTYONE), **{f"blurred/{stem}.jpg": PHOTO for stem in "ab"}}
    path = zipped(tmp_path / "a.zip", files)
    with pytest.raises(DataError, match="labels: 2 folders have photos of its label maps' names, .*a.zip#blurred, "
                                        ".*a.zip#data: .*--images '.*a.zip#blurred'"):
        open_dataset(path)
    assert open_dataset(path, f"{path}#data").image_info[0]["path"] == f"{path}.unpacked/data/a.jpg"
    folder = laid(tmp_path / "set", files)
    with pytest.raises(DataError, match=f"2 folders have .*, {folder}/blurred, {folder}/data: "):
        other_photo_folder(folder / "labels", stem_sets("a", "b"))
    (folder / "blurred" / "b.jpg").unlink()  # which then has fewer
    assert other_photo_folder(folder / "labels", stem_sets("a", "b")) == str(folder / "data")


def test_parts_of_equal_names_are_told_apart_by_the_name_of_the_folder(tmp_path):
    files = {**members(*CAMVID), **members("val", "valannot", "valannot/label_names.txt")}
    for part in ("train", "val"):
        assert other_photo_folder(laid(tmp_path, files) / f"{part}annot", stem_sets("a", "b")) == str(tmp_path / part)


def test_folders_of_other_label_maps_are_no_photos(tmp_path):
    colours = bytes_of(np.dstack([LABELS * 90] * 3), "PNG")
    files = {f"{place}/a.png": MAP for place in ("maps", "instances")} | {"rgb/a.png": colours, ".hidden/a.jpg": PHOTO}
    assert other_photo_folder(laid(tmp_path, files) / "maps", stem_sets("a")) is None
    grey = bytes_of(np.arange(SIDE * SIDE, dtype=np.uint16).astype(np.uint8).reshape(SIDE, SIDE), "PNG")
    laid(tmp_path, {"scans/a.png": grey})  # grey photos have many values
    assert other_photo_folder(tmp_path / "maps", stem_sets("a")) == str(tmp_path / "scans")
    Image.open(tmp_path / "scans" / "a.png").convert("LA").save(tmp_path / "scans" / "a.png")
    assert other_photo_folder(tmp_path / "maps", stem_sets("a")) == str(tmp_path / "scans")


def test_the_usual_folder_comes_first(tmp_path, recwarn):
    folder = laid(tmp_path, {**members("images", "labels", "labels/label_names.txt"), "data/a.jpg": PHOTO})
    assert open_dataset(folder / "labels").image_info[0]["path"] == str(folder / "images" / "a.jpg")
    assert not [w for w in recwarn if "folder of photos" in str(w.message)]
