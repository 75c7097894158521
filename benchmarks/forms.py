"""Time to read, and to write, the objects of one photo in each form of annotations, on one core.

    python benchmarks/forms.py --data ../shared/data/ccp

Reads the three forms of Clothing Co-Parsing and counts the photos in which label maps give other objects than the COCO
file and the iMaterialist CSV do. Prints milliseconds a photo, the best of some rounds, without the photos themselves.
"""

import argparse
import os
import sys
import tempfile
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.data.formats.writers import write_coco, write_imaterialist  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    parser.add_argument("--photos", type=int, default=200, help="photos to take the time of")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    photos = os.path.join(arguments.data, "photos")
    labels = os.path.join(arguments.data, "labels")
    sets = {
        "COCO": os.path.join(arguments.data, "instances_train.json"),
        "iMaterialist": os.path.join(arguments.data, "imaterialist", "train.csv"),
    }
    datasets = {name: open_dataset(path, photos) for name, path in sets.items()}
    for name, mapping in (("COCO", "ccp-13"), ("iMaterialist", "ccp-imaterialist")):
        datasets[f"label maps, {mapping}"] = open_dataset(labels, photos, mapping=mapping)
        compare(datasets[f"label maps, {mapping}"], datasets[name], name)
    print(f"\n{'ms a photo':30}  objects    masks")
    for name, dataset in datasets.items():
        times = [milliseconds(read, arguments) for read in (dataset.load_rles, dataset.load_mask)]
        print(f"{name:30} " + " ".join(f"{value:8.2f}" for value in times))
    value = milliseconds(datasets["label maps, ccp-13"].label_map, arguments)
    print(f"{'label maps, a class a pixel':30} {value:8.2f}\n")
    dataset = datasets["COCO"]
    with tempfile.TemporaryDirectory() as folder:
        for write, file in ((write_coco, "a.json"), (write_imaterialist, "a.csv")):
            seconds = best(lambda write=write, file=file: write(dataset, os.path.join(folder, file)), arguments.rounds)
            print(f"{write.__name__ + ' of the COCO form':36} {1000 * seconds / dataset.num_images:6.2f} ms a photo")


def milliseconds(read, arguments):
    """Time that reading a photo takes, of the first so many."""
    seconds = best(lambda: [read(i) for i in range(arguments.photos)], arguments.rounds)
    return 1000 * seconds / arguments.photos


def best(work, rounds):
    """Seconds of the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(maps, other, name):
    """Print how many photos have other objects in the label maps than in another form."""
    ids = {maps.file_name(i): i for i in maps.image_ids}
    pairs = [(objects(maps, ids[other.file_name(i)]), objects(other, i)) for i in other.image_ids]
    differing = sum(first != second for first, second in pairs)
    total = sum(len(second) for _, second in pairs)
    print(f"label maps and {name}: {total} objects in {len(pairs)} photos, {differing} photos differ")


def objects(dataset, image_id):
    """Sorted list of (class name, run lengths) of a photo."""
    rles, class_ids = dataset.load_rles(image_id)
    texts = [rle["counts"] if isinstance(rle["counts"], str) else rle["counts"].decode() for rle in rles]
    return sorted(zip([dataset.class_names[i] for i in class_ids], texts))


if __name__ == "__main__":
    main()
