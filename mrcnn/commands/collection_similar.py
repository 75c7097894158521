"""The command `collection similar`: the garments of a collection that are most like those of a photo."""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.options import positive, probability, seed
from mrcnn.commands.resume import identity_of
from mrcnn.commands.runs import Tiled, checkpoint_of, load_model
from mrcnn.errors import DataError, UsageError
from mrcnn.files import write_json
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.collections.queries import Query
    from mrcnn.collections.reading import Collection
    from mrcnn.collections.similar import Found
    from mrcnn.commands.runs import Model

SHEET, JSON = "similar.png", "similar.json"
_ONE = "one photo is held against the whole collection"
OF_COLLECTION = {"set": "photos are looked at as the collection's were, with its settings", "limit": _ONE,
                 "batch_size": _ONE}  # {option without use: why}
MANY = 1_000_000  # compared objects from which on an index would be faster


def similar(options: argparse.Namespace) -> int:
    """Write the objects that are most alike.

    Returns:
        The exit code.
    """
    from mrcnn.collections.queries import chosen_objects, query_of
    from mrcnn.collections.reading import Collection
    from mrcnn.collections.similar import Asked, most_alike
    from mrcnn.collections.similar_pictures import sheet_of
    from mrcnn.drawing.pictures import write_picture

    paths = [os.path.join(options.output, name) for name in (SHEET, JSON)]
    claim_outputs(paths, options.overwrite)
    collection = Collection(options.collection)
    if "embedding" not in collection.identity:
        raise DataError(f"{options.collection} has no embeddings: label its photos into a new folder by mrcnn "
                        "collection label --embeddings.")
    tell_missing(collection)
    query = query_of(collection, options.photo, lambda: network_of(collection, options))
    print(f"{query.name} is in the collection: its embeddings are taken from there." if query.inside else
          f"{len(query.rows)} objects are found in {query.name}.")
    rows, left_out = chosen_objects(query, options.object, options.class_name, options.min_score)
    for reason, number in left_out.items():
        print(f"{number} {reason}, left out.")
    asked = Asked(vectors_of(rows), [None if options.any_class else row["class"] for row in rows],
                  rows[0]["hash"], options.top, options.min_score, options.with_copies, colours_of(rows, options),
                  rows[0].get("thumbnail"))
    with progress_bar("Comparing", "shards") as show:
        found = most_alike(collection, asked, show)
    tell(collection, rows, found, options)
    sheet, missing, reason = sheet_of(collection, query, rows, found, options.top)
    if missing:
        print(f"{missing} matches cannot be shown, as: {reason}", file=sys.stderr)
    write_picture(paths[0], sheet)
    write_json(paths[1], described(query, rows, found, options))
    print(f"{SHEET} and {JSON} are in {options.output}")
    return 0


def tell_missing(collection: Collection) -> None:
    """Tell of shards that are not written yet."""
    missing = collection.planned - len(collection.shards)
    if missing > 0:
        print(f"{missing} of {collection.planned} shards are not written yet and not in it: collection label goes on "
              "with them.", file=sys.stderr)


def network_of(collection: Collection, options: argparse.Namespace) -> Model:
    """The network that a collection was labelled by, with its settings, and embeddings if it has some.

    Raises:
        UsageError: the weights are others, or none are known.
    """
    options, identity = copy.copy(options), collection.identity
    if options.weights is None:
        if not collection.weights or not os.path.exists(collection.weights):
            where = f" ({collection.weights}, which is not there any more)" if collection.weights else ""
            raise UsageError(f"{options.photo} is not in the collection: give --weights those that it was labelled "
                             f"with{where}.")
        options.weights = collection.weights
    path = checkpoint_of(options)
    options.tile, options.tile_overlap, options.matte = (identity.get(name) for name in ("tile", "tile_overlap",
                                                                                         "matte"))
    options.batch_size = None
    own, theirs = identity_of(options, path, {})["weights"], identity.get("weights")
    if own != theirs:
        raise UsageError(f"--weights {path} (SHA-256 {own[:12]}...) are not those that {collection.folder} was "
                         f"labelled with ({str(theirs)[:12]}...): what other weights say cannot be compared; give "
                         "those.")
    model = load_model(path, options, dict(identity.get("settings") or {}))
    if "embedding" not in identity:
        return model
    from mrcnn.inference.object_embedding import KIND

    if identity["embedding"] != KIND:
        raise UsageError(f"{collection.folder} holds embeddings of the kind {identity['embedding']}, this version "
                         f"makes {KIND}: ask about a photo that is in it, or label it in a new folder.")
    return telling_embeddings(model)


def telling_embeddings(model: Model) -> Model:
    """A model, by tiles or not, whose detect() tells embeddings. Raises UsageError for one that cannot."""
    from mrcnn.inference.object_embedding import with_embeddings

    if isinstance(model, Tiled):
        return Tiled(with_embeddings(model.model), model.tile, model.overlap)
    return with_embeddings(model)


def vectors_of(rows: list[dict]) -> np.ndarray:
    """float32 [Q, C] of rows. Raises DataError if one has no embedding."""
    import numpy as np

    from mrcnn.collections.rows import EMBEDDING, unit_rows

    if any(row.get(EMBEDDING) is None for row in rows):
        raise DataError(f"{rows[0]['photo']}: its objects have no embeddings: label the collection in a new folder by "
                        "mrcnn collection label --embeddings.")
    return unit_rows(np.array([row[EMBEDDING] for row in rows], np.float32))


def colours_of(rows: list[dict], options: argparse.Namespace) -> list[int] | None:
    """The colours that --same-colour asks for; None without it. Raises UsageError for an object without a colour."""
    from mrcnn.collections.queries import colour_of

    if not options.same_colour:
        return None
    colours = [colour_of(row) for row in rows]
    if None in colours:
        raise UsageError(f"--same-colour: object {rows[colours.index(None)]['object']} has no pixel, hence no colour: "
                         "leave it out, or give another --object.")
    return colours


def tell(collection: Collection, rows: list[dict], found: Found, options: argparse.Namespace) -> None:
    """Print what was compared, left out and found.

    Raises:
        DataError: there is nothing to compare with.
    """
    classes = "" if options.any_class else f" of the class {' or '.join(sorted({row['class'] for row in rows}))}"
    classes += " and of its colour" if options.same_colour else ""
    if found.copies:
        print(f"{found.copies:,} photos of the collection show the same picture (hashes within 6 bits, like colours)"
              + (", and count all the same." if options.with_copies else ": left out; --with-copies takes them."))
    if not found.compared:
        raise DataError(f"{collection.folder} has no other objects{classes} of a score of at least "
                        f"{options.min_score:g} to compare with"
                        + (": give a lower --min-score." if options.any_class and not options.same_colour else
                           ": give a lower --min-score, or --any-class without --same-colour."))
    print(f"{found.compared:,} objects{classes} are compared.")
    if found.compared > MANY:
        print(f"More than {MANY:,} objects: the answer is exact all the same, and the time grows with them; an index "
              "of another program would be faster.")
    if found.repeated:
        print(f"{found.repeated} matches are left out, as a better one shows the same picture.")
    if found.older and (found.copies or found.repeated) and not options.with_copies:
        from mrcnn.collections.near_copies import BY_GREY

        print(f"{found.older} of {len(collection.shards)} shards {BY_GREY}, or --with-copies.", file=sys.stderr)
    for row, matches in zip(rows, found.matches):
        first = matches[0].row["photo"] if matches else None
        print(f"{row['object']} {row['class']}: " + (
            f"{len(matches)} matches, the best with a cosine of {matches[0].cosine:.3f} in {first}" if matches else
            "nothing of its kind in other photos; --any-class without --same-colour compares it with all"))


def described(query: Query, rows: list[dict], found: Found, options: argparse.Namespace) -> dict:
    """What the JSON file says."""
    return {
        "photo": query.name, "collection": options.collection, "in_collection": query.inside,
        "compared": found.compared, "near_copies": found.copies, "same_picture_left_out": found.repeated,
        "objects": [{**_told(row), "matches": [
            {"photo": match.row["photo"], **_told(match.row), "cosine": round(match.cosine, 5),
             "near_copy": match.copy} for match in matches]} for row, matches in zip(rows, found.matches)],
    }


def _told(row):
    return {"object": row["object"], "class": row["class"], "score": round(row["score"], 4),
            "box": [round(row[name], 1) for name in ("y1", "x1", "y2", "x2")]}


def add_query(command: argparse.ArgumentParser) -> None:
    """The options of a command that is asked about a photo."""
    command.add_argument("--in", dest="collection", required=True, metavar="DIR", help="what collection label wrote")
    command.add_argument("--weights", metavar="last|PATH", help="those that the collection was labelled with, for a "
                         "photo that is not in it (default: the file that they were then)")
    command.add_argument("--object", type=seed, metavar="N", help="number of one object of the photo")
    command.add_argument("--class", dest="class_name", metavar="NAME", help="objects of this class alone (default: all "
                         "but persons)")
    command.add_argument("--min-score", type=probability, default=0.5, metavar="P",
                         help="least score of an object (default 0.5)")
    command.add_argument("--output", required=True, metavar="DIR", help="folder to write to")
    command.add_argument("--overwrite", action="store_true", help="write over files of yours that are there")


def add_similar(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "similar", similar, "Write the garments of a labelled collection that are most like "
                          "those of a photo, as a sheet of cut-outs and JSON.", unused=OF_COLLECTION)
    command.add_argument("photo", metavar="PHOTO", help="a file, or the name of a photo of the collection; one that is "
                         "in it needs no network")
    add_query(command)
    command.add_argument("--top", type=positive, default=8, metavar="K", help="matches of each object (default 8)")
    command.add_argument("--any-class", action="store_true", help="compare with objects of all classes, not with those "
                         "of the same one alone")
    command.add_argument("--same-colour", action="store_true", help="compare with objects whose largest colour has the "
                         "same name alone")
    command.add_argument("--with-copies", action="store_true", help="take near copies too, of the photo and of matches")
