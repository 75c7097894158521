"""README, CONTRIBUTING and the guides: their names, commands, settings and programs are those of the code."""

import ast
import importlib
import importlib.util
import inspect
import pathlib
import re
import shlex
import typing

import array_data
import keras
import numpy as np
import pytest
from PIL import Image
from rewriting import running_eagerly
from tiny import TinyConfig

import mrcnn
from mrcnn.architectures import ARCHITECTURES
from mrcnn.commands.configs import DrawnConfig, FashionConfig
from mrcnn.commands.main import PRESETS, build_parser
from mrcnn.commands.options import expand_presets, preset_names
from mrcnn.commands.settings import overrides_of
from mrcnn.config import RULES, Config
from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.model import MaskRCNN
from mrcnn.utils import Dataset

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
GUIDES = sorted(DOCS.glob("*.md"))
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
PAGES = [README, CONTRIBUTING, *GUIDES]
LONGEST_README = 130  # lines: a stranger reads it to the end

# In capitals, and no settings.
OTHERS = {"KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS", "COCO_MODEL_URL", "TF_CONFIG", "WANDB_MODE", "MLFLOW_TRACKING_URI",
          "MRCNN_API_KEY", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED",
          "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "CHROMIUM", "PATH", "GLIBC_TUNABLES", "JAX_COMPILATION_CACHE_DIR",
          "MALLOC_MMAP_THRESHOLD_"}


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def load_writer():
    """The program docs/write_pages.py as a module."""
    spec = importlib.util.spec_from_file_location("write_pages", DOCS / "write_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITER = load_writer()


def blocks(page, language):
    """Texts of a page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


class Bare(MaskRCNN):
    """A MaskRCNN with all of its attributes and graphs of one layer."""

    def build_networks(self, config):
        image = keras.Input((64, 64, 3))
        return keras.Model(image, image), keras.Model(image, image)


class Shown(Dataset):
    """A prepared data set without photos."""

    def __init__(self):
        super().__init__()
        self.prepare()


# --- The README ------------------------------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert text_of(README).count("\n") <= LONGEST_README


def test_targets_of_make_and_extras_that_are_named_exist():
    makefile, setup = text_of(ROOT / "Makefile"), text_of(ROOT / "setup.py")
    for page in PAGES:
        targets = re.findall(r"\bmake (\w+)", "\n".join([*blocks(page, "bash"), *re.findall(r"`[^`]+`", prose(page))]))
        assert not [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)], page.name
        for extra in re.findall(r'\binstall "?(?:\.|mrcnn-keras)\[(\w+)\]', text_of(page)):
            assert extra == "NAME" or f'"{extra}": [' in setup, f"{page.name}: [{extra}]"
    named = re.search(r"`pip install \"\.\[NAME\]\"` adds(.*?)\n\n", text_of(README), re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", named)) == set(re.findall(r'^        "(\w+)": \[', setup, re.MULTILINE))


def test_the_citation_is_of_this_version():
    text = text_of(ROOT / "CITATION.cff")
    fields = dict(re.findall(r'^([\w-]+): "?([^"\n]+)', text, re.MULTILINE))
    assert fields["version"] == mrcnn.__version__ and fields["license"] == "MIT"
    assert {"cff-version", "message", "title"} < set(fields) and "\nauthors:\n  - " in text


# --- Pages written from the code -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["commands.md", "api.md", "architecture.md"])
def test_a_page_is_what_the_code_says(name):
    is_same = text_of(DOCS / name) == WRITER.pages()[name]  # apart, for the difference of two pages fills a screen
    assert is_same, f"docs/{name} is not what the code says: run python docs/write_pages.py, and look at what changed."


def test_a_page_of_commands_shows_options_with_their_values():
    page = WRITER.commands_page(build_parser())
    assert "| `--tile N` | cut photos larger than N x N pixels" in page  # an option with a value
    assert "| `--debug` | show the traceback of an error |" in page      # one without
    assert "## `mrcnn data split`" in page                               # a command of a command


def test_the_help_names_all_architectures():
    row = re.search(r"^\| `--architecture NAME` \| (.*) \|$", WRITER.commands_page(build_parser()), re.MULTILINE)
    assert set(ARCHITECTURES) <= set(re.findall(r"[\w-]+", row.group(1)))


def test_presets_are_in_the_guide_to_training():
    assert set(re.findall(r"^\| `([\w-]+)` \|", text_of(DOCS / "training.md"), re.MULTILINE)) >= set(preset_names())


def test_markdown_of_a_docstring():
    docstring = inspect.cleandoc("""Do it.

        Args:
            a, b: first line
                and second.

        Returns:
            A dict of
            two lines:
            "key": its meaning.

        Raises:
            DataError: why.
        """)
    assert [line for line in WRITER.markdown(docstring) if line] == [
        "Do it.", "**Args**", "* `a, b`: first line and second.", "**Returns**", "* A dict of two lines:",
        '* `"key"`: its meaning.', "**Raises**", "* `DataError`: why.",
    ]


def functions():
    """[(name, function)] of the public doors: functions, methods, and the __init__ of classes as their class."""
    things = [(name, thing) for name, thing in WRITER.doors() if not isinstance(thing, property)]
    return [(name, thing) for name, thing in things if WRITER.definition(thing) is not None]


@pytest.mark.parametrize(("name", "thing"), functions(), ids=[name for name, _ in functions()])
def test_a_door_has_hints_and_a_section_for_all_that_goes_in_and_out(name, thing):
    tree = WRITER.definition(thing)
    arguments = [a for a in [*tree.args.posonlyargs, *tree.args.args, tree.args.vararg, *tree.args.kwonlyargs,
                             tree.args.kwarg] if a is not None and a.arg not in ("self", "cls")]
    assert not [a.arg for a in arguments if a.annotation is None], "arguments without a hint"
    assert tree.returns is not None or inspect.isclass(thing), "no hint of the result"
    sections = WRITER.sections(inspect.getdoc(thing))
    described = [entry.partition(": ")[0].split(", ") for entry in WRITER.entries("Args", sections.get("Args", []))]
    assert [name.lstrip("*") for names in described for name in names] == [a.arg for a in arguments]
    gives = not inspect.isclass(thing) and ast.unparse(tree.returns) != "None"
    assert gives == bool({"Returns", "Yields"} & set(sections))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    assert inspect.isclass(thing) or not raised or "Raises" in sections


def test_the_architecture_page_has_the_floors_of_the_tests():
    spec = importlib.util.spec_from_file_location("test_imports", ROOT / "tests" / "test_imports.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", text_of(DOCS / "architecture.md"), re.MULTILINE)
    shown = {int(number): set(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows}
    assert shown == {number: set(rooms) for number, rooms in enumerate(module.FLOORS, 1)}
    text = text_of(CONTRIBUTING)
    assert f"at most {module.LONGEST_FILE} lines, a function at most {module.LONGEST_FUNCTION}" in text


def test_files_that_are_named_exist():
    for page in PAGES:
        named = re.findall(r"`((?:mrcnn|docs|tests|samples|benchmarks)/[\w./*-]+)`", prose(page))
        missing = [name for name in named if not list(ROOT.glob(name.rstrip("/"))) and "NAME" not in name]
        moved = re.findall(r"`(samples/[\w./*]+)`", text_of(DOCS / "architecture.md").split("## Moved names")[1])
        assert not [name for name in missing if name not in moved], page.name


# --- Matterport's names ----------------------------------------------------------------------------------------------


def listed():
    """[(what has the name, the name, parameters or None, status)] of the tables of docs/matterport.md."""
    rows_of_all = []
    for section in re.split(r"^## ", text_of(DOCS / "matterport.md"), flags=re.MULTILINE)[1:]:
        owner = re.match(r"`(mrcnn\.[\w.]+)`", section)
        rows = re.findall(r"^\| `(\w+)(\(.*?\))?` \| (\w+) \|", section, re.MULTILINE)
        rows_of_all += [(owner.group(1), name, call or None, status) for name, call, status in rows if owner]
    return rows_of_all


def owner_of(address):
    """An instance of a class of the tables, or the module."""
    makers = {
        "mrcnn.config.Config": Config,
        "mrcnn.utils.Dataset": Shown,
        "mrcnn.model.MaskRCNN": lambda: Bare("inference", Config(NUM_CLASSES=2), "logs"),
    }
    return makers[address]() if address in makers else importlib.import_module(address)


REFUSING = {"ancestor": "run_graph", "build": "build_networks", "append_data": "add_class and add_image in a loop"}


def test_every_name_of_the_table_is_there_or_gone_as_it_says():
    owners = {address: owner_of(address) for address, *_ in listed()}
    assert len(listed()) > 150 and {status for *_, status in listed()} == {"same", "changed", "gone", "new"}
    for address, name, call, status in listed():
        owner = owners[address]  # a property of its class is there, whatever a bare network lacks to compute it
        present = hasattr(type(owner), name) or hasattr(owner, name)
        if name in REFUSING:  # there, to say what to write instead
            with pytest.raises(NotImplementedError, match=REFUSING[name]):
                getattr(owner, name)(None, "ROI")
            continue
        assert present == (status != "gone"), f"{address}.{name} is called {status}"
        if call and status != "gone":
            wanted = re.findall(r"\*\*\w+|\w+", call)
            taken = [("**" if p.kind is p.VAR_KEYWORD else "") + p.name
                     for p in inspect.signature(getattr(owners[address], name)).parameters.values()]
            assert taken[:len(wanted)] == wanted, f"{address}.{name} takes {taken}"


def test_no_public_name_is_missing_from_the_table():
    known = {(address, name) for address, name, *_ in listed()}
    for address in ("mrcnn.utils", "mrcnn.model", "mrcnn.visualize"):
        public = importlib.import_module(address).__all__
        assert not [name for name in public if (address, name) not in known], address


# --- Commands and settings -------------------------------------------------------------------------------------------


def commands():
    """[(page, words)] of every command line `mrcnn ...` that the pages show."""
    shown = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            lines = block.replace("\\\n", " ").splitlines()
            shown += [(page.name, shlex.split(line, comments=True)) for line in lines]
    return [(page, words[1:]) for page, words in shown if words[:1] == ["mrcnn"]]


def test_every_command_that_is_shown_can_be_read():
    assert len(commands()) > 40 and {page for page, _ in commands()} >= {"README.md", "training.md", "formats.md"}
    parser = build_parser()
    for page, words in commands():
        options = parser.parse_args(expand_presets(words, PRESETS))
        drawn = not (options.annotations or options.train) if options.command == "train" else False
        settings = (DrawnConfig if drawn else FashionConfig)(**overrides_of(options)).set(NUM_CLASSES=2)
        settings.check()
        assert callable(options.run), page


def test_commands_that_are_named_exist():
    words = build_parser()._subparsers._group_actions[0].choices
    for page in PAGES:
        named = re.findall(r"`mrcnn ([a-z]+)", prose(page))
        assert not set(named) - set(words), page.name
        old = text_of(page).split("## Moved names")[0]
        assert "samples/fashion.py " not in old, f"{page.name}: write mrcnn COMMAND"


def test_every_setting_that_is_named_exists():
    known = set(FashionConfig().names()) | set(RULES) | {"BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE"} | OTHERS
    for page in PAGES:
        text = text_of(page)
        named = re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b", text) + re.findall(r"--set ([A-Z]\w+)=", text)
        assert not set(named) - known, page.name


def test_every_option_that_is_named_exists():
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", WRITER.commands_page(build_parser())))
    source = "".join(text_of(path) for path in (ROOT / "mrcnn" / "evaluation").glob("*.py"))
    source += text_of(ROOT / "benchmarks" / "network.py")
    elsewhere = {"--help", "--strict", "--no-deps", "--no-build-isolation", "--editable", "--dataset", "--model",
                 "--data-binary", "--no-cache-dir",
                 # cvat-cli's and nuctl's:
                 "--allow-unmatched-labels", "--auth", "--conf-threshold", "--conv-mask-to-poly", "--function-module",
                 "--path", "--platform", "--project-name", "--server-host"}
    for page in PAGES:
        options = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text_of(page)))
        assert not {option for option in options - elsewhere - known if f'"{option}"' not in source}, page.name


# --- Programs --------------------------------------------------------------------------------------------------------


def test_imports_of_programs_work():
    for page in PAGES:
        for block in blocks(page, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("mrcnn"):
                    module = importlib.import_module(node.module)
                    for alias in node.names:
                        submodule = f"{node.module}.{alias.name}"
                        assert hasattr(module, alias.name) or importlib.import_module(submodule), submodule
                elif isinstance(node, ast.Import):
                    for alias in node.names:
                        importlib.import_module(alias.name)


def calls(block):
    """Generator of (text of a call, the function, names of its keywords) of a program, as far as the names tell."""
    names, tree = {}, ast.parse(block)

    def value(node):
        """What an expression is: an object, or for a result the class of it; None where that is not known."""
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute):
            return getattr(value(node.value), node.attr, None)
        if isinstance(node, ast.Call):
            function = value(node.func)
            if inspect.isclass(function):
                return function
            if isinstance(node.func, ast.Attribute) and node.func.attr == "from_checkpoint":
                return value(node.func.value)
            known = {"AnnotatedDataset": AnnotatedDataset}  # which open_dataset names without importing it
            hints = typing.get_type_hints(function, localns=known) if inspect.isfunction(function) else {}
            return hints.get("return")
        return None

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours = [alias for alias in node.names if alias.name.startswith("mrcnn.") and alias.asname]
            names.update({alias.asname: importlib.import_module(alias.name) for alias in ours})
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("mrcnn"):
            module = importlib.import_module(node.module)
            names.update({alias.asname or alias.name: getattr(module, alias.name, None) for alias in node.names})
        elif isinstance(node, ast.Assign):
            targets, values = node.targets[0], node.value
            tuples = isinstance(targets, ast.Tuple) and isinstance(values, ast.Tuple)
            pairs = zip(targets.elts, values.elts) if tuples else [(targets, values)]
            names.update({target.id: value(part) for target, part in pairs if isinstance(target, ast.Name)})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(value(node.func), "__module__", "").startswith("mrcnn"):
            yield ast.unparse(node), value(node.func), len(node.args), [keyword.arg for keyword in node.keywords]


def test_calls_of_programs_fit_the_functions():
    checked = 0
    for page in PAGES:
        if page.name == "api.md":
            continue
        for block in blocks(page, "python"):
            for text, function, _, keywords in calls(block):
                parameters = inspect.signature(function).parameters
                free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
                assert free or not set(keywords) - {*parameters, None}, f"{page.name}: {text}"
                checked += 1
    assert checked > 20


def test_the_data_set_of_the_guide_reads_its_files(tmp_path):
    program = next(block for block in blocks(DOCS / "own-data.md", "python") if "class ShopDataset" in block)
    names = {}
    exec(compile(program, "own-data.md", "exec"), names)
    # Photos of 40x60: "a" has a shirt of 20x30 pixels and a shoe of 5x6, "a_2", whose name begins so, a shoe of 2x3.
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for stem in ("a", "a_2"):
        Image.new("RGB", (60, 40), "white").save(tmp_path / "photos" / f"{stem}.jpg")
    objects = {"a_shirt_0": (0, 0, 20, 30), "a_shoe_0": (30, 50, 5, 6), "a_2_shoe_0": (0, 0, 2, 3)}
    for name, (top, left, height, width) in objects.items():
        pixels = np.zeros((40, 60), np.uint8)
        pixels[top : top + height, left : left + width] = 255
        Image.fromarray(pixels).save(tmp_path / "masks" / f"{name}.png")
    dataset = names["ShopDataset"]()
    dataset.load_shop(str(tmp_path / "photos"), str(tmp_path / "masks"))
    dataset.prepare()
    masks, class_ids = dataset.load_mask(0)
    assert dataset.class_names == ["BG", "shirt", "shoe"]
    assert sorted(zip(class_ids.tolist(), masks.sum((0, 1)).tolist())) == [(1, 600), (2, 30)]
    assert [dataset.load_mask(1)[i].sum().item() for i in (0, 1)] == [6, 2]  # of "a_2": 2x3 pixels, class 2
    # A class that ends as another does is not read as that one, and a mask of no photo is told.
    for name in ("a_t_shirt_0", "b_shoe_0"):
        path = tmp_path / "masks" / f"{name}.png"
        path.write_bytes((tmp_path / "masks" / "a_shoe_0.png").read_bytes())
        with pytest.raises(ValueError, match=f"{name}.png fits 0 photos and classes, not one: call it PHOTO_CLASS"):
            names["ShopDataset"]().load_shop(str(tmp_path / "photos"), str(tmp_path / "masks"))
        path.unlink()
    sample = load_ground_truth(dataset, names["ShopConfig"](), 0)
    assert sorted(sample["gt_class_ids"]) == [1, 2]


@pytest.mark.slow
def test_the_arrays_of_the_guide_train(tmp_path, monkeypatch):
    program = next(block for block in blocks(DOCS / "own-data.md", "python") if "def train_arrays" in block)
    names = {}
    exec(compile(program.replace("epochs=10", "epochs=1"), "own-data.md", "exec"), names)
    names["Config"] = TinyConfig
    monkeypatch.chdir(tmp_path)
    with running_eagerly(True):
        data, model = names["train_arrays"](array_data.photos(), array_data.masks(), array_data.LABELS)
        found = model.detect([data.load_image(0)])[0]
    assert data.class_names == ["BG", "mug", "glass"] == model.class_names
    assert (tmp_path / "logs").is_dir()
    assert set(found) >= {"boxes", "class_ids", "masks"}


# --- The site --------------------------------------------------------------------------------------------------------


def anchors(text):
    """Addresses of a page's headings as mkdocs makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower() for title in titles]
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


def test_links_lead_somewhere_and_every_page_is_in_the_menu():
    menu = re.findall(r":\s+([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(menu) == [page.name for page in GUIDES]
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
            if target.startswith("http"):
                continue
            name, _, heading = target.partition("#")
            other = page.parent / name if name else page
            assert other.is_file(), f"{page.name}: {target}"
            of_site = page.parent != DOCS or other.resolve().is_relative_to(DOCS.resolve())
            assert of_site, f"{page.name}: {target} is no page of the site"
            assert not heading or heading in anchors(text_of(other)), f"{page.name}: {target}"
