"""The house stands: imports run downwards, no circles, short files and functions, backends in few places."""

import ast
import functools
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "mrcnn"
# From the ground up. A room imports from its own floor and those below; docs/architecture.md draws the same list.
FLOORS = (
    ("errors", "figure_fonts", "files", "fonts", "outputs", "progress", "text_files", "untrusted"),
    ("config", "config_backbones", "config_base", "config_chains", "config_kinds", "config_pixels", "config_rules",
     "config_unused", "config_uses", "config_yolact", "ops"),
    ("network", "data"),
    ("evaluation", "weights", "export", "matterport"),
    ("training", "drawing", "labeling"),
    ("inference",),
    ("architectures",),
    ("model", "parallel_model", "utils", "visualize"),
    ("serving", "collections"),
    ("commands",),
    ("__main__",),
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
KNOW_A_BACKEND = {"training/devices.py"}  # and ops/native_*, export/
BACKENDS = {"tensorflow", "jax", "torch"}
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]


def module_of(path):
    """Dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


@functools.cache  # several tests ask for those of all files
def imported(path):
    """Full names of what a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def files_imported(path):
    """Modules of ours that a file imports; of `from package import module` the module, not the package."""
    names = {name for name in imported(path) if name in MODULES}
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)} - {module_of(path)}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_run_downwards(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("mrcnn.")} - {"__version__"}
    above = sorted(other for other in rooms if FLOOR[other] > FLOOR[room])
    assert not above, f"{room} may not import from the floors above: {above}"


def test_no_circle_between_files():
    graph = {name: files_imported(path) for name, path in MODULES.items()}
    done, way = set(), []

    def walk(name):
        assert name not in way, " -> ".join(way[way.index(name):] + [name])
        if name in done:
            return
        way.append(name)
        for other in sorted(graph[name]):
            walk(other)
        way.pop()
        done.add(name)

    for name in sorted(graph):
        walk(name)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_backends_are_known_in_few_places(path):
    place = path.relative_to(PACKAGE).as_posix()
    if not path.name.startswith("native_") and place not in KNOW_A_BACKEND and not place.startswith("export/"):
        assert not {name.split(".")[0] for name in imported(path)} & BACKENDS


def public_functions(tree, inside=""):
    """[(name, syntax tree)] of the functions and methods of a file whose names, and those of their classes, are public.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{inside}{node.name}", node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node, f"{node.name}.")


def is_hinted(function):
    """Whether all arguments of a function, and its result, have hints of their types."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return function.returns is not None and all(
        argument.annotation is not None for argument in named if argument and argument.arg not in ("self", "cls"))


def test_public_functions_have_hints():
    without = [f"{name}: {function}" for path, name in zip(FILES, NAMES)
               for function, node in public_functions(ast.parse(path.read_text())) if not is_hinted(node)]
    assert not without, "hints of all arguments and of the result, please"


def test_importing_the_model_brings_in_nothing_heavy():
    code = (
        "import sys, keras; before = set(sys.modules); import mrcnn.model, mrcnn.utils, mrcnn.visualize; "
        "print(' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not set(new.stdout.split()) & {"matplotlib", "pycocotools", "imgaug", "IPython", "cv2", "skimage"}
    assert "mrcnn" in new.stdout.split()


# Commands import these before Keras, which is silenced, and refuse what they can before its seconds.
WITHOUT_KERAS = ("collections", "commands", "drawing", "evaluation", "labeling", "serving", "untrusted")

IMPORTS_WITHOUT_KERAS = """
import importlib, sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow", "torch", "jax"):
            raise KeyError(name)
sys.meta_path.insert(0, Refusal())
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except KeyError as error:
        print(name, "imports", error)
"""


def test_what_commands_import_first_needs_no_keras():
    modules = [".".join((PACKAGE / name).relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
               for name in NAMES if name.split("/")[0] in WITHOUT_KERAS]
    done = subprocess.run([sys.executable, "-c", IMPORTS_WITHOUT_KERAS, *modules], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    assert len(modules) > 50 and not done.stdout, done.stdout
