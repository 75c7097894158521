"""Pictures as arrays, without matplotlib: instances on a photo, sheets of pictures, colours, boxes.

N counts instances; boxes are (y1, x1, y2, x2) in pixels of the image, y2 and x2 exclusive; colours are (r, g, b) in
0..1.
"""

import colorsys
import os
import warnings
from collections.abc import Sequence

import numpy as np

from mrcnn.data.attributes import short_names
from mrcnn.data.encoded import to_rgb
from mrcnn.data.given_photos import Photo, is_encoded, pixels_of
from mrcnn.data.images import are_shares
from mrcnn.data.mask_values import bool_masks
from mrcnn.drawing.arguments import ClassNames, caption_of, check_colors, check_counts, mask_parts
from mrcnn.figure_fonts import fit_letters
from mrcnn.files import printable, whole_file
from mrcnn.fonts import font_for, tell_lacking

GOLDEN_RATIO = 0.618034
LEAST_SHADE = 0.4  # of several masks on one map of colours: none looks like what is outside of them
NOTHING = "No instances to display"
JPEG_SIDE = 65500  # the longest that libjpeg writes, pixels


def draw_instances(image: np.ndarray, boxes: np.ndarray, masks: np.ndarray | Sequence | None,
                   class_ids: np.ndarray, class_names: ClassNames, scores: Sequence[float] | None = None,
                   colors: Sequence | None = None, show_mask: bool = True, show_bbox: bool = True,
                   scale: int = 1, captions: Sequence[str] | None = None) -> np.ndarray:
    """Returns a copy of a photo with its instances drawn: translucent masks with outlines, boxes, names and scores.

    image: [H, W, 3] RGB, the path of a file, or another that `as_rgb` takes
    boxes: [N, 4] pixels; an instance whose box and mask are empty is padding and left out
    masks: [H, W, N], or N arrays [H, W], bool or numbers that `mrcnn.data.mask_values.cut_masks` takes, or N COCO run
        lengths, which cost no memory on large photos; None without
    class_ids: int [N]
    class_names: by class id, background first, or {id: name}
    scores: [N], or None
    colors: [N or more, 3] in 0..1, of which the first N are taken, or None for colours that differ from each other
    scale: whole number of times by which the result is larger than the photo: small photos leave labels little room
    captions: [N or more] in place of names and scores, or None
    Raises ValueError if the numbers of instances disagree, masks are of another size than the photo, or a colour lies
    outside 0..1.
    """
    import cv2

    boxes, class_ids = np.asarray(boxes, float).reshape(-1, 4), np.asarray(class_ids, int).reshape(-1)
    canvas = np.array(as_rgb(image))
    count = check_counts(masks, canvas.shape[:2] if show_mask else None, boxes=boxes, class_ids=class_ids,
                         scores=scores, at_least={"colors": colors, "captions": captions})
    colors = 255 * check_colors(distinct_colors(count) if colors is None else colors)
    if scale != 1:
        canvas = cv2.resize(canvas, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    parts = mask_parts(masks, count)
    shown = [i for i in range(count) if boxes[i].any() or parts[i]]
    line = max(1, round(max(canvas.shape[:2]) / 600))
    # Small ones last: a bag in front of a coat stays visible.
    for i in sorted(shown, key=lambda i: -(parts[i][2].sum() if parts[i] else 0)):
        if show_mask and parts[i]:
            blend_part(canvas, parts[i], colors[i], line, scale)
        if show_bbox:
            draw_box(canvas, boxes[i] * scale, colors[i], line)
    labels = []
    for i in shown:
        corner = (boxes[i] if boxes[i].any() else np.array(parts[i][:2])) * scale
        told = caption_of(class_ids[i], class_names, scores, i) if captions is None else captions[i]
        labels.append(("" if told is None else printable(told, one_line=True), corner, colors[i]))
    tell_lacking([caption_of(class_ids[i], class_names, None, i) for i in shown] if captions is None
                 else [word.strip(":,") for text, *_ in labels for word in text.split()])  # words alone: numbers change
    return _write_labels(canvas, labels if shown else [(NOTHING, np.zeros(2), np.full(3, 255.0))])


def contact_sheet(images: Sequence[np.ndarray], titles: Sequence[str] | None = None, columns: int = 4) -> np.ndarray:
    """Returns one picture of many side by side, each in a cell of the largest one's size, with its title below.

    images: list of uint8 [H, W, 3], uint8 [H, W] or bool [H, W], or others that `as_rgb` takes
    titles: list of as many texts, or None; a text too long for its cell is cut
    columns: most pictures in a row
    Raises ValueError without images, with another number of titles, or for less than one column.
    """
    from PIL import Image, ImageDraw

    if not len(images) or (titles is not None and len(titles) != len(images)):
        raise ValueError(f"contact_sheet needs pictures and as many titles, got {len(images)} and {len(titles or [])}.")
    if columns < 1:
        raise ValueError(f"contact_sheet: columns={columns} must be 1 or more.")
    pictures = [as_rgb(image) for image in images]
    height, width = np.max([picture.shape[:2] for picture in pictures], axis=0)
    gap = 6
    text_height = 18 if titles is not None else 0
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell = (height + text_height + gap, width + gap)
    sheet = np.full((rows * cell[0] + gap, columns * cell[1] + gap, 3), 255, np.uint8)
    corners = [(i // columns * cell[0] + gap, i % columns * cell[1] + gap) for i in range(len(pictures))]
    for picture, (top, left) in zip(pictures, corners):
        left += (width - picture.shape[1]) // 2
        sheet[top:top + picture.shape[0], left:left + picture.shape[1]] = picture
    drawing = Image.fromarray(sheet)
    tell_lacking(titles or ())
    for title, (top, left) in zip(titles or [], corners):
        title = printable(title, one_line=True)
        font = font_for(title, 12)
        while font.getlength(title) > width and title:
            title = title[:-2] + "\u2026" if len(title) > 1 else ""
        ImageDraw.Draw(drawing).text((left, top + height + 1), title, fill=(0, 0, 0), font=font)
    return np.array(drawing)


def distinct_colors(count: int) -> list[tuple[float, float, float]]:
    """Returns `count` colours (r, g, b) in 0..1 that differ from each other, the same ones on every call."""
    # Steps of the golden ratio spread over the hues for any count; three brightnesses part neighbours further.
    return [colorsys.hsv_to_rgb((0.02 + i * GOLDEN_RATIO) % 1, (0.85, 0.6, 1.0)[i % 3], (1.0, 0.95, 0.75)[i % 3])
            for i in range(count)]


def shaded(masks: np.ndarray) -> np.ndarray:
    """Masks on one map of colours, each in a shade of its own.

    Args:
        masks: bool [H, W, N].

    Returns:
        float [H, W]: 0 outside of all, the shade of the last mask is 1.
    """
    return (masks * np.linspace(1, LEAST_SHADE, masks.shape[-1])[::-1]).max(axis=-1)


def random_colors(N: int, bright: bool = True) -> list[tuple[float, float, float]]:
    """Returns N evenly spread colours (r, g, b) in 0..1 in random order; `bright=False` makes them darker."""
    colors = [colorsys.hsv_to_rgb(i / max(N, 1), 1, 1.0 if bright else 0.7) for i in range(N)]
    return [colors[i] for i in np.random.default_rng().permutation(N)]


def apply_mask(image: np.ndarray, mask: np.ndarray, color: Sequence[float], alpha: float = 0.5) -> np.ndarray:
    """Blend a colour into an image where the mask is set, in place, and returns the image.

    Args:
        image: [H, W, 3] values 0..255.
        mask: [H, W] bool, or numbers that `mrcnn.data.mask_values.cut_masks` takes.
        color: (r, g, b), 0..1.
        alpha: share of the colour.

    Raises:
        ValueError: for a colour outside 0..1.
    """
    import cv2

    shown, added = bool_masks(mask), alpha * 255 * check_colors([color])[0]
    if image.dtype == np.uint8 and image.shape[2:] == (3,) and image.size:
        # A table of what becomes of each of the 256 values: whole pictures pass it in less time than pixels one by one.
        table = (np.arange(256)[:, None] * (1 - alpha) + added).astype(np.uint8)
        image[:] = cv2.copyTo(cv2.LUT(image, table[None]), shown.view(np.uint8), image.copy())
    else:
        image[shown] = image[shown] * (1 - alpha) + added
    return image


def draw_box(image: np.ndarray, box: np.ndarray, color: Sequence[float], thickness: int = 2) -> np.ndarray:
    """Draw the border of a box in place, inside the box, and returns the image.

    Args:
        image: [H, W, 3]; it is changed.
        box: [4] pixels, rounded and clipped to the image.
        color: (r, g, b) in the image's own range, 0..255 for uint8.
        thickness: of the border, pixels.
    """
    y1, x1, y2, x2 = np.rint(np.asarray(box, float)[:4]).astype(int)
    rows, cols = _clip(y1, y2, image.shape[0]), _clip(x1, x2, image.shape[1])
    for edge in (y1, max(y2 - thickness, y1)):
        image[_clip(edge, min(edge + thickness, y2), image.shape[0]), cols] = color
    for edge in (x1, max(x2 - thickness, x1)):
        image[rows, _clip(edge, min(edge + thickness, x2), image.shape[1])] = color
    return image


def _clip(start, end, size):
    return slice(max(start, 0), max(min(end, size), 0))


def described(captions: Sequence[str], words: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    """Put the attributes of objects behind their captions.

    Args:
        captions: [N], as of `caption_of`.
        words: of each object the names of its attributes, or a dict with these as its keys.
        names: of all attributes there are; of "neckline: v" the value alone is shown if no other has it.

    Returns:
        [N], such as "dress 0.97: v, striped".
    """
    shown = {names[i]: short for i, short in short_names(dict(enumerate(names))).items()}
    told = [printable(", ".join(shown.get(name, name) for name in own), one_line=True) for own in words]
    return [f"{caption}: {text}" if text else caption for caption, text in zip(captions, told, strict=True)]


def blend_part(canvas: np.ndarray, part: tuple[int, int, np.ndarray], color: Sequence[float], line: int,
               scale: int) -> None:
    """Fill what `mask_part` cut with a translucent colour and draws its outline, inside the mask, in place.

    Args:
        canvas: uint8 [H, W, 3].
        part: what `mask_part` gave.
        color: 0..255.
        line: pixels of the outline.
        scale: of the canvas to the mask, whole.
    """
    import cv2

    top, left, mask = part
    # One empty pixel all round, so that the outline closes at the cut.
    mask = np.pad(mask.astype(np.uint8), 1)
    if scale != 1:
        mask = cv2.resize(mask * 255, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        mask = cv2.threshold(mask, 127, 1, cv2.THRESH_BINARY)[1]
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=line)
    mask, outline = (m[scale:-scale, scale:-scale].astype(bool) for m in (mask, mask - inner))
    area = canvas[top * scale:top * scale + mask.shape[0], left * scale:left * scale + mask.shape[1]]
    apply_mask(area, mask, color / 255, 0.45)
    area[outline] = color


def _write_labels(canvas, labels):
    """Returns the canvas with labels (text, corner (y, x), colour 0..255) near their corners, clear of each other."""
    from PIL import Image, ImageDraw

    size = int(np.clip(min(canvas.shape[:2]) / 30, 10, 22))
    drawing = Image.fromarray(canvas)
    pen = ImageDraw.Draw(drawing)
    taken = np.zeros((0, 4))
    for text, corner, color in labels:
        if not text:
            continue
        font = font_for(text, size)
        height = sum(font.getmetrics())
        width = int(np.ceil(font.getlength(text))) + 4
        box = _free_place(corner, (height, width), canvas.shape[:2], taken)
        taken = np.concatenate([taken, [box]])
        color = tuple(np.clip(np.rint(color), 0, 255).astype(int).tolist())
        pen.rectangle((box[1], box[0], box[3] - 1, box[2] - 1), fill=color)
        bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
        pen.text((box[1] + 2, box[0]), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=font)
    return np.array(drawing)


def _free_place(corner, extent, size, taken):
    """Returns the box of a label: the place nearest to its corner that hides the least of other labels."""
    from mrcnn.ops.boxes import intersection

    tops = corner[0] + extent[0] * np.array([-1, 0, 1, -2, 2, 3, -3])
    corners = np.stack([tops, np.full(len(tops), corner[1])], axis=1)
    corners = np.clip(corners, 0, np.maximum(np.subtract(size, extent), 0))
    boxes = np.rint(np.concatenate([corners, corners + extent], axis=1))
    hidden = intersection(boxes[:, None], taken[None]).sum(axis=1)
    return boxes[np.argmin(hidden)]


def as_rgb(image: Photo) -> np.ndarray:
    """A picture of any kind as uint8 RGB, by the rules by which photos are read.

    Args:
        image: [H, W], or [H, W, C] of 1 channel (grey), 2 (grey, alpha), 3 (RGB), 4 (RGBA) or more, of which the first
            three are taken. bool; floats 0..1 (those of a photo that lie between 1 and 2 become 1) or 0..255; integers
            0..255, or up to 65535, whose high byte is taken. What is transparent is laid over white. A path, the bytes
            of a file or a Pillow image are decoded.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: for another shape, or values outside these ranges, or a file that cannot be read.
    """
    image = pixels_of(image, 0) if is_encoded(image) else np.asarray(image)
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"A photo has shape [H, W, 3], not {list(image.shape)}: give one photo as an array.")
    image = _as_bytes(image[..., None] if image.ndim == 2 else image)
    channels = image.shape[2]
    if channels in (2, 4):
        from PIL import Image

        return to_rgb(Image.fromarray(np.ascontiguousarray(image), "LA" if channels == 2 else "RGBA"), "photo")
    return np.repeat(image, 3, axis=2) if channels == 1 else image[..., :3]


def _as_bytes(image):
    """uint8 of the same shape."""
    if image.dtype == np.uint8:
        return image
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if image.dtype.kind not in "uif":
        raise ValueError(f"A photo has numbers, not {image.dtype}: give uint8 [H, W, 3].")
    low, high, floats = image.min(), image.max(), image.dtype.kind == "f"
    if not (low >= 0 and high <= (255 if floats else 65535)):  # NaN is neither
        raise ValueError(f"The photo has values from {low:.6g} to {high:.6g}, as normalised ones have: give it as it "
                         "was before, 0 to 255 or 0 to 1 (mrcnn.model.unmold_image undoes mold_image).")
    if floats:
        return np.rint(np.clip(image, 0, 1) * 255 if are_shares(high) else image).astype(np.uint8)
    return (image >> 8 if high > 255 else image).astype(np.uint8)


# --- Files -----------------------------------------------------------------------------------------------------------


def write_picture(path: str | os.PathLike, pixels: np.ndarray, quality: int = 95) -> None:
    """Write a picture, whole or not at all: as JPEG if the path ends so, else as PNG.

    JPEG has sides of at most 65500 pixels: a longer picture is written smaller, which is told.

    Args:
        path: of the file; its folder is made.
        pixels: uint8 [H, W, 3] RGB.
        quality: of JPEG, 1 to 95.

    Raises:
        DataError: if the file cannot be written.
    """
    from PIL import Image

    if os.fspath(path).lower().endswith((".jpg", ".jpeg")):
        picture, longest = Image.fromarray(pixels), max(pixels.shape[:2])
        if longest > JPEG_SIDE:
            size = [max(1, side * JPEG_SIDE // longest) for side in picture.size]
            warnings.warn(f"{path}: drawn with {size[0]}x{size[1]} of its {picture.width}x{picture.height} pixels, for "
                          f"a JPEG has sides of at most {JPEG_SIDE}.", stacklevel=2)
            picture = picture.resize(size, Image.Resampling.BOX)
        with whole_file(path) as partial:
            picture.save(partial, format="JPEG", quality=quality)
        return
    data = png_of(pixels)
    with whole_file(path) as partial, open(partial, "wb") as file:
        file.write(data)


def png_of(pixels: np.ndarray) -> np.ndarray:
    """The bytes of a PNG file, uint8 [N], made for speed.

    Args:
        pixels: uint8 [H, W, 3] RGB.
    """
    import cv2

    # Run lengths alone: of photos zlib's search for repeated strings finds next to nothing, in seven times the time.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), how)[1]


def write_figure(path: str | os.PathLike, figure: object) -> None:
    """Write a matplotlib figure, whole or not at all, in the form that the path's ending says; without one as PNG.

    Raises:
        DataError: if the file cannot be written.
    """
    form = os.path.splitext(os.fspath(path))[1][1:] or "png"
    fit_letters(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format=form, dpi=100)
