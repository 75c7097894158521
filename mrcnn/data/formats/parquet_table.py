"""Tables of objects as Parquet: a row an object, with run lengths as COCO's, which are read back exactly."""

import os
from collections.abc import Callable, Collection

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault
from mrcnn.data.attributes import written_names
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.parquet_files import ParquetRows, load_pyarrow
from mrcnn.data.formats.writers import LeftOut, categories_of, chosen_photos, photo_and_objects
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError
from mrcnn.files import json_text, whole_file

OURS = "mrcnn"  # key of the schema's metadata under which classes and attributes stand
FORMAT = "parquet"
ROWS = 10_000  # of a row group
UNNAMED = "attribute "  # before the id of an attribute that has no name
# Name and type of each column. A photo without objects has a row of its own, in which all from `class` on is null.
COLUMNS = {
    "photo": "string", "height": "int32", "width": "int32", "class": "string", "box": "list<double>",
    "rle_size": "list<int32>", "rle_counts": "string", "area": "int64", "crowd": "bool", "attributes": "list<string>",
}


def write_parquet(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
                  progress: Callable | None = None) -> None:
    """Write a data set as a table of objects.

    Columns are the photo and its size, class, box [x, y, width, height], run lengths, area, crowd and attributes. A
    photo without objects has a row of its own, without class. An object without a pixel is left out with a warning.

    Args:
        dataset: prepared Dataset.
        path: of the file; its folder is made.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.

    Raises:
        DataError: pyarrow is not installed, two photos have one name, a photo or mask cannot be read, or the file
            cannot be written.
    """
    pyarrow, parquet = load_pyarrow()
    image_ids = chosen_photos(dataset, image_ids)
    names = written_classes(dataset, path)
    words = written_names(dataset, path)
    classes = [{**entry, "name": name} for entry, name in zip(categories_of(dataset, path), names)]
    about = {"classes": classes, "attributes": {str(i): name for i, name in words.items()}}
    types = {"string": pyarrow.string(), "int32": pyarrow.int32(), "int64": pyarrow.int64(), "bool": pyarrow.bool_(),
             "list<double>": pyarrow.list_(pyarrow.float64()), "list<int32>": pyarrow.list_(pyarrow.int32()),
             "list<string>": pyarrow.list_(pyarrow.string())}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()],
                            metadata={OURS: json_text(about, None)})
    left_out, rows = LeftOut(path), []
    with whole_file(path) as partial, parquet.ParquetWriter(partial, schema, compression="zstd") as file:
        for done, image_id in enumerate(image_ids, start=1):
            name, size, objects = photo_and_objects(dataset, image_id, left_out)
            photo = {"photo": name, "height": size[0], "width": size[1]}
            rows += [{**photo, **_row(*entry, names, words)} for entry in _measured(objects)] or [photo]
            if rows and (len(rows) >= ROWS or done == len(image_ids)):
                file.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
                rows = []
            if progress:
                progress(done, len(image_ids))
    left_out.warn()


def _measured(objects):
    """Zip of objects with their compressed run lengths, boxes and areas."""
    rles = [run_lengths.compress(entry.rle) for entry in objects]
    return zip(objects, rles, run_lengths.coco_boxes(rles), run_lengths.areas(rles).tolist())


def _row(entry, rle, box, area, names, words):
    """The columns of an object."""
    return {"class": names[entry.class_id - 1], "box": box, "rle_size": rle["size"], "rle_counts": rle["counts"],
            "area": area, "crowd": entry.crowd, "attributes": [words.get(i, f"{UNNAMED}{i}") for i in entry.attributes]}


# --- Reading ---------------------------------------------------------------------------------------------------------


def read_table(dataset: AnnotatedDataset, source: str | os.PathLike, rows: ParquetRows, folder: PhotoFolder,
               limit: int | None) -> None:
    """Register the photos and objects of a table.

    Args:
        dataset: AnnotatedDataset to register them in.
        source: path of the table.
        rows: ParquetRows.
        folder: PhotoFolder.
        limit: number of photos to take; None takes all.

    Raises:
        DataError: the table lacks a column or its classes, or as the data set reports faults.
    """
    lacking = [name for name in COLUMNS if name not in rows.schema.names]
    about = rows.metadata[OURS]
    classes = about.get("classes") if isinstance(about, dict) else None
    known = isinstance(classes, list) and all(isinstance(c, dict) and {"id", "name"} <= c.keys() for c in classes)
    if lacking or not known:
        raise DataError(f"{source}: lacks {', '.join(lacking) or 'the list of its classes'}: convert the data anew.")
    for entry in classes:
        dataset.add_category(FORMAT, entry["id"], str(entry["name"]), entry.get("supercategory"))
    ids = {}
    for entry in classes:
        name = str(entry["name"])
        if name in ids:
            how = f"of the name of another: all objects of the name are of the first, {name}; write the table anew"
            dataset.note("class", how, f"{entry['id']}: {name}")
        ids.setdefault(name, entry["id"])
    listed = about.get("attributes")
    dataset.attribute_names = {int(i): str(name) for i, name in listed.items()} if isinstance(listed, dict) else {}
    words = {name: i for i, name in dataset.attribute_names.items()}
    photos = {}
    for row in rows.rows(COLUMNS):
        name = row["photo"] or ""
        if name not in photos and limit is not None and len(photos) >= limit:
            continue
        photos.setdefault(name, []).append(row)
    files = {}
    for name in photos:
        try:
            files[name] = folder.find(name)
        except DataError as error:
            dataset.fault(source, Fault(name, "path escape", str(error).rstrip(".")))
    lacking = [name for name, file in files.items() if file is None]
    files.update(dataset.find_alike(folder, lacking, set(files.values())))
    for name, file in files.items():
        if file is not None:
            _add(dataset, source, name, file, photos[name], folder, ids, words)
    dataset.missing_photos(source, folder.path, [name for name, file in files.items() if file is None], len(photos))


def _add(dataset, source, name, found, rows, folder, ids, words):
    """Register one photo, or what is wrong with it. found: name of its file"""
    size = rows[0]["height"], rows[0]["width"]
    if not all(isinstance(side, int) and side > 0 for side in size):
        return dataset.fault(source, Fault(name, "bad entry", f"its size {size} is none: convert the data anew"))
    entries = []
    for number, row in enumerate(row for row in rows if row["class"] is not None):
        try:
            rle = run_lengths.compress({"size": row["rle_size"], "counts": row["rle_counts"]}, size)
        except (DataError, TypeError, ValueError) as error:
            dataset.fault(source, Fault(name, "RLE overflow", str(error).rstrip("."), number))
            continue
        if row["class"] not in ids:
            dataset.fault(source, Fault(name, "unknown class", f"its class {row['class']!r} is not listed", number))
            continue
        attributes = tuple(words[word] if word in words else int(str(word).removeprefix(UNNAMED))
                           for word in row["attributes"] or ()
                           if word in words or str(word).removeprefix(UNNAMED).isdecimal())
        entries.append((number, ids[row["class"]], rle, bool(row["crowd"]), attributes))
    dataset.add_photo(FORMAT, name, folder.join(found), found, *size, entries=entries)
