"""The guides of docs/: the names, commands, settings and programs that they show are those of the code."""

import ast
import importlib
import inspect
import pathlib
import re
import shlex

import keras
import numpy as np
import pytest
from PIL import Image

from mrcnn.commands.main import PRESETS, build_parser
from mrcnn.commands.options import expand_presets
from mrcnn.commands.settings import DrawnConfig, FashionConfig, overrides_of
from mrcnn.config import Config
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.model import MaskRCNN
from mrcnn.utils import Dataset

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))

OTHERS = {"KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS", "COCO_MODEL_URL", "TF_CONFIG"}  # in capitals, and no settings


def text_of(page):
    return page.read_text(encoding="utf-8")


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


# --- Matterport's names ----------------------------------------------------------------------------------------------


def listed():
    """[(what has the name, the name, parameters or None, status)] of the tables of docs/matterport.md."""
    found = []
    for section in re.split(r"^## ", text_of(DOCS / "matterport.md"), flags=re.MULTILINE)[1:]:
        owner = re.match(r"`(mrcnn\.[\w.]+)`", section)
        rows = re.findall(r"^\| `(\w+)(\(.*?\))?` \| (\w+) \|", section, re.MULTILINE)
        found += [(owner.group(1), name, call or None, status) for name, call, status in rows if owner]
    return found


def owner_of(address):
    """An instance of a class of the tables, or the module."""
    makers = {
        "mrcnn.config.Config": Config,
        "mrcnn.utils.Dataset": Shown,
        "mrcnn.model.MaskRCNN": lambda: Bare("inference", Config(NUM_CLASSES=2), "logs"),
    }
    return makers[address]() if address in makers else importlib.import_module(address)


def test_every_name_of_the_table_is_there_or_gone_as_it_says():
    owners = {address: owner_of(address) for address, *_ in listed()}
    assert len(listed()) > 150 and {status for *_, status in listed()} == {"same", "changed", "gone", "new"}
    for address, name, call, status in listed():
        present = hasattr(owners[address], name)
        if name == "ancestor":  # there, to say what to write instead
            with pytest.raises(NotImplementedError, match="run_graph"):
                owners[address].ancestor(None, "ROI")
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
    """[(page, words)] of every command line of samples/fashion.py that the guides show."""
    found = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, shlex.split(line, comments=True)) for line in lines]
    return [(page, words[2:]) for page, words in found if words[:2] == ["python", "samples/fashion.py"]]


def test_every_command_that_is_shown_can_be_read():
    assert len(commands()) > 20
    for page, words in commands():
        options = build_parser().parse_args(expand_presets(words, PRESETS))
        drawn = not (options.annotations or options.train) if options.command == "train" else False
        settings = (DrawnConfig if drawn else FashionConfig)(**overrides_of(options)).set(NUM_CLASSES=2)
        settings.check()
        assert callable(options.run), page


def test_every_setting_that_is_named_exists():
    known = set(FashionConfig().names()) | {"BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE"} | OTHERS
    for page in PAGES:
        text = text_of(page)
        named = re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b", text) + re.findall(r"--set ([A-Z]\w+)=", text)
        assert not set(named) - known, page.name


def test_every_option_that_is_named_exists():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mrcnn" / "commands").glob("*.py"))
    source += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mrcnn" / "evaluation").glob("*.py"))
    source += (ROOT / "benchmarks" / "network.py").read_text(encoding="utf-8")
    elsewhere = {"--help", "--strict", "--no-deps", "--no-build-isolation", "--editable", "--dataset", "--model"}
    for page in PAGES:
        options = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text_of(page)))
        assert not {option for option in options - elsewhere if f'"{option}"' not in source}, page.name


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


def test_the_data_set_of_the_guide_reads_its_files(tmp_path):
    program = next(block for block in blocks(DOCS / "own-data.md", "python") if "class ShopDataset" in block)
    names = {}
    exec(compile(program, "own-data.md", "exec"), names)
    # A photo of 40x60 with a shirt of 20x30 pixels and a shoe of 5x6.
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40), "white").save(tmp_path / "photos" / "a.jpg")
    for name, (top, left, height, width) in {"a_shirt_0": (0, 0, 20, 30), "a_shoe_0": (30, 50, 5, 6)}.items():
        pixels = np.zeros((40, 60), np.uint8)
        pixels[top : top + height, left : left + width] = 255
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "masks" / f"{name}.png")
    dataset = names["ShopDataset"]()
    dataset.load_shop(str(tmp_path / "photos"), str(tmp_path / "masks"))
    dataset.prepare()
    masks, class_ids = dataset.load_mask(0)
    assert dataset.class_names == ["BG", "shirt", "shoe"]
    assert sorted(zip(class_ids.tolist(), masks.sum((0, 1)).tolist())) == [(1, 600), (2, 30)]
    sample = load_ground_truth(dataset, names["ShopConfig"](), 0)
    assert sorted(sample["gt_class_ids"]) == [1, 2]


# --- The site --------------------------------------------------------------------------------------------------------


def anchors(text):
    """Addresses of a page's headings as mkdocs makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower() for title in titles]
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


def test_links_lead_somewhere_and_every_page_is_in_the_menu():
    menu = re.findall(r":\s+([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(menu) == [page.name for page in PAGES]
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)):
            if target.startswith("http"):
                continue
            name, _, place = target.partition("#")
            other = DOCS / name if name else page
            assert other.is_file(), f"{page.name}: {target}"
            assert not place or place in anchors(text_of(other)), f"{page.name}: {target}"
