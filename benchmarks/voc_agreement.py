"""PASCAL VOC's masks here against another program that reads and writes them, Datumaro, on which CVAT's exports build.

    pip install datumaro pycocotools "opencv-python-headless<5"
    python benchmarks/voc_agreement.py --data ../shared/data/ccp

Clothing Co-Parsing's validation photos are written here and read there, then written there and read here. Prints how
many objects have the same class and the same pixels.
"""

import argparse
import os
import sys
import tempfile
import warnings
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.data.formats import open_dataset, recognise  # noqa: E402
from mrcnn.data.formats.write_voc import write_voc  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    arguments = parser.parse_args()
    import datumaro

    warnings.simplefilter("ignore")
    print(f"datumaro {datumaro.__version__}")
    truth = open_dataset(os.path.join(arguments.data, "instances_val.json"), os.path.join(arguments.data, "photos"))
    wanted = objects_here(truth)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
        write_voc(truth, ours)
        tell("written here, read here", wanted, objects_here(open_dataset(ours)))
        read_there = datumaro.Dataset.import_from(ours, "voc_instance_segmentation")
        tell("written here, read there", wanted, objects_there(read_there))
        read_there.export(theirs, "voc_instance_segmentation", save_media=True)
        print(f"what it writes is recognised as {recognise(theirs)}: {', '.join(sorted(os.listdir(theirs)))}")
        tell("written there, read here", objects_there(read_there), objects_here(open_dataset(theirs)))


def objects_here(dataset):
    """Counter of (name of the photo without ending, name of the class, run lengths)."""
    return Counter((os.path.splitext(os.path.basename(dataset.file_name(i)))[0], dataset.class_names[entry.class_id],
                    run_lengths.compress(entry.rle)["counts"])
                   for i in dataset.image_ids for entry in dataset.objects(i))


def objects_there(dataset):
    """The same of the other program's data set."""
    from datumaro.components.annotation import AnnotationType

    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    return Counter((os.path.basename(item.id), names[mask.label], run_lengths.encode(np.asarray(mask.image))["counts"])
                   for item in dataset for mask in item.annotations if mask.type == AnnotationType.mask)


def tell(title, wanted, read):
    same = sum((wanted & read).values())
    print(f"{title}: {same} of {sum(wanted.values())} objects are the same to the pixel, of {sum(read.values())} read")


if __name__ == "__main__":
    main()
