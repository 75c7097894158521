"""What reads the small files that the program writes, or users write for it, with a sound one of each kind."""

import json
import os
import pathlib

import numpy as np

MAPPING = {"classes": {"hat": ["hat", 2], "coat": ["coat"]}, "background": ["null"], "ignore": ["rest"],
           "instances": {"hat": "parts"}, "min_area": 10}
FAULTS = {"faults": [{"photo": "a.jpg", "kind": "missing", "message": "gone", "number": None},
                     {"photo": "b.jpg", "kind": "bad entry", "message": "odd", "number": 2}]}
SPLIT = {"seed": 0, "method": "stratified", "parts": {"train": ["a.jpg", "b.jpg"], "val": ["c.jpg"]}}
BEST = {"monitor": "val_segm_AP", "value": 0.5, "epoch": 3, "weights": "mask_rcnn_best.h5"}
STAGES = [{"first_epoch": 0, "layers": "heads", "learning_rate": 1e-3, "epochs": 5},
          {"first_epoch": 5, "layers": "all", "learning_rate": 1e-4, "epochs": 9}]
LABELS = {"score_threshold": 0.5, "mask_threshold": 0.4, "class_thresholds": {"hat": 0.3}, "smaller_in_front": 0.02,
          "layers": ["coat", "hat"]}
DESCRIPTIONS = {"categories": [{"id": 0, "name": "hat", "supercategory": "clothes"}, {"id": 1, "name": "coat"}],
                "attributes": [{"id": 3, "name": "long"}]}
HISTORY = "epoch,loss,val_loss,learning_rate\n0,2.5,3.0,0.001\n1,1.5,nan,0.001\n2,1.25,1.75,0.0005\n"
PRESET = "--backbone resnet50 --stages heads:1:1e-3,all:2:1e-4\n--set 'MEAN_PIXEL=[1, 2, 3]'  # a remark\n"
COLOURS = "0 0 0 null\n128 0 0 hat\n0 128 0 coat\n"
NAMES = "0 null\n1 hat\n2 coat\n"


def mapping(path):
    from mrcnn.data.formats.label_mapping import label_classes

    label_classes({0: "null", 1: "hat", 2: "cap", 3: "coat", 4: "rest"}, path)


def faults(path):
    from mrcnn.data.curation.validate import read_faults

    read_faults(path)


def split(path):
    from mrcnn.data.curation.splits import read_split

    read_split(path)


def best(path):
    from mrcnn.training.validation import read_best

    read_best(os.path.dirname(path))


def stages(path):
    from mrcnn.drawing.curves import draw_run

    pathlib.Path(os.path.dirname(path), "history.csv").write_text(HISTORY)
    draw_run(os.path.dirname(path), STAGES[1])


def label_settings(path):
    from mrcnn.labeling.label_map import load_settings

    load_settings(path.replace(".label.json", ".h5")).check_classes(["BG", "hat", "coat"])


def descriptions(path):
    from mrcnn.data.formats.imaterialist import read_descriptions

    read_descriptions(path)


def listed_names(path):
    from mrcnn.data.formats.names_files import read_names

    read_names(path)


def history(path):
    from mrcnn.drawing.curves import draw_run
    from mrcnn.training.callbacks import HistoryFile

    record = HistoryFile(path)
    record.on_train_begin()
    record.on_epoch_end(3, {"loss": 1.0})
    draw_run(os.path.dirname(path))


def preset(path):
    from mrcnn.commands.main import build_parser
    from mrcnn.commands.options import PRESETS, expand_presets, parse_setting
    from mrcnn.commands.stage_options import parse_stages

    options = build_parser().parse_args(expand_presets(["train", "--preset", path], PRESETS))
    parse_stages(options.stages or "all:1:1e-3")
    for text in options.set:
        parse_setting(text)


def text_names(path):
    from mrcnn.data.formats.label_colours import read_labels

    read_labels(path, os.path.dirname(path))


def written_list(path):
    """What a command wrote, which decides on what the next may replace."""
    from mrcnn.errors import UserError
    from mrcnn.outputs import claim_outputs, release_outputs

    target = os.path.join(os.path.dirname(path), "a.json")
    pathlib.Path(target).write_text("the user's")
    try:
        claim_outputs([target])
    except UserError:
        return
    finally:
        release_outputs()
    raise AssertionError("a file of the user's was taken for ours")


def study(path):
    from mrcnn.commands.tune import naming_database, open_study, parse_search
    from mrcnn.config import Config

    search = [parse_search("LEARNING_RATE=1e-4:1e-2:log", Config)]
    with naming_database(os.path.dirname(path)):
        open_study(os.path.dirname(path), "clothes", search, {"data": "x"})


def sound_study(path):
    study(path)


def imagenet(path):
    from mrcnn.weights.pretrained import _read_arrays

    _read_arrays(path)


def sound_arrays(path):
    np.savez(path, **{"_fc.weight": np.ones((4, 3), "f4"), "_fc.bias": np.zeros(4, "f4")})


# name: (name of the file, its value or text, what reads it)
JSON = {"mapping": ("a.json", MAPPING, mapping), "faults": ("a.json", FAULTS, faults),
        "split": ("a.json", SPLIT, split), "best": ("best.json", BEST, best), "stages": ("stages.json", STAGES, stages),
        "label_settings": ("a.label.json", LABELS, label_settings),
        "descriptions": ("a.json", DESCRIPTIONS, descriptions),
        "json_names": ("a.json", {"0": "null", "1": "hat"}, listed_names)}
TEXTS = {"history": ("history.csv", HISTORY, history), "preset": ("a.txt", PRESET, preset),
         "colours": ("label_colors.txt", COLOURS, text_names), "names": ("label_names.txt", NAMES, text_names),
         "written": (".mrcnn-output", json.dumps(["a.json", "0" * 64]) + "\n", written_list)}
BINARY = {"study": ("tune.db", sound_study, study), "npz": ("a.npz", sound_arrays, imagenet)}


def own_kinds(as_json, changed_bytes, in_file, weights):
    """{name: function (rng, folder)} of these kinds, made with the changes that fuzz.py has."""
    def reading(name, make, read):
        return lambda rng, folder: read(in_file(name, make)(rng, folder))

    kinds = {kind: reading(name, lambda rng, value=value: as_json(rng, value), read)
             for kind, (name, value, read) in JSON.items()}
    kinds.update({kind: reading(name, lambda rng, text=text: changed_bytes(rng, text.encode()), read)
                  for kind, (name, text, read) in TEXTS.items()})
    kinds.update({kind: weights(name, make, read) for kind, (name, make, read) in BINARY.items()})
    return kinds
