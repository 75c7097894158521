"""Annotations that no reader takes are named, with what to do; for all else each format says why not."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import READERS, open_dataset, recognise
from mrcnn.data.formats.unread import unread_form, why_not
from mrcnn.errors import DataError


def made(folder, **files):
    """A folder with files of texts, or of JSON of what is no text; "__" stands for a full stop, "___" for a slash."""
    for name, content in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


VIA = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [], "file_attributes": {}}}
BOX = "<annotation><object><bndbox></bndbox></object></annotation>"
# Name and content of a file, and what is said of it.
FILES = [
    ("a__zip", "PK", "no readable ZIP or TAR.*unpack it"),
    ("a__arrow", "x", "arrays or tables"),
    ("a__png", "x", "a picture"),
    ("a__xml", BOX, "PASCAL VOC's XML of boxes: boxes alone cannot train"),
    ("a__xml", "<annotation><object><polygon><pt/></polygon></object></annotation>", "LabelMe web page"),
    ("a__ndjson", json.dumps({"data_row": {}, "projects": {}}) + "\n{}", "Labelbox"),
    ("a__json", [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": []}], "results of a network"),
    ("a__json", [{"image": "a.jpg", "annotations": []}], "CreateML"),
    ("a__json", [{"name": "a.jpg", "labels": []}], "BDD100K"),
    ("a__json", {"info": {}, "categories": {}, "items": []}, "Datumaro"),
    ("a__json", {"imgHeight": 5, "imgWidth": 5, "objects": []}, "Cityscapes"),
    ("a__json", {"asset": {}, "regions": []}, "VoTT"),
    ("a__ndjson", json.dumps({"type": "dataset", "task": "segment"}) + "\n{}", "NDJSON of Ultralytics"),
    ("a__json", {"version": "2.0", "item": {}, "annotations": []}, "V7 Darwin"),
    ("a__json", {"image": {}, "annotations": [{"predicted_iou": 0.9, "segmentation": {}}]}, "SA-1B"),
    ("a__txt", "0 0.5 0.5 0.2 0.1\n1 0.1 0.2 0.3 0.4\n", "labels of YOLO, which are boxes"),
    ("a__txt", "0 0.5 0.5 0.2 0.1 0.3 0.4\n", "outlines of YOLO, of one photo: give the data.yaml"),
    ("a__yaml", "nc: 2\n", "no data.yaml of YOLO"),
    ("a__csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n", "a table of boxes"),
]


@pytest.mark.parametrize("name, content, said", FILES)
def test_a_file_of_a_known_form_is_named(tmp_path, name, content, said):
    path = made(tmp_path, **{name: content}) / name.replace("__", ".")
    with pytest.raises(DataError, match=said) as error:
        recognise(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("files, said", [
    ({"SegmentationObject___a__png": "", "JPEGImages___a__jpg": ""}, "SegmentationObject.*SegmentationClass"),
    ({"dataset_dict__json": {}}, "Hugging Face"),
    ({"a__xml": BOX, "a__jpg": ""}, "a folder of 1 .xml files, the first of them PASCAL VOC"),
    ({"1__json": VIA, "2__json": VIA}, "a folder of 2 .json files, the first of them annotations of VIA.*Import"),
    ({"1__json": {"_via_img_metadata": VIA}}, "annotations of VIA.*in one project"),
    ({"a__jpg": "", "b__JPG": ""}, "a folder of 2 JPEG files: photos without annotations"),
])
def test_a_folder_of_a_known_form_is_named(tmp_path, files, said):
    with pytest.raises(DataError, match=said):
        recognise(str(made(tmp_path, **files)))


DATALOOP = {"filename": "/a.jpg", "annotations": [{"id": "a", "type": "segment"}], "metadata": {}}
COCO = {"images": [], "annotations": [], "categories": []}


@pytest.mark.parametrize("files, said", [
    ({"a__json": DATALOOP, "b__json": DATALOOP}, "a folder of 2 .json files, the first of them JSON of Dataloop"),
    ({"meta__json": {"name": 1}, "samples__json": {"samples": [{"filepath": "a"}]}}, "samples.json of them JSON of F"),
    ({"images___a__jpg": "", "annotations___default__json": {"items": [], "categories": {}}},
     "in it annotations is a folder of 1 .json files, the first of them JSON of Datumaro: export COCO"),
    ({"images___a__jpg": "", "annotations___all___x__json": COCO}, "annotations/all/x.json in it is of the format c"),
    ({"a__jpg": "", "b__jpg": "", "annotations___x__json": COCO}, "annotations/x.json in it is of the format c"),
    ({"train___a__json": COCO, "valid___a__json": COCO},
     r"in it are train/a.json \(coco\), valid/a.json \(coco\): give one of them"),
])
def test_what_lies_deeper_in_a_folder_is_told(tmp_path, files, said):
    with pytest.raises(DataError, match=said):
        recognise(str(made(tmp_path, **files)))


def test_a_folder_of_an_array_a_photo_is_told_what_to_do(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match="in it are 3 files of arrays, 0.npy the first: if each is of one photo, give "
                                        "one file of all, .*, or save label maps as PNG; else give one of them"):
        recognise(str(tmp_path))
    for number in range(45):
        np.save(tmp_path / f"{number}.npy", np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match="in it are at least 40 files of arrays"):
        recognise(str(tmp_path))


def test_of_files_of_several_arrays_one_is_to_be_given(tmp_path):
    for name in ("train", "val"):
        np.savez(tmp_path / f"{name}.npz", images=np.zeros((2, 4, 5, 3), np.uint8), masks=np.ones((2, 4, 5), np.uint8))
    with pytest.raises(DataError, match=r"in it are train.npz \(arrays\), val.npz \(arrays\): give one of them"):
        recognise(str(tmp_path))


LABELME = {"version": "5", "shapes": [], "imagePath": "a.jpg", "imageData": None, "imageHeight": 4, "imageWidth": 5}
TASK = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 1, "result": []}]}
RESULTS = [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": []}]


@pytest.mark.parametrize("files, form", [
    ({"labels__xml": "<View><Image name='i' value='$image'/></View>", "1__json": TASK}, "label_studio"),
    ({"p0__json": LABELME, "p0_results__json": RESULTS, "p1__json": LABELME}, "labelme"),
    ({"p0__json": LABELME, "p0__jpg": "", "notes__xml": "<a/>", "p1__json": LABELME}, "labelme"),
])
def test_a_foreign_file_beside_annotations_hides_them_not(tmp_path, files, form):
    assert recognise(str(made(tmp_path, **files))) == form


def test_an_archive_of_an_unread_form_names_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", json.dumps(DATALOOP))
    with pytest.raises(DataError, match="no annotations of a known format: .*JSON of Dataloop.*export COCO"):
        recognise(str(tmp_path / "a.zip"))


def test_masks_of_objects_of_voc_are_no_label_maps(tmp_path):
    folder = tmp_path / "SegmentationObject"
    folder.mkdir()
    Image.fromarray(np.zeros((4, 5), np.uint8), "P").save(folder / "a.png")
    with pytest.raises(DataError, match="SegmentationClass"):
        recognise(str(folder))


def test_cocos_panoptic_form_is_named_though_it_looks_like_instances(tmp_path):
    content = {"images": [], "categories": [], "annotations": [{"image_id": 1, "segments_info": []}]}
    path = made(tmp_path, panoptic__json=content) / "panoptic.json"
    with pytest.raises(DataError, match="panoptic.json: COCO's panoptic form.*leave --format out"):
        open_dataset(str(path), form="coco")


def test_what_is_no_text_is_told_in_one_line(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"QK\3\4a,b\rc,d\0\r\n" + bytes(range(256)))
    with pytest.raises(DataError, match="a.bin: annotations of no known format: it is no text, .*export COCO"):
        recognise(str(tmp_path / "a.bin"))


def test_control_characters_of_a_file_are_not_printed(tmp_path):
    (tmp_path / "a.csv").write_text("a\x1b[2J\u202e,b\n" + "long" * 90)
    (tmp_path / "b.json").write_text(json.dumps({"k\x1b[2J": 1}))
    for name in ("a.csv", "b.json"):
        with pytest.raises(DataError) as error:
            recognise(str(tmp_path / name))
        assert "x1b[2J" in str(error.value) and not set("\x1b\u202e\n") & set(str(error.value))


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord-00000-of-00010", "a-00000-of-00010.tfrec"])
def test_parts_of_tables_are_named_by_their_ending(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"arrays or tables \(.tfrec.*export COCO"):
        recognise(str(tmp_path / name))
    with pytest.raises(DataError, match=r"a folder of 1 .tfrec\w* files.*export COCO"):
        recognise(str(tmp_path))


@pytest.mark.parametrize("name, content", [
    ("metadata.jsonl", '{"file_name": "a.jpg", "objects": {}}\n'), ("metadata.csv", "file_name,text\na.jpg,x\n")])
def test_an_image_folder_of_hugging_face_is_named(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(DataError, match="ImageFolder with metadata.*make a COCO file"):
            recognise(str(path))


@pytest.mark.parametrize("beside", ["json", "atr"])
def test_a_folder_of_ade20k_is_named_and_no_folder_in_it_offered(tmp_path, beside):
    folder = tmp_path / "training" / "street"
    (folder / "x").mkdir(parents=True)
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3] = 255
    Image.fromarray(mask).save(folder / "x" / "instance_000_x.png")
    Image.fromarray(np.stack([mask, mask // 2, mask // 3], -1)).save(folder / "x_seg.png")
    Image.new("RGB", (5, 4)).save(folder / "x.jpg")
    annotation = {"annotation": {"imsize": [4, 5, 3], "object": [{"name": "car", "polygon": {"x": [], "y": []}}]}}
    made(folder, **({"x__json": annotation} if beside == "json" else {"x_atr__txt": "001 # 0 # 0 # car # car #\n"}))
    for place in (folder, tmp_path):
        with pytest.raises(DataError, match="ADE20K's full release.*SceneParsing release") as error:
            recognise(str(place))
        assert "is of the format" not in str(error.value)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path))
    with pytest.raises(DataError, match="ADE20K's full release"):
        recognise(str(tmp_path / "a.zip"))


@pytest.mark.parametrize("content, order", [
    ({"images": [], "categories": []}, ["no COCO: .* it has 'images', 'categories'", "no LabelMe", "no VIA"]),
    ({"images": 1, "shapes": [], "imagePath": ""}, ["no LabelMe|no COCO"]),
    ({"shapes": [], "version": "5"}, ["no LabelMe", "no COCO", "no VIA"]),
    ("{broken", ["no JSON"]),
    ("", ["the file is empty"]),
])
def test_why_a_json_file_is_of_no_format(tmp_path, content, order):
    path = made(tmp_path, a__json=content) / "a.json"
    assert unread_form(str(path)) is None
    said = why_not(str(path))
    assert len(said.split("; ")) >= len(order)
    for text, start in zip(said.split("; "), order):
        assert any(text.startswith(part.split(":")[0]) for part in start.split("|")), said


def test_why_a_table_or_text_is_of_no_format(tmp_path):
    path = made(tmp_path, a__csv="ImageId;Pixels;ClassId\n") / "a.csv"
    said = "a.csv: annotations of no known format: no CSV of run lengths: .*it has ImageId, Pixels"
    with pytest.raises(DataError, match=said):
        recognise(str(path))


@pytest.mark.parametrize("files, first", [
    ({}, "the folder is empty"),
    ({"result__json": {"images": [], "annotations": [], "categories": []}, "images___a__jpg": ""},
     "result.json in it is of the format coco: give that; COCO, VIA and CSVs are given by their file: result.json"),
    ({"a__jpg": "", "label_names__txt": "none\nshirt"}, "no label maps: .*a.jpg is no PNG"),
    ({"images___a__jpg": ""}, "no instance masks: it needs NAME/images"),
    ({"a__png": "no picture"}, "no label maps: .*a.png: not a readable label map"),
])
def test_why_a_folder_is_of_no_format(tmp_path, files, first):
    folder = tmp_path / "here"
    folder.mkdir()
    with pytest.raises(DataError, match=f"here: annotations of no known format: {first}"):
        recognise(str(made(folder, **files)))


def test_a_folder_of_photos_in_png_is_no_folder_of_label_maps(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="no label maps: a.png .*label_names.txt"):
        recognise(str(tmp_path))
    assert "label_maps" in READERS


def test_label_studios_brush_masks_are_named(tmp_path):
    for name in ("task-1-annotation-100-by-1-brush-Apfel-0.png", "task-2-annotation-101-by-1-brush-Birne-0.png"):
        Image.fromarray(np.full((4, 5), 255, np.uint8)).save(tmp_path / name)
    with pytest.raises(DataError, match="2 masks of Label Studio's brush as PNG, which name the task and the class, "
                                        "not the photo: export JSON, or COCO with images"):
        recognise(str(tmp_path))
    with pytest.raises(DataError, match="Label Studio's brush"):
        recognise(str(tmp_path), named=True)
