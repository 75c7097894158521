"""What goes through the layers of an ONNX file on photos, and the range that 8 bits are spread over.

The range of a tensor is the one with the least squared error of rounding and cutting off on what was seen
(Krishnamoorthi 2018; Banner 2019): a few values far out would make the steps between all others coarse. One pass over
the photos takes of each tensor its extremes, its mean by channel and an evenly spaced sample, so memory does not grow
with the picture.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.export.packages import extra

VALUES = 2**18  # of a tensor that are kept, of all photos together, and twice as many at most
LEAST_VALUES = 256  # of each photo
BINS = 2048
SHARES = np.linspace(0.1, 1, 46)  # of the extremes, that are tried as the ends of a range
STEPS = 255  # between the least and the largest number of 8 bits
DOMAIN = "mrcnn.watch"

# An odd step does not fall on the same column of every row, and 0 is in every range.
WATCH = """
<domain: "{domain}", opset_import: ["": {opset}]>
watch{rank} (x) => (least, largest, sample, sums, count)
{{
    all = Constant <value_ints = [-1]> ()
    nothing = Constant <value_floats = [0.0]> ()
    flat = Reshape (x, all)
    with_zero = Concat <axis = 0> (flat, nothing)
    least = ReduceMin <keepdims = 0> (with_zero)
    largest = ReduceMax <keepdims = 0> (with_zero)
    count = Size (x)
    axes = Constant <value_ints = {axes}> ()
    sums = ReduceSum <keepdims = 0> (x, axes)
    first = Constant <value_ints = [0]> ()
    end = Constant <value_ints = [4611686018427387904]> ()
    one = Constant <value_ints = [1]> ()
    two = Constant <value_ints = [2]> ()
    part = Constant <value_ints = [{part}]> ()
    parts = Div (count, part)
    even = Mul (parts, two)
    step = Add (even, one)
    sample = Slice (flat, first, end, first, step)
}}
"""
ANSWERS = ("least", "largest", "sample", "sums", "count")


class Seen(NamedTuple):
    """What was seen of a tensor.

    Attributes:
        least: its smallest value, or 0 if all are larger.
        largest: its largest value, or 0 if all are smaller.
        sample: float32 [n] of its values; empty where nothing went through.
        mean: float64 [C] by channel, the second axis.
    """

    least: float
    largest: float
    sample: np.ndarray
    mean: np.ndarray


def watch(path: str, model: object, ranks: Mapping[str, int], inputs: Sequence[dict],
          tell: Callable[[int, int], None]) -> dict[str, Seen]:
    """Run an ONNX file and see what some of its tensors hold.

    Args:
        path: where the file with what measures them is written.
        model: onnx.ModelProto, left as it is.
        ranks: {name of a float32 tensor [rows, C, ...]: how many axes it has, 2 or 4}.
        inputs: of the file, for each photo, by name.
        tell: function of (done, total).

    Returns:
        {name: Seen}.
    """
    onnx, onnxruntime = extra("onnx"), extra("onnxruntime")
    measured = onnx.ModelProto()
    measured.CopyFrom(model)
    opset = next(each.version for each in model.opset_import if not each.domain)
    part = 2 * max(LEAST_VALUES, VALUES // len(inputs))
    for rank in sorted(set(ranks.values())):
        axes = [axis for axis in range(rank) if axis != 1]
        measured.functions.append(onnx.parser.parse_function(
            WATCH.format(domain=DOMAIN, opset=opset, rank=rank, axes=axes, part=part)))
    measured.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    outputs = []
    for place, (name, rank) in enumerate(ranks.items()):
        given = [f"watched_{place}_{what}" for what in ANSWERS]
        measured.graph.node.append(onnx.helper.make_node(f"watch{rank}", [name], given, domain=DOMAIN))
        measured.graph.output.extend(onnx.ValueInfoProto(name=each) for each in given)
        outputs += given
    onnx.save(measured, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    told = []
    for done, given in enumerate(inputs, 1):
        told.append(session.run(outputs, given))
        tell(done, len(inputs))
    by_tensor = (zip(*(run[place * len(ANSWERS):(place + 1) * len(ANSWERS)] for run in told))
                 for place in range(len(ranks)))
    return {name: _seen(*each) for name, each in zip(ranks, by_tensor)}


def _seen(least, largest, samples, sums, counts):
    """Seen of a tensor, of lists of what each photo gave."""
    total = np.sum(sums, axis=0, dtype=np.float64)
    rows = max(1, sum(map(int, counts)) / len(total))
    return Seen(float(np.min(least)), float(np.max(largest)), np.concatenate(samples), total / rows)


def best_range(seen: Seen) -> tuple[float, float]:
    """The range that rounds a tensor to 8 bits with the least squared error.

    Args:
        seen: of the tensor.

    Returns:
        (smallest, largest) value that is told apart; what is outside takes that of the end.
    """
    least, largest = seen.least, seen.largest
    counts, edges = np.histogram(seen.sample, BINS, (least, largest) if largest > least else (0, 1))
    values = (edges[1:] + edges[:-1])[counts > 0] / 2
    counts = counts[counts > 0]
    best, error = (least, largest), np.inf
    for low in SHARES * least if least < 0 else [0.0]:
        for high in SHARES * largest if largest > 0 else [0.0]:
            step = max(high - low, np.finfo(np.float32).tiny) / STEPS
            zero = round(-low / step)
            rounded = (np.clip(np.round(values / step) + zero, 0, STEPS) - zero) * step
            mistake = float(np.square(rounded - values) @ counts)
            if mistake < error:
                best, error = (float(low), float(high)), mistake
    return best
