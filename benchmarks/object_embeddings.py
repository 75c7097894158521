"""Which numbers of a network find a garment again: what `collection label --embeddings` keeps, beside what else it has.

    python benchmarks/object_embeddings.py --weights model.h5 --images photos/ [--photos 60]

Each photo is looked at as it is, and cropped, mirrored and brightened. Each object of the changed photo asks for the
most alike one of its class among all objects of the photos as they are: is it of its own photo? And of its three most
alike ones in other photos: how far is their main colour in CIELAB, beside all others of the class?
"""

import argparse
import glob
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

COLUMNS = ("photo", "changed", "class_id", "score", "vector", "colour")
SURE, COUNTED = 0.7, 0.5  # least score of what asks, and of what is asked


def with_all_kinds(model):
    """(a model whose embeddings are all kinds side by side, {kind: its columns})."""
    import copy

    import keras
    from keras import layers, ops

    from mrcnn.network.geometries import geometry_of
    from mrcnn.network.heads import FlatRegions
    from mrcnn.network.object_embedding import PYRAMID, UnitRows, object_embeddings

    network, config = model.inference_model, model.config
    found, kept = network.output, object_embeddings(network, config)
    flat = FlatRegions(name="all_rows")({name: found[name] for name in ("valid", "boxes", "masks")})
    crops = geometry_of(config).crops(config.POOL_SIZE, name="all_crops")(
        {"maps": [network.get_layer(name).output for name in PYRAMID], "boxes": flat["boxes"],
         "image_index": flat["image_index"]})
    head = crops
    for name in ("flatten", "conv1", "bn1", "relu1", "conv2", "bn2", "relu2"):
        head = network.get_layer(f"mrcnn_class_{name}")(head)
    place = {"slot": flat["slot"], "kept": flat["valid"], "valid": found["valid"]}
    kinds = {"pyramid under the mask": kept,
             "pyramid in the box": UnitRows(name="in_box")({"rows": ops.mean(crops, axis=(1, 2)), **place}),
             "box head's last layer": UnitRows(name="of_head")({"rows": head, **place})}
    ends = np.cumsum([0, *(kind.shape[-1] for kind in kinds.values())])
    telling = copy.copy(model)
    telling.inference_model = keras.Model(
        network.input, {**found, "embedding": layers.Concatenate(axis=-1, dtype="float32")(list(kinds.values()))})
    return telling, {name: slice(start, end) for name, start, end in zip(kinds, ends, ends[1:])}


def changed(image):
    """A photo, cropped a little, mirrored and brighter."""
    height, width = image.shape[:2]
    part = image[int(0.04 * height):int(0.97 * height), int(0.05 * width):int(0.93 * width)][:, ::-1]
    return np.clip(part * 1.15 + 5, 0, 255).astype(np.uint8)


def objects_of(model, paths):
    """Arrays of all objects: photo, whether it is changed, class, score, vector, colour."""
    from mrcnn.collections.colours import dominant_colours
    from mrcnn.data import run_lengths
    from mrcnn.data.images import load_image

    rows = []
    for number, path in enumerate(paths):
        image = load_image(path)
        for is_changed, pixels in enumerate((image, changed(image))):
            [result] = model.detect([pixels], rle=True, min_confidence=COUNTED)
            for i, rle in enumerate(result["rles"]):
                colours = dominant_colours(pixels, run_lengths.check(rle, pixels.shape[:2]))
                if colours:
                    rows.append((number, is_changed, result["class_ids"][i], result["scores"][i],
                                 result["embeddings"][i], [colours[0][name] for name in "lab"]))
        print(f"{number + 1} of {len(paths)} photos", end="\r", file=sys.stderr)
    return [np.array(column) for column in zip(*rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--keep", metavar="FILE.npz", help="where the objects are kept, or are already")
    options = parser.parse_args()
    from mrcnn.architectures import load

    model, kinds = with_all_kinds(load(options.weights))
    paths = sorted(glob.glob(os.path.join(options.images, "*.jpg")))[:options.photos]
    if options.keep and os.path.isfile(options.keep):
        with np.load(options.keep) as file:
            columns = [file[name] for name in COLUMNS]
    else:
        columns = objects_of(model, paths)
        if options.keep:
            np.savez(options.keep, **dict(zip(COLUMNS, columns)))
    photo, is_changed, classes, scores, vectors, colours = columns
    asks, asked = np.flatnonzero((is_changed == 1) & (scores >= SURE)), np.flatnonzero(is_changed == 0)
    same_class = classes[asks][:, None] == classes[asked]
    same_photo = photo[asks][:, None] == photo[asked]
    can, others = (same_class & same_photo).any(axis=1), same_class & ~same_photo
    apart = np.linalg.norm(colours[asks][:, None] - colours[asked], axis=2)
    print(f"{len(paths)} photos, {can.sum()} objects ask, {len(asked)} are asked; main colours of a class are "
          f"{np.mean([apart[i][others[i]].mean() for i in range(len(asks)) if others[i].any()]):.1f} apart")
    for name, columns in kinds.items():
        rows = vectors[:, columns] / np.linalg.norm(vectors[:, columns], axis=1, keepdims=True)
        cosine = rows[asks] @ rows[asked].T
        order = np.argsort(-np.where(same_class, cosine, -2), axis=1)
        first, fifth = (np.take_along_axis(same_photo, order[:, :k], 1).any(axis=1)[can].mean() for k in (1, 5))
        near = np.argsort(-np.where(others, cosine, -2), axis=1)[:, :3]
        colour = np.mean([apart[i][near[i]].mean() for i in range(len(asks)) if others[i].sum() >= 3])
        print(f"{name:24s} {columns.stop - columns.start:5d} numbers: its own photo is first {first:.1%}, among five "
              f"{fifth:.1%}; colours of the three most alike are {colour:.1f} apart")


if __name__ == "__main__":
    main()
