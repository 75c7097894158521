"""Imports run downwards only, backends are known in few places, and importing stays light."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "mrcnn"
# What each member may import of ours; the architecture section of the README draws the same table.
ALLOWED = {
    "config": {"config_rules"},
    "__main__": {"data"},
    "config_rules": set(),
    "ops": {"ops"},
    "data": {"data", "config", "ops"},
    "network": {"network", "ops", "config"},
    "training": {"training", "config", "network"},
    "evaluation": {"evaluation", "data", "ops"},
    "labeling": {"labeling", "data", "ops", "evaluation"},
    "curves": {"data"},
    "drawing": {"data", "ops"},
    "figures": {"data", "ops", "evaluation", "visualize"},
    "visualize": {"curves", "drawing", "data", "ops", "evaluation"},
    "stages_view": {"drawing", "visualize"},
    "weights_view": set(),
    "test_time": {"config", "data", "ops"},
    "tiles": {"data", "ops", "test_time"},
    "detector": {"data", "test_time", "tiles"},
    "segmenter": {
        "config", "data", "network", "training", "evaluation", "visualize", "test_time", "detector",
        "curves",
    },
    "utils": {"matterport", "config", "data", "ops", "evaluation", "training"},
    "matterport": {"matterport", "config", "data", "network", "ops", "training", "segmenter", "evaluation"},
    "model": {"matterport", "config", "data", "network", "training", "segmenter", "utils"},
    "parity": {"data", "ops"},
    "export": {"config", "data", "ops", "parity"},
}
KNOW_A_BACKEND = {"training/devices.py", "export.py"}  # and ops/native_*
BACKENDS = {"tensorflow", "jax", "torch"}


def files():
    return sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Full names of the modules a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    member = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if member == "__init__":
        return
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("mrcnn.")} - {"__version__"}
    assert ours <= ALLOWED[member], f"{member} may not import {ours - ALLOWED[member]}"


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_backends_are_known_in_few_places(path):
    roots = {name.split(".")[0] for name in imported(path)}
    if not path.name.startswith("native_") and path.relative_to(PACKAGE).as_posix() not in KNOW_A_BACKEND:
        assert not roots & BACKENDS


def test_importing_the_model_brings_in_nothing_heavy():
    code = (
        "import sys, keras; before = set(sys.modules); import mrcnn.model, mrcnn.utils, mrcnn.visualize; "
        "print(' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not set(new.stdout.split()) & {"matplotlib", "pycocotools", "imgaug", "IPython", "cv2", "skimage"}
    assert "mrcnn" in new.stdout.split()
