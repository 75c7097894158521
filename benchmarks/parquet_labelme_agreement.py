"""Parquet and LabelMe's files here against the programs that they are of, Hugging Face's `datasets` and LabelMe; arrays
against NumPy's and h5py's own.

    pip install pyarrow datasets labelme
    python benchmarks/parquet_labelme_agreement.py --data ../shared/data/ccp

Clothing Co-Parsing's validation photos are written there and read here, then written here and read there. Prints how
many objects have the same class and the same pixels.
"""

import argparse
import io
import os
import sys
import tempfile
import warnings
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.data.formats import open_dataset, recognise  # noqa: E402
from mrcnn.data.formats.labelme_writer import write_labelme  # noqa: E402
from mrcnn.data.formats.parquet_table import write_parquet  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    photos = os.path.join(arguments.data, "photos")
    truth = open_dataset(os.path.join(arguments.data, "instances_val.json"), photos)
    wanted = objects_of(truth)
    with tempfile.TemporaryDirectory() as folder:
        with_datasets(truth, wanted, photos, folder)
        with_labelme(truth, wanted, photos, folder)
        with_arrays(truth, folder)


def objects_of(dataset):
    """Counter of (name of the photo without ending, name of the class, run lengths)."""
    return Counter((stem(dataset.file_name(i)), dataset.class_names[entry.class_id],
                    run_lengths.compress(entry.rle)["counts"])
                   for i in dataset.image_ids for entry in dataset.objects(i))


def stem(name):
    return os.path.splitext(os.path.basename(name))[0]


def tell(title, wanted, read):
    same = sum((wanted & read).values())
    print(f"{title}: {same} of {sum(wanted.values())} objects are the same to the pixel, of {sum(read.values())} read")


def with_datasets(truth, wanted, photos, folder):
    """Both ways with the package `datasets`."""
    import datasets

    print(f"datasets {datasets.__version__}")
    names = datasets.ClassLabel(names=truth.class_names[1:])
    features = datasets.Features({"image": datasets.Image(), "width": datasets.Value("int32"),
                                  "height": datasets.Value("int32"),
                                  "objects": [{"category": names, "mask": datasets.Image()}]})

    def rows():
        for image_id in truth.image_ids:
            info = truth.image_info[image_id]
            objects = [{"category": entry.class_id - 1, "mask": Image.fromarray(run_lengths.decode(entry.rle))}
                       for entry in truth.objects(image_id)]
            yield {"image": info["path"], "width": info["width"], "height": info["height"], "objects": objects}

    path = os.path.join(folder, "train-00000-of-00001.parquet")
    cache = os.path.join(folder, "cache")
    datasets.Dataset.from_generator(rows, features=features, cache_dir=cache).to_parquet(path)
    tell(f"written by datasets, recognised as {recognise(path)}", wanted, objects_of(open_dataset(path)))
    ours = os.path.join(folder, "ours.parquet")
    write_parquet(truth, ours)
    tell("written here, read here", wanted, objects_of(open_dataset(ours, photos)))
    table = datasets.load_dataset("parquet", data_files=ours, split="train", cache_dir=cache)
    read = Counter((stem(row["photo"]), row["class"], row["rle_counts"]) for row in table if row["class"] is not None)
    tell("written here, read by datasets", wanted, read)


def with_labelme(truth, wanted, photos, folder):
    """Both ways with LabelMe. Of polygons it draws the pixels on the edges too: these are told apart."""
    import labelme
    from labelme._label_file import LabelFile
    from labelme.utils import shape_to_mask

    print(f"labelme {labelme.__version__}")
    ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
    write_labelme(truth, ours)
    read = open_dataset(ours, photos, names=os.path.join(ours, "labels.txt"))
    tell("written here, read here", wanted, objects_of(read))
    os.mkdir(theirs)
    kinds, overlap = Counter(), []
    for image_id in truth.image_ids:
        info = truth.image_info[image_id]
        size = info["height"], info["width"]
        file = LabelFile(os.path.join(ours, f"{stem(info['file_name'])}.json"))
        masks = []
        for shape in file.shapes:
            kinds[shape["shape_type"]] += 1
            mask = np.zeros(size, bool)
            if shape["shape_type"] == "mask":
                (left, top), (right, low) = np.asarray(shape["points"], int)
                mask[top:low + 1, left:right + 1] = shape["mask"]
            else:
                mask = shape_to_mask(size, np.asarray(shape["points"]).tolist(), "polygon")
            masks.append(mask)
        union = np.any(masks, axis=0) if masks else np.zeros(size, bool)
        true = truth.load_mask(image_id)[0].any(axis=2)
        overlap.append((union & true).sum() / max((union | true).sum(), 1))
        shapes = [mask_shape(truth.class_names[entry.class_id], run_lengths.decode(entry.rle))
                  for entry in truth.objects(image_id)]
        with open(info["path"], "rb") as photo:
            data = photo.read()
        LabelFile().save(os.path.join(theirs, f"{stem(info['file_name'])}.json"), shapes, info["file_name"], *size,
                         image_data=data)
    listed = ", ".join(f"{count} {kind}s" for kind, count in sorted(kinds.items()))
    iou = np.mean(overlap)
    print(f"written here, read by LabelMe: {listed}; as it draws them they overlap the masks at IoU {iou:.4f}")
    read = open_dataset(theirs, names=os.path.join(ours, "labels.txt"))
    tell(f"written by LabelMe, with the photos inside, recognised as {recognise(theirs)}", wanted, objects_of(read))


def mask_shape(label, mask):
    """A shape of LabelMe's, in memory."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    points = [[float(columns[0]), float(rows[0])], [float(columns[-1]), float(rows[-1])]]
    part = mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    return {"label": label, "points": points, "group_id": None, "shape_type": "mask", "flags": {}, "description": "",
            "mask": encoded(part)}


def encoded(part):
    """A mask as LabelMe keeps it in its files."""
    import base64

    file = io.BytesIO()
    Image.fromarray(part.astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def with_arrays(truth, folder):
    """Arrays of one size, as a course has them, written by h5py and NumPy with pickles."""
    print(f"numpy {np.__version__}, h5py {h5py.__version__}")
    sizes = Counter((info["height"], info["width"]) for info in truth.image_info)
    size = sizes.most_common(1)[0][0]
    chosen = [i for i in truth.image_ids if (truth.image_info[i]["height"], truth.image_info[i]["width"]) == size]
    images = np.stack([truth.load_image(i).transpose(2, 0, 1) for i in chosen])
    masks = np.concatenate([truth.load_mask(i)[0].transpose(2, 0, 1) for i in chosen]).astype(np.uint8)
    labels = np.empty(len(chosen), object)
    labels[:] = [truth.load_mask(i)[1].astype(np.int64) for i in chosen]
    for name, array in {"images": images, "masks": masks}.items():
        with h5py.File(os.path.join(folder, f"{name}.h5"), "w") as file:
            file.create_dataset("data", data=array, compression="gzip", chunks=(1, *array.shape[1:]))
    np.save(os.path.join(folder, "labels.npy"), labels, allow_pickle=True)
    with open(os.path.join(folder, "names.txt"), "w") as file:
        file.write("\n".join(truth.class_names))
    read = open_dataset(os.path.join(folder, "masks.h5"), os.path.join(folder, "images.h5"),
                        names=os.path.join(folder, "names.txt"), arrays={"labels": os.path.join(folder, "labels.npy")})
    same = sum(np.array_equal(read.load_image(k), truth.load_image(i)) for k, i in enumerate(chosen))
    wanted = Counter((f"{k:06d}", truth.class_names[entry.class_id], run_lengths.compress(entry.rle)["counts"])
                     for k, i in enumerate(chosen) for entry in truth.objects(i))
    tell(f"{len(chosen)} photos of {size[0]}x{size[1]} as arrays, {same} of them the same to the pixel", wanted,
         objects_of(read))


if __name__ == "__main__":
    main()
