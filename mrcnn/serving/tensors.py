"""Tensors of the Open Inference Protocol v2, in JSON and behind it as bytes (the binary tensor extension)."""

import contextlib
import dataclasses
import json
import math
import struct

import numpy as np

from mrcnn.serving.json_bodies import json_of
from mrcnn.serving.refusals import Refused, refuse_repeated

HEADER = "Inference-Header-Content-Length"  # bytes of JSON in front of the binary tensors
TYPES = {"UINT8": np.uint8, "INT32": np.int32, "FP32": np.float32}
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
BYTES = "BYTES"
MOST_SIDES, MOST_VALUES = 8, 1 << 40  # of a shape: no request has as many numbers, but any may claim them


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input of a request.

    Args:
        shape: of the tensor.
        values: array of that shape; of BYTES the list of elements: texts from JSON, bytes from the extension.
    """

    shape: tuple[int, ...]
    values: np.ndarray | list


def read_request(body: bytes, header_length: str | None) -> tuple[dict, dict[str, Tensor]]:
    """Read the body of an inference request.

    Args:
        body: all of it.
        header_length: what HEADER says; None: all of it is JSON.

    Returns:
        (the object of JSON without the inputs' data, {name: Tensor} of the inputs).

    Raises:
        Refused: 400, the body is not as the protocol has it.
    """
    length = len(body) if header_length is None else _number(header_length, HEADER)
    if length > len(body):
        raise Refused(400, f"{HEADER}: {length} is more than the {len(body)} bytes of the body: correct it.")
    request, rest, tensors = json_of(body[:length]), memoryview(body)[length:], {}  # parts of a view are no copies
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise Refused(400, '"inputs" is missing: send a list of {"name", "shape", "datatype", "data"}.')
    _check_names(inputs)
    for one in inputs:
        name, shape, parameters = one["name"], _shape(one), parameters_of(one, f"input {one['name']}")
        if "binary_data_size" in parameters:
            size = _number(parameters["binary_data_size"], f"binary_data_size of {name}")
            if size > len(rest):
                raise Refused(400, f"{name}: {size} bytes are said, {len(rest)} are there: correct binary_data_size.")
            if one.get("data") is not None:
                raise Refused(400, f"{name}: has data and binary_data_size: send one of the two.")
            values, rest = _from_bytes(rest[:size], one, shape), rest[size:]
        else:
            values = _from_json(one, shape)
        one.pop("data", None)  # of numbers, more than ten times as large as the body
        tensors[name] = Tensor(shape, values)
    if rest:
        raise Refused(400, f"{len(rest)} bytes are of no input: say binary_data_size of each.")
    return request, tensors


def parameters_of(of: dict, what: str) -> dict:
    """The "parameters" of a request, an input or an output.

    Args:
        of: that may have them.
        what: to call it.

    Returns:
        {name: value}; empty where there are none.

    Raises:
        Refused: 400, they are no object.
    """
    given = of.get("parameters")
    if given is not None and not isinstance(given, dict):
        raise Refused(400, f'"parameters" of {what}: {str(given)[:40]} is no object: send {{"name": value}}.')
    return given or {}


def _check_names(inputs):
    for one in inputs:
        if not isinstance(one.get("name"), str):
            raise Refused(400, f'"inputs": the name {str(one.get("name"))[:40]} is no text: send "name" of each input.')
    refuse_repeated((one["name"] for one in inputs), "Input")


def _number(value, what):
    try:
        number = int(str(value)[:20])
    except ValueError:
        number = -1
    if number < 0:
        raise Refused(400, f"{what}: {str(value)[:40]!r} is no number of bytes: correct it.")
    return number


def _shape(one):
    shape = one.get("shape")
    sound = isinstance(shape, list) and all(type(side) is int and 0 <= side < 1 << 31 for side in shape)
    if not sound:
        raise Refused(400, f"{one['name']}: shape {str(shape)[:40]}: send a list of whole numbers.")
    # Sides of 0 do not count: NumPy refuses such a shape by the others.
    if len(shape) > MOST_SIDES or math.prod(max(side, 1) for side in shape) > MOST_VALUES:
        raise Refused(400, f"{one['name']}: shape {str(shape[:4])[:60]} has {len(shape)} sides, or more numbers than "
                           f"can be: send {MOST_SIDES} sides at most, and {MOST_VALUES} numbers.")
    return tuple(shape)


def _from_bytes(data, one, shape):
    name, datatype = one["name"], one.get("datatype")
    if datatype == BYTES:
        elements, most, at = [], math.prod(shape), 0
        while at < len(data):
            if len(elements) == most:
                raise Refused(400, f"{name}: more than {most} elements, but shape {list(shape)}: correct one of them.")
            start = at + 4
            at = start + struct.unpack_from("<I", data, at)[0] if start <= len(data) else start
            if at > len(data):
                raise Refused(400, f"{name}: BYTES break off: send 4 bytes of length (little endian) before each.")
            elements.append(bytes(data[start:at]))
        return _counted(elements, one, shape)
    kind = np.dtype(_kind(one))
    size = math.prod(shape) * kind.itemsize
    if len(data) != size:
        raise Refused(400, f"{name}: {len(data)} bytes, but shape {list(shape)} has {size}.")
    return np.frombuffer(data, kind.newbyteorder("<")).astype(kind, copy=False).reshape(shape)


def _from_json(one, shape):
    name, data = one["name"], one.get("data")
    if not isinstance(data, list):
        raise Refused(400, f"{name}: data is missing: send a list, flat or nested as its shape.")
    if one.get("datatype") == BYTES:
        while len(data) == 1 and isinstance(data[0], list):
            data = data[0]
        return _counted(data, one, shape)
    kind = _kind(one)
    values = _numbers(data, name)
    if values.size != math.prod(shape):
        raise Refused(400, f"{name}: {values.size} numbers, but shape {list(shape)} has {math.prod(shape)}.")
    if values.ndim > 1 and values.shape != shape:
        raise Refused(400, f"{name}: data is nested as {list(values.shape)}, but shape is {list(shape)}: correct one "
                           "of them, or send the data flat.")
    if np.dtype(kind).kind in "iu":
        bounds = np.iinfo(kind)
        if values.dtype.kind == "f" or values.min() < bounds.min or values.max() > bounds.max:
            raise Refused(400, f"{name}: {one['datatype']} holds whole numbers of {bounds.min} to {bounds.max}.")
    return values.astype(kind).reshape(shape)


def _numbers(data, name):
    """The array of numbers of a list, nested or not."""
    inner, levels = data, 0
    while isinstance(inner, list) and inner:
        inner, levels = inner[0], levels + 1
    if levels > MOST_SIDES:
        raise Refused(400, f"{name}: data is nested {levels} deep: send it flat, or nested as its shape.")
    with contextlib.suppress(ValueError, OverflowError):
        kinds = set(map(type, np.asarray(data, object).flat))  # first: an array of texts is as wide as the longest
        if kinds and kinds <= {int, float} and (values := np.asarray(data)).dtype.kind in "iuf":
            return values
    raise Refused(400, f"{name}: data is empty, ragged, or no numbers: correct it.")


def _kind(one):
    kind = TYPES.get(str(one.get("datatype")))
    if kind is None:
        raise Refused(400, f"{one['name']}: datatype {str(one.get('datatype'))[:20]!r}: send UINT8 or BYTES.")
    return kind


def _counted(elements, one, shape):
    if len(elements) != math.prod(shape):
        raise Refused(400, f"{one['name']}: {len(elements)} elements, but shape {list(shape)}.")
    return elements


def write_answer(head: dict, outputs: dict[str, np.ndarray | list], binary: set[str]) -> tuple[bytes, int | None]:
    """Write the body of an inference answer.

    Args:
        head: what stands beside the outputs.
        outputs: {name: array of a type of TYPES, or list of texts}.
        binary: names of those that follow as bytes.

    Returns:
        (the body, bytes of the JSON in front if anything follows, else None).
    """
    rows, tail = [], []
    for name, values in outputs.items():
        texts = isinstance(values, list)
        row = {"name": name, "datatype": BYTES if texts else NAMES[values.dtype],
               "shape": [len(values)] if texts else list(values.shape)}
        if name in binary:
            data = b"".join(_element(text) for text in values) if texts else np.ascontiguousarray(values).tobytes()
            row["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        else:
            row["data"] = values if texts else values.ravel().tolist()
        rows.append(row)
    body = json.dumps({**head, "outputs": rows}).encode()
    return b"".join([body, *tail]), len(body) if tail else None


def _element(text):
    data = text.encode()
    return struct.pack("<I", len(data)) + data
