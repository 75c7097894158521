"""Training and detection on one GPU: JAX and PyTorch beside torchvision, each in a process of its own.

    python benchmarks/gpu.py --seconds 300 --output gpu.txt [--data ../shared/data/ccp]

Mask R-CNN with ResNet50-FPN, random weights, made pictures of 8 objects. A training step is a whole one, of all layers;
its share of the matrix rate is what its counted multiply-adds take at the rate of an 8192 x 8192 product of the same
precision (float32 stands for TF32, as both frameworks compute it). A detection is the whole call with masks of the
picture's size, 100 objects. Every time is a median. Cases begin in the order of the table until --seconds are over; one
that fails or lasts longer than --case-seconds costs one line.

With --data, Clothing Co-Parsing as a folder with photos, instances_train.json and instances_val.json, cases leave 45%
of --seconds to a last one: EfficientNet-Lite0 is trained on it for the seconds that are left (gpu_photos.py), on the
backend that KERAS_BACKEND names, else JAX, and AP on val is printed. --toy tries all of it on a CPU, without --data on
drawn pictures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import gpu_photos
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "benchmarks")]

CASES = [
    "matrix torch",
    "train jax float32 2", "train torchvision float32 2", "train jax mixed_bfloat16 8", "train torchvision bfloat16 8",
    "detect jax 1024", "detect torchvision 1024", "train jax float32 8", "train torchvision float32 8",
    "train torch float32 2", "detect torch 1024", "loader 8", "detect jax 512", "detect torchvision 512",
    "train torch mixed_bfloat16 8", "train jax mixed_bfloat16 2", "train torchvision bfloat16 2",
]
PHOTOS = "photos"  # the last one
TIMED = 10


def median_of(function, settle, times=TIMED):
    """Median seconds of a call; `settle` waits for the device."""
    for _ in range(3):
        function()
    settle()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        settle()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def matrix(toy):
    import torch

    side, rates = 256 if toy else 8192, {}
    torch.backends.cuda.matmul.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(side, side, dtype=kind, device=device) for _ in "ab")
        rates[name] = 2 * side**3 / median_of(lambda a=a, b=b: a @ b, torch.cuda.synchronize if device == "cuda" else
                                              lambda: None) / 1e12
    return {"tera_operations": rates}


def train_ours(precision, batch, toy):
    import keras
    import network

    from mrcnn.network.mask_rcnn import build_mask_rcnn
    from mrcnn.training.optimizer import make_optimizer
    from mrcnn.training.stages import select_layers, set_trainable_layers

    size = 128 if toy else 1024
    settings = network.config(size, PRECISION=precision, TRAIN_ROIS_PER_IMAGE=64 if toy else 512)
    model, _ = build_mask_rcnn(settings)
    network.calm(model)
    set_trainable_layers(model, select_layers(model, "all", frozen_norm=True))
    image = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype("float32")
    one = network.batch_of(image, settings) if not toy else toy_batch(network, image, settings)
    inputs = {name: np.repeat(value, batch, axis=0) for name, value in one.items()}
    if keras.backend.backend() == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    model.compile(make_optimizer(model, settings, 1e-9, 0.9, 0), jit_compile="auto")
    start = time.perf_counter()
    model.train_on_batch(inputs)
    first = time.perf_counter() - start
    seconds = median_of(lambda: float(np.asarray(model.train_on_batch(inputs)).ravel()[0]), lambda: None)
    positive = int(settings.TRAIN_ROIS_PER_IMAGE * settings.ROI_POSITIVE_RATIO)
    amount = 3 * 2 * sum(network.multiply_adds(model, settings.TRAIN_ROIS_PER_IMAGE, positive).values()) * batch / 1e3
    return {"seconds": seconds, "photos_a_second": batch / seconds, "first": first, "tera_operations": amount,
            "memory": gpu_memory(keras.backend.backend())}


def toy_batch(network, image, settings):
    import numpy as np

    large = network.batch_of(np.zeros((1, 1024, 1024, 3), "float32"), settings)
    return {**large, "image": image, "window": np.array([[0, 0, *image.shape[1:3]]], "float32"),
            "gt_boxes": large["gt_boxes"] / 8}


def gpu_memory(backend):
    """Peak GiB of this process, or None on a CPU."""
    if backend == "jax":
        import jax

        told = jax.local_devices()[0].memory_stats() or {}
        return told.get("peak_bytes_in_use", 0) / 2**30 or None
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None


def torchvision_network(size, **settings):
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=14, min_size=size, max_size=size,
                                    trainable_backbone_layers=5, **settings)
    freeze_norms(network)  # as ours trains, and torchvision too where it starts from weights
    return network.to(device), device


def freeze_norms(network):
    """Put frozen batch normalisation in the place of that which is trained."""
    from torch.nn import BatchNorm2d
    from torchvision.ops import FrozenBatchNorm2d

    for module in list(network.modules()):
        for name, part in module.named_children():
            if isinstance(part, BatchNorm2d):
                setattr(module, name, FrozenBatchNorm2d(part.num_features, part.eps))


def train_torchvision(precision, batch, toy):
    import torch

    size = 128 if toy else 1024
    network, device = torchvision_network(size)
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, size * 0.8, (8, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(size * 0.06, size * 0.2, (8, 2))], axis=1)
    masks = np.zeros((8, size, size), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int), strict=True):
        mask[top:bottom, left:right] = 1
    target = {"boxes": torch.tensor(boxes, dtype=torch.float32, device=device),
              "labels": torch.ones(8, dtype=torch.int64, device=device), "masks": torch.tensor(masks, device=device)}
    images = [torch.rand(3, size, size, device=device) for _ in range(batch)]
    optimizer = torch.optim.SGD(network.parameters(), 1e-9, 0.9)
    network.train()

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = sum(network(images, [target] * batch).values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss)

    seconds = median_of(step, lambda: None)
    return {"seconds": seconds, "photos_a_second": batch / seconds, "memory": gpu_memory("torch")}


def detect_ours(size, toy):
    import keras
    import network

    from mrcnn.model import MaskRCNN

    size = 128 if toy else size
    model = MaskRCNN("inference", network.config(size, DETECTION_MIN_CONFIDENCE=0.0), "unused")
    network.calm(model.inference_model)
    photo = np.random.default_rng(0).integers(0, 255, (size, size, 3)).astype("uint8")
    start = time.perf_counter()
    (result,) = model.detect([photo])
    first = time.perf_counter() - start
    return {"seconds": median_of(lambda: model.detect([photo]), lambda: None), "first": first,
            "objects": len(result["scores"]), "memory": gpu_memory(keras.backend.backend())}


def detect_torchvision(size, toy):
    import torch

    size = 128 if toy else size
    network, device = torchvision_network(size, box_score_thresh=0.0)
    network.eval()
    photo = np.random.default_rng(0).integers(0, 255, (size, size, 3)).astype("uint8")
    found = []

    @torch.no_grad()
    def call():
        image = torch.from_numpy(photo).to(device).permute(2, 0, 1).float() / 255
        out = network([image])[0]
        found[:] = [(out["masks"][:, 0] >= 0.5).cpu().numpy(), out["scores"].cpu().numpy()]

    seconds = median_of(call, lambda: None)
    return {"seconds": seconds, "objects": len(found[1]), "memory": gpu_memory("torch")}


def loader(workers, data):
    from mrcnn.config import Config
    from mrcnn.data.batches import Batches
    from mrcnn.data.formats.coco import CocoDataset
    from mrcnn.data.recipes import augmentation_of

    photos = CocoDataset()
    photos.load_coco(os.path.join(data, "instances_train.json"), os.path.join(data, "photos"))
    photos.prepare()
    config = Config(NUM_CLASSES=photos.num_classes, IMAGE_MIN_DIM=None, IMAGE_MAX_DIM=512, WORKERS=workers,
                    IMAGE_RESIZE_MODE="rectangle", IMAGES_PER_GPU=8)
    rates = {}
    for name in ("flip", "jitter", "imgaug"):
        batches, start = Batches(photos, config, augmentation=augmentation_of(name)), None
        for count, _ in enumerate(batches):
            start = start or time.perf_counter()  # the first batch waits for the threads
            if count == 30:
                break
        rates[name] = 30 * 8 / (time.perf_counter() - start)
    return {"photos_a_second": rates}


def measure(case, options):
    kind, *rest = case.split()
    if kind == "matrix":
        return matrix(options.toy)
    if kind == "loader":
        return loader(int(rest[0]), options.data)
    if kind == "train":
        function = train_torchvision if rest[0] == "torchvision" else train_ours
        return function(rest[1], int(rest[2]), options.toy)
    return (detect_torchvision if rest[0] == "torchvision" else detect_ours)(int(rest[1]), options.toy)


def line(case, told, rates):
    """A case in words."""
    if "error" in told:
        return f"{case:32} not measured: {told['error']}"
    if case.startswith("matrix"):
        return f"{case:32} " + ", ".join(f"{name} {rate:.0f} T/s" for name, rate in told["tera_operations"].items())
    if case.startswith("loader"):
        rates = told["photos_a_second"].items()
        return f"{case:32} " + ", ".join(f"{name} {rate:.0f} photos/s" for name, rate in rates)
    words = f"{case:32} {told['seconds'] * 1000:8.1f} ms"
    if "photos_a_second" in told:
        words += f"  {told['photos_a_second']:6.1f} photos/s"
    if "objects" in told:
        words += f"  {told['objects']} objects"
    if told.get("memory"):
        words += f"  {told['memory']:5.1f} GiB"
    if "tera_operations" in told and rates:
        rate = rates["bfloat16" if "bfloat16" in case else "float32"]
        words += f"  {told['tera_operations'] / told['seconds'] / rate:5.1%} of the matrix rate"
    return words + (f"  first call {told['first']:.0f} s" if "first" in told else "")


def wanted(case, options):
    """Whether a case is asked for, and has the photos that it needs."""
    chosen = not options.only or set(options.only) & set(case.split())
    return bool(chosen and (options.data or not case.startswith("loader")) and
                (options.data or options.toy or case != PHOTOS))


def seconds_of_cases(options):
    """Seconds from the start after which no case goes on: fewer if there are photos to train on."""
    return options.seconds * (1 - gpu_photos.SHARE * wanted(PHOTOS, options))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--case-seconds", type=float, default=150)
    parser.add_argument("--data", help="folder of Clothing Co-Parsing, for the loader and to train on")
    parser.add_argument("--output")
    parser.add_argument("--toy", action="store_true", help="128 pixels, to try the program on a CPU")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", help="words that cases must have one of")
    options = parser.parse_args()
    if options.case:
        print("RESULT " + json.dumps(measure(options.case, options)))
        return
    if wanted(PHOTOS, options) and gpu_photos.missing(options.data):
        sys.exit(gpu_photos.missing(options.data))
    begin, lines, rates = time.monotonic(), [], None
    for case in filter(lambda case: wanted(case, options), [*CASES, PHOTOS]):
        past = time.monotonic() - begin
        left = seconds_of_cases(options) - past
        if case == PHOTOS:
            words = gpu_photos.photos(options.data, options.seconds - past, options.toy)
            lines.append(f"{f'{PHOTOS} {gpu_photos.backend()}':32} {words}")
        else:
            told = run(case, options, min(options.case_seconds, left)) if left > 15 else {"error": "no time left"}
            rates = told.get("tera_operations", rates) if case.startswith("matrix") else rates
            lines.append(line(case, told, rates))
        print(lines[-1], flush=True)
        if options.output:
            with open(options.output, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")


def run(case, options, seconds):
    """What a case in a process of its own measured, or {"error": why it did not}."""
    backend = "jax" if " jax " in case else "torch"
    command = [sys.executable, os.path.abspath(__file__), "--case", case]
    command += ["--toy"] * options.toy + (["--data", options.data] if options.data else [])
    environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {seconds:.0f} s"}
    for told in ended.stdout.splitlines():
        if told.startswith("RESULT "):
            return json.loads(told[len("RESULT "):])
    return {"error": (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1][:300]}


if __name__ == "__main__":
    main()
