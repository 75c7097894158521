"""Time and memory of detection and of a training step, as ratios to a bare ResNet50 in the same run.

    python benchmarks/network.py                 512 pixels, batch 1: detection with 100 and 8 objects, a training step
    python benchmarks/network.py --memory        peak memory of one detection at 1024 pixels

Each stage's multiply-adds are counted from the shapes of its layers. A ratio is the time measured, over the time that
the counted multiply-adds would take at the rate of the bare keras.applications.ResNet50 (no top) of the same size.
Every number is the best of --repeat runs, the two networks taking turns.
"""

import argparse
import functools
import os
import resource
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import mrcnn  # noqa: E402, F401  (sets oneDNN before TensorFlow is imported)

CLASSES = 14


def config(size, **settings):
    from mrcnn.config import Config

    return Config(
        NAME="benchmark", NUM_CLASSES=CLASSES, BACKBONE="resnet50", IMAGES_PER_GPU=1, IMAGE_MIN_DIM=size,
        IMAGE_MAX_DIM=size, **settings,
    )


def multiply_adds(model, regions, objects):
    """Giga multiply-adds by stage, from the kernel and output shape of every layer and every place it is used in."""
    import keras

    stages = dict.fromkeys(("backbone", "pyramid", "rpn", "box head", "mask head"), 0.0)
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dense)):
            continue
        name, kernel = layer.name, layer.kernel.shape
        for node in layer._inbound_nodes:
            output, source = node.output_tensors[0].shape, node.input_tensors[0].shape
            if isinstance(layer, keras.layers.Conv2DTranspose):  # each input cell meets the whole kernel
                places = source[1] * source[2]
            else:
                places = int(np.prod(output[1:-1]))
            amount = places * int(np.prod(kernel)) / 1e9
            if name.startswith("mrcnn_mask"):
                stages["mask head"] += amount * objects
            elif name.startswith("mrcnn_"):
                stages["box head"] += amount * regions
            elif name.startswith("rpn_"):
                stages["rpn"] += amount
            elif name.startswith("fpn_"):
                stages["pyramid"] += amount
            else:
                stages["backbone"] += amount
            if name.startswith("mrcnn_"):
                break  # the heads are shared by the graphs of training and detection, and run once in each
    return stages


def calm(model):
    """Random weights whose activations neither vanish nor explode, and whose scores differ, as a trained network's."""
    for layer in model.layers:
        if layer.name.startswith("bn") and layer.name.endswith("branch2c"):
            layer.gamma.assign(np.full(layer.gamma.shape, 0.1))
        elif layer.name == "conv1":
            layer.kernel.assign(layer.kernel * 0.01)  # pixels of a hundred to activations of one


def best_in_turn(functions, repeat):
    """Best time of each function, which run in turn so that the machine's moods meet all of them."""
    best = [float("inf")] * len(functions)
    for turn in range(repeat + 1):
        for index, function in enumerate(functions):
            start = time.perf_counter()
            function()
            if turn:  # the first one builds the graph
                best[index] = min(best[index], time.perf_counter() - start)
    return best


def report(title, seconds, bare_seconds, stages, bare_amount):
    counted = sum(stages.values())
    ratio = seconds / (bare_seconds * counted / bare_amount)
    parts = ", ".join(f"{name} {amount:.1f}" for name, amount in stages.items())
    print(f"{title}: {seconds:.3f} s, bare ResNet50 {bare_seconds:.3f} s; {counted:.1f} G multiply-adds ({parts})")
    print(f"    ratio to the bare network's rate: {ratio:.2f}")
    return ratio


def bare_network(size):
    import keras

    class Bare(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred)

    plain = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(size, size, 3))
    for layer in plain.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    bare = Bare(inputs=plain.inputs, outputs=plain.outputs[0])
    bare.compile(keras.optimizers.SGD(1e-9, momentum=0.9, global_clipnorm=5.0), jit_compile=False)
    return bare


def detection(size, repeat, bare, image):
    """Detection with 100 and with 8 objects found, by the score threshold alone: the limit stays 100."""
    import keras

    from mrcnn.network.mask_rcnn import build_mask_rcnn

    inputs = {"image": image, "window": np.array([[0, 0, size, size]], "float32")}
    inputs["min_confidence"] = np.zeros(1, "float32")
    bare_amount = sum(multiply_adds(bare, 0, 0).values())
    for objects in (100, 8):
        keras.utils.set_random_seed(0)  # the same weights each time
        _, network = build_mask_rcnn(config(size))
        network.jit_compile = False
        calm(network)
        outputs = network.predict_on_batch(inputs)
        scores, count = np.asarray(outputs["scores"])[0], int(np.asarray(outputs["valid"]).sum())
        assert count == objects, f"{count} objects found, not {objects}"
        turns = (functools.partial(network.predict_on_batch, inputs), lambda: bare.predict_on_batch(image))
        own, plain = best_in_turn(turns, repeat)
        stages = multiply_adds(network, 1000, objects)
        report(f"Detection, {size} pixels, {objects} objects", own, plain, stages, bare_amount)
        inputs = {**inputs, "min_confidence": scores[7:8]}


def training(size, repeat, bare, image):
    """A full training step, all layers, 8 objects."""
    from mrcnn.network.mask_rcnn import build_mask_rcnn
    from mrcnn.training.optimizer import make_optimizer
    from mrcnn.training.stages import select_layers, set_trainable_layers

    settings = config(size)
    network, _ = build_mask_rcnn(settings)
    calm(network)
    set_trainable_layers(network, select_layers(network, "all", frozen_norm=True))
    batch = batch_of(image, settings)
    outputs = network.predict_on_batch(batch)
    regions, objects = int(outputs["region_valid"].sum()), int(outputs["mask_valid"].sum())
    network.compile(make_optimizer(network, settings, 1e-9, 0.9, 0), jit_compile=False)
    own, plain = best_in_turn((lambda: network.train_on_batch(batch), lambda: bare.train_on_batch(image)), repeat)
    stages = multiply_adds(network, regions, objects)
    title = f"Training step, {size} pixels, 8 objects, {objects} positive regions"
    report(title, own, plain, stages, sum(multiply_adds(bare, 0, 0).values()))


def batch_of(image, settings):
    """The image with 8 objects of 60 to 200 pixels."""
    size, limit = image.shape[1], settings.MAX_GT_INSTANCES
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, size - 200, (8, 2))
    boxes = np.zeros((1, limit, 4), "float32")
    boxes[0, :8] = np.concatenate([corner, corner + rng.uniform(60, 200, (8, 2))], axis=1)
    return {
        "image": image,
        "window": np.array([[0, 0, size, size]], "float32"),
        "gt_boxes": boxes,
        "gt_class_ids": np.where(np.arange(limit) < 8, 1, 0)[None].astype("int32"),
        "gt_masks": np.full((1, limit, 56, 56), 255, "uint8"),
        "gt_valid": (np.arange(limit) < 8)[None],
        "gt_crowd": np.zeros((1, limit), bool),
        "active_classes": np.ones((1, CLASSES), bool),
    }


def memory(size):
    """Peak resident memory of a process that detects 100 objects in one photo, everything imported included."""
    from mrcnn.model import MaskRCNN

    model = MaskRCNN("inference", config(size, DETECTION_MIN_CONFIDENCE=0.0), "unused")
    calm(model.inference_model)
    photo = np.random.default_rng(0).integers(0, 255, (size, size, 3)).astype("uint8")
    for _ in range(3):
        (result,) = model.detect([photo])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Detection, {size} pixels, {len(result['scores'])} objects: peak resident memory {peak:.2f} GB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of the image in pixels")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs of each, the best counts")
    parser.add_argument("--memory", action="store_true", help="measure memory at 1024 pixels instead")
    options = parser.parse_args()
    if options.memory:
        return memory(1024)
    import keras

    keras.utils.set_random_seed(0)
    size = options.size
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "as TensorFlow has it")
    print(f"Backend {keras.backend.backend()}, oneDNN {onednn}, {os.cpu_count()} cores")
    image = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype("float32")
    bare = bare_network(size)
    detection(size, options.repeat, bare, image)
    training(size, options.repeat, bare, image)


if __name__ == "__main__":
    main()
