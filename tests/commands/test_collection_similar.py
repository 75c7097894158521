"""The command `collection similar`, on drawn people through a small network, and what it refuses."""

import json
import os
import shutil

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from garments import rows_of  # noqa: E402
from made_collections import row, write_collection  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.architectures.mask_rcnn import MaskRCNN  # noqa: E402
from mrcnn.collections.queries import colour_of  # noqa: E402
from mrcnn.commands import collection_similar as command  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402
from mrcnn.data.drawn.people import DrawnPeople  # noqa: E402
from tests.tiny import TinyConfig  # noqa: E402

pytestmark = pytest.mark.usefixtures("eagerly")
COUNT = 5


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Folder with photos/ of drawn people, weights.h5 of a network by chance, and out/, which it labelled them into."""
    folder = tmp_path_factory.mktemp("similar")
    model = MaskRCNN("inference", TinyConfig(), str(folder))
    model.class_names = ["BG", "person", "top", "skirt"]
    model.save_weights(str(folder / "weights.h5"))
    people = DrawnPeople()
    people.load_drawn(COUNT, seed=3, size=(96, 72))
    people.prepare()
    (folder / "photos").mkdir()
    for image_id in people.image_ids:
        Image.fromarray(people.load_image(image_id)).save(folder / "photos" / f"{image_id}.png")
    assert main(["collection", "label", str(folder / "photos"), "--weights", str(folder / "weights.h5"), "--output",
                 str(folder / "out"), "--shard-size", "2", "--embeddings"]) == 0
    return folder


@pytest.fixture
def ask(labelled, tmp_path):
    """A function (photo, arguments) -> (exit code, what the JSON file says, or None)."""
    def ask(photo, *arguments):
        output = tmp_path / "found"
        shutil.rmtree(output, ignore_errors=True)
        code = main(["collection", "similar", str(photo), "--in", str(labelled / "out"), "--output", str(output),
                     "--min-score", "0", *arguments])
        path = output / command.JSON
        return code, json.loads(path.read_text()) if path.is_file() else None

    return ask


def test_a_photo_of_the_collection_needs_no_network(labelled, ask, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "load_model", lambda *_: pytest.fail("a network is made"))
    rows = [one for one in rows_of(labelled / "out") if one["object"] is not None]
    assert all(np.linalg.norm(np.float64(one["embedding"])) == pytest.approx(1, abs=1e-3) for one in rows)
    code, said = ask(labelled / "photos" / "2.png", "--any-class", "--class", "top", "--top", "3")
    assert code == 0 and said["in_collection"] and "2.png is in the collection" in capsys.readouterr().out
    own = [one for one in rows if one["photo"] == "2.png" and one["class"] == "top"]
    assert [one["object"] for one in said["objects"]] == [one["object"] for one in own]
    for one, told in zip(own, said["objects"]):
        best = {}
        for other in rows:
            if other["photo"] != "2.png":
                cosine = np.dot(np.float64(one["embedding"]), np.float64(other["embedding"]))
                best[other["photo"]] = max(best.get(other["photo"], -1), cosine)
        expected = sorted(best.values(), reverse=True)[:3]
        np.testing.assert_allclose([match["cosine"] for match in told["matches"]], expected, atol=2e-3)
    sheet = np.array(Image.open(tmp_path / "found" / command.SHEET))
    assert sheet.shape[1] > 4 * 20 and sheet.std() > 5
    by_name = ask("2.png", "--any-class", "--class", "top", "--top", "3")
    assert by_name == (0, said)
    code, of_colour = ask("2.png", "--any-class", "--class", "top", "--top", "9", "--same-colour")
    same = [one for one in rows if one["photo"] != "2.png" and colour_of(one) in map(colour_of, own)]
    assert code == 0 and of_colour["compared"] == len(same) > 0


def test_another_photo_goes_through_the_network_of_the_collection(labelled, ask, tmp_path, capsys):
    """The same pixels in another file: what is found is what was found, and the copies are what is most alike."""
    Image.open(labelled / "photos" / "1.png").save(tmp_path / "again.bmp")
    code, said = ask(tmp_path / "again.bmp", "--with-copies", "--any-class", "--object", "0", "--top", "1")
    told = capsys.readouterr().out
    assert code == 0 and not said["in_collection"] and "1 photos of the collection show the same picture" in told
    [one] = said["objects"]
    [match] = one["matches"]
    assert (match["photo"], match["object"], match["near_copy"]) == ("1.png", 0, True)
    assert match["cosine"] == pytest.approx(1, abs=2e-3) and match["box"] == pytest.approx(one["box"], abs=0.2)
    code, said = ask(tmp_path / "again.bmp", "--any-class", "--object", "0")
    assert "left out; --with-copies takes them" in capsys.readouterr().out
    assert said["near_copies"] == 1 and "1.png" not in {match["photo"] for match in said["objects"][0]["matches"]}


def test_photos_that_are_gone_are_told(labelled, ask, tmp_path, capsys):
    code, said = ask(labelled / "photos" / "2.png", "--any-class", "--object", "0", "--top", "1")
    name = said["objects"][0]["matches"][0]["photo"]
    os.replace(labelled / "photos" / name, tmp_path / name)
    try:
        code, again = ask(labelled / "photos" / "2.png", "--any-class", "--object", "0", "--top", "1")
    finally:
        os.replace(tmp_path / name, labelled / "photos" / name)
    assert (code, again) == (0, said) and "1 matches cannot be shown, as: " in capsys.readouterr().err


def test_wrong_questions_are_one_line(labelled, ask, tmp_path, capsys):
    rows = [one for one in rows_of(labelled / "out") if one["photo"] == "0.png"]
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(tmp_path / "new.png")
    with open(labelled / "weights.h5", "rb") as file:
        (tmp_path / "other.h5").write_bytes(file.read() + b"x")
    photo = labelled / "photos" / "0.png"
    for arguments, message in (
            ((photo, "--object", str(len(rows))), f"--object {len(rows)}: 0.png has the objects 0 "),
            ((photo, "--class", "sock"), "--class sock: 0.png has no such object"),
            ((photo, "--limit", "3"), "--limit: one photo is held against the whole collection: leave it out"),
            ((photo, "--set", "TEST_FLIP=True"), "--set: photos are looked at as the collection's were"),
            ((tmp_path / "none.png",), "none.png: there is no such file, and "),
            ((tmp_path / "new.png", "--weights", str(tmp_path / "other.h5")), "are not those that "),
            ((tmp_path / "new.png", "--weights", str(tmp_path / "no.h5")), "no.h5: no such file"),
    ):
        assert ask(*arguments) == (2, None)
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error and error.count("\n") == 1, error


def test_collections_without_embeddings_or_objects_are_one_line(labelled, tmp_path, capsys):
    def ask(folder, photo="a.jpg"):
        assert main(["collection", "similar", photo, "--in", str(folder), "--output", str(tmp_path / "x")]) == 2
        return capsys.readouterr().err

    old = write_collection(tmp_path / "old", [[row("a.jpg", 0, "top")]])
    assert "has no embeddings: label its photos into a new folder by mrcnn collection label --embeddings" in ask(old)
    nothing = write_collection(tmp_path / "nothing", [[{"photo": "a.jpg", "sha256": "a", "hash": 1}]], embedding="x")
    assert "a.jpg: nothing was found in it" in ask(nothing)
    alone = write_collection(tmp_path / "alone", [[row("a.jpg", 0, "top", embedding=np.float16([1, 0]))]],
                             embedding="x")
    assert "has no other objects of the class top of a score of at least 0.5 to compare with" in ask(alone)
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(tmp_path / "new.png")
    assert "new.png is not in the collection: give --weights those that it was labelled" in ask(
        alone, str(tmp_path / "new.png"))


def test_other_commands_read_a_collection_with_embeddings(labelled, tmp_path, capsys):
    pytest.importorskip("duckdb")
    out = str(labelled / "out")
    assert main(["collection", "export", out, "--format", "coco", "--output", str(tmp_path / "all.json")]) == 0
    assert main(["collection", "export", out, "--format", "webdataset", "--output", str(tmp_path / "tar")]) == 0
    assert main(["collection", "report", out, "--min-score", "0", "--output", str(tmp_path / "report")]) == 0
    objects = sum(one["object"] is not None for one in rows_of(out))
    assert f"{objects} objects of 5 photos are written" in capsys.readouterr().out


def test_embeddings_are_part_of_what_a_collection_is(labelled, capsys):
    again = ["collection", "label", str(labelled / "photos"), "--weights", str(labelled / "weights.h5"), "--output",
             str(labelled / "out"), "--shard-size", "2"]
    assert main(again) == 2
    assert "was labelled with embedding pyramid under the mask, not None" in capsys.readouterr().err
    assert main([*again, "--embeddings"]) == 0 and "Nothing is left to do." in capsys.readouterr().out


def test_an_exported_file_cannot_tell_embeddings(labelled, tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"x")
    (tmp_path / "model.onnx.json").write_text("{}")
    assert main(["collection", "label", str(labelled / "photos"), "--weights", str(tmp_path / "model.onnx"),
                 "--output", str(tmp_path / "new"), "--embeddings"]) == 2
    assert "which an exported file does not show: give --weights the checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
