"""The wheel as a user has it: built from this tree, installed in a fresh environment, run from an empty folder."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FEW = ["--limit", "4", "--batch-size", "2", "--set", "STEPS_PER_EPOCH=2", "--set", "VALIDATION_STEPS=1"]
UNET = ["--architecture", "unet", "--set", "UNET_CHANNELS=4", "--set", "UNET_ENCODER=plain", "--image-size", "128"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: setuptools leaves its folders in the tree, and packs what older builds left there.
    """
    folder = tmp_path_factory.mktemp("wheel")
    copied(folder / "source")
    pip("wheel", folder / "source", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (path,) = folder.glob("mrcnn_keras-*.whl")
    return path


def copied(folder):
    left_out = shutil.ignore_patterns(".*", "build", "dist", "logs", "shared", "site", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder, ignore=left_out)


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """The folder of an environment's programs: it holds the wheel, and borrows all else from this environment.

    Folders that a .pth file names are searched last, and .pth files in them are not read: a checkout that is installed
    to be edited stays out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    borrowed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    pathlib.Path(site, "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    pip("--python", bin_folder / "python", "install", "--no-deps", "--no-index", wheel)
    return bin_folder


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(program, *arguments, folder):
    """What a program of that environment prints."""
    names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_what_is_installed_is_the_wheel_with_its_presets_and_hints(programs, tmp_path):
    code = "import mrcnn.commands.main as main, os; print(main.__file__); print(*os.listdir(main.PRESETS))"
    place, presets = run(programs / "python", "-c", code, folder=tmp_path).splitlines()
    assert pathlib.Path(place).is_relative_to(programs.parent)
    assert sorted(presets.split()) == sorted(path.name for path in (ROOT / "mrcnn/commands/presets").iterdir())
    assert pathlib.Path(place).parent.with_name("py.typed").is_file()


def test_its_page_has_no_links_and_pictures_of_a_checkout(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        page = archive.read(name).decode()
    assert "# mrcnn: Mask R-CNN for Keras 3" in page and "training (`docs/training.md`)" in page
    assert re.findall(r"\]\((?!https?:)[^)]*\)", page) == []


def test_the_source_archive_has_no_tests_without_what_they_need(tmp_path):
    copied(tmp_path / "source")
    done = subprocess.run([sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)],
                          cwd=tmp_path / "source", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "mrcnn/py.typed", "mrcnn/commands/presets/best.txt"} <= names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.parametrize("network, options, task", [
    ("unet", [*UNET, "--stages", "all:1:1e-3"], "label"),
    # The README's first success, cut down to seconds, of which TensorFlow takes most for its graphs.
    pytest.param("mask_rcnn", ["--preset", "minute"], "detect", marks=pytest.mark.long),
])
def test_the_command_trains_and_answers_from_an_empty_folder(network, options, task, programs, tmp_path):
    assert run(programs / "mrcnn", "--help", folder=tmp_path).startswith("usage: mrcnn ")
    assert os.listdir(tmp_path) == []
    run(programs / "mrcnn", "train", *options, *FEW, folder=tmp_path)
    least = ["--min-confidence", "0"] if task == "detect" else []
    run(programs / "mrcnn", task, "--weights", "last", "--limit", "2", *least, folder=tmp_path)
    assert os.listdir(tmp_path) == ["logs"]
    (trained,) = (tmp_path / "logs").iterdir()
    assert (trained / f"{network}_fashion_0001.h5").is_file()
    (answers,) = (path for path in trained.iterdir() if path.is_dir() and (path / ".mrcnn-output").exists())
    assert sum(path.suffix == ".png" for path in answers.rglob("*")) >= 2
