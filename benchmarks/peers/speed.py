"""Speed beside torchvision: the same photo, size and number of objects, whole calls with pasted masks, in turns.

    python benchmarks/peers/speed.py --peer PYTHON [--size 512] [--rounds 7] [--kinds keras onnx onnx-int8 ...]

PYTHON is that of an environment with benchmarks/peers/requirements.txt. Each kind is a program of its own, which runs
alone while the others wait: ResNet50-FPN for 91 classes, random weights, 1000 proposals, thresholds of scores by which
exactly 100 or 8 objects are found. Files in int8 are calibrated on the photo itself, and give the best 100 or 8,
for their scores are others. Then a training step with 512 regions, batch normalisation frozen, SGD with momentum.
Printed are medians and least times, the processor time of all threads, and the peak of each program's memory.
Kinds whose package is not installed are left out. Those with -bfloat16 compute in it, and ask for a processor that has
it: torchvision by torch.autocast. Files are written by way of the kind keras. keras-jax and keras-torch are the network
on those backends.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "benchmarks")]
EXPORTS = {"onnx": "onnx", "onnx-int8": "onnx", "openvino": "xml", "openvino-int8": "xml",
           "litert": "tflite"}  # endings of their files
RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino", "keras-jax": "jax", "keras-torch": "torch"}
BACKENDS = {"keras": "tensorflow", "keras-jax": "jax", "keras-torch": "torch"}
HALF = "-bfloat16"  # the same network or file, with convolutions in bfloat16: for processors that have it
PLAIN = (*BACKENDS, *EXPORTS, "torchvision")
HALVED = tuple(kind + HALF for kind in ("keras", "openvino", "openvino-int8", "torchvision"))
KINDS = {kind: RUNTIMES.get(kind, RUNTIMES.get(kind.split("-")[0])) for kind in (*PLAIN, *HALVED)}  # and its package
OBJECTS = (100, 8)
CLASSES = 91
TORCHVISION_POSITIVE = 18  # regions of the photo here, with torchvision's random weights
TRAINING_SEED = 0  # of weights of ours that find as many


def photo_of(size):
    """uint8 [size, size, 3], smooth, from nothing but numpy."""
    import numpy as np

    coarse = np.random.default_rng(0).integers(0, 255, (size // 32, size // 32, 3))
    return np.repeat(np.repeat(coarse, 32, axis=0), 32, axis=1).astype("uint8")


def boxes_of(size):
    """Eight boxes [y1, x1, y2, x2] of 60 to 200 pixels."""
    import numpy as np

    random = np.random.default_rng(1)
    corners = random.uniform(0, size - 200, (8, 2))
    return np.concatenate([corners, corners + random.uniform(60, 200, (8, 2))], axis=1).astype("float32")


# --- Ours ------------------------------------------------------------------------------------------------------------
def keras_model(size, threshold=0.0, **settings):
    """The network with weights whose activations neither vanish nor explode."""
    import keras
    import network

    from mrcnn.model import MaskRCNN

    network.CLASSES = CLASSES
    keras.utils.set_random_seed(0)  # the same weights in every program
    model = MaskRCNN("inference", network.config(size, DETECTION_MIN_CONFIDENCE=threshold, **settings),
                     tempfile.mkdtemp())
    network.calm(model.inference_model)
    return model


def keras_detection(size, folder, **settings):
    """{number of objects: a function that finds them}; writes the thresholds of the exported files."""
    import keras

    model, photo = keras_model(size, **settings), photo_of(size)
    (result,) = model.detect([photo])
    assert len(result["scores"]) == 100, len(result["scores"])
    eighth = float(sorted(result["scores"])[-8])
    runs = {}
    for objects, threshold in zip(OBJECTS, (0.0, eighth)):
        def run(threshold=threshold):
            (result,) = model.detect([photo], min_confidence=threshold)
            return len(result["scores"])
        runs[objects] = run
    if not settings and keras.backend.backend() == "tensorflow":
        with open(os.path.join(folder, "thresholds.json"), "w") as file:
            json.dump(dict(zip(OBJECTS, (0.0, eighth))), file)
    return runs


def write_exports(size, folder, kinds):
    """The files of the exported kinds, one for each number of objects, since a file's threshold is in it."""
    from mrcnn.export.files import export

    with open(os.path.join(folder, "thresholds.json")) as file:
        thresholds = json.load(file)
    for kind in kinds:
        format, _, quantize = kind.partition("-")
        for objects in OBJECTS:
            model = (keras_model(size, DETECTION_MAX_INSTANCES=objects) if quantize
                     else keras_model(size, thresholds[str(objects)]))
            # Random weights score many boxes nearly alike, so rounding changes which of them are found.
            export(model, file_of(kind, objects, folder), format, photos=[photo_of(size)], tolerance=float("inf"),
                   quantize=quantize or None)


def file_of(kind, objects, folder):
    return os.path.join(folder, f"{kind}{objects}.{EXPORTS[kind]}")


def exported_detection(kind, size, folder, **settings):
    from mrcnn import load

    photo, runs = photo_of(size), {}
    for objects in OBJECTS:
        model = load(file_of(kind, objects, folder), **settings)
        runs[objects] = lambda model=model: len(model.detect([photo])[0]["scores"])
    return runs


def keras_training(size, **settings):
    """A function that makes one step and returns the number of positive regions."""
    import keras
    import network
    import numpy as np

    from mrcnn.network.mask_rcnn import build_mask_rcnn
    from mrcnn.training.optimizer import make_optimizer
    from mrcnn.training.stages import select_layers, set_trainable_layers

    network.CLASSES = CLASSES
    keras.utils.set_random_seed(TRAINING_SEED)
    # No more positive regions than torchvision finds: the mask head runs on each.
    settings = network.config(size, TRAIN_ROIS_PER_IMAGE=512, ROI_POSITIVE_RATIO=TORCHVISION_POSITIVE / 512, **settings)
    model, _ = build_mask_rcnn(settings)
    network.calm(model)
    set_trainable_layers(model, select_layers(model, "all", frozen_norm=True))
    batch = network.batch_of(photo_of(size)[None].astype("float32"), settings)
    batch["gt_boxes"][0, :8] = boxes_of(size)
    outputs = model.predict_on_batch(batch)
    positive = int(np.asarray(outputs["mask_valid"]).sum())
    model.compile(make_optimizer(model, settings, 1e-9, 0.9, 0), jit_compile=False)

    def run():
        model.train_on_batch(batch)
        return positive
    return run


# --- torchvision -----------------------------------------------------------------------------------------------------
def torch_model(size, **settings):
    """torchvision's network, channels last, with calm weights and scores that differ."""
    import torch
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
    assert isinstance(backbone.body.bn1, FrozenBatchNorm2d)
    for name, layer in backbone.body.named_modules():
        if name.endswith("bn3"):
            layer.weight.fill_(0.1)
    model = MaskRCNN(backbone, CLASSES, min_size=size, max_size=size, **settings)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.weight *= 30
    return model.to(memory_format=torch.channels_last)


def torch_inputs(size):
    import torch

    return [torch.from_numpy(photo_of(size)).permute(2, 0, 1).float() / 255]


def torch_detection(size, folder):
    import torch

    model, inputs = torch_model(size, box_score_thresh=0.0).eval(), torch_inputs(size)
    with torch.inference_mode():
        scores = sorted(model(inputs)[0]["scores"].tolist())
    assert len(scores) == 100, len(scores)
    runs = {}
    for objects in OBJECTS:
        def run(threshold=scores[-objects] - 1e-6):
            model.roi_heads.score_thresh = threshold
            with torch.inference_mode():
                (result,) = model(inputs)
            result["masks"][:, 0].ge(0.5).numpy()
            return len(result["scores"])
        runs[objects] = run
    return runs


def torch_training(size):
    import torch

    model, inputs, boxes = torch_model(size).train(), torch_inputs(size), torch.from_numpy(boxes_of(size))
    masks = torch.zeros((len(boxes), size, size), dtype=torch.uint8)
    for mask, (top, left, bottom, right) in zip(masks, boxes.int().tolist()):
        mask[top:bottom, left:right] = 1
    target = {"boxes": boxes[:, [1, 0, 3, 2]], "labels": torch.ones(len(boxes), dtype=torch.int64), "masks": masks}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-9, momentum=0.9)
    positive = []
    model.roi_heads.mask_head.register_forward_hook(lambda module, given, got: positive.append(len(got)))

    def run():
        optimizer.zero_grad(set_to_none=True)
        sum(model(inputs, [target]).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return positive[-1]
    return run


# --- Taking turns ----------------------------------------------------------------------------------------------------
def work(kind, task, size, folder):
    """A program that works once for each line of its input, and prints seconds, those of the processor, and a count."""
    half, kind = kind.endswith(HALF), kind.removesuffix(HALF)
    if kind == "torchvision":
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return take_turns({"train": torch_training(size)} if task == "train" else torch_detection(size, folder))
    import mrcnn  # noqa: F401  (chooses TensorFlow's arithmetic before it is imported)

    settings = {"PRECISION": "mixed_bfloat16"} if half else {}
    if task == "train":
        return take_turns({"train": keras_training(size, **settings)})
    if kind in BACKENDS:
        return take_turns(keras_detection(size, folder, **settings))
    return take_turns(exported_detection(kind, size, folder, **settings))


def take_turns(runs):
    """Run what each line of the input names, and print what it took."""
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name = json.loads(line)
        wall, processor = time.perf_counter(), time.process_time()
        count = runs[name]()
        took = time.perf_counter() - wall, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps((*took, count, peak)), flush=True)


class Worker:
    """A program that works when asked."""

    def __init__(self, python, kind, task, options, folder):
        command = [python, __file__, "--work", kind, task, "--size", str(options.size), "--folder", folder]
        environment = {**os.environ, "KERAS_BACKEND": BACKENDS.get(kind.removesuffix(HALF), "tensorflow")}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)
        while json.loads(self.answer()) != "ready":
            pass

    def answer(self):
        """The next line of JSON; what libraries print beside it is passed over."""
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit(f"{' '.join(self.process.args)} ended before its time")
            if line[0] in "[\"":
                return line

    def __call__(self, name):
        self.process.stdin.write(json.dumps(name) + "\n")
        self.process.stdin.flush()
        return json.loads(self.answer())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def export_all(options, folder):
    """Write the exported files that are asked for; a program of the kind keras has written their thresholds."""
    exported = [other for other in EXPORTS if {other, other + HALF} & set(options.kinds)]
    if exported:
        subprocess.run([sys.executable, __file__, "--work", ",".join(exported), "export", "--size", str(options.size),
                        "--folder", folder], check=True, stdout=subprocess.DEVNULL)


def compare(task, names, options, folder):
    """Start the programs of a task, let them take turns, and print what they took."""
    workers = {}
    for kind in options.kinds:
        if task == "train" and kind.removesuffix(HALF) in EXPORTS:
            continue
        python = options.peer if kind.startswith("torchvision") else sys.executable
        workers[kind] = Worker(python, kind, task, options, folder)
        if kind == "keras" and task == "detect":
            export_all(options, folder)
    for name in names:
        taken = {kind: [] for kind in workers}
        for turn in range(options.rounds + 1):
            for kind, worker in workers.items():
                answer = worker(name)
                if turn:  # the first builds what it needs
                    taken[kind].append(answer)
        print(f"\n{task} {name}, {options.size} pixels, {options.rounds} turns"
              f"\n{'':24}median s   least s  processor s   count   peak MB   torchvision's time by ours: median, least")
        medians = {kind: [statistics.median(v[i] for v in values) for i in (0, 1)] for kind, values in taken.items()}
        least = {kind: min(v[0] for v in values) for kind, values in taken.items()}
        for kind, values in taken.items():
            beside = ""
            if "torchvision" in taken:
                beside = (f"{medians['torchvision'][0] / medians[kind][0]:10.2f} "
                          f"{least['torchvision'] / least[kind]:6.2f}")
            print(f"{kind:24}{medians[kind][0]:8.3f}  {least[kind]:8.3f}  {medians[kind][1]:11.3f}  {values[-1][2]:6}  "
                  f"{values[-1][3]:8.0f} {beside}", flush=True)
    for worker in workers.values():
        worker.end()


def leave_out_missing(options):
    """Leave out the kinds that nothing here can run, and say so."""
    for kind in list(options.kinds):
        missing = KINDS[kind] and importlib.util.find_spec(KINDS[kind]) is None
        if missing or kind.startswith("torchvision") and not options.peer:
            print(f"{kind} is left out: {f'{KINDS[kind]} is not installed' if missing else 'give --peer'}")
            options.kinds.remove(kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="python of torchvision's environment")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=list(KINDS))
    parser.add_argument("--tasks", nargs="+", choices=("detect", "train"), default=["detect", "train"])
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        kind, task = options.work
        if task == "export":
            return write_exports(options.size, options.folder, kind.split(","))
        return work(kind, task, options.size, options.folder)
    leave_out_missing(options)
    with tempfile.TemporaryDirectory() as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for task in options.tasks:
            compare(task, OBJECTS if task == "detect" else ["train"], options, folder)


if __name__ == "__main__":
    main()
