"""The data that the options of a command stand for."""

import argparse
import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.commands import datasets as fashion_datasets
from mrcnn.commands.main import main
from mrcnn.commands.program import Program
from mrcnn.data.annotated import Fault
from mrcnn.data.curation.splits import write_split
from mrcnn.data.curation.validate import read_faults, write_faults
from mrcnn.errors import DataError, UsageError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CCP = pathlib.Path(ROOT).parent / "shared" / "data" / "ccp"


def options(**given):
    names = ("images", "annotations", "names", "mapping", "format", "split", "part", "skip", "limit", "crowds",
             "matte", "min_area", "annotator", "labels", "boxes", "counts", "channels", "first_label")
    flags = {"on_error": "raise", "keep_partial": False, "boxes_as_masks": False, "set": [], "program": Program()}
    return argparse.Namespace(**{**dict.fromkeys(names), **flags, **given})


@pytest.fixture
def photos(tmp_path):
    """COCO annotations of four photos, each with one object but the last, whose object has no pixel."""
    for i in range(4):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"{i}.png")
    square = [[2, 2, 9, 2, 9, 9, 2, 9]]
    (tmp_path / "a.json").write_text(json.dumps({
        "images": [{"id": i, "file_name": f"{i}.png", "height": 20, "width": 30} for i in range(4)],
        "categories": [{"id": 1, "name": "hat"}],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "segmentation": square if i < 3 else []}
                        for i in range(4)],
    }))
    parts = {"train": ["2.png", "0.png"], "val": ["3.png", "1.png"]}
    write_split(str(tmp_path / "split.json"), {"seed": 0, "method": "random", "parts": parts})
    return tmp_path


def names_of(dataset):
    return [dataset.image_info[i]["file_name"] for i in dataset.image_ids]


def test_split_skip_and_limit_choose_photos_in_this_order(photos):
    path, split = str(photos / "a.json"), str(photos / "split.json")
    with pytest.raises(DataError, match="no segmentation"):
        fashion_datasets.open_data(options(annotations=path))
    with pytest.warns(UserWarning, match="left out 1 photo that lost 1 object"):
        dataset = fashion_datasets.open_data(options(annotations=path, on_error="skip", split=split))
    assert names_of(dataset) == ["1.png"]
    kept = {"annotations": path, "keep_partial": True}
    with pytest.warns(UserWarning, match="skipped 3.png, object 0"):
        dataset = fashion_datasets.open_data(options(**kept, on_error="skip", split=split))
    assert sorted(names_of(dataset)) == ["1.png", "3.png"]  # "val" is the part that is meant without --part
    write_faults(str(photos / "faults.json"), [Fault("1.png", "unreadable", "broken"),
                                               Fault("3.png", "empty mask", "no segmentation", 0)])
    skipping = {**kept, "skip": str(photos / "faults.json")}
    with pytest.warns(UserWarning):
        dataset = fashion_datasets.open_data(options(**skipping))
        assert names_of(dataset) == ["0.png", "2.png", "3.png"] and dataset.object_count(2) == 0
        assert names_of(fashion_datasets.open_data(options(**skipping, limit=2))) == ["0.png", "2.png"]
        assert names_of(fashion_datasets.open_data(options(**skipping, split=split, part="val"))) == ["3.png"]
    write_faults(str(photos / "all.json"), [Fault(f"{i}.png", "unreadable", "broken") for i in range(4)])
    with pytest.raises(DataError, match="No photo remains"), pytest.warns(UserWarning):
        fashion_datasets.open_data(options(annotations=path, skip=str(photos / "all.json")))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("more", [[], [Fault("1.png", "damaged", "broken")], [Fault("2.png", "name", "no hat", 0)]])
def test_what_the_reader_left_out_is_told_once(photos, late, more, recwarn):
    """`data validate` lists it too, and --skip FILE told two lost objects of a photo that lost one, or the same ones
    again where the list has more.
    """
    path, faults = photos / "a.json", str(photos / "faults.json")
    content = json.loads(path.read_text())
    content["annotations"].append({**content["annotations"][0], "id": 9} | (
        {"segmentation": {"size": [20, 30], "counts": "1"}} if late else {"category_id": 7}))
    path.write_text(json.dumps(content))
    assert main(["data", "validate", "--annotations", str(path), "--output", faults]) == 1
    write_faults(faults, [*read_faults(faults), *more])
    recwarn.clear()
    kept = fashion_datasets.open_data(options(annotations=str(path), skip=faults, keep_partial=True))
    assert kept.object_count(0) == 1
    told = [str(told.message) for told in recwarn if "that lost" in str(told.message)]
    assert told == [f"{path}: kept 2 photos that lost 2 objects (first: 0.png): what was lost is taught as "
                    "background there.",
                    *(f"{faults}: kept 1 photo that lost 1 object (first: 2.png): what was lost is taught as "
                      "background there." for fault in more if fault.number is not None)]


def test_all_data_options_that_are_given_are_named():
    """--first-label 0 is given, as 0 is not None; --on-error raise is what holds without it."""
    given = options(mapping="ccp-13", min_area=5, first_label=0, keep_partial=True, matte=(0, 0, 0), limit=3)
    assert fashion_datasets.given_data_options(given, "matte") == [
        "--mapping", "--keep-partial", "--min-area", "--first-label"]
    assert fashion_datasets.given_data_options(options()) == []


def test_drawn_pictures_stand_in_for_no_annotations_alone():
    assert len(fashion_datasets.open_data(options(limit=2)).image_ids) == 2
    with pytest.raises(UsageError, match="--mapping needs annotations"):
        fashion_datasets.open_data(options(mapping="ccp-13"))
    with pytest.raises(UsageError, match="--min-area, --annotator need annotations"):
        fashion_datasets.open_data(options(min_area=9, annotator="me"))
    assert len(fashion_datasets.open_data(options(part="train", limit=1)).image_ids) == 1
    with pytest.raises(UsageError, match="CLASSES: the drawn pictures have their own classes"):
        fashion_datasets.open_data(options(set=["CLASSES=shoe"], limit=1))


def test_a_part_that_drawn_pictures_lack_is_told_with_those_they_have():
    with pytest.raises(UsageError, match="--part dev: the drawn pictures have the parts train, val, test: take one"):
        fashion_datasets.open_data(options(part="dev", limit=1))
    usual, other = (fashion_datasets.open_data(options(part=part, limit=1)) for part in ("val", "validation"))
    assert (usual.load_image(0) == other.load_image(0)).all()  # as of data that carry splits of their own


@pytest.mark.skipif(not CCP.exists(), reason=f"{CCP} is not here: the iMaterialist form of real photos is not read")
def test_the_csv_brings_the_class_names_of_its_label_descriptions():
    dataset = fashion_datasets.open_data(options(annotations=str(CCP / "imaterialist" / "val.csv"),
                                                 images=str(CCP / "photos"), limit=3))
    content = json.loads((CCP / "imaterialist" / "label_descriptions.json").read_text())
    assert dataset.class_names[1:] == [entry["name"] for entry in content["categories"]]
    assert dataset.num_classes == 47


def test_names_tell_that_a_folder_of_pictures_is_one_of_label_maps(tmp_path):
    """As CamVid's: coloured maps called otherwise than their photos, with the names in a file elsewhere."""
    for name in ("maps", "photos"):
        (tmp_path / name).mkdir()
    colours = np.zeros((12, 16, 3), np.uint8)
    colours[:, :8] = 64, 0, 128
    Image.fromarray(colours).save(tmp_path / "maps" / "a_L.png")
    Image.fromarray(colours // 2 + np.uint8(7)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "classes.csv").write_text("name,r,g,b\nCar,64,0,128\nVoid,0,0,0\n")
    given = {"annotations": str(tmp_path / "maps"), "images": str(tmp_path / "photos")}
    with pytest.warns(UserWarning, match="first: 0, Void"):
        dataset = fashion_datasets.open_data(options(**given, names=str(tmp_path / "classes.csv")))
    assert dataset.class_names == ["BG", "Car"]


def test_how_a_format_is_read_is_passed_on(photos):
    content = json.loads((photos / "a.json").read_text())
    for annotation in content["annotations"]:
        annotation.update(segmentation=[], bbox=[2, 2, 7, 7])
    (photos / "a.json").write_text(json.dumps(content))
    path = str(photos / "a.json")
    with pytest.raises(DataError, match="--boxes-as-masks"):
        fashion_datasets.open_data(options(annotations=path))
    with pytest.warns(UserWarning, match="a draft"):
        dataset = fashion_datasets.open_data(options(annotations=path, boxes_as_masks=True))
    assert [dataset.object_count(i) for i in dataset.image_ids] == [1] * 4
    (photos / "a.csv").write_text("ImageId,EncodedPixels\n0,1 2\n")
    with pytest.raises(DataError, match="a.csv: .*takes no crowds"):
        fashion_datasets.open_data(options(annotations=str(photos / "a.csv"), crowds="objects"))


def test_what_is_left_is_counted_before_a_network_is_built(photos):
    path = str(photos / "a.json")
    with pytest.warns(UserWarning, match="left out"):
        dataset = fashion_datasets.open_data(options(annotations=path, on_error="skip"))
    with pytest.warns(UserWarning, match="a.json: .*1 of 4 photos left out"):
        fashion_datasets.check_objects(dataset, "a.json", "train")
    for info in dataset.image_info:
        info["dropped"] = frozenset([0])
    with pytest.raises(DataError, match="none of 3 photos has an object to measure on"):
        fashion_datasets.check_objects(dataset, "a.json", "measure")
    fashion_datasets.check_objects(fashion_datasets.open_data(options(limit=1)), "drawn pictures", "train")


def test_validation_data_of_other_classes_is_refused_with_the_first_that_differs():
    training, other = (argparse.Namespace(class_names=names) for names in (["BG", "hat", "coat"], ["BG", "hat"]))
    with pytest.raises(DataError, match="t.json has the classes hat, coat, but v.json has hat: class 2 is 'coat' there "
                                        "and none here.*same order.*--set CLASSES"):
        fashion_datasets.check_same_classes(training, other, "t.json", "v.json")


def test_equal_lists_of_categories_serve_together_and_classes_may_be_typed_as_a_text(photos):
    content = json.loads((photos / "a.json").read_text())
    content["categories"] = [{"id": 1, "name": "hat"}, {"id": 2, "name": "cap", "supercategory": "hat"}]
    content["annotations"] = content["annotations"][:2]
    (photos / "a.json").write_text(json.dumps(content))  # with hats
    for entry in content["annotations"]:
        entry["category_id"] = 2
    (photos / "b.json").write_text(json.dumps(content))  # with caps alone
    training, other = (fashion_datasets.open_data(options(annotations=str(photos / name)))
                       for name in ("a.json", "b.json"))
    assert other.class_names == ["BG", "cap"]
    with pytest.warns(UserWarning, match="hat: kept as a class, .*: a.json has it as a class"):
        fashion_datasets.check_same_classes(training, other, "a.json", "b.json")
    assert training.class_names == other.class_names == ["BG", "hat", "cap"]
    assert other.object_classes(0).tolist() == [2]
    for text in ("CLASSES=cap,hat", "CLASSES=cap, hat", 'CLASSES=["cap", "hat"]'):
        with pytest.warns(UserWarning, match="hat: kept as a class, .*: CLASSES names it"):
            dataset = fashion_datasets.open_data(options(annotations=str(photos / "b.json"), set=[text]))
        assert dataset.class_names == ["BG", "cap", "hat"]
    dataset = fashion_datasets.open_data(options(annotations=str(photos / "a.json"), set=["CLASSES=wear=hat+cap"]))
    assert dataset.class_names == ["BG", "wear"] and dataset.object_classes(0).tolist() == [1]
    with pytest.warns(UserWarning, match="no class hat, and all classes that CLASSES makes of such"):
        dataset = fashion_datasets.open_data(options(annotations=str(photos / "b.json"), set=["CLASSES=cap=hat+cap"]))
    assert dataset.class_names == ["BG", "cap"] and dataset.object_classes(0).tolist() == [1]
    with pytest.raises(DataError, match="'cup' are none of the data's.*'cap'.*, each once, as 'CLASSES="):
        fashion_datasets.open_data(options(annotations=str(photos / "b.json"), set=["CLASSES=cup"]))
