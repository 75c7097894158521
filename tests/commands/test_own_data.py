"""Data sets of a user's own program: how they are found out to be loaded, and what is told where they do not fit."""

import argparse
import json

import h5py
import numpy as np
import pytest
from PIL import Image

from mrcnn import utils
from mrcnn.commands.configs import DrawnConfig
from mrcnn.commands.datasets import open_data
from mrcnn.commands.detect import ids_of
from mrcnn.commands.main import build_parser, main
from mrcnn.commands.own_data import data_name, loading_method, parameters, reads, required
from mrcnn.commands.program import make_program
from mrcnn.commands.settings import base_config
from mrcnn.commands.training_options import check_data_options
from mrcnn.config import Config
from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.formats import coco
from mrcnn.data.unannotated import PhotoDataset
from mrcnn.errors import DataError, UsageError


class ShopConfig(Config):
    NAME = "shop"


class Shelves(utils.Dataset):
    """Photos of one mug each; `register` tells how many."""

    def register(self, count):
        self.add_class("shop", 1, "mug")
        for i in range(count):
            self.add_image("shop", i, f"{i}.png")

    def load_mask(self, image_id):
        return np.ones((4, 4, 1), bool), np.ones(1, np.int32)


class Matterports(Shelves):
    """As the samples of Matterport have it."""

    def load_balloon(self, dataset_dir, subset, year=2014):
        self.asked = dataset_dir, subset, year
        self.register(3 if subset == "train" else 2)


class Whole(Shelves):
    """All that a method may take."""

    def load(self, annotations, images=None, *, limit=None, on_error="raise", names=None, mapping=None, **more):
        self.asked = annotations, images, limit, on_error, names, mapping, more
        self.register(5 if limit is None else min(limit, 5))


class Ready(Shelves):
    """Needs no annotations."""

    def load_ready(self):
        self.register(4)


def options(dataset, config=ShopConfig, **given):
    names = ("images", "annotations", "names", "mapping", "format", "split", "part", "skip", "limit", "train", "val",
             "crowds", "matte", "min_area", "annotator")
    return argparse.Namespace(**{**dict.fromkeys(names), "on_error": "raise", "set": [],
                                 "boxes_as_masks": False, "keep_partial": False,
                                 "program": make_program(config, dataset), **given})


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.txt").write_text("mugs")
    return str(tmp_path / "a.txt")


def test_matterports_method_is_found_and_told_its_folder_and_part(tmp_path):
    folder = str(tmp_path)
    given = options(Matterports, annotations=folder)
    check_data_options(given)  # no --split, for it splits itself
    assert open_data(given, None, "train").asked == (folder, "train", 2014)
    dataset = open_data(given)
    assert dataset.asked == (folder, "val", 2014) and dataset.class_names == ["BG", "mug"]
    assert list(dataset.image_ids) == [0, 1]
    assert open_data(options(Matterports, annotations=folder, part="test")).asked[1] == "test"
    assert list(open_data(options(Matterports, annotations=folder, limit=1)).image_ids) == [0]
    with pytest.raises(UsageError, match="--split: Matterports.load_balloon splits the photos itself"):
        open_data(options(Matterports, annotations=folder, split="split.json"))
    with pytest.raises(UsageError, match="--images: Matterports.load_balloon takes no images"):
        open_data(options(Matterports, annotations=folder, images="photos"))


def test_a_method_is_given_the_options_that_it_has_parameters_for(path):
    given = {"images": "photos", "limit": 2, "on_error": "skip", "names": "names.txt", "mapping": "map.json"}
    dataset = open_data(options(Whole, annotations=path, **given))
    assert dataset.asked == (path, "photos", 2, "skip", "names.txt", "map.json", {}) and len(dataset.image_ids) == 2
    with pytest.raises(UsageError, match="has no parameter part .* --split FILE"):
        check_data_options(options(Whole, annotations=path))
    with pytest.raises(UsageError, match="--part needs the --split FILE"):
        open_data(options(Whole, annotations=path, part="val"))
    with pytest.raises(DataError, match="gone.txt: no such annotations"):
        open_data(options(Whole, annotations="gone.txt"))


def test_detect_gives_the_ids_of_the_programs_own_data(path, tmp_path):
    class Own(Shelves):
        def load(self, annotations):
            self.add_class("shop", 5, "mug")
            self.add_image("shop", 12, "elsewhere/b.png")

        @staticmethod
        def recognises(annotations):
            return annotations.endswith(".txt")

    photos = PhotoDataset().load_photos([str(tmp_path / "b.png")], ["BG", "mug"], None)
    photos.prepare()
    words = ["detect", "--image", str(tmp_path), "--annotations", path, "--limit", "1"]
    ids = ids_of(build_parser(make_program(ShopConfig, Own)).parse_args(words), photos)
    assert (ids.image_ids, ids.category_ids) == ({"b.png": 12}, {1: 5})


class Halves(Shelves):
    """Splits photos itself, into two parts."""

    def load_shop(self, dataset_dir, subset):
        assert subset in ("train", "val")
        self.add_class("shop", 5, "mug")
        self.add_image("shop", 12 if subset == "train" else 13, f"{dataset_dir}/{subset}.png")


def ids_of_halves(folder, annotations, dataset=Halves):
    looked_at = PhotoDataset().load_photos([f"{folder}/{part}.png" for part in ("train", "val")], ["BG", "mug"], None)
    looked_at.prepare()
    words = ["detect", "--image", str(folder), "--annotations", str(annotations)]
    return ids_of(build_parser(make_program(ShopConfig, dataset)).parse_args(words), looked_at)


def test_detect_gives_the_ids_of_all_parts_that_there_are(tmp_path, recwarn):
    """It asked for the part val alone, whatever photos were looked at."""
    ids = ids_of_halves(tmp_path, tmp_path)
    assert list(ids.image_ids.values()) == [12, 13] and ids.category_ids == {1: 5}
    told, = [str(one.message) for one in recwarn]
    assert told.startswith("Halves.load_shop gives no part test (AssertionError: ")

    class Empty(Halves):
        def load_shop(self, dataset_dir, subset):
            raise DataError(f"{subset} is empty")

    with pytest.raises(DataError, match="val is empty"):
        ids_of_halves(tmp_path, tmp_path, Empty)


def test_a_coco_file_has_its_own_ids_unless_the_data_set_recognises_it(tmp_path, capsys):
    path = tmp_path / "test.json"
    names = [{"id": 70 + i, "file_name": f"{part}.png"} for i, part in enumerate(("train", "val"))]
    path.write_text(json.dumps({"images": names, "categories": [{"id": 4, "name": "mug"}]}))
    ids = ids_of_halves(tmp_path, path)
    assert list(ids.image_ids.values()) == [70, 71] and ids.category_ids == {1: 4}
    assert "recognises(annotations) has it read by Halves.load_shop" in capsys.readouterr().out

    class Own(Halves):
        def load_shop(self, annotations):
            self.add_class("shop", 5, "mug")
            self.add_image("shop", 9, f"{tmp_path}/val.png")

        @staticmethod
        def recognises(annotations):
            return True

    with pytest.warns(UserWarning, match="1 of 2 photos are not in it"):
        assert list(ids_of_halves(tmp_path, path, Own).image_ids.values()) == [9]
    assert capsys.readouterr().out == ""


def test_commands_of_whole_data_tell_that_they_take_one_part(tmp_path, capsys):
    """Their help said that they take all."""
    assert len(open_data(options(Matterports, annotations=str(tmp_path), whole=True)).image_ids) == 2
    line = "{}: the part val alone is taken; --part takes another ({} photos)\n"
    assert capsys.readouterr().out == line.format("Matterports.load_balloon", 2)
    open_data(options(None, whole=True, limit=1))
    assert capsys.readouterr().out == line.format("the drawn pictures", 1)
    open_data(options(None, whole=True, limit=1, part="train"))
    open_data(options(Matterports, annotations=str(tmp_path)))
    assert capsys.readouterr().out == ""


def test_what_needs_no_annotations_stands_in_for_the_drawn_pictures():
    given = options(Ready)
    assert reads(given, None) and len(open_data(given).image_ids) == 4
    assert issubclass(base_config(given), ShopConfig)
    assert not reads(options(Whole), None)
    drawn = options(Whole, limit=2)
    assert "dress" in open_data(drawn).class_names
    # They are learned with the settings made for them, in runs of the program's name.
    assert issubclass(base_config(drawn), DrawnConfig) and base_config(drawn).NAME == "shop"


def test_what_messages_call_the_photos(path, monkeypatch):
    assert data_name(options(Ready)) == "Ready.load_ready" and data_name(options(Ready), path) == path
    assert data_name(options(Whole, annotations=path)) == path
    assert data_name(options(Whole)) == data_name(options(None)) == "the drawn pictures"
    with pytest.raises(UsageError, match="no such file, and Ready.load_ready have no parts of their own"):
        open_data(options(Ready, split="val"))


def test_classes_that_are_left_out_name_what_loads_the_photos():
    """A data set of the package's own kind, opened without annotations."""
    class Shop(AnnotatedDataset):
        def load_shop(self):
            for i, name in enumerate(("cup", "mug"), 1):
                self.add_category("shop", i, name)
            self.add_photo("shop", 0, "photos", "0.png", 4, 4)

    with pytest.warns(UserWarning, match="^Shop.load_shop: 1 class is left out with its objects .mug."):
        assert open_data(options(Shop, set=["CLASSES=cup"])).class_names == ["BG", "cup"]


@pytest.mark.parametrize("words", [["evaluate"], ["data", "suspects"], ["label", "--tune"]])
def test_commands_name_what_loads_the_photos(tmp_path, capsys, words):
    """Of weights that know other classes: the photos are no drawn pictures."""
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat"])
    given = ["--weights", str(tmp_path / "weights.h5"), "--logs", str(tmp_path)]
    assert main([*words, *given], config=ShopConfig, dataset=Ready) == 2
    error = capsys.readouterr().err
    assert "Ready.load_ready" in error and "drawn pictures" not in error and error.count("\n") == 1


def test_a_function_may_make_the_data_set(path):
    def shelves(annotations, part):
        dataset = Whole()
        dataset.load(annotations, images=part)
        return dataset

    assert open_data(options(shelves, annotations=path), None, "train").asked[:2] == (path, "train")
    with pytest.raises(UsageError, match="shelves gave NoneType: let it return a mrcnn.utils.Dataset"):
        def shelves(annotations):
            return None

        open_data(options(shelves, annotations=path))


def test_a_loader_without_on_error_is_validated_and_takes_skip(tmp_path, capsys):
    """The message named an option that nobody gave."""
    class Mugs(Shelves):
        def load(self, annotations):
            self.register(2)
            for info in self.image_info:
                info["path"] = str(tmp_path / info["path"])

    (tmp_path / "mugs").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "0.png")
    (tmp_path / "1.png").write_text("no photo")
    faults, given = str(tmp_path / "faults.json"), ["--annotations", str(tmp_path / "mugs")]
    assert main(["data", "validate", *given, "--output", faults], config=ShopConfig, dataset=Mugs) == 1
    assert "1.png" in capsys.readouterr().out
    (info,) = open_data(options(Mugs, annotations=given[1], skip=faults)).image_info
    assert info["path"].endswith("0.png")
    with pytest.raises(UsageError, match="--on-error: Mugs.load takes no on_error; leave the option out"):
        open_data(options(Mugs, annotations=given[1], on_error="skip"))
    assert open_data(options(Whole, annotations=given[1], skip=faults)).asked[3] == "skip"


def test_data_that_split_themselves_are_not_split(tmp_path, capsys):
    """It wrote a file of the part val that no command took."""
    given = ["data", "split", "--annotations", str(tmp_path), "--output", str(tmp_path / "split.json")]
    assert main(given, config=ShopConfig, dataset=Matterports) == 2
    assert "error: Matterports.load_balloon splits the photos itself, and takes no --split" in capsys.readouterr().err
    assert not (tmp_path / "split.json").exists()
    with pytest.raises(SystemExit):
        main([*given, "--help"], config=ShopConfig, dataset=Matterports)
    assert "val of drawn pictures" not in " ".join(capsys.readouterr().out.split())


def test_what_it_does_not_recognise_is_left_to_the_packages_readers(tmp_path, path):
    class Texts(Whole):
        @staticmethod
        def recognises(annotations):
            return annotations.endswith(".txt")

    assert reads(options(Texts), path) and not reads(options(Texts, format="coco"), path)
    (tmp_path / "a.json").write_text('{"images": [{"id": 1, "file_name": "b.jpg", "height": 4, "width": 4}], '
                                     '"annotations": [], "categories": [{"id": 1, "name": "cup"}]}')
    Image.new("RGB", (4, 4)).save(tmp_path / "b.jpg")
    dataset = open_data(options(Texts, annotations=str(tmp_path / "a.json")))
    assert isinstance(dataset, coco.CocoDataset) and dataset.class_names == ["BG", "cup"]


# --- What does not fit -----------------------------------------------------------------------------------------------


def test_a_data_set_that_does_not_fit_is_told_what_it_lacks(path):
    class Two(Shelves):
        def load_mugs(self, annotations):
            """One."""

        def load_plates(self, annotations):
            """Two."""

    class NoMask(utils.Dataset):
        def load(self, annotations):
            self.add_class("shop", 1, "mug")

    class Counting(Shelves):
        def load_count(self, count, height=4):
            self.register(count)

    class Nothing(Shelves):
        def load(self, annotations):
            """Registers nothing."""

    class NoPhoto(Shelves):
        def load(self, annotations):
            self.register(0)

    for dataset, error, message in (
        (Two, UsageError, "Two needs one method .* has load_mugs and load_plates: call the one of them load"),
        (Shelves, UsageError, "Shelves needs one method .* has none: call it load"),
        (NoMask, UsageError, "NoMask has no load_mask\\(image_id\\)"),
        (Counting, UsageError, "Counting.load_count has the parameter 'count', which no option is for: give it a defa"),
        (Nothing, UsageError, "Nothing.load registered no class: .*add_class"),
        (NoPhoto, DataError, "NoPhoto.load registered no photo: .*add_image"),
        (dict, UsageError, "dict is no data set: derive it from mrcnn.utils.Dataset"),
    ):
        with pytest.raises(error, match=message):
            open_data(options(dataset, annotations=path))


def test_methods_that_load_a_photo_register_nothing():
    class Shop(Shelves):
        def load_shop(self, annotations):
            """Registers."""

        def load_label_map(self, image_id):
            """Loads."""

    assert loading_method(Shop) == "load_shop" and parameters(Shop) == {"annotations": "annotations"}
    assert required(Shop) == {"annotations"} and required(Whole) == {"annotations"} and required(Ready) == set()


# --- Classes ---------------------------------------------------------------------------------------------------------


def test_classes_of_the_settings_have_to_be_those_of_the_data_set(path):
    class Listed(ShopConfig):
        CLASSES = ("mug",)

    assert open_data(options(Whole, Listed, annotations=path)).class_names == ["BG", "mug"]
    with pytest.raises(UsageError, match="CLASSES of Listed are cup, plate, .*Whole.load registers mug"):
        open_data(options(Whole, Listed, annotations=path, set=['CLASSES=["cup", "plate"]']))
