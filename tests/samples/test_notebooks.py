"""The notebooks: stored without outputs, and run from top to bottom by a kernel as a reader would run them."""

import ast
import base64
import importlib
import inspect
import io
import os
import re
import time

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "samples")
NOTEBOOKS = ("inspect_data", "inspect_model", "inspect_weights")
# What a cell is given beside its parameters, for a network that the notebooks train and look into: an epoch has fewer
# steps, and TensorFlow makes a graph of the training alone, all else being run once.
BRIEFLY = """
import sys
import tensorflow
sys.path[:0] = ["..", "."]
import inspect_runs
tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
inspect_runs.InspectConfig.STEPS_PER_EPOCH, inspect_runs.InspectConfig.VALIDATION_STEPS = 12, 1
checkpoint_of = inspect_runs.trained_checkpoint

def then_without_graphs(*arguments, **options):
    path = checkpoint_of(*arguments, **options)
    tensorflow.config.run_functions_eagerly(True)
    return path

inspect_runs.trained_checkpoint = then_without_graphs
"""
ROUNDING = 1e-3  # pixels, or units of a feature; what a notebook works out anew is the network's own but for rounding


def read(name):
    return nbformat.read(os.path.join(SAMPLES, f"{name}.ipynb"), as_version=nbformat.NO_CONVERT)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_stored_without_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.metadata.kernelspec.name) == (4, "python3")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in cells) == 1
    # What a reader is told stands before each figure.
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown" and kinds.count("markdown") >= 7


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_the_cells_call_is_there_and_takes_what_it_is_given(name, monkeypatch):
    monkeypatch.syspath_prepend(SAMPLES)
    code = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")
    nodes = list(ast.walk(ast.parse(re.sub("(?m)^%.*$", "", code))))
    known = {"model": importlib.import_module("mrcnn.model").MaskRCNN}
    for node in nodes:
        for alias in getattr(node, "names", []):
            if isinstance(node, ast.Import):
                module = importlib.import_module(alias.name)
                known[alias.asname or alias.name] = module
            elif isinstance(node, ast.ImportFrom):
                known[alias.asname or alias.name] = imported(node.module, alias.name)
    checked = 0
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        function = called(call.func, known)
        if not getattr(function, "__module__", "").startswith(("mrcnn", "inspect_runs")) or inspect.isclass(function):
            continue
        given = [*call.args, *(keyword.arg for keyword in call.keywords)]
        if None in given or any(isinstance(one, ast.Starred) for one in given):
            continue  # how many these are is seen in a run alone
        itself = [None] if ast.unparse(call.func).startswith("model.") and inspect.isfunction(function) else []
        inspect.signature(function).bind(*itself, *call.args, **{keyword.arg: None for keyword in call.keywords})
        checked += 1
    assert checked >= 8


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_give_no_number_that_was_not_counted(name):
    code = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")
    # What is not there is said in words, and titles count what they show.
    assert not re.search(r"np\.(nan|ones\(1\))|f?\"\d+ of ", code)
    calls = [node for node in ast.walk(ast.parse(re.sub("(?m)^%.*$", "", code))) if isinstance(node, ast.Call)]
    for call in calls:
        given = {keyword.arg for keyword in call.keywords}
        # A mask that fills its picture has one value, whose colour depends on the range.
        assert ast.unparse(call.func) != "visualize.display_images" or ("cmap" in given) == ("norm" in given)


def imported(module, name):
    """What `from module import name` gives."""
    found = importlib.import_module(module)
    return getattr(found, name) if hasattr(found, name) else importlib.import_module(f"{module}.{name}")


def called(node, known):
    """What a call's name stands for; None where it begins with something that a cell made."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    owner = called(node.value, known)
    if owner is None or inspect.isclass(owner) and not hasattr(owner, node.attr):
        return None  # what a class lacks its objects may have
    return getattr(owner, node.attr)  # AttributeError: it is gone


def run(name, more="", **parameters):
    """(text that a notebook printed, its figures as arrays) with other values for its parameters, and more code."""
    notebook = read(name)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items()) + more
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": SAMPLES}}
    )
    began = time.monotonic()
    client.execute()
    texts, figures = [], []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        data = output.get("data", {})
        texts.append(re.sub("<[^>]*>", " ", data.get("text/html", "")))
        if "image/png" in data:
            image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
            figures.append(np.asarray(image.convert("RGB")))
    print(f"{name}: {len(figures)} figures in {time.monotonic() - began:.0f} s")
    return "\n".join(texts), figures


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder for the run that the notebooks share; what a kernel keeps for itself goes beside it."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        yield str(folder / "logs")


def check_figures(figures, least):
    assert len(figures) >= least
    for figure in figures:
        assert min(figure.shape[:2]) > 100 and figure.std() > 5  # drawn, and not all of one colour


def numbers(pattern, text):
    values = [float(number) for number in re.findall(pattern, text)]
    assert values, f"nothing like {pattern} was printed"
    return values


@pytest.mark.slow
def test_data(logs):
    text, figures = run("inspect_data", LIMIT=30)
    check_figures(figures, 13)
    assert "30 photos of 8 classes" in text
    assert numbers(r"have IoU ([\d.]+) or more with a true box", text)[0] > 0.999
    assert 0.25 < numbers(r"Positive share of the regions over 10 photos: ([\d.]+)", text)[0] <= 0.4
    # The finer the mini mask, the less it loses.
    losses = numbers(r"\d+x\d+  (0\.\d{4}|1\.0000)  ", re.sub(r"\s+", "  ", text))
    assert len(losses) == 5 and losses == sorted(losses) and losses[-1] > 0.99


@pytest.mark.slow
@pytest.mark.long
def test_model_and_its_weights(logs):
    text, figures = run("inspect_model", BRIEFLY, LOGS=logs, EPOCHS=2, LIMIT=6)
    check_figures(figures, 13)
    assert max(numbers(r"the network's own differ by ([\d.]+) pixels", text)) < ROUNDING
    assert numbers(r"differs from the network's own by ([\d.]+)\.", text)[0] < ROUNDING
    # Even so short a training tells most objects from background.
    assert numbers(r"scored above a negative one in ([\d.]+) %", text)[0] > 60
    assert "masks" in text and "6 photos" in text

    # The run that it left is what the next notebook finds, and does not train another.
    text, figures = run("inspect_weights", BRIEFLY, LOGS=logs, EPOCHS=2)
    check_figures(figures, 4)
    assert "layers loaded, 0 missing, 0 unused" in text and "epoch 2; classes: BG, bag" in text
    assert len(os.listdir(logs)) == 1
    first, last = re.search(r"^loss: ([\d.]+) after epoch 1, ([\d.]+) after epoch 2", text, re.MULTILINE).groups()
    assert float(last) < float(first)
    assert int(re.search(r"(\d+) of (\d+) filters", text).group(2)) > 1000
