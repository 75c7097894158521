"""Label maps as pictures: palette PNG files, and photos with the labels drawn over them beside a legend."""

import csv
import functools
import io
import os

import numpy as np

from mrcnn.drawing.arguments import ClassNames, names_in_order
from mrcnn.drawing.pictures import as_rgb
from mrcnn.errors import DataError
from mrcnn.files import printable, whole_file
from mrcnn.fonts import font_for, tell_lacking

IGNORED = 255
BAND = 1 << 20  # pixels that are coloured at a time, which takes many times the memory of the result
LEVELS = (0, 36, 73, 109, 146, 182, 219, 255)  # of red, green and blue, of which the palette is chosen


@functools.cache
def palette() -> np.ndarray:
    """Colours of all labels, always the same: uint8 [256, 3] RGB; 0 black, 255 white.

    Each colour is the one that lies furthest, in CIELAB, from those before it, among colours neither too dark nor too
    light to stand out: the first few differ most, and no label's colour depends on how many classes there are.
    """
    from skimage.color import rgb2lab

    choices = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)
    lab = rgb2lab(choices[None])[0]
    usable = (lab[:, 0] > 25) & (lab[:, 0] < 92)
    choices, lab = choices[usable], lab[usable]
    colours = np.zeros((256, 3), np.uint8)
    colours[IGNORED] = 255
    distance = np.minimum(np.linalg.norm(lab, axis=1), np.linalg.norm(lab - [100, 0, 0], axis=1))
    for label in range(1, IGNORED):
        best = int(np.argmax(np.round(distance, 6)))  # rounded: the same choice on every machine
        colours[label] = choices[best]
        distance = np.minimum(distance, np.linalg.norm(lab - lab[best], axis=1))
    return colours


def write_label_map(path: str | os.PathLike, labels: np.ndarray, class_names: ClassNames) -> None:
    """Write a label map as a palette PNG, whole or not at all; pixel values are class ids.

    Args:
        path: of the PNG file.
        labels: integers [H, W], class ids or 255.
        class_names: by class id, or {id: name}; written into the file as its text "classes", a row of CSV.

    Raises:
        DataError: for a label that is no class, and if the file cannot be written.
    """
    data = encode_label_map(labels, class_names)
    with whole_file(path) as partial, open(partial, "wb") as file:
        file.write(data)


def encode_label_map(labels: np.ndarray, class_names: ClassNames) -> bytes:
    """Encode a label map as `write_label_map` writes it.

    Args:
        labels, class_names: as for `write_label_map`.

    Returns:
        The bytes of a palette PNG.

    Raises:
        DataError: for a label that is no class.
    """
    from PIL import Image, PngImagePlugin

    class_names = names_in_order(class_names)
    labels = checked_labels(labels, class_names)
    picture = Image.fromarray(labels)
    picture.putpalette(palette().ravel().tolist())
    text = PngImagePlugin.PngInfo()
    text.add_itxt("classes", _csv_row(class_names))
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=text, optimize=True)
    return file.getvalue()


def _csv_row(names):
    row = io.StringIO()
    csv.writer(row).writerow(names)  # names with commas, as "shirt, blouse", stand in quotes
    return row.getvalue().rstrip("\r\n")


def checked_labels(labels: np.ndarray, class_names: ClassNames) -> np.ndarray:
    """Labels as uint8 [H, W].

    Raises:
        DataError: for a label that is no class or no integer.
    """
    labels, class_names = np.asarray(labels), names_in_order(class_names)
    if labels.dtype.kind not in "bui":
        raise DataError(f"A label map holds integers, not {labels.dtype}: give class ids, as by labels.astype(int).")
    if labels.ndim != 2:
        raise DataError(f"A label map has shape [H, W], not {list(labels.shape)}.")
    wrong = labels[((labels < 0) | (labels >= len(class_names))) & (labels != IGNORED)]
    if wrong.size:
        raise DataError(f"The label map holds label {wrong[0]}, but the classes are 0 to {len(class_names) - 1}.")
    return labels.astype(np.uint8)


def draw_label_map(image: np.ndarray, labels: np.ndarray, class_names: ClassNames, alpha: float = 0.55,
                   scale: int = 1, legend: bool = True) -> np.ndarray:
    """A photo with its labels drawn over it, outlined, and a legend of those that occur at its right.

    Args:
        image: [H, W, 3] RGB, or another that `as_rgb` takes.
        labels: integers [H, W], class ids or 255.
        class_names: by class id, background first, or {id: name}.
        alpha: share of the label's colour.
        scale: whole number of times by which the result is larger than the photo.
        legend: False leaves it out, so that the frames of a film are of one size.

    Returns:
        uint8 [scale * H, scale * W + legend, 3].

    Raises:
        DataError: for a map of another size than the photo.
    """
    import cv2

    class_names = names_in_order(class_names)
    labels, image = checked_labels(labels, class_names), as_rgb(image)
    if labels.shape != image.shape[:2]:
        raise DataError(f"The label map is of {labels.shape}, the photo of {image.shape[:2]} (height, width).")
    if scale != 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        labels = np.repeat(np.repeat(labels, scale, axis=0), scale, axis=1)
    drawing = overlaid(image, labels, alpha)
    return np.concatenate([drawing, _legend(labels, class_names)], axis=1) if legend else drawing


def overlaid(image: np.ndarray, labels: np.ndarray, alpha: float = 0.55) -> np.ndarray:
    """A photo with its labels drawn over it, outlined; background stays as it is.

    Args:
        image: uint8 [H, W, 3], or [H, W, 1].
        labels: uint8 [H, W], class ids or 255.
        alpha: share of the label's colour.

    Returns:
        uint8 [H, W, 3].
    """
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    drawing = np.empty(labels.shape + (3,), np.uint8)
    rows = max(1, BAND // labels.shape[1])
    for band in (slice(top, top + rows) for top in range(0, len(labels), rows)):
        share = np.where(labels[band] == 0, 0, np.float32(alpha))[..., None]
        drawing[band] = np.rint(image[band] * (1 - share) + palette()[labels[band]] * share)
    drawing[edges] = 255
    return drawing


def _legend(labels, class_names):
    """uint8 [H, legend, 3]: colour, name and share of the pixels of each label that occurs, the largest first.

    Where the photo is too low for all rows, the last one tells how many are left out.
    """
    from PIL import Image, ImageDraw

    counts = np.bincount(labels.ravel(), minlength=256)
    shown = sorted(np.flatnonzero(counts), key=lambda label: -counts[label])
    names = {label: class_names[label] if label < len(class_names) else "ignored" for label in shown}
    names = {label: printable(name, one_line=True) for label, name in names.items()}
    texts = {label: f"{names[label]} {100 * counts[label] / labels.size:.1f}%" for label in shown}
    row = int(np.clip(labels.shape[0] / max(len(shown), 1), 8, 22))
    rows = max(1, labels.shape[0] // row)
    if len(shown) > rows:
        left = shown[rows - 1 :]
        share = 100 * counts[left].sum() / labels.size
        texts = {label: texts[label] for label in shown[: rows - 1]} | {None: f"and {len(left)} more {share:.1f}%"}
    tell_lacking(names[label] for label in texts if label is not None)
    fonts = {label: font_for(text, max(7, round(row * 0.6))) for label, text in texts.items()}
    width = round(max(fonts[label].getlength(text) for label, text in texts.items())) + row + 12
    panel = Image.new("RGB", (width, labels.shape[0]), "white")
    pen = ImageDraw.Draw(panel)
    for index, label in enumerate(texts):
        top = index * row
        if label is not None:
            colour = tuple(palette()[label].tolist())
            pen.rectangle((4, top + 3, row - 2, top + row - 3), fill=colour, outline=(120, 120, 120))
        pen.text((row + 4, top + row // 2), texts[label], fill=(0, 0, 0), font=fonts[label], anchor="lm")
    return np.array(panel)
