"""Seconds and memory to open a folder of DeepFashion2's size, 191,961 photos, and to read objects on demand.

    python benchmarks/deepfashion2_listing.py --photos 191961

The folder is made of copies of one photo and one file, of DeepFashion2's usual sizes.
"""

import argparse
import io
import json
import os
import resource
import sys
import tempfile
import time

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from mrcnn.data.formats import open_dataset

SIZE = 702, 468  # height, width of most of its photos
CORNERS = 60  # of an outline


def make(folder, photos):
    """Write the files of photos to `annos` and `image`."""
    for name in ("annos", "image"):
        os.makedirs(os.path.join(folder, name))
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    outline = np.stack([230 + 150 * np.cos(angles), 350 + 200 * np.sin(angles)], axis=1).ravel().tolist()
    item = {"segmentation": [outline], "scale": 2, "viewpoint": 2, "zoom_in": 1, "landmarks": [100, 200, 2] * 25,
            "style": 1, "bounding_box": [80, 150, 380, 550], "category_id": 1, "occlusion": 1,
            "category_name": "short sleeve top"}
    text = json.dumps({"item1": item, "item2": item, "source": "user", "pair_id": 1})
    picture = io.BytesIO()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(picture, "JPEG")
    for number in range(photos):
        with open(os.path.join(folder, "annos", f"{number:06}.json"), "w") as file:
            file.write(text)
        with open(os.path.join(folder, "image", f"{number:06}.jpg"), "wb") as file:
            file.write(picture.getvalue())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=191_961)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(folder, options.photos)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        dataset = open_dataset(folder)
        seconds = time.perf_counter() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"opened {len(dataset.image_ids)} photos in {seconds:.1f} s, {grown:.0f} MB")
        start = time.perf_counter()
        for image_id in dataset.image_ids[:1000]:
            dataset.load_rles(image_id)
        seconds = time.perf_counter() - start
        print(f"read the objects of a photo in {seconds * 1000 / min(1000, options.photos):.2f} ms")


if __name__ == "__main__":
    main()
