"""What a program of a user's own brings: settings, augmentations, and the name that it is called by."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mrcnn.commands.configs import FashionConfig, Plan
from mrcnn.commands.main import main
from mrcnn.commands.program import Program, called_as, make_program
from mrcnn.config import Config
from mrcnn.data.augmentation import apply_augmentation
from mrcnn.errors import UsageError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ShopConfig(Config):
    """As Matterport's users write it: nothing of the commands."""

    NAME = "shop"
    IMAGE_MAX_DIM = 256


def test_a_plain_config_gets_the_plan_that_the_commands_need():
    program = make_program(ShopConfig)
    assert program.config.__name__ == "ShopConfig" and issubclass(program.config, ShopConfig)
    config = program.config(STAGES="all:1:1e-3")  # --stages: known now
    assert (config.NAME, config.IMAGE_MAX_DIM) == ("shop", 256)
    assert (config.STAGES, config.AUGMENT, config.CLASSES) == ("all:1:1e-3", Plan.AUGMENT, None)
    assert not hasattr(ShopConfig, "STAGES")
    assert make_program(FashionConfig).config is FashionConfig

    class Planned(ShopConfig):
        STAGES = "heads:1:1e-3"

    assert make_program(Planned).config.STAGES == "heads:1:1e-3"  # its own stands


@pytest.mark.parametrize("given, message", [
    ({"config": ShopConfig()}, "give the class itself, a subclass of mrcnn.config.Config"),
    ({"config": dict}, "subclass of mrcnn.config.Config"),
    ({"dataset": "photos"}, "subclass of mrcnn.utils.Dataset, or a function"),
    ({"arguments": ShopConfig}, "main\\(config=..., dataset=...\\)"),
])
def test_the_author_of_a_program_sees_where_it_is_wrong(given, message):
    with pytest.raises(TypeError, match=message):
        main(**given)


def test_augmentations_of_the_program_stand_beside_and_before_the_packages():
    def darker(image, masks, rng):
        return image // 2, masks

    program = make_program(augmentations={"darker": darker, "flip": lambda: darker})
    assert program.augmentation_names()[-1] == "darker" and program.augmentation_names().count("flip") == 1
    image, masks = np.full((4, 6, 3), 100, np.uint8), np.ones((4, 6, 1), bool)
    for name in ("darker", "flip"):
        changed, _ = apply_augmentation(program.augmentation(name), image, masks, np.random.default_rng(0))
        assert (changed == 50).all()
    assert program.augmentation("none") is None
    with pytest.raises(UsageError, match="no augmentation 'blur'; take none, flip, .*, darker"):
        program.augmentation("blur")


def test_a_stage_may_name_an_augmentation_of_the_program(capsys):
    arguments = ["train", "--stages", "heads:1:1e-3:night", "--image-size", "1"]
    assert main(arguments, augmentations={"night": None}) == 2 and "must divide by 64" in capsys.readouterr().err
    assert main(["train", "--stages", "heads:1:1e-3:night"]) == 2
    assert "--stages ...:night: there is no augmentation 'night'" in capsys.readouterr().err


@pytest.mark.parametrize("started, typed, expected", [
    ("/home/me/shop.py", "shop.py", "python shop.py"),
    ("/home/me/my shop.py", "my shop.py", "python 'my shop.py'"),
    ("/home/me/shop.py", "-m", "python /home/me/shop.py"),
    ("/usr/bin/mrcnn", "/usr/bin/mrcnn", "mrcnn"),
    ("/site-packages/mrcnn/__main__.py", "/site-packages/mrcnn/__main__.py", "mrcnn"),
    (None, "ipykernel_launcher.py", "mrcnn"),
])
def test_the_command_is_called_as_it_was_started(monkeypatch, started, typed, expected):
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("__main__"))
    if started:
        sys.modules["__main__"].__file__ = started
    monkeypatch.setattr(sys, "argv", [typed, "train"])
    assert called_as() == expected


def test_help_and_errors_name_the_program(tmp_path):
    (tmp_path / "shop.py").write_text("import sys\nfrom mrcnn.commands.main import main\nsys.exit(main())\n")
    done = subprocess.run([sys.executable, "shop.py", "train", "--image", "x"], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": ROOT})
    assert done.returncode == 2 and "(python shop.py train --help lists all options)" in done.stderr
    assert Program().command == "mrcnn"
