"""The files of label maps: PNGs and MATLAB arrays as labels, colours looked up."""

import os
import warnings

import numpy as np

from mrcnn.data.decoding import decoding
from mrcnn.data.formats.label_colours import Colours, is_grey, packed
from mrcnn.data.formats.matlab_files import matlab_variables
from mrcnn.data.formats.numbered_pictures import refuse_numbered
from mrcnn.data.pages import REMEDY, page_count
from mrcnn.errors import DataError

MAP_ENDINGS = (".png", ".mat")
MASK_FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG")
MASK_ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")
# A picture of more values or colours than this is taken for a photo where nothing else tells.
MOST_LABELS = 64


def few_labels(path: str, named: bool) -> bool:
    """Whether a file looks like a label map: by its kind, or by how few labels or colours it has.

    Args:
        path: of a PNG or .mat file
        named: whether there is a file of label names

    Raises:
        DataError: if it cannot be read.
    """
    if path.lower().endswith(".mat"):
        return bool(_matlab_array(path))
    mode = _with_pillow(path, lambda image: image.mode)
    if mode in ("P", "1") or (named and mode in ("L", "I", "I;16")):
        return True
    pixels = read_png(path)
    if pixels.ndim == 3 and not named:
        return False  # a picture of few colours, but nothing says what they mean
    return len(np.unique(pixels if pixels.ndim == 2 else packed(pixels))) <= MOST_LABELS


def map_size(path: str, palettes: dict[bytes, list[str]] | None = None) -> tuple[int, int]:
    """(height, width) of a label map, from its header.

    Args:
        path: of a PNG or .mat file
        palettes: as for `png_size`

    Raises:
        DataError: naming the file if it cannot be read.
    """
    return _matlab_array(path).shape if path.lower().endswith(".mat") else png_size(path, palettes)


def read_label_map(path: str | os.PathLike, colours: Colours | None = None) -> np.ndarray:
    """Labels of a label map's pixels: index into the palette, grey value, number in the array, or label of the colour.

    Args:
        path: of a PNG or .mat file
        colours: Colours of the labels; None knows none

    Returns:
        uint8 or uint16 [H, W].

    Raises:
        DataError: naming the file if it is unreadable, has colours that no label has, or holds values that are no whole
            numbers from 0 to 65535.
    """
    if str(path).lower().endswith(".mat"):
        labels = _matlab_array(path).values()
    elif colours is not None and colours.listed:
        labels = colours.labels(_with_pillow(path, _true_colours), path)
    else:
        labels = read_png(path)
    if labels.ndim != 2 and colours is None and not is_grey(labels):
        raise DataError(f"{path}: is a colour picture: save it as palette or grey PNG.")
    if labels.ndim != 2:
        labels = (colours or Colours({}, False)).labels(labels, path)
    if labels.dtype in (np.uint8, np.uint16):
        return labels
    if not labels.size or labels.min() < 0 or labels.max() > 65535 or (labels != np.floor(labels)).any():
        raise DataError(f"{path}: holds values that are no whole numbers from 0 to 65535: write labels.")
    return labels.astype(np.uint16)


def other_size(size: tuple[int, ...], photo: tuple[int, ...]) -> str:
    """What is wrong with a map or mask of another size than its photo.

    Args:
        size, photo: (H, W).
    """
    text = f"has {size[0]}x{size[1]} pixels, the photo {photo[0]}x{photo[1]} (height x width)"
    turned = ", as if the EXIF orientation of the photo were another: save it upright"
    return text + (turned if tuple(size) == tuple(photo)[::-1] else "")


def read_mask(path: str | os.PathLike) -> tuple[np.ndarray, bool]:
    """The mask of one object, as `mask_of` has it.

    Args:
        path: of a picture in one of MASK_FORMATS.

    Raises:
        DataError: naming the file if it is unreadable, or `mask_of` refuses it.
    """
    return _with_pillow(path, lambda image: mask_of(image, os.path.basename(path)), MASK_FORMATS)


def mask_of(image: object, name: str) -> tuple[np.ndarray, bool]:
    """Where a picture of one object shows it.

    That is where its alpha channel does, if alpha varies; else where a pixel is not 0. Grey pictures of 8 bits and more
    than two values have soft edges and are cut in the middle, if any value is above 127: smaller ones are numbers.

    Args:
        image: Pillow image.
        name: of the file, for messages.

    Returns:
        (bool [H, W], whether it was cut).

    Raises:
        DataError: if colours and alpha show different shapes, it is a JPEG in colours, or it shows several objects or
            has several pages.
    """
    pixels, pages = np.array(image), page_count(image)
    if pages > 1:
        raise DataError(f"{name}: has {pages} pages, and a mask is of one object: {REMEDY}.")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        refuse_numbered(image, pixels, name)
        return (pixels if pixels.ndim == 2 else pixels.any(axis=-1)) != 0, False
    channels = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3}[image.mode]
    colours = pixels.reshape(*pixels.shape[:2], -1)[..., :channels]
    grey = bool((colours == colours[..., :1]).all())
    if image.format == "JPEG" and not grey:
        raise DataError(f"{name}: is a JPEG in colours, which blurs where its object ends: save it as grey PNG.")
    inside, soft = _cut(colours[..., 0]) if grey else (colours.any(axis=-1), False)
    alpha = pixels[..., -1] if image.mode in ("LA", "RGBA") else None
    if alpha is None or alpha.min(initial=255) == alpha.max(initial=0):
        refuse_numbered(image, colours[..., 0] if grey else colours, name)
        return inside, soft
    shown, soft = _cut(alpha)
    # A cut-out has an object's own colours, black ones too; a grey picture has to say the same twice, or nothing.
    other = (inside != shown).any() if grey else (inside & ~shown).any()
    if inside.any() and not inside.all() and other:
        raise DataError(f"{name}: its colours and its alpha channel show different shapes: save it as grey PNG.")
    return shown, soft


def tell_soft(dataset: object, name: str) -> None:
    """Warn, once for each data set, that a mask has soft edges."""
    if not getattr(dataset, "_soft_masks_told", False):
        dataset._soft_masks_told = True
        warnings.warn(f"{name} has grey values between 0 and its largest, as soft edges have: such masks are cut in "
                      "the middle, and values above 127 are inside.", stacklevel=3)


def _cut(values):
    """(bool [H, W] where 8-bit values show an object, whether there are more than two values and one is above 127)."""
    soft = int(values.max(initial=0)) > 127 and len(np.unique(values)) > 2
    return (values > 127 if soft else values != 0), soft


def mask_size(path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of the picture of a mask, from its header; raises DataError as `read_mask` does."""
    return _with_pillow(path, lambda image: image.size[::-1], MASK_FORMATS)


def png_size(path: str | os.PathLike, palettes: dict[bytes, list[str]] | None = None) -> tuple[int, int]:
    """(height, width) of a PNG, from its header.

    Args:
        path: of the PNG
        palettes: {palette, the red, green and blue of each index in a row: paths of PNGs that have it}, which gets this
            one, if it has a palette

    Raises:
        DataError: naming the file if it is none, or is too large.
    """
    size, palette = _with_pillow(path, lambda image: (image.size[::-1], image.palette))
    if palettes is not None and palette is not None:
        palettes.setdefault(bytes(palette.palette), []).append(path)
    return size


def read_png(path: str | os.PathLike) -> np.ndarray:
    """Values of a PNG as they are stored: indices into its palette, grey values, or [H, W, channels] of colours.

    Raises:
        DataError: naming the file if it is no PNG, truncated, or larger than twice PIL.Image.MAX_IMAGE_PIXELS.
    """
    values = _with_pillow(path, np.array)
    if values.dtype == bool:
        return (values.view(np.uint8) != 0).astype(np.uint8)  # Pillow's True is 255
    depth = _grey_depth(path)
    # Pillow spreads grey values of two and four bits over 0 to 255.
    return values // np.uint8(255 // (2**depth - 1)) if depth in (2, 4) else values


def _grey_depth(path):
    """Bits a pixel of a grey PNG; None for any other PNG."""
    with open(path, "rb") as file:
        header = file.read(26)
    return header[24] if header[25] == 0 else None


def _true_colours(image):
    """Pixels of a Pillow image as they are stored, a palette's colours in place of its indices."""
    return np.array(image.convert("RGB") if image.mode == "P" else image)


def _with_pillow(path, use, formats=("PNG",)):
    from PIL import Image

    unknown = f"no {' or '.join(formats)}"
    with decoding(path, "label map", "replace it", unknown=unknown), Image.open(path, formats=list(formats)) as image:
        return use(image)


def _matlab_array(path):
    """The one MatlabVariable of a file that can be a label map, told from the file's headers."""
    from PIL import Image

    variables = matlab_variables(path)
    planes = [variable for variable in variables if len(variable.shape) == 2 and min(variable.shape) > 1]
    whole = [plane for plane in planes if plane.kind.startswith(("int", "uint"))]
    candidates = whole or [plane for plane in planes if plane.kind in ("double", "single")]
    if len(candidates) != 1:
        listed = ", ".join(f"{v.name} {'x'.join(map(str, v.shape))} {v.kind}" for v in variables[:5])
        raise DataError(f"{path}: needs one two-dimensional integer array, has {listed or 'nothing'}: save one alone.")
    height, width = candidates[0].shape
    if Image.MAX_IMAGE_PIXELS and height * width > 2 * Image.MAX_IMAGE_PIXELS:
        raise DataError(f"{path}: too many pixels: shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS.")
    return candidates[0]
