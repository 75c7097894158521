"""train(): what callbacks of Keras and of a script make of the learning rate, also over an interruption."""

import json
import os

import h5py
import keras
import numpy as np
import pytest
from tiny import Squares
from tiny_pixels import SHARED
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.architectures.pixels import UNet
from mrcnn.architectures.trainable import checked_arguments
from mrcnn.errors import CheckpointError, ConfigError, DataError
from mrcnn.training.history import read_history_rows
from mrcnn.training.state import state_path
from mrcnn.training.validation import validation_callbacks

pytestmark = pytest.mark.usefixtures("eagerly")
RATE = 1e-3


def test_a_rate_that_keras_callbacks_lowered_is_in_the_state_of_the_same_epoch(tmp_path):
    data = Squares().load(4)
    lower = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=1e9)  # no gain but the first
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.train(data, None, RATE, 2, "all", custom_callbacks=[lower])
    again = TinySemantic("training", TinySettings(), str(tmp_path))
    again.load_weights(model.find_last())
    again.train(data, None, RATE, 3, "all")
    rows = read_history_rows(os.path.join(again.log_dir, "history.csv"))
    assert [float(row["learning_rate"]) / RATE for row in rows] == pytest.approx([1, 1, 0.5])


def test_a_warm_up_that_is_cut_is_told_where_its_stage_begins(tmp_path, capsys):
    model = TinySemantic("training", TinySettings(WARMUP_STEPS=50), str(tmp_path))
    model.train(Squares().load(4), None, RATE, 1, "all")
    said = "WARMUP_STEPS=50: the rate climbs over the one step of an epoch"
    assert capsys.readouterr().out.count(said) == 1
    again = TinySemantic("training", TinySettings(WARMUP_STEPS=50), str(tmp_path))
    again.load_weights(model.find_last())
    again.train(Squares().load(4), None, RATE, 2, "all")  # the same stage goes on
    assert said not in capsys.readouterr().out


def test_one_worker_alone_is_not_to_change_the_rate(tmp_path):
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.devices.workers = 2
    with pytest.raises(ConfigError, match="LearningRateScheduler would change .* of one worker.*LR_SCHEDULE"):
        model._callbacks(None, {}, [keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4)])


def named(*names):
    """Four pictures of Squares whose classes are called otherwise."""
    data = Squares().load(4)
    data.class_names = ["BG", *names]
    return data


def test_data_of_other_classes_is_not_trained_on(tmp_path):
    data, other = Squares().load(4), named("green", "red", "blue")
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    with pytest.raises(DataError, match="training data has red, green, blue, but the validation data has green, red"):
        model.train(data, other, RATE, 1, "all")
    assert model.class_names is None and not os.listdir(tmp_path)
    model.train(data, named("red, dark", "green", "blue"), RATE, 1, "all")
    for measured in (model.losses_on, model.measure):
        with pytest.raises(DataError, match="class 1 is 'red' there and 'green' here"):
            measured(other)
    again = TinySemantic("training", TinySettings(), str(tmp_path / "again"))
    again.load_weights(model.find_last())
    with pytest.raises(DataError, match="The network knows red, green, blue, .*label_logits.*model.class_names"):
        again.train(other, None, RATE, 2, "all")
    again.class_names = list(other.class_names)
    again._take_classes(other, None)  # a user may say that they mean the same


def test_names_of_classes_come_with_their_layers_alone(tmp_path):
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.class_names, path = ["BG", "hat", "coat", "bag"], str(tmp_path / "hats.h5")
    model.save_weights(path)
    layers = model.training_model.layout.class_layers
    other = next(layer.name for layer in model.training_model.layers if layer.weights and layer.name not in layers)
    for exclude, names in ((layers, None), ([other], ["BG", "hat", "coat", "bag"])):
        again = TinySemantic("training", TinySettings(), str(tmp_path))
        again.load_weights(path, exclude=exclude)
        assert again.class_names == names


def test_a_run_is_gone_on_with_by_its_own_network_alone(tmp_path, capsys):
    def network(mode="training", name="tiny"):
        return TinySemantic(mode, TinySettings(NAME=name), str(tmp_path))

    data, mugs = Squares().load(4), network()
    mugs.train(data, None, RATE, 2, "all")
    first, files = mugs.checkpoint_path.format(epoch=1), sorted(os.listdir(mugs.log_dir))
    layers = mugs.training_model.layout.class_layers
    for name, exclude, told in (("tiny", layers, "layers were left out"), ("shop", None, "NAME is shop")):
        shop = network(name=name)
        shop.load_weights(first, exclude=exclude)
        assert told in (out := capsys.readouterr().out) and "begin a new run, at epoch 0" in out
        assert shop.epoch == 0 and shop.log_dir != mugs.log_dir
        shop.train(data, None, RATE, 1, "all")
        assert shop.epoch == 1 and os.path.isfile(shop.checkpoint_path.format(epoch=1))
        assert sorted(os.listdir(mugs.log_dir)) == files
    again, looking = network(), network("inference", "shop")
    for model, epoch in ((again, 1), (looking, 1)):
        model.load_weights(first)
        assert "new run" not in capsys.readouterr().out
        assert (model.epoch, model.log_dir) == (epoch, mugs.log_dir)


def test_a_checkpoint_of_odd_settings_is_gone_on_from(tmp_path, capsys):
    data = Squares().load(4)
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.train(data, None, RATE, 1, "all")
    path = model.find_last()
    written = {**model.config.to_dict(), "MEAN_PIXEL": ["a"], "LOSS_WEIGHTS": 3, "ACCUMULATE_STEPS": "a"}
    with h5py.File(path, "a") as file:
        file.attrs["mrcnn_config"] = np.bytes_(json.dumps(written))
    again = TinySemantic("training", TinySettings(), str(tmp_path))
    again.load_weights(path)
    assert "settings that cannot be: ACCUMULATE_STEPS='a', LOSS_WEIGHTS=3, MEAN_PIXEL=['a']" in capsys.readouterr().out
    again.train(data, None, RATE, 2, "all")


def test_a_checkpoint_with_a_damaged_state_leaves_the_network_as_it_was(tmp_path):
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.train(Squares().load(4), None, RATE, 1, "all")
    path = model.find_last()
    with open(state_path(path), "wb") as file:
        file.write(b"damaged")
    new = TinySemantic("training", TinySettings(), str(tmp_path))
    before, folder = new.training_model.get_weights(), new.log_dir
    with pytest.raises(CheckpointError, match=r"0001\.state\.h5"):
        new.load_weights(path)
    assert all(map(np.array_equal, new.training_model.get_weights(), before)) and new.log_dir == folder
    used = TinySemantic.from_checkpoint(path)  # for use nobody needs the state
    assert used.epoch == 1 and used.log_dir == model.log_dir
    assert all(map(np.array_equal, used.training_model.get_weights(), model.training_model.get_weights()))


def test_photos_that_are_validated_with_too_are_told(tmp_path):
    data = Squares().load(2)
    for info in data.image_info:
        info["path"] = str(tmp_path / info["path"])
        open(info["path"], "w").close()
    with pytest.warns(UserWarning, match="2 of 2 validation photos are training photos too .first: .*square0.png"):
        TinySemantic("training", TinySettings(), str(tmp_path / "logs")).train(data, data, RATE, 1, "all")


def test_test_photos_that_are_trained_on_are_told(tmp_path):
    data, test = Squares().load(2), Squares().load(1)
    test.image_info[0]["path"] = data.image_info[0]["path"] = str(tmp_path / "square.png")
    open(tmp_path / "square.png", "w").close()
    model = TinySemantic("training", TinySettings(), str(tmp_path / "logs"))
    callbacks = validation_callbacks(model, Squares().load(1), test=test)
    with pytest.warns(UserWarning, match="1 of 1 test photos are training photos too .first: .*square.png"):
        model.train(data, Squares().load(1), RATE, 1, "all", custom_callbacks=iter(callbacks))


def test_a_forgotten_prepare_is_told(tmp_path):
    model, data = TinySemantic("training", TinySettings(), str(tmp_path)), Squares().load(1)
    for given in ((Squares(), None), (data, Squares())):
        with pytest.raises(DataError, match="Squares is not prepared: call its prepare"):
            model.train(*given, RATE, 1, "all")


@pytest.mark.parametrize("given, message", [
    ({"learning_rate": None}, "learning_rate=None: give a number .*config.LEARNING_RATE"),
    ({"learning_rate": "1e-3"}, "learning_rate='1e-3': give a number"),
    ({"learning_rate": float("nan")}, "learning_rate=nan: give a number"),
    ({"learning_rate": -1}, "learning_rate=-1: give a number of 0 or more"),
    ({"epochs": 1.5}, "epochs=1.5: give a whole number"),
    ({"epochs": None}, "epochs=None: give a whole number"),
    ({"epochs": float("inf")}, "epochs=inf: give a whole number"),
    ({"layers": ["heads"]}, r'layers=\[.heads.\]: give the name of a stage, such as "heads"'),
    ({"custom_callbacks": [keras.callbacks.EarlyStopping]}, "has .*EarlyStopping.*, which is no Keras callback: call"),
    ({"custom_callbacks": keras.callbacks.ModelCheckpoint("x.keras")}, "'x.keras'.* keeps whole .*=True and a name"),
    ({"custom_callbacks": 3}, "custom_callbacks has 3, which is no Keras callback: give instances"),
])
def test_arguments_that_cannot_be_are_refused_before_a_run_is_begun(tmp_path, given, message):
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        model.train(Squares().load(2), None, **{"learning_rate": RATE, "epochs": 1, "layers": "all", **given})
    assert not os.listdir(tmp_path) and model.class_names is None


def test_one_callback_is_a_list_of_one_and_numbers_come_in_any_type():
    callback = keras.callbacks.LambdaCallback()
    assert checked_arguments(np.float32(0.5), 2.0, "all", callback) == (0.5, 2, [callback])
    assert checked_arguments(0, np.int64(3), "all", (callback, callback)) == (0.0, 3, [callback, callback])
    rate, epochs, callbacks = checked_arguments(1, 2.0, "all", None)
    assert (type(rate), type(epochs), callbacks) == (float, int, [])


def test_settings_that_a_resumed_training_changes_are_told_once(tmp_path, capsys):
    data = Squares().load(4)
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.train(data, None, RATE, 1, "all")
    assert "other settings than before" not in capsys.readouterr().out
    for changed, told in (({"WORKERS": 1, "TEST_FLIP": True}, 0), ({"WEIGHT_DECAY": 0.5, "SEED": 3}, 1)):
        again = TinySemantic.from_checkpoint(model.find_last(), mode="training", **changed)
        for _ in range(2):
            again.train(data, None, RATE, again.epoch + 1, "all")
        said = "other settings than before: SEED=3 (was 0), WEIGHT_DECAY=0.5 (was 0.0001)."
        assert capsys.readouterr().out.count(said) == told
    # The same file as the start of a new run is no run that goes on.
    again.save_weights(tmp_path / "start.h5")
    new = TinySemantic("training", TinySettings(), str(tmp_path))
    new.load_weights(tmp_path / "start.h5")
    new.train(data, None, RATE, 1, "all")
    assert "other settings than before" not in capsys.readouterr().out


def test_settings_of_no_effect_are_told_where_a_training_begins(tmp_path):
    model = TinySemantic("training", TinySettings(LEARNING_MOMENTUM=0.5), str(tmp_path))
    model._fit = lambda *_: None  # what comes before it is enough
    with pytest.warns(UserWarning, match="LEARNING_MOMENTUM=0.5 has no effect: OPTIMIZER=adamw has momenta"):
        model.train(Squares().load(2), None, RATE, 1, "all")


def test_shapes_of_batches_are_looked_at_where_a_training_begins(tmp_path, monkeypatch):
    model, asked = TinySemantic("training", TinySettings(), str(tmp_path)), []
    model._fit = lambda *_: None
    monkeypatch.setattr("mrcnn.architectures.trainable.warn_of_shapes", asked.append)
    model.train(Squares().load(2), None, RATE, 1, "all")
    assert asked == [model.config]


def test_norms_of_a_nested_backbone_stay_as_they_are(tmp_path):
    """TRAIN_BN=False: a step changes the convolutions, and neither scale and shift nor statistics of the norms."""
    def nested(image):
        x = inner = keras.Input((None, None, 3))
        maps = []
        for level in range(5):
            x = keras.layers.Conv2D(4, 3, 2, "same", name=f"conv{level}")(x)
            x = keras.layers.BatchNormalization(momentum=0.1, name=f"norm{level}")(x)
            maps.append(x)
        return keras.Model(inner, maps, name="nested")(image)

    model = UNet("training", UNet.settings(**{**SHARED, "NORM": "group", "TRAIN_BN": False}, BACKBONE=nested,
                                           UNET_ENCODER="backbone", UNET_CHANNELS=4), str(tmp_path))
    layers = {layer.name: layer for layer in model.training_model.get_layer("nested").layers if layer.weights}
    before = {name: layer.get_weights() for name, layer in layers.items()}
    model.set_trainable("all", verbose=0)
    model.compile(0.1, 0.9)
    model.training_model.train_on_batch(model.batches(Squares().load(2), shuffle=False)[0][0])
    changed = {name for name in layers if any((a != b).any() for a, b in zip(before[name], layers[name].get_weights()))}
    assert changed == {f"conv{level}" for level in range(5)}
