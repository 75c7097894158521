"""Label Studio's JSON as written and read here against label-studio-sdk, its own checks and converter.

    pip install label-studio-sdk
    python benchmarks/label_studio_agreement.py [--photos 100]

The photos are those of Clothing Co-Parsing's validation part. Counted is what is the same to the pixel.
"""

import argparse
import importlib.metadata
import json
import pathlib
import sys
import tempfile
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.data.annotated import select  # noqa: E402
from mrcnn.data.formats import label_studio_brush, open_dataset  # noqa: E402
from mrcnn.data.formats.label_studio_regions import regions_of, shape_of  # noqa: E402
from mrcnn.data.formats.label_studio_writer import write_label_studio  # noqa: E402
from mrcnn.data.formats.via import shape_rle  # noqa: E402

CCP = ROOT.parent / "shared" / "data" / "ccp"
PHOTOS = CCP / "photos"


def opened(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(str(path), str(PHOTOS), **options)


def objects_of(dataset):
    """{(photo, class name, RLE)} of the objects of a data set."""
    return {(dataset.file_name(i), dataset.class_names[entry.class_id], run_lengths.compress(entry.rle)["counts"])
            for i in dataset.image_ids for entry in dataset.objects(i)}


def results_of(path):
    """Every result of a file of tasks."""
    tasks = json.loads(pathlib.Path(path).read_text())
    return [result for task in tasks for one in task["annotations"] for result in one["result"]]


def check_brushes(results, sdk):
    """Their decoding of our brushes, and ours of theirs."""
    brushes = [result for result in results if result["type"] == "brushlabels"]
    ours = theirs = 0
    for result in brushes:
        shape = result["original_height"], result["original_width"]
        mask = run_lengths.decode(label_studio_brush.decode(result["value"]["rle"], shape))
        values = sdk.decode_rle(result["value"]["rle"]).reshape(*shape, 4)
        ours += bool((values == 255 * mask[..., None]).all())
        again = label_studio_brush.decode(sdk.mask2rle(255 * mask.astype(np.uint8)), shape)
        theirs += bool((run_lengths.decode(again) == mask).all())
    print(f"{len(brushes)} brushes: {ours} of those written here, read by the converter, and {theirs} of those that it "
          "wrote, read here, are the same")


def check_rectangles(utils):
    """Turned rectangles against the corners that the converter computes."""
    rng, same, count, size = np.random.default_rng(0), 0, 500, (300, 400)
    for _ in range(count):
        x, y, width, height = rng.uniform(20, 40, 4)
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": rng.uniform(0, 360)}
        label = {**value, "original_width": size[1], "original_height": size[0]}
        corners = np.array(utils.convert_annotation_to_yolo_obb(label, normalize=False)).ravel().tolist()
        (region,) = regions_of([{"value": value}])
        ours, theirs = shape_rle(shape_of(region, size), size), run_lengths.from_polygons([corners], size)
        both = run_lengths.shared_area(ours, theirs)
        same += both == run_lengths.areas([ours])[0] == run_lengths.areas([theirs])[0]
    print(f"{count} turned rectangles: {same} have the pixels of the converter's corners")


def main():
    from label_studio_sdk.converter import brush, utils
    from label_studio_sdk.converter.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=100)
    photos = parser.parse_args().photos
    dataset = opened(CCP / "instances_val.json")
    dataset = select(dataset, dataset.image_ids[:photos])
    print(f"label-studio-sdk {importlib.metadata.version('label-studio-sdk')}, {len(dataset.image_ids)} photos")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tasks.json"
        write_label_studio(dataset, path)
        config, results, before = path.with_suffix(".xml").read_text(), results_of(path), objects_of(dataset)
        polygons = sum(result["type"] == "polygonlabels" for result in results)
        again = objects_of(opened(path, names=str(path.with_suffix(".xml"))))
        print(f"{len(before)} objects, {polygons} as polygons and {len(results) - polygons} as brushes, "
              f"{path.stat().st_size / 1e6:.1f} MB: {len(before & again)} are read back the same")
        interface, tasks = LabelInterface(config), json.loads(path.read_text())
        valid = sum(bool(interface.validate_annotation(one)) for task in tasks for one in task["annotations"])
        print(f"{len(tasks)} tasks: the annotations of {valid} are valid by the configuration, as the SDK checks them")
        check_brushes(results, brush)
        for number, task in enumerate(tasks):  # as Label Studio has them once they are imported
            task.update(id=number)
            task["annotations"][0].update(id=number, completed_by={"id": 1, "email": "a@b.c"}, created_at="2024-01-01")
        imported = pathlib.Path(folder) / "imported.json"
        imported.write_text(json.dumps(tasks))
        converter = Converter(config, None, download_resources=False)
        for form in ("JSON_MIN", "COCO"):  # COCO leaves brushes out
            target = pathlib.Path(folder) / form
            converter.convert(str(imported), str(target), form, is_dir=False)
            found = objects_of(opened(target / "result.json"))
            print(f"{form} of the converter: {len(found)} objects read here, {len(found & before)} the same")
    check_rectangles(utils)


if __name__ == "__main__":
    main()
