"""A model as a serverless function of CVAT, which Nuclio runs: `python -m mrcnn.serving.cvat_nuclio MODEL FOLDER`.

The folder gets `function.yaml`, which lists the classes, `main.py`, and the model; `nuctl deploy` makes an image of it.
CVAT sends a photo as base64 and the least score, and takes a list of masks.
"""

import argparse
import base64
import binascii
import json
import os
import shutil
import sys

import numpy as np

from mrcnn.data.class_names import names_of_model
from mrcnn.data.encoded import decode_image
from mrcnn.errors import DataError, UsageError, UserError
from mrcnn.serving.cvat import mask_bits, polygons_of, tell_empty

HERE, MODEL = "/opt/nuclio", "MRCNN_MODEL"  # where Nuclio puts the folder; the variable that names the model there
MAIN = '''"""What Nuclio calls: the function is of the package."""

from mrcnn.serving.cvat_nuclio import handler, init_context  # noqa: F401
'''
# For a model of Keras; an ONNX file does with requirements-runtime.txt in place of the package's requirements.
PACKAGE, RUNTIME = "mrcnn-keras", "onnxruntime numpy opencv-python-headless pillow pycocotools matplotlib rich h5py"
UPLOAD = 32 << 20  # bytes of a request


def init_context(context: object) -> None:
    """Load the model once for a worker; Nuclio calls this before any request."""
    from mrcnn import architectures

    path = os.environ.get(MODEL, "")
    context.user_data.model = architectures.load(os.path.join(HERE, path))
    context.logger.info(f"{path} is loaded")


def handler(context: object, event: object) -> object:
    """Answer a request of CVAT.

    Args:
        context: of Nuclio, with the model of `init_context`.
        event: with `body`, {"image": base64 of a file, "threshold": least score}.

    Returns:
        A Response: a list of {"confidence", "label", "type": "mask", "points": [x, y, ...], "mask": [bits..., x1, y1,
        x2, y2]}; of status 400 {"error": why} for what is no photo.
    """
    try:
        body = json.loads(event.body) if isinstance(event.body, (bytes, str)) else event.body
        image = _photo(body["image"])
        least = body.get("threshold")
        least = None if least is None else float(least)
    except (KeyError, TypeError, ValueError, UserError) as error:
        answer, status = {"error": f"no photo, or no score: {error}"}, 400
    else:
        answer, status = shapes(context.user_data.model, image, least), 200
    return context.Response(body=json.dumps(answer), headers={}, content_type="application/json", status_code=status)


def shapes(model: object, image: object, least: float | None = None) -> list[dict]:
    """What a model finds in a photo, as CVAT's serverless functions tell it.

    Args:
        model: with `detect`, `class_names` and `config`.
        image: uint8 [H, W, 3].
        least: least score; None takes the model's own.

    Returns:
        As `handler`.
    """
    [found] = model.detect([image], rle=True, min_confidence=least)
    rows, names = [], names_of_model(model)
    tell_empty(found, "The photo")
    for class_id, score, rle in zip(found["class_ids"].tolist(), found["scores"].tolist(), found["rles"]):
        outlines = polygons_of(rle)
        if outlines:
            rows.append({"confidence": f"{score:.6f}", "label": names[class_id], "type": "mask",
                         "points": max(outlines, key=_area), "mask": mask_bits(rle)})
    return rows


def _area(corners):
    """Of a polygon [x1, y1, x2, y2, ...]: there is room for that of one part beside the mask, the largest."""
    x, y = np.reshape(corners, (-1, 2)).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _photo(text):
    """uint8 [H, W, 3] of the base64 of a file, upright as CVAT shows it."""
    try:
        return decode_image(base64.b64decode(text), "the image")
    except (binascii.Error, DataError) as error:
        raise ValueError(f"the image cannot be read ({error})") from error


def function_text(name: str, class_names: list[str], model: str) -> str:
    """The text of `function.yaml`.

    Args:
        name: of the function.
        class_names: by class id, background first.
        model: name of the model's file in the folder.
    """
    labels = [{"id": number, "name": label, "type": "mask"} for number, label in enumerate(class_names) if number]
    spec = ",\n".join(f"        {json.dumps(label)}" for label in labels)
    install = (f"pip install --no-cache-dir {RUNTIME} && pip install --no-cache-dir --no-deps {PACKAGE}"
               if model.endswith(".onnx") else f"pip install --no-cache-dir {PACKAGE}")
    return f"""metadata:
  name: {json.dumps(f"mrcnn-{name}")}
  namespace: cvat
  annotations:
    name: {json.dumps(name)}
    type: detector
    spec: |
      [
{spec}
      ]

spec:
  description: {json.dumps(f"{name}: objects with masks, by mrcnn")}
  runtime: "python:3.11"
  handler: main:handler
  eventTimeout: 120s
  env:
    - name: {MODEL}
      value: {json.dumps(model)}
  build:
    image: {json.dumps(f"cvat.mrcnn.{name}")}
    baseImage: python:3.11-slim
    directives:
      preCopy:
        - kind: RUN
          value: {json.dumps(install)}
  triggers:
    http:
      kind: http
      numWorkers: 1
      workerAvailabilityTimeoutMilliseconds: 120000
      attributes:
        maxRequestBodySize: {UPLOAD}
  platform:
    attributes:
      restartPolicy:
        name: always
        maximumRetryCount: 3
      mountMode: volume
"""


def write_function(model: str, folder: str) -> None:
    """Write the folder of a function.

    Args:
        model: path of a checkpoint, or of an exported file.
        folder: to write to; there must not be one.

    Raises:
        UserError: the model cannot be read, finds no objects, is of several files, or the folder is there.
    """
    from mrcnn import architectures
    from mrcnn.files import whole_folder, write_texts

    if os.path.lexists(folder):
        raise UsageError(f"{folder}: is there already: give the name of a new folder.")
    if model.endswith(".xml"):
        raise UsageError(f"{model}: an OpenVINO model is several files: give a checkpoint, or an ONNX or LiteRT file.")
    if os.path.isdir(model):
        raise UsageError(f"{model}: a folder, as a SavedModel is, is no single file: give a checkpoint, or an ONNX or "
                         "LiteRT file.")
    loaded = architectures.load(model)
    if not hasattr(loaded, "detect"):
        raise UsageError(f"{model} is of the architecture {loaded.architecture_name()}, which finds no objects: give "
                         "one that does.")
    names = names_of_model(loaded)
    stem, ending = os.path.splitext(os.path.basename(model))
    name = "".join(letter if letter.isalnum() else "-" for letter in stem.lower()).strip("-") or "model"
    with whole_folder(folder) as partial:
        write_texts(partial, {"function.yaml": function_text(name, names, f"model{ending}"), "main.py": MAIN})
        shutil.copyfile(model, os.path.join(partial, f"model{ending}"))
        if os.path.isfile(f"{model}.json"):  # what an exported file says of itself
            shutil.copyfile(f"{model}.json", os.path.join(partial, f"model{ending}.json"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m mrcnn.serving.cvat_nuclio", description=__doc__.split("\n")[0])
    parser.add_argument("model", help="checkpoint or exported file")
    parser.add_argument("folder", help="new folder of the function")
    given = parser.parse_args()
    try:
        write_function(given.model, given.folder)
    except (UserError, OSError) as problem:
        sys.exit(f"error: {problem}")
    print(f"The function is in {given.folder}: nuctl deploy --project-name cvat --path {given.folder} --platform local")
