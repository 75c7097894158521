"""What smaller and grey photos cost and save: figures of a checkpoint, and its time a photo, at several sizes.

    python benchmarks/smaller_photos.py --weights FILE --images DIR --annotations PATH [--names FILE --mapping NAME
        --split FILE] [--sizes 512 384 256 192] [--limit N]

IMAGE_MAX_DIM is set to each size; the network was trained at its own. Grey photos have their luma in all three
channels. Time is that of the process, all cores together, from photo to masks or labels; the network's first call is
not in it.
"""

import argparse
import os
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def grey_of(image):
    """uint8 [H, W, 3] without colours."""
    return np.repeat(np.rint(image @ np.array(LUMA)).astype(np.uint8)[..., None], 3, axis=2)


def measured(model, dataset, grey):
    """(figures, seconds of the process a photo)."""
    from mrcnn.evaluation.evaluate import evaluate
    from mrcnn.labeling.photos import compared

    load = dataset.load_image
    finds = "detect" if hasattr(model, "detect") else "label_each"
    method, spent = getattr(model, finds), []

    def timed(images, **options):
        start = time.process_time()
        result = list(method(images, **options))
        spent.append(time.process_time() - start)
        return result

    method([load(dataset.image_ids[0])]) if finds == "detect" else list(method([load(dataset.image_ids[0])]))
    dataset.load_image = (lambda image_id: grey_of(load(image_id))) if grey else load
    setattr(model, finds, timed)
    try:
        if finds == "detect":
            numbers = evaluate(model, dataset, progress=False)[0]["segm"]
            figures = {name: numbers[name] for name in ("AP", "AP50")}
        else:
            numbers = compared(model, dataset, progress=False).metrics()
            figures = {"mean IoU": numbers["mean_iou"], "boundary F": numbers["mean_boundary_f"]}
    finally:
        dataset.load_image = load
        delattr(model, finds)
    return figures, sum(spent) / len(dataset.image_ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("weights", "images", "annotations"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("names", "mapping", "split"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--sizes", type=int, nargs="+", default=(512, 384, 256, 192))
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    from mrcnn.architectures import architecture_of, class_of
    from mrcnn.data.annotated import select
    from mrcnn.data.curation.splits import apply_split, read_split
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(options.annotations, options.images, names=options.names, mapping=options.mapping)
    if options.split:
        dataset = apply_split(dataset, read_split(options.split), "val")
    if options.limit:
        dataset = select(dataset, dataset.image_ids[: options.limit])
    architecture, trained = class_of(architecture_of(options.weights)), None
    for size in [None, *options.sizes]:
        settings = {} if size is None else {"IMAGE_MAX_DIM": size}
        if "DETECTION_MIN_CONFIDENCE" in architecture.settings.names():
            settings["DETECTION_MIN_CONFIDENCE"] = 0.05
        model = architecture.from_checkpoint(options.weights, mode="inference", **settings)
        if size is None:
            trained = model.config.IMAGE_MAX_DIM
            print(f"{os.path.basename(options.weights)}, {model.architecture_name()}, trained at {trained} pixels, "
                  f"{len(dataset.image_ids)} photos", flush=True)
        elif size == trained:
            continue
        for grey in (False, True) if size is None else (False,):
            figures, seconds = measured(model, dataset, grey)
            shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            print(f"{size or trained:5} pixels{', grey' if grey else '':8} {shown}  {seconds:.2f} s/photo", flush=True)


if __name__ == "__main__":
    main()
