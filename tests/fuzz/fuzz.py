"""Files changed at random, for every reader: each must be read, or refused with an error of `mrcnn.errors`.

    python tests/fuzz/fuzz.py                        every kind, 300 changes each: minutes
    python tests/fuzz/fuzz.py --kinds coco,pth --cases 5000 --seed 7

A change is drawn from the seed, the kind and its number, so that a row of the table can be had again. Each kind runs in
a process of its own, in bounded memory; a case that takes longer than SECONDS counts as a hang, and a process that ends
as a crash, after which a new one goes on behind it. The exit code is 1 if anything but reading and refusing happened.
"""

import argparse
import contextlib
import copy
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).parent)]

SECONDS = 20  # for one case
OUTCOMES = ("read", "refused", "undocumented", "hang", "crash")
MEMORY = 3 << 30  # bytes of address space beyond what is taken at the beginning
HOSTILE = [None, True, False, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 1 << 31, 1 << 70, "", "x", "1", "\ud800",
           "a\0b", "../../etc/passwd", "\x1b[31m", "$\\frac{$", "/", [], {}, [[]], [None], {"": {}}, "9" * 400]


# --- Changes ---------------------------------------------------------------------------------------------------------


def changed_bytes(rng, data):
    """Bytes with a few of them changed, cut out, put in, or the end cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place, kind = rng.randrange(max(1, len(data))), rng.randrange(6)
        if kind == 0:
            data[place:place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            data[place:place + rng.choice((1, 4, 16))] = b""
        elif kind == 2:
            data[place:place] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 16))))
        elif kind == 3:
            data[place:place + 16] = bytes(16)
        elif kind == 4:
            data[place:place + 8] = b"\xff" * 8
        else:
            del data[place:]
    return bytes(data)


def changed_value(rng, value):
    """A JSON value with one or a few of its parts changed for hostile ones, left out, doubled or nested deeply."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 4))):
        parents = list(_parents(value))
        if not parents:
            return rng.choice(HOSTILE)
        parent, key = rng.choice(parents)
        kind = rng.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        elif kind == 2:
            deep = []
            for _ in range(rng.choice((3, 200))):
                deep = [deep]
            parent[key] = deep
        elif kind == 3 and isinstance(parent[key], (int, float)):
            parent[key] = parent[key] * rng.choice((-1, 10**6, 1e12, 0.5))
        elif kind == 4 and isinstance(parent[key], (int, float)):
            parent[key] = str(parent[key])
        else:
            parent[key] = copy.deepcopy(rng.choice(HOSTILE))
    return value


def _parents(value):
    """(container, key) of every part of a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _parents(value[key])


def as_json(rng, value):
    """Bytes of a changed value; now and then changed as bytes too."""
    data = json.dumps(changed_value(rng, value)).encode()
    kind = rng.random()
    if kind < 0.03:  # deeper than any parser goes
        place = rng.randrange(len(data) + 1)
        return data[:place] + rng.choice((b"[", b'{"a":')) * 100_000 + data[place:]
    return changed_bytes(rng, data) if kind < 0.15 else data


# --- Kinds of files --------------------------------------------------------------------------------------------------


def annotations(write):
    """What opens annotations that `write(rng, folder)` made, and goes through all that it gives."""
    def run(rng, folder):
        from mrcnn.data.formats import open_dataset
        from mrcnn.evaluation.coco_data import ground_truth_from_dataset

        path = write(rng, folder)
        dataset = open_dataset(path, folder, on_error=rng.choice(("raise", "skip")))
        for image_id in dataset.image_ids:
            dataset.object_faults(image_id)
            dataset.load_image(image_id)
            dataset.load_mask(image_id)
        ground_truth_from_dataset(dataset)
    return run


def in_file(name, make):
    """A function that writes what `make(rng)` gives to a file and returns its path."""
    def write(rng, folder):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(make(rng))
        return path
    return write


def panoptic(rng, folder):
    import corpus

    changed = rng.random() < 0.3
    png = corpus.png(corpus.segments())
    in_file("m.png", lambda rng: changed_bytes(rng, png) if changed else png)(rng, folder)
    text = json.dumps(corpus.panoptic()).encode()
    return in_file("a.json", lambda rng: text if changed else as_json(rng, corpus.panoptic()))(rng, folder)


def deepfashion2(rng, folder):
    import corpus

    os.makedirs(os.path.join(folder, "train", "annos"))
    in_file("train/annos/a.json", lambda rng: as_json(rng, corpus.deepfashion2()))(rng, folder)
    return os.path.join(folder, "train")


def archive(rng, folder):
    import corpus

    kind = rng.choice((8, 0, "w", "w:gz"))  # deflated and stored
    data = corpus.tarred(kind) if isinstance(kind, str) else corpus.zipped(kind)
    return in_file("a.bin", lambda rng: changed_bytes(rng, data))(rng, folder)


def label_maps(rng, folder):
    import corpus

    labels = os.path.join(folder, "labels")
    os.mkdir(labels)
    data, names = corpus.png(corpus.mask()), b"0 null\n1 hat\n"
    if rng.random() < 0.7:
        data = changed_bytes(rng, data)
    else:
        names = changed_bytes(rng, names)
    pathlib.Path(labels, "a.png").write_bytes(data)
    pathlib.Path(labels, "label_names.txt").write_bytes(names)
    return labels


def evaluation(rng, folder):
    import corpus

    from mrcnn.evaluation.coco import coco_average_precision

    truth, results = corpus.coco(), corpus.results()
    if rng.random() < 0.5:
        truth = changed_value(rng, truth)
    else:
        results = changed_value(rng, results)
    for name, value in (("truth.json", truth), ("results.json", results)):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(value, file)
    coco_average_precision(os.path.join(folder, "truth.json"), os.path.join(folder, "results.json"),
                           rng.choice(("segm", "bbox")))


def config(rng, folder):
    from mrcnn.config import Config

    path = in_file("config.json", lambda rng: as_json(rng, Config(NUM_CLASSES=3).to_dict()))(rng, folder)
    Config.load(path).check()


def photos(rng, folder):
    from mrcnn.data.images import load_image

    name = rng.choice(("a.jpg", "a.png", "a.bmp", "a.tif", "a.gif", "a.webp"))
    import corpus

    corpus.photo(folder, name)
    path = os.path.join(folder, name)
    data = changed_bytes(rng, pathlib.Path(path).read_bytes())
    pathlib.Path(path).write_bytes(data)
    load_image(path)


def weights(name, make, read):
    """What reads a weight file that `make(path)` wrote, changed in its bytes."""
    def run(rng, folder):
        path = os.path.join(folder, name)
        make(path)
        data = changed_bytes(rng, pathlib.Path(path).read_bytes())
        pathlib.Path(path).write_bytes(data)
        read(path)
    return run


def read_hdf5(path):
    from mrcnn.weights.files import read_attributes, read_layers

    read_attributes(path)
    read_layers(path)


def read_training_state(path):
    from mrcnn.training.state import read_state

    read_state(path)


def read_torch(path):
    from mrcnn.weights.torch_files import read_torch_file

    read_torch_file(path)


def read_safe(path):
    from mrcnn.weights.safetensors_files import read_safetensors

    read_safetensors(path)


def kinds():
    """{name: function (rng, folder)} of all kinds; each raises UserError, or returns."""
    import corpus
    import own_files

    def csv(text):
        return in_file("train.csv", lambda rng: changed_bytes(rng, text.encode()))

    return {
        "coco": annotations(in_file("a.json", lambda rng: as_json(rng, corpus.coco()))),
        "via": annotations(in_file("a.json", lambda rng: as_json(rng, corpus.via()))),
        "via3": annotations(in_file("a.json", lambda rng: as_json(rng, corpus.via3()))),
        "label_studio": annotations(in_file("a.json", lambda rng: as_json(rng, corpus.label_studio()))),
        "supervisely": annotations(in_file("a.jpg.json", lambda rng: as_json(rng, corpus.supervisely()))),
        "labelme": annotations(in_file("a.json", lambda rng: as_json(rng, corpus.labelme()))),
        "cvat": annotations(in_file("a.xml", lambda rng: changed_bytes(rng, corpus.CVAT.encode()))),
        "coco_panoptic": annotations(panoptic),
        "deepfashion2": annotations(deepfashion2),
        "archive": annotations(archive),
        "imaterialist": annotations(csv(corpus.CSV)),
        "kaggle": annotations(csv(corpus.KAGGLE)),
        "label_maps": annotations(label_maps),
        "evaluation": evaluation,
        "config": config,
        "photos": photos,
        "hdf5": weights("a.h5", corpus.hdf5, read_hdf5),
        "old_hdf5": weights("a.h5", corpus.old_hdf5, read_hdf5),
        "state": weights("a.state.h5", corpus.state, read_training_state),
        "safetensors": weights("a.safetensors", lambda path: pathlib.Path(path).write_bytes(corpus.safetensors()),
                               read_safe),
        "pth": weights("a.pth", lambda path: corpus.torch_file(path, True), read_torch),
        "pth_legacy": weights("a.pth", lambda path: corpus.torch_file(path, False), read_torch),
        **own_files.own_kinds(as_json, changed_bytes, in_file, weights),
    }


# --- Running ---------------------------------------------------------------------------------------------------------


class Hang(BaseException):
    """A case that takes too long."""


def run_case(kind, seed, number):
    """(what happened: "read", "refused" or "undocumented", text of the error) of one case."""
    import corpus

    from mrcnn.errors import UserError

    rng, folder = random.Random(f"{seed}/{kind}/{number}"), tempfile.mkdtemp()
    try:
        corpus.photo(folder)
        with warnings.catch_warnings(), open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
            warnings.simplefilter("ignore")
            kinds()[kind](rng, folder)
        return "read", ""
    except UserError as error:
        line = str(error)
        return ("refused", "") if "\n" not in line else ("undocumented", f"several lines: {line[:200]!r}")
    except Exception as error:
        return "undocumented", f"{type(error).__name__}: {str(error)[:200]!r}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def work(names, seed, cases, first):
    """Run cases of some kinds, a line of JSON on stdout for each: [index of the case, what happened, text].

    The index counts through the cases of the first kind, then of the second, and so on; `first` is the first to run.
    """
    def late(*_):
        raise Hang

    for kind in names:
        run_case(kind, seed, 0)  # imports, before memory is bounded
    taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    signal.signal(signal.SIGALRM, late)
    for index in range(first, cases * len(names)):
        print(json.dumps([index, "started", ""]), flush=True)
        signal.alarm(SECONDS)
        try:
            happened = run_case(names[index // cases], seed, index % cases)
        except Hang:
            happened = "hang", ""
        signal.alarm(0)
        print(json.dumps([index, *happened]), flush=True)


def fuzz(names, cases, seed):
    """{kind: {what happened: [(number, text)]}} of some kinds; a new process goes on behind a case that ended one."""
    outcomes = {kind: {name: [] for name in OUTCOMES} for kind in names}
    first, error = 0, ""
    while first < cases * len(names):
        command = [sys.executable, __file__, "--work", ",".join(names), str(seed), str(cases), str(first)]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            last, open_case = first, None
            for line in process.stdout:
                index, happened, text = json.loads(line)
                if happened == "started":
                    open_case = index
                    continue
                outcomes[names[index // cases]][happened].append((index % cases, text))
                last, open_case = index + 1, None
            process.wait()
            errors.seek(0)
            error = errors.read()[-500:]
        if open_case is None and last < cases * len(names):
            raise SystemExit(f"the process ended with {process.returncode} before case {last}: {error}")
        if open_case is not None:
            crashed = open_case % cases, f"exit code {process.returncode}: {error[-120:]!r}"
            outcomes[names[open_case // cases]]["crash"].append(crashed)
            last = open_case + 1
        first = last
    return outcomes


def main(arguments=None):
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", help="names with commas between (default: all)")
    parser.add_argument("--cases", type=int, default=300, help="of each kind (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    names = options.kinds.split(",") if options.kinds else list(kinds())
    print(f"python tests/fuzz/fuzz.py --cases {options.cases} --seed {options.seed}\n")
    print(_row("kind", OUTCOMES))
    sums = dict.fromkeys(OUTCOMES, 0)
    for kind in names:
        outcomes = fuzz([kind], options.cases, options.seed)[kind]
        print(_row(kind, map(len, outcomes.values())), flush=True)
        for name, cases in outcomes.items():
            sums[name] += len(cases)
            for number, text in cases[:8] if name not in OUTCOMES[:2] else ():
                print(f"    {name}, case {number}: {text}", flush=True)
    print(_row(f"all {sum(sums.values())}", sums.values()))
    return int(any(sums[name] for name in OUTCOMES[2:]))


def _row(kind, cells):
    return f"{kind:16}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, (8, 9, 14, 6, 7)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2].split(","), *map(int, sys.argv[3:]))
    else:
        sys.exit(main())
