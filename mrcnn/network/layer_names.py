"""Names of layers that are the same in every process: weight files go by them, and Keras counts over a process."""

import re
from collections.abc import Sequence


def counted_name(kind: str) -> str:
    """The pattern of the names that Keras gives the layers of a class by itself; its group is their number.

    Args:
        kind: name of the class, such as SEBlock, whose layers are se_block, se_block_1 ...; case and _ do not count.
    """
    letters = re.sub(r"[\W_]", "", kind).lower()
    return rf"_*{'_*'.join(letters)}(?:_(\d+))?"  # where Keras puts each _ is its own matter


def give_stable_names(operations: Sequence) -> None:
    """Rename layers with weights that Keras named by a count over the whole process.

    Args:
        operations: of a graph, in its order. The first Conv2D of its own becomes backbone_conv2d_1.
    """
    counts = {}
    for layer in operations:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        if getattr(layer, "weights", None) and re.fullmatch(counted_name(kind), layer.name):
            counts[kind] = counts.get(kind, 0) + 1
            layer.name = f"backbone_{kind}_{counts[kind]}"
