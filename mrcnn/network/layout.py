"""What the names of a network's layers mean to those who train it, and who read and write its weights."""

import dataclasses
import re

from mrcnn.ops import Tensor


@dataclasses.dataclass(frozen=True)
class Layout:
    """The conventions of one network. Every layer that is no head belongs to the backbone.

    Attributes:
        heads: regular expression of whole names: the layers that the stage "heads" trains.
        class_layers: names of the layers whose shape follows from the classes: what to leave out of a weight file of
            other classes.
        answer_layers: names of further layers that others only read: of boxes, and of masks and scores that do not
            follow from the classes, with what measures colours before them. Quantised files leave these and
            `class_layers` in float32.
        told_by: {layer: another one of as many anchors}, where the sizes of the first alone may fit a file of others.
        parts: {part of the network: how the names of its layers begin}, for reports; a head that fits none is "other".
    """

    heads: str = r"(?!)"  # matches nothing
    class_layers: tuple = ()
    answer_layers: tuple = ()
    told_by: dict = dataclasses.field(default_factory=dict)
    parts: dict = dataclasses.field(default_factory=dict)

    def is_head(self, layer: str) -> bool:
        """Whether the layer of this name is none of the backbone."""
        return re.fullmatch(self.heads, layer) is not None

    def part_of(self, layer: str) -> str:
        """The part of the network that the layer of this name belongs to; "other" for a head that is of none."""
        rest = "other" if self.is_head(layer) else "backbone"
        return next((part for part, starts in self.parts.items() if layer.startswith(starts)), rest)

    def group_of(self, layer: str) -> str:
        """The group of a weight file that a layer is written into."""
        return layer

    def to_file(self, layer: str, weight: str, value: Tensor, model: object) -> Tensor:
        """A weight in the shape that files have.

        Args:
            layer, weight: names.
            value: array of the model.
            model: that the layer is of.
        """
        return value

    def from_file(self, layer: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A weight of a file in the shape of the model, where only the way of writing it differs.

        Args:
            layer: name.
            value: array of the file.
            shape: tuple, of the weight in the model.
        """
        return value

    def begins_as(self, layer: str) -> tuple[str, float] | None:
        """What a layer that a file lacks may begin with: (another layer of the file, the factor of its weights).

        Args:
            layer: name.
        """
        return None


def layout_of(model: object) -> Layout:
    """The layout that a Keras model was given by whoever built it (attribute `layout`); else one that names nothing."""
    return getattr(model, "layout", None) or Layout()
