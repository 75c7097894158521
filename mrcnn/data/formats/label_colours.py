"""Label maps in colours: which colour is which label.

A file of colours has a line for each label, in one of three forms:

    128 0 0 shirt             label_colors.txt: red, green, blue, name
    shirt:128,0,0::           labelmap.txt, as CVAT writes it; lines that begin with # are remarks
    shirt,128,0,0             class_dict.csv, under the head name,r,g,b

Black is label 0; the others are numbered as they are listed, unless a file of label names numbers them. Where no file
lists colours, they are those of PASCAL VOC: label 1 is (128, 0, 0), 2 is (0, 128, 0) and so on.
"""

import os

import numpy as np

from mrcnn.data.formats.label_mapping import IGNORED, find_file
from mrcnn.data.formats.label_words import from_0
from mrcnn.data.formats.names_files import colour_entries, read_names
from mrcnn.errors import DataError
from mrcnn.text_files import open_text

COLOUR_FILES = ("label_colors.txt", "label_colours.txt", "labelmap.txt", "class_dict.csv")
VOC_COLOURS = 256
SHOWN = 3  # colours in a message


class Colours:
    """What the colours of label maps stand for.

    Args:
        labels: {(r, g, b): label}
        listed: whether a file lists the colours; a palette's colours then count, not its indices

    Attributes:
        by_colour: {(r, g, b): label}
    """

    def __init__(self, labels: dict[tuple[int, int, int], int], listed: bool) -> None:
        self.listed, self.by_colour = listed, dict(labels)
        keys = sorted((packed(np.array(colour, np.uint8)).item(), label) for colour, label in labels.items())
        self._keys = np.array([key for key, _ in keys], np.int64)
        self._values = np.array([label for _, label in keys], np.uint16)

    def labels(self, pixels: np.ndarray, path: str | os.PathLike) -> np.ndarray:
        """Labels of the pixels of a picture.

        Pixels of equal red, green and blue are labels themselves, where no file lists colours.

        Args:
            pixels: [H, W, channels] of a picture, or [H, W] of a grey one
            path: of the file, for messages

        Returns:
            uint8 or uint16 [H, W].

        Raises:
            DataError: for transparent pixels, and for colours that no label has.
        """
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.shape[2] in (2, 4) and (pixels[..., -1] != 255).any():
            raise DataError(f"{path}: has transparent pixels, which are of no label: save it without transparency.")
        if not self.listed and is_grey(pixels):
            return pixels[..., 0]
        colours, where = np.unique(packed(pixels), return_inverse=True)
        places = np.minimum(np.searchsorted(self._keys, colours), max(len(self._keys) - 1, 0))
        known = self._keys[places] == colours if len(self._keys) else np.zeros(len(colours), bool)
        if not known.all():
            unknown = [tuple(int(key >> shift & 255) for shift in (16, 8, 0)) for key in colours[~known]]
            shown = ", ".join(map(str, unknown[:SHOWN])) + (", ..." if len(unknown) > SHOWN else "")
            raise DataError(
                f"{path}: has {len(unknown)} colours that are no label's, {shown}: list them in {COLOUR_FILES[0]} "
                "beside the label maps, red green blue name a line, or save labels as palette or grey PNG."
            )
        return self._values[places][where].reshape(pixels.shape[:2])


def packed(pixels: np.ndarray) -> np.ndarray | np.int64:
    """int64: red, green and blue in one number.

    Args:
        pixels: uint8 [..., channels]: grey, grey and alpha, colours, or colours and alpha, which does not count.
    """
    pixels = np.asarray(pixels).astype(np.int64)
    red, green, blue = range(3) if pixels.shape[-1] > 2 else (0, 0, 0)
    return pixels[..., red] << 16 | pixels[..., green] << 8 | pixels[..., blue]


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the red, green and blue of all pixels are equal.

    Args:
        pixels: [..., channels] as `packed` takes them.
    """
    return pixels.shape[-1] < 3 or bool((pixels[..., :3] == pixels[..., :1]).all())


def read_labels(names: str | os.PathLike, folder: str | os.PathLike) -> tuple[dict[int, str], Colours]:
    """Names and colours of labels.

    Args:
        names: path of a file of label names, or of colours with their names
        folder: of the label maps, where a file of colours may lie, or above it

    Returns:
        ({label: name}, Colours).

    Raises:
        DataError: naming the file and what is wrong.
    """
    colours = read_colours(names)
    if colours is not None:
        listed = {colour: label for label, (_, colour) in _numbered(colours).items()}
        return {label: name for label, (name, _) in _numbered(colours).items()}, Colours(listed, True)
    labels = from_0(read_names(names))
    path = find_file(folder, COLOUR_FILES)
    colours = None if path is None else read_colours(path)
    if colours is None:
        usual = voc_colours()
        numbers = {*(label for label in labels if label < VOC_COLOURS), IGNORED}
        return labels, Colours({usual[label]: label for label in numbers}, False)
    numbers = {name.casefold(): label for label, name in labels.items()}
    unknown = [name for name, _ in colours if name.casefold() not in numbers]
    if unknown:
        raise DataError(f"{path}: lists {unknown[0]!r}, which {names} does not name: give both the same names.")
    return labels, Colours({colour: numbers[name.casefold()] for name, colour in colours}, True)


def label_names(path: str | os.PathLike) -> dict[int, str]:
    """{label: name} of a file of label names, or of colours with their names.

    Raises:
        DataError: naming the file and what is wrong.
    """
    colours = read_colours(path)
    return from_0(read_names(path)) if colours is None else {k: name for k, (name, _) in _numbered(colours).items()}


def _numbered(colours):
    """{label: (name, colour)}: black is 0, or nothing is; the others count from 1 in their order."""
    black = [(name, colour) for name, colour in colours if colour == (0, 0, 0)] or [("background", (0, 0, 0))]
    others = [(name, colour) for name, colour in colours if colour != (0, 0, 0)]
    return dict(enumerate(black + others))


def read_colours(path: str | os.PathLike) -> list[tuple[str, tuple[int, int, int]]] | None:
    """list of (name, (r, g, b)) of a file of colours; None if it is another file.

    Raises:
        DataError: naming the file, if a colour occurs twice, or is none.
    """
    if os.path.splitext(path)[1].lower() not in (".txt", ".csv"):
        return None
    try:
        with open_text(path) as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError):
        return None  # told where names are read
    lines = [line for line in lines if line and not line.startswith("#")]
    colours = colour_entries(lines)
    return None if colours is None else _checked(path, colours)


def _checked(path, colours):
    seen = {}
    for name, colour in colours:
        if max(colour) > 255:
            raise DataError(f"{path}: {name!r} has the colour {colour}, which is not within 0 and 255.")
        if colour in seen:
            raise DataError(f"{path}: {seen[colour]!r} and {name!r} have one colour, {colour}: give each its own.")
        seen[colour] = name
    return colours


def voc_colours() -> list[tuple[int, int, int]]:
    """list of (r, g, b): the colours by which PASCAL VOC draws labels 0 to 255, bits dealt out to the channels."""
    colours = []
    for label in range(VOC_COLOURS):
        colour = [0, 0, 0]
        for place in range(8):
            for channel in range(3):
                colour[channel] |= (label >> (3 * place + channel) & 1) << (7 - place)
        colours.append(tuple(colour))
    return colours
