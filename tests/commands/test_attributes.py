"""Attributes from the options of `train` to what `detect` and `evaluate` write, on drawn pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.architectures import load
from mrcnn.commands import main as fashion
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.runs import load_pretrained, start_model
from mrcnn.commands.settings import new_config, overrides_of
from mrcnn.data.attributes import learned_attributes
from mrcnn.errors import UsageError
from mrcnn.model import MaskRCNN
from tests.tiny import TinyConfig

pytestmark = pytest.mark.usefixtures("eagerly")


class DrawnTiny(TinyConfig):
    NUM_CLASSES = 9
    IMAGES_PER_GPU = 1
    ATTRIBUTE_MIN_CONFIDENCE = 0.4


@pytest.fixture(scope="module")
def data():
    return drawn_pictures("train", 12)


@pytest.fixture(scope="module")
def checkpoint(data, tmp_path_factory):
    """Path of an untrained network of the drawn clothes and their attributes."""
    folder = tmp_path_factory.mktemp("attributes") / "fashion20270101T0000"
    folder.mkdir()
    model = MaskRCNN("training", DrawnTiny(**learned_attributes(data)), str(folder.parent))
    model.class_names, model.epoch = list(data.class_names), 1
    model.save_weights(folder / "mask_rcnn_fashion_0001.h5")
    return folder / "mask_rcnn_fashion_0001.h5"


def config_of(data, *arguments):
    options = fashion.build_parser().parse_args(["train", *arguments])
    return new_config(options, overrides_of(options), data)


def test_the_option_takes_the_attributes_of_the_training_data(data, capsys):
    assert config_of(data).ATTRIBUTES is None and capsys.readouterr().out == ""
    config = config_of(data, "--attributes")
    config.check()
    assert config.ATTRIBUTES[:2] == ["sleeves: none", "sleeves: short"] and "pattern: dots" in config.ATTRIBUTES
    pairs = dict(zip(data.class_names, config.ATTRIBUTE_PAIRS, strict=True))
    places = {name: place for place, name in enumerate(config.ATTRIBUTES)}
    assert places["neckline: v"] in pairs["top"] and places["neckline: v"] not in pairs["pants"]
    assert pairs["sunglasses"] == pairs["BG"] == []
    told = capsys.readouterr().out
    assert f"Attributes: {len(config.ATTRIBUTES)} are learned, of " in told and " of 8 classes" in told
    chosen = config_of(data, "--attributes", "--set", 'ATTRIBUTES=["pattern: dots", "length: long"]')
    assert chosen.ATTRIBUTES == ["pattern: dots", "length: long"]


def test_pairs_of_the_user_stand(data, capsys):
    pairs = [[], *([[0]] * 8)]
    config = config_of(data, "--attributes", "--set", 'ATTRIBUTES=["pattern: dots"]', "--set",
                       f"ATTRIBUTE_PAIRS={json.dumps(pairs)}")
    assert config.ATTRIBUTE_PAIRS == pairs and "ATTRIBUTE_PAIRS as you gave them" in capsys.readouterr().out
    with pytest.raises(UsageError, match="ATTRIBUTE_PAIRS counts places of ATTRIBUTES: --set ATTRIBUTES too"):
        config_of(data, "--attributes", "--set", f"ATTRIBUTE_PAIRS={json.dumps(pairs)}")


def test_other_networks_have_none(data):
    with pytest.raises(UsageError, match="--attributes: YOLACT has no attributes; Mask R-CNN has: leave"):
        config_of(data, "--architecture", "yolact", "--attributes")


def test_a_new_run_from_weights_with_attributes_learns_them_only_if_asked(data, checkpoint, capsys):
    config = config_of(data, "--weights", str(checkpoint))
    assert config.ATTRIBUTES is None and config.ATTRIBUTE_PAIRS is None
    learned = learned_attributes(data)["ATTRIBUTES"]
    assert f"knows {len(learned)} attributes, which this run does not learn: --attrib" in capsys.readouterr().out
    assert config_of(data, "--weights", str(checkpoint), "--attributes").ATTRIBUTES == learned


def test_a_network_without_attributes_may_begin_one_with_them(data, tmp_path, capsys):
    options = fashion.build_parser().parse_args(["train", "--logs", str(tmp_path)])
    plain = MaskRCNN("training", DrawnTiny(), str(tmp_path))
    plain.class_names = list(data.class_names)
    plain.save_weights(tmp_path / "plain.h5")
    settings = learned_attributes(data)
    model = MaskRCNN("training", DrawnTiny(SEED=7, **settings), str(tmp_path))
    begun = [np.asarray(weight) for weight in model.training_model.get_layer("mrcnn_attribute").weights]
    load_pretrained(model, str(tmp_path / "plain.h5"), options, data)
    capsys.readouterr()
    for name in ("mrcnn_class_conv1", "mrcnn_mask"):
        layers = [one.training_model.get_layer(name).kernel for one in (model, plain)]
        np.testing.assert_array_equal(*map(np.asarray, layers))
    for weight, before in zip(model.training_model.get_layer("mrcnn_attribute").weights, begun, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), before)


def test_a_run_without_attributes_is_not_resumed_with_them(data, tmp_path):
    folder = tmp_path / "fashion20270101T0000"
    folder.mkdir()
    plain = MaskRCNN("training", DrawnTiny(), str(tmp_path))
    plain.class_names, plain.epoch = list(data.class_names), 1
    plain.save_weights(folder / "mask_rcnn_fashion_0001.h5")
    options = fashion.build_parser().parse_args(["train", "--weights", "last", "--attributes", "--logs", str(tmp_path)])
    with pytest.raises(UsageError, match="was trained without attributes.* begin one from .* --weights .*0001"):
        start_model(options, {}, data)


def test_detect_names_them_and_writes_a_submission(checkpoint, tmp_path, capsys):
    config = load(checkpoint).config
    names = drawn_pictures("val", 1).class_names
    (tmp_path / "names.json").write_text(json.dumps({
        "categories": [{"id": i, "name": name} for i, name in enumerate(names[1:])],
        "attributes": [{"id": 100 + i, "name": name} for i, name in enumerate(config.ATTRIBUTES)]}))
    code = fashion.main(["detect", "--weights", str(checkpoint), "--limit", "1", "--output", str(tmp_path / "out"),
                         "--submission", str(tmp_path / "s.csv"), "--names", str(tmp_path / "names.json")])
    results = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert code == 0 and len(results) > 3
    for result in results:
        possible = {config.ATTRIBUTES[i] for i in config.ATTRIBUTE_PAIRS[result["category_id"]]}
        assert set(result["attribute_scores"]) == possible  # an untrained network says about 0.5 of all
        ids = {name: i for i, name in drawn_pictures("val", 1).attribute_names.items()}
        assert result["attribute_ids"] == sorted(ids[name] for name in result["attributes"])
        assert all(0.4 <= score < 0.7 for score in result["attributes"].values())
    rows = (tmp_path / "s.csv").read_text().splitlines()
    assert rows[0] == "ImageId,EncodedPixels,ClassId" and any("_10" in row.rpartition(",")[2] for row in rows[1:])
    assert "s.csv: " in capsys.readouterr().out


def test_a_submission_counts_photos_that_cannot_be_read_and_that_exif_turns(checkpoint, tmp_path, capsys):
    names = drawn_pictures("val", 1).class_names
    (tmp_path / "names.json").write_text(json.dumps({
        "categories": [{"id": i, "name": name} for i, name in enumerate(names[1:])],
        "attributes": [{"id": i, "name": name} for i, name in enumerate(load(checkpoint).config.ATTRIBUTES)]}))
    (tmp_path / "photos").mkdir()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(drawn_pictures("val", 1).load_image(0)).save(tmp_path / "photos" / "a.png", exif=exif)
    (tmp_path / "photos" / "b.jpg").write_bytes(b"no photo")
    code = fashion.main(["detect", "--weights", str(checkpoint), "--image", str(tmp_path / "photos"), "--output",
                         str(tmp_path / "out"), "--drawings", "none", "--submission", str(tmp_path / "s.csv"),
                         "--names", str(tmp_path / "names.json"), "--submission-form", "2020"])
    told = capsys.readouterr().out
    assert code == 2 and "objects of 1 photos, in the form of 2020 (as asked for); 1 photos that cannot be read" in told
    assert "1 photos are turned by their EXIF (first: a.png): their pixels count upright" in told
    rows = (tmp_path / "s.csv").read_text().splitlines()
    assert rows[0] == "ImageId,EncodedPixels,ClassId,AttributesIds"
    assert rows[1:] and all(row.startswith("a,") for row in rows[1:])


@pytest.mark.parametrize("options, message", [
    (["--submission", "s.csv"], "--submission needs --names label_descriptions.json"),
    (["--names", "n.json"], "--names numbers the classes of --submission FILE: give both"),
    (["--submission-form", "2020"], "--submission-form says how --submission FILE is written: give both"),
    (["--submission-as-stored"], "--submission-as-stored says how --submission FILE is written: give both"),
])
def test_a_submission_needs_both_options(checkpoint, options, message, capsys):
    assert fashion.main(["detect", "--weights", str(checkpoint), "--limit", "1", *options]) == 2
    assert message in capsys.readouterr().err


def test_evaluate_measures_them(checkpoint, tmp_path, capsys):
    with pytest.warns(UserWarning, match="1 attributes of the data are left out of the figures") as warned:
        code = fashion.main(["evaluate", "--weights", str(checkpoint), "--limit", "2", "--output", str(tmp_path)])
    told, metrics = capsys.readouterr().out, json.loads((tmp_path / "metrics.json").read_text())
    assert not code and "Masks and attributes: AP_IoU+F1 " in told
    truth = json.loads((tmp_path / "ground_truth.json").read_text())
    # One that no picture of the training has: what the network does not know is not held against it.
    unknown = {entry["name"] for entry in truth["attributes"]} - set(load(checkpoint).config.ATTRIBUTES)
    assert len(truth["attributes"]) == 21 and len(unknown) == 1
    assert {row["name"] for row in metrics["attributes"]["classes"]} == set(load(checkpoint).config.ATTRIBUTES)
    assert any(f"does not know them: {min(unknown)}." in str(warning.message) for warning in warned)
    assert all(isinstance(entry["attribute_ids"], list) for entry in truth["annotations"])
    assert "<h2>Attributes</h2>" in (tmp_path / "report.html").read_text()
