"""What a model finds in a collection beside what people annotated: garments a photo, and what is worn together.

    python benchmarks/collection_truth.py LABELLED --annotations FILE [FILE ...] --images DIR [--min-score 0.5 0.7]
        [--min-outfits 20] [--output DIR]

LABELLED is what `mrcnn collection label` wrote of these photos. Only photos that are in both count. --output keeps the
annotations as a collection, whose report is that of the truth: mrcnn collection report DIR.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.collections.reading import Collection  # noqa: E402
from mrcnn.collections.tables import Tables  # noqa: E402
from mrcnn.collections.together import counts_by_class, habits  # noqa: E402
from mrcnn.files import text_table, whole_file  # noqa: E402


def rows_of_truth(annotations, images):
    """Rows of annotated photos, as `collection label` writes them; scores are 1."""
    from mrcnn.collections.rows import photo_rows
    from mrcnn.data import run_lengths
    from mrcnn.data.formats import open_dataset

    for path in annotations:
        dataset = open_dataset(path, images)
        names = [entry["name"] for entry in dataset.class_info]
        for image_id in dataset.image_ids:
            photo = dataset.image_info[image_id]["path"]
            rles, class_ids = dataset.load_rles(image_id)
            rles = [run_lengths.compress(rle) for rle in rles]
            with open(photo, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            yield from photo_rows(
                os.path.relpath(photo, images), digest, dataset.load_image(image_id),
                {"rles": rles, "boxes": run_lengths.boxes(rles), "class_ids": np.abs(class_ids),
                 "scores": np.ones(len(rles))}, names)


def write_collection(folder, root, rows):
    """Write rows as a collection of one shard."""
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.plan import ABOUT, METADATA, SHARDS, key_of
    from mrcnn.collections.rows import schema

    os.makedirs(folder, exist_ok=True)
    identity = {"root": os.path.abspath(root)}
    for name, value in ((ABOUT, {"identity": identity}), (SHARDS, sorted({row["photo"] for row in rows}))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")
    table = pyarrow.Table.from_pylist(rows, schema=schema({METADATA: key_of(identity)}))
    with whole_file(os.path.join(folder, "shard-000000.parquet")) as partial:
        parquet.write_table(table, partial)


def garments(truth, found):
    """Rows of a text table: objects and photos of each class."""
    entries = [{entry["class"]: entry for entry in counts_by_class(tables)} for tables in (truth, found)]
    photos = truth.facts["counted"]
    lines = [("class", "true objects", "found", "found / true", "true photos", "found")]
    for name in sorted(entries[0], key=lambda name: -entries[0][name]["objects"]):
        true, seen = (each.get(name, {"objects": 0, "photos": 0}) for each in entries)
        lines.append((name, true["objects"], seen["objects"], f"{seen['objects'] / true['objects']:.2f}",
                      f"{true['photos'] / photos:.3f}", f"{seen['photos'] / photos:.3f}"))
    total = [sum(entry["objects"] for entry in each.values()) for each in entries]
    lines.append(("all", *total, f"{total[1] / total[0]:.2f}", f"{total[0] / photos:.2f} a photo",
                  f"{total[1] / photos:.2f} a photo"))
    return lines


def sides(habit):
    """What an interval says: "more" than chance, "less", or "chance"."""
    return "more" if habit.low > 1 else "less" if habit.high < 1 else "chance"


def pairs(truth, found, least, classes=True):
    """(rows of a text table, {(what truth says, what the model says): number of pairs}) of pairs of classes."""
    of = [{habit.things: habit for habit in habits(tables, 2) if (set(habit.kinds) == {"class"}) is classes}
          for tables in (truth, found)]
    lines, agreed = [("pair", "true outfits", "true lift", "found outfits", "found lift", "intervals")], {}
    frequent = [habit for habit in of[0].values() if habit.outfits >= least]
    for true in sorted(frequent, key=lambda habit: -abs(np.log(habit.lift))):
        seen = of[1].get(true.things)
        told = (sides(true), sides(seen) if seen else "too few")
        agreed[told] = agreed.get(told, 0) + 1
        lines.append((" + ".join(true.things), true.outfits, f"{true.lift:.2f} ({true.low:.2f} to {true.high:.2f})",
                      seen.outfits if seen else 0,
                      f"{seen.lift:.2f} ({seen.low:.2f} to {seen.high:.2f})" if seen else "",
                      "meet" if seen and seen.low <= true.high and true.low <= seen.high else "apart"))
    return lines, agreed


def compare(options, folder):
    """Print the tables."""
    labelled = Collection(options.labelled)
    rows = list(rows_of_truth(options.annotations, options.images))
    photos = {row["photo"] for row in rows}
    seen = [row for _, _, some in labelled.photos() for row in some if row["photo"] in photos]
    photos &= {row["photo"] for row in seen}
    places = [os.path.join(folder, name) for name in ("truth", "found")]
    if options.output:
        places[0] = options.output
    for place, some in zip(places, (rows, seen)):
        write_collection(place, options.images, [row for row in some if row["photo"] in photos])
    truth = Tables(places[0], 0.5, None, True)
    for score in options.min_score:
        found = Tables(places[1], score, None, True)
        print(f"\n{len(photos)} photos, objects of a score of at least {score:g}\n")
        print(text_table(garments(truth, found)))
        for classes, what in ((True, "classes"), (False, "colours")):
            lines, agreed = pairs(truth, found, options.min_outfits, classes)
            print(f"\nPairs of {what} in at least {options.min_outfits} true outfits: {len(lines) - 1}; truth, model: "
                  + ", ".join(f"{true}, {told} {count}" for (true, told), count in sorted(agreed.items())) + "; "
                  f"{sum(line[-1] == 'meet' for line in lines)} intervals meet\n")
            print(text_table(lines[:1 + options.shown]))


def run():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labelled", metavar="LABELLED")
    parser.add_argument("--annotations", nargs="+", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--min-score", nargs="+", type=float, default=[0.5])
    parser.add_argument("--min-outfits", type=int, default=20)
    parser.add_argument("--shown", type=int, default=30)
    parser.add_argument("--output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options, folder)


if __name__ == "__main__":
    run()
