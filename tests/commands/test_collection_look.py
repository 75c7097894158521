"""The command `collection look`: of a garment in words, of a photo inside and outside, and what it refuses."""

import json

import h5py
import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from garments import CLASSES, GarmentFinder, photo_of, write_collection  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.commands import collection_look as command  # noqa: E402
from mrcnn.commands import collection_similar  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402
from mrcnn.outputs import digest  # noqa: E402


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Folder with out/, a collection of drawn people, and the file of its weights; {photo: its people}."""
    folder = tmp_path_factory.mktemp("look")
    with h5py.File(folder / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(CLASSES)
    people = write_collection(str(folder), 40, identity={"weights": digest(folder / "weights.h5")})
    return folder, people


@pytest.fixture
def ask(labelled, tmp_path, capsys):
    """A function (arguments) -> (exit code, what the JSON file says or None, what was printed)."""
    def ask(*arguments):
        code = main(["collection", "look", *map(str, arguments), "--in", str(labelled[0] / "out"), "--output",
                     str(tmp_path / "found"), "--count-copies"])
        path, printed = tmp_path / "found" / command.JSON, capsys.readouterr()
        return code, json.loads(path.read_text()) if path.is_file() else None, printed

    return ask


def test_of_a_garment_in_words(labelled, ask, tmp_path):
    code, said, printed = ask("--of", "red shirt")
    outfits = [set(garments) for people in labelled[1].values() for garments in people]
    with_shirt = sum("shirt" in garments for garments in outfits)
    both = sum(garments == {"shirt", "skirt"} for garments in outfits)
    [look] = said["looks"]
    assert code == 0 and (look["thing"], look["outfits"]) == ("red shirt", with_shirt)
    assert said["outfits"] == len(outfits) and said["outfits_are_of"] == "people"
    [other] = look["with"]
    assert (other["thing"], other["outfits"]) == ("blue skirt", both) and len(other["examples"]) == 4
    by_chance = with_shirt * sum("skirt" in one for one in outfits) / len(outfits)
    assert other["expected"] == pytest.approx(by_chance, abs=0.01)
    assert "red shirt, in" in printed.out and "blue skirt: " in printed.out
    assert np.array(Image.open(tmp_path / "found" / command.SHEET)).std() > 5


def test_a_sheet_of_before_does_not_stay_beside_another_answer(ask, tmp_path):
    code, said, _ = ask("--of", "red shirt")
    assert code == 0 and (tmp_path / "found" / command.SHEET).is_file()
    with pytest.warns(UserWarning, match="look.png of an earlier call is removed"):
        code, said, printed = ask("--of", "red shirt", "--min-outfits", said["looks"][0]["outfits"])
    assert code == 0 and not said["looks"][0]["with"] and "there is no picture to show" in printed.out
    assert not (tmp_path / "found" / command.SHEET).exists()


def test_of_a_photo_inside_and_outside(labelled, ask, tmp_path, monkeypatch):
    monkeypatch.setattr(collection_similar, "load_model", lambda *_: pytest.fail("a network is made"))
    name = next(name for name, people in labelled[1].items() if people == [("shirt",)])
    assert [one["thing"] for one in ask(name)[1]["looks"]] == ["red shirt"]
    monkeypatch.setattr(collection_similar, "load_model", lambda *_: GarmentFinder())
    Image.fromarray(photo_of([(), ("skirt",)])[::-1].copy()).save(tmp_path / "new.png")
    code, said, printed = ask(tmp_path / "new.png", "--weights", labelled[0] / "weights.h5")
    assert code == 0 and [one["thing"] for one in said["looks"]] == ["blue skirt"]
    assert "2 persons, which --class takes, left out." in printed.out


@pytest.mark.parametrize(("arguments", "message"), [
    ((), 'Give a PHOTO, or --of "red skirt", and not both.'),
    (("a.jpg", "--of", "shirt"), 'Give a PHOTO, or --of "red skirt", and not both.'),
    (("--of", "shirt", "--object", "1"), "--object is of a PHOTO: leave it out beside --of"),
    (("--of", "green sock"), "green sock is in 0 outfits of the collection, and --min-outfits asks for 5; the most"),
    (("none.jpg",), "none.jpg: there is no such file, and "),
    (("photo-01.png", "--object", "99"), "--object 99: photo-01.png has the objects 0 person ("),
    (("photo-00.png",), "photo-00.png: nothing was found in it"),
])
def test_wrong_questions_are_one_line(ask, arguments, message):
    code, said, printed = ask(*arguments)
    assert (code, said) == (2, None) and message in printed.err and "Traceback" not in printed.err
