"""Annotations of any format in archives, with their photos or apart from them."""

import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from cvat_files import image, shape, written
from PIL import Image

from mrcnn.data.formats import located, open_dataset, parts_of, recognise
from mrcnn.data.formats.archive_contents import photo_names
from mrcnn.errors import DataError

SIDE = 16
POLYGON = [1, 2, 10, 2, 10, 11, 1, 11]


def photo(color=90):
    data = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE, 3), color, np.uint8)).save(data, "PNG")
    return data.getvalue()


def coco(*names):
    images = [{"id": i, "file_name": name, "height": SIDE, "width": SIDE} for i, name in enumerate(names)]
    annotations = [{"id": i, "image_id": i, "category_id": 1, "segmentation": [POLYGON]} for i in range(len(names))]
    return json.dumps({"annotations": annotations, "images": images, "categories": [{"id": 1, "name": "shirt"}]})


def labelme(name):
    points = np.reshape(POLYGON, (-1, 2)).tolist()
    return json.dumps({"version": "5.4.1", "shapes": [{"label": "shirt", "points": points}], "imagePath": name,
                       "imageData": None, "imageHeight": SIDE, "imageWidth": SIDE})


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)


# What tools hand out: (members; format; names of the photos in the data set).
EXPORTS = {
    "coco_of_cvat": ({"annotations/instances_default.json": coco("a.png"), "images/default/a.png": photo()},
                     "coco", ["a.png"]),
    "roboflow": ({"README.txt": "hello", "train/_annotations.coco.json": coco("a.png"), "train/a.png": photo()},
                 "coco", ["a.png"]),
    "label_studio": ({"result.json": coco("images\\1a2b3c4d-a.png"), "images/1a2b3c4d-a.png": photo()},
                     "coco", ["images/1a2b3c4d-a.png"]),
    "labelme": ({"shop/labels/a.json": labelme("..\\photos\\a.png"), "shop/labels/b.json": labelme("..\\photos\\b.png"),
                 "shop/photos/a.png": photo(), "shop/photos/b.png": photo()}, "labelme", ["a.png", "b.png"]),
    "csv": ({"train.csv": "Image_Label,EncodedPixels\na.png_shirt,1 5\n", "train/a.png": photo()},
            "run_length_csv", ["a.png"]),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_opened_as_they_are(tmp_path, name):
    members, form, names = EXPORTS[name]
    path = zipped(tmp_path / "export.zip", members)
    assert recognise(path) == form
    dataset = open_dataset(path)
    assert [info["file_name"] for info in dataset.image_info] == names
    assert len(dataset.objects(0)) == 1 and dataset.load_image(0).shape == (SIDE, SIDE, 3)


def test_cvat_with_subsets_and_a_tar(tmp_path):
    box = shape("polygon", 'points="1,2;10,2;10,11"')
    xml = written(tmp_path, image(box, "a.png", (SIDE, SIDE), ' subset="Train"'),
                  image(box, "a.png", (SIDE, SIDE), ' subset="Val"'))
    with tarfile.open(tmp_path / "export.tgz", "w:gz") as archive:
        archive.add(xml, "task/annotations.xml")
        for subset in ("Train", "Val"):
            info = tarfile.TarInfo(f"task/images/{subset}/a.png")
            info.size = len(photo())
            archive.addfile(info, io.BytesIO(photo()))
    dataset = open_dataset(tmp_path / "export.tgz")
    assert [info["file_name"] for info in dataset.image_info] == ["images/Train/a.png", "images/Val/a.png"]


def test_several_are_named_and_one_is_chosen_by_its_place(tmp_path):
    members = {f"{part}/_annotations.coco.json": coco(f"{part}.png") for part in ("train", "valid")}
    members |= {f"{part}/{part}.png": photo() for part in ("train", "valid")}
    path = zipped(tmp_path / "a.zip", members)
    with pytest.raises(DataError, match="a.zip: holds 2 annotations: give one of them: .*"
                                        "a.zip#train/_annotations.coco.json \\(coco\\), .*a.zip#valid/"):
        open_dataset(path)
    dataset = open_dataset(f"{path}#valid/_annotations.coco.json")
    assert dataset.image_info[0]["file_name"] == "valid.png"
    with pytest.raises(DataError, match="holds no test/_annotations.coco.json: see what it holds in"):
        open_dataset(f"{path}#test/_annotations.coco.json")
    with pytest.raises(DataError, match="leads out of the image folder"):
        open_dataset(f"{path}#../secret.json")


def test_a_format_may_choose(tmp_path):
    members = {"a.json": coco("a.png"), "a.csv": "Image_Label,EncodedPixels\na.png_hat,1 5\n", "a.png": photo()}
    path = zipped(tmp_path / "a.zip", members)
    assert open_dataset(path, form="run_length_csv").class_names == ["BG", "hat"]
    with pytest.raises(DataError, match="holds none of format via, but .*a.csv \\(run_length_csv\\)"):
        open_dataset(path, form="via")


def test_photos_apart_are_asked_for_and_may_be_an_archive(tmp_path):
    path = zipped(tmp_path / "a.zip", {"instances.json": coco("a.png")})
    with pytest.raises(DataError, match="instances.json: the archive has no photos: give their folder .*--images"):
        open_dataset(path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(photo())
    assert open_dataset(path, tmp_path / "photos").image_info[0]["path"] == str(tmp_path / "photos" / "a.png")
    photos = zipped(tmp_path / "photos.zip", {"val/a.png": photo(), "other/b.png": photo()})
    assert located(path, photos)[2] == os.path.join(f"{photos}.unpacked", "val")
    assert open_dataset(path, f"{photos}#val").image_info[0]["file_name"] == "a.png"


PARTS = {f"images/{part}/{name}": photo() for part in ("Train", "Validation", "a") for name in ("0.png", "1.png")}


@pytest.mark.parametrize("place, folder", [
    ("annotations/instances_Train.json", "images/Train"), ("annotations/val2017.json", "images/Validation"),
    ("annotations/instances_Validation.json", "images/Validation"), ("training/labels.json", "images/Train"),
    ("images/a/labels.json", "images/a"),  # its own folder
])
def test_photos_of_names_that_several_folders_have_are_those_of_the_part_that_the_path_names(tmp_path, place, folder):
    path = zipped(tmp_path / "a.zip", {place: coco("0.png", "1.png"), **PARTS})
    for annotations, images in ((f"{path}#{place}", None), (f"{path}.unpacked/{place}", path)):
        dataset = open_dataset(annotations, images)
        assert [info["path"] for info in dataset.image_info] == [f"{path}.unpacked/{folder}/{i}.png" for i in (0, 1)]


def test_photos_that_several_folders_have_and_nothing_tells_apart_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"instances.json": coco("0.png", "1.png"), **PARTS})
    with pytest.raises(DataError, match="instances.json: .*a.zip has photos of its names in 3 folders, images/Train, "
                                        "images/Validation, images/a: .*--images '.*a.zip#images/Train'"):
        open_dataset(path)
    # The part that the file names lacks a photo: another part's is not taken in its place.
    del (members := dict(PARTS))["images/Validation/1.png"]
    path = zipped(tmp_path / "b.zip", {"val.json": coco("0.png", "1.png"), **members, "images/a/1.png": b""})
    with pytest.raises(DataError, match="val.json: .* in 3 folders, images/Train, images/a, images/Validation"):
        open_dataset(path)
    # 60 names are looked at first: only the last one is not in both folders.
    names = [f"{i}.png" for i in range(61)]
    members = {f"{folder}/{name}": photo() for folder in "bc" for name in names if folder + name != "b60.png"}
    path = zipped(tmp_path / "c.zip", {"instances.json": coco(*names), **members})
    assert located(path)[2] == f"{path}.unpacked/c"


def test_an_archive_without_annotations_says_what_it_holds(tmp_path):
    path = zipped(tmp_path / "a.zip", {"data/instances.json": "{}", "more.zip": "PK"})
    with pytest.raises(DataError, match="a.zip: holds no annotations .*: it holds another archive, more.zip"):
        open_dataset(path)
    cityscapes = json.dumps({"imgHeight": 5, "imgWidth": 5, "objects": []})
    path = zipped(tmp_path / "b.zip", {"a.json": cityscapes, "a.jpg": ""})
    with pytest.raises(DataError, match="b.zip: holds no annotations.*Cityscapes.*labelIds"):
        open_dataset(path)


def test_names_in_archives_cannot_lead_out(tmp_path):
    (tmp_path / "secret.png").write_bytes(photo())
    path = zipped(tmp_path / "a.zip", {"a.json": coco("../secret.png"), "b.png": photo()})
    with pytest.raises(DataError, match="leads out of the image folder"):
        open_dataset(path)


def test_a_data_yaml_in_an_archive_cannot_lead_out(tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    (tmp_path / "mine" / "images" / "a.png").write_bytes(photo())
    (tmp_path / "mine" / "labels" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    path = zipped(tmp_path / "a.zip", {"data.yaml": f"path: {tmp_path}/mine\ntrain: images\nnames: [shirt]\n"})
    with pytest.raises(DataError, match="takes photos from outside of its archive .*a.png.*refused"):
        open_dataset(path)


def test_yolo_in_an_archive(tmp_path):
    path = zipped(tmp_path / "a.zip", {
        "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: [shirt]\n",
        **{f"{part}/images/{part}.png": photo() for part in ("train", "valid")},
        **{f"{part}/labels/{part}.txt": "0 0.1 0.1 0.5 0.1 0.5 0.5\n" for part in ("train", "valid")}})
    assert parts_of(path) == ("train", "val")
    assert len(open_dataset(path, split="val").image_ids) == 1 and len(open_dataset(path).image_ids) == 2


def test_names_of_photos_are_found_in_any_form(tmp_path):
    path = tmp_path / "a"
    for text, names in ((coco("x/a b.png", "b.JPG"), ["x/a b.png", "b.JPG"]),
                        ('<image id="0" name="sub/a.jpeg" width="1"/>', ["sub/a.jpeg"]),
                        ("ImageId,EncodedPixels\na.jpg,1 2\nb.jpg,3 4\n", ["a.jpg", "b.jpg"]),
                        ('{"imagePath": "..\\\\p\\\\a.png"}', ["a.png"]), ("nothing", []),
                        # A look from each line to the last would take hours.
                        ('{"a": "b",' + "\n" * 1_000_000 + '"c": "d.png"}', ["d.png"])):
        path.write_text(text)
        assert photo_names(path) == names


@pytest.mark.parametrize("name", ["/home/me/val/a.png", "C:\\data\\a.png", "../images/a.png"])
def test_photos_named_by_paths_of_another_machine(tmp_path, name):
    path = zipped(tmp_path / "a.zip", {"ann/instances.json": coco(name), "images/val/a.png": photo(),
                                       "thumbs/z.png": photo()})
    assert photo_names(f"{located(path)[1]}") == ["a.png"]
    assert open_dataset(path).image_info[0]["path"] == f"{path}.unpacked/images/val/a.png"
