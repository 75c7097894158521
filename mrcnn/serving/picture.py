"""A photo with what was found in it as HTML: outlines that light up, the label map beside it, a table of objects."""

import html
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.attributes import short_names
from mrcnn.data.formats.outlines import rings
from mrcnn.data.images import resize_pixels, scaled_size
from mrcnn.drawing.label_maps import palette
from mrcnn.drawing.pictures import distinct_colors
from mrcnn.serving.answers import base64_of

LONGEST = 1280  # pixels of the longer side of what is sent to the page; outlines stay those of the photo
STYLE = """
.photos { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.photos figure { margin: 0; min-width: 0; }
.photos figcaption { margin-bottom: .4rem; font-weight: 600; overflow-wrap: anywhere; }
.photos svg.photo, .photos img { display: block; width: 100%; max-height: 70vh; object-fit: contain;
  background: var(--background-fill-secondary); border-radius: 6px; }
.photos .object path { fill: var(--own); fill-opacity: .3; stroke: var(--own); stroke-width: 2px;
  vector-effect: non-scaling-stroke; transition: fill-opacity .12s; }
.photos .object text { display: none; font: 600 1em sans-serif; fill: #fff; stroke: #000; stroke-width: .22em;
  paint-order: stroke; pointer-events: none; }
.photos .object .told { font-weight: 400; }
.photos .object { outline: none; cursor: default; }
.photos svg:has(.object:is(:hover, :focus)) .object:not(:hover, :focus) { opacity: .25; }
.photos .object:is(:hover, :focus) path { fill-opacity: .6; stroke-width: 4px; }
.photos .object:is(:hover, :focus) text { display: block; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .5rem 0 0; }
.legend span, .objects td span { display: inline-block; width: .9em; height: .9em; border: 1px solid #808080;
  border-radius: 2px; margin-right: .4em; vertical-align: -.1em; }
/* Contained: a wide table is scrolled through, and the page stays as wide as the screen. */
.objects { overflow-x: auto; margin-top: 1rem; contain: inline-size; }
.objects :is(table, thead, tbody, tr, th, td) { border: 0 !important; }
.objects table { border-collapse: collapse; width: 100%; }
.objects th, .objects td { text-align: left; padding: .25rem .6rem !important;
  border-bottom: 1px solid #80808066 !important; }
.objects td.number, .objects th.number { text-align: right !important; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.objects td:first-child { white-space: nowrap; }
.objects td.told { min-width: 10rem; }
"""
LETTER = 0.6  # of the size of a font: the width of most letters of a caption, rather more


def picture_html(name: str, photo: np.ndarray, objects: dict | None, labels: np.ndarray,
                 class_names: Sequence[str], attribute_names: Sequence[str] = ()) -> str:
    """Show a photo, its objects, and its label map.

    Args:
        name: of the photo.
        photo: uint8 [H, W, 3].
        objects: of `mrcnn.serving.shown.chosen`; None of a network of label maps.
        labels: uint8 [H, W] class ids.
        class_names: by class id.
        attribute_names: of all attributes that the network tells; those of an object are shown beside its class.

    Returns:
        HTML that loads nothing.
    """
    count = "" if objects is None else f": {len(objects['scores'])} object{'' if len(objects['scores']) == 1 else 's'}"
    rows = [] if objects is None else _rows(objects, class_names, attribute_names)
    parts = [f'<div class="photos"><figure><figcaption>{html.escape(name + count)}</figcaption>'
             f"{_svg(name, photo, rows)}</figure>",
             f"<figure><figcaption>Label map</figcaption>{_label_map(labels, class_names)}</figure></div>"]
    if objects is not None:
        parts.append(_table(rows, bool(attribute_names)))
    return "".join(parts)


def colours_of(class_ids: Sequence[int]) -> list[str]:
    """A colour for each object, "#rrggbb": those of one photo differ."""
    rows = (255 * np.asarray(distinct_colors(len(class_ids)), float).reshape(-1, 3)).round().astype(int)
    return ["#{:02x}{:02x}{:02x}".format(*row) for row in rows.tolist()]


def outline(rle: dict) -> str:
    """The edges of a mask as the `d` of an SVG path, holes among them, whose rule is that of even and odd."""
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in ring.tolist()) + "Z" for ring in rings(rle))


def _svg(name, photo, rows):
    height, width = photo.shape[:2]
    size = max(width, height) / 28
    parts = [f'<svg class="photo" viewBox="0 0 {width} {height}" role="group" aria-label="Photo {html.escape(name)}" '
             f'font-size="{size:g}"><image href="{_jpeg(photo)}" width="{width}" height="{height}"/>']
    for row in sorted(rows, key=lambda row: -row.pixels):  # small ones in front
        title = f"{row.label} {row.score:.2f}"
        name = html.escape(": ".join(filter(None, [title, ", ".join(row.told)])))
        parts.append(f'<g class="object" tabindex="0" role="img" aria-label="{name}" style="--own:{row.colour}">'
                     f'<path fill-rule="evenodd" d="{outline(row.rle)}"/>'
                     f"{_caption([title, *row.told], row.box, (height, width), size)}</g>")
    return "".join(parts) + "</svg>"


def _caption(lines, box, shape, size):
    """Lines of text at the corner of a box (y1, x1, ...), within a photo of a shape (H, W), in a font of a size."""
    x = max(0, min(box[1], shape[1] - LETTER * size * max(map(len, lines))))
    y = max(size, min(box[0], shape[0] - 1.2 * size * (len(lines) - 0.8)))
    further = (f'<tspan class="told" x="{x:.0f}" dy="1.2em">{html.escape(line)}</tspan>' for line in lines[1:])
    return f'<text x="{x:.0f}" y="{y:.0f}">{html.escape(lines[0])}{"".join(further)}</text>'


class _Row(NamedTuple):
    """What is shown of an object; `told`: its attributes with their scores."""

    label: str
    colour: str
    score: float
    pixels: int
    box: list[float]
    rle: dict
    told: list[str]


def _rows(objects, class_names, attribute_names):
    """A _Row of each object."""
    class_ids = objects["class_ids"].tolist()
    areas = [int(run_lengths.areas([rle])[0]) for rle in objects["rles"]]
    words = objects.get("attributes") or [{}] * len(class_ids)
    shown = {attribute_names[i]: short for i, short in short_names(dict(enumerate(attribute_names))).items()}
    told = [[f"{shown.get(name, name)} {score:.2f}" for name, score in own.items()] for own in words]
    return list(map(_Row, [class_names[i] for i in class_ids], colours_of(class_ids), objects["scores"].tolist(), areas,
                    objects["boxes"].tolist(), objects["rles"], told))


def _label_map(labels, class_names):
    """The label map as a picture, and the share of each label."""
    counts = np.bincount(labels.ravel(), minlength=256)
    shown = sorted(np.flatnonzero(counts).tolist(), key=lambda label: -counts[label])
    items, told = [], []
    for label in shown:
        colour, share = "#{:02x}{:02x}{:02x}".format(*palette()[label].tolist()), 100 * counts[label] / labels.size
        text = html.escape(f"{class_names[label] if label < len(class_names) else 'ignored'} {share:.1f}%")
        items.append(f'<li><span style="background:{colour}"></span>{text}</li>')
        told.append(text)
    step = max(1, -(-max(labels.shape) // LONGEST))  # labels are not blended
    data = _encoded(palette()[labels[::step, ::step]], "PNG")
    return (f'<img src="data:image/png;base64,{data}" alt="Label map: {", ".join(told)}"/>'
            f'<ul class="legend">{"".join(items)}</ul>')


def _table(objects, with_attributes):
    """The objects, _Rows, as a table."""
    heads = ["Score", "Pixels", "Left", "Top", "Width", "Height"]
    heads = [f'<th scope="col" class="number">{text}</th>' for text in heads]
    heads[1:1] = ['<th scope="col">Attributes</th>'] * with_attributes  # in front, where phones show them
    rows = []
    for one in objects:
        y1, x1, y2, x2 = one.box
        numbers = (f"{one.score:.3f}", one.pixels, *(f"{value:.0f}" for value in (x1, y1, x2 - x1, y2 - y1)))
        cells = [f'<td class="number">{value}</td>' for value in numbers]
        cells[1:1] = [f'<td class="told">{html.escape(", ".join(one.told))}</td>'] * with_attributes
        rows.append(f'<tr><td><span style="background:{one.colour}"></span>{html.escape(one.label)}</td>'
                    f"{''.join(cells)}</tr>")
    nothing = "No object: move the score down, or choose more classes."
    body = "".join(rows) or f'<tr><td colspan="{len(heads) + 1}">{nothing}</td></tr>'
    return ('<div class="objects" tabindex="0" role="region" aria-label="Table of objects"><table>'
            f'<thead><tr><th scope="col">Class</th>{"".join(heads)}</tr></thead><tbody>{body}</tbody></table></div>')


def _jpeg(photo):
    """A photo as a data address, no larger than the page needs."""
    scale = LONGEST / max(photo.shape[:2])
    if scale < 1:
        photo = resize_pixels(photo, scaled_size(photo.shape[:2], scale))
    return f"data:image/jpeg;base64,{_encoded(photo, 'JPEG', quality=90)}"


def _encoded(pixels, kind, **options):
    """Base64 of a picture's file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format=kind, **options)
    return base64_of(file.getvalue())
