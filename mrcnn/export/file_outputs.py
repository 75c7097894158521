"""What the file of a network gives, and how far two answers to one picture are apart: what an architecture tells.

`exported` of a network's class is one of these; `mrcnn.export.files` and `parity` know no more of a network than that.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings

ONE_VIEW = {"TEST_FLIP": False, "TEST_SCALES": [1.0]}  # of a photo: more are runs of the file, one after another


class FileOutputs:
    """The outputs of an exported file. Subclasses bring `described`, `canvas_beside` and the three that compare.

    Attributes of a subclass:
        tolerance: largest difference allowed between file and network.
    """

    tolerance = 1e-3

    def described(self, model: object, shape: tuple[int, int, int]) -> dict[str, dict]:
        """Tell the outputs, which the inference graph has under the same names.

        Args:
            model: a network in mode "inference".
            shape: (batch, height, width) of the canvases.

        Returns:
            {name: {"shape", "dtype", "meaning"}}, as the JSON file has it.
        """
        raise NotImplementedError

    def facts(self, config: Settings) -> dict:
        """Tell what else the JSON file says of such a network.

        Args:
            config: settings of the network.

        Returns:
            {name: value}, which JSON can hold.
        """
        return {}

    def built_in(self, config: Settings) -> dict[str, float]:
        """Tell the inputs of the inference graph that the file does not have, for they are fixed in it.

        Args:
            config: settings of the network.

        Returns:
            {input: number for each photo}.
        """
        return {}

    def notes(self, config: Settings) -> list[str]:
        """Tell what the network does that the file does not, a line each.

        Args:
            config: settings of the network.
        """
        views = [name for name, one in ONE_VIEW.items() if tuple_of(getattr(config, name, one)) != tuple_of(one)]
        if not views:
            return []
        return [f"{' and '.join(views)}: the file looks at each photo once, as it is placed, so this is not in it; "
                "--set TEST_FLIP=true of the command that takes the file looks at photos mirrored too."]

    def canvas_beside(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Make the canvas that is compared beside the photos.

        Args:
            shape: (height, width, channels).

        Returns:
            uint8 [height, width, channels].
        """
        raise NotImplementedError

    def distances(self, expected: dict, outputs: dict, about: dict) -> dict[str, float]:
        """Measure how far the file's answer to one picture is from the network's.

        Args:
            expected: the network's outputs by name, of one picture.
            outputs: the file's.
            about: what the JSON file holds.

        Returns:
            {name: number}.
        """
        raise NotImplementedError

    def summary(self, distances: Sequence[dict], about: dict) -> dict[str, float]:
        """Sum up the distances of all pictures.

        Args:
            distances: those of each picture.
            about: what the JSON file holds.

        Returns:
            {name: number}, among them "largest_difference", which the tolerance is about, and "agreement", 0 to 1, the
            share of objects or pixels in which both say the same.
        """
        raise NotImplementedError

    def in_words(self, checked: dict) -> str:
        """What `mrcnn.export.parity.compare` returned, for people: one line without its full stop."""
        raise NotImplementedError


def tuple_of(value: object) -> tuple:
    """A setting's value as a tuple, however it was given."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def largest(expected: np.ndarray, outputs: np.ndarray) -> float:
    """The largest difference of two arrays; infinite where one has no number."""
    difference = np.abs(np.asarray(expected, np.float64) - outputs).max(initial=0)
    return float(np.nan_to_num(difference, nan=np.inf))
