"""What happens on the page, without Gradio; tests/browser has the page in a browser."""

import asyncio
import os
import pathlib
import types

import pytest
from stub_server import Stub, StubLabels, photo, png, served

from mrcnn.serving.limits import Limits
from mrcnn.serving.page import POLICY, Page, closed, plain_markdown
from mrcnn.serving.shown import LEAST


@pytest.fixture
def paths(tmp_path):
    for name, score in (("a.png", 0.8), ("b.png", 0.6), ("c.png", 0.4)):
        (tmp_path / name).write_bytes(png(photo(score=score)))
    (tmp_path / "broken.png").write_bytes(b"no photo")
    return [str(tmp_path / name) for name in ("a.png", "broken.png", "b.png", "c.png")]


def test_photos_are_seen_one_by_one_and_what_is_refused_is_told(paths):
    told = []
    seen, refused = Page(served(), Limits(photos=3)).look_at(paths, [], lambda *numbers: told.append(numbers))
    assert [one.name for one in seen] == ["a.png", "b.png"] and told == [(0, 3), (1, 3), (2, 3)]
    assert len(refused) == 2 and "1 photos were left out: 3 are taken at once (--max-photos)." in refused[0]
    assert "broken.png: no photo that is read here" in refused[1]


def test_the_network_looks_once(paths):
    page = Page(served())
    seen, _ = page.look_at(paths[:1], [], lambda *numbers: None)
    batches = list(page.served.model.batches)
    texts = [page.html(seen, 0, least, ["hat"], []) for least in (0.5, 0.9)] + [page.html(seen, 0, 0.5, ["shoe"], [])]
    assert [text.count('class="object"') for text in texts] == [1, 0, 0]
    assert page.served.model.batches == batches == [1]
    assert "take one by camera" in page.html([], None, 0.5, ["hat"], [])


def test_files_are_written_into_the_folder_of_the_page(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = Page(served())
    seen, _ = page.look_at(paths[:1], [], lambda *numbers: None)
    names = page.files(seen, 0.5, ["hat"], [])
    assert [os.path.basename(name) for name in names] == ["a_labels.png", "detections.json", "cut-outs.zip"]
    assert all(pathlib.Path(name).parent.parent == tmp_path for name in names)
    examples = page.examples()
    assert [os.path.basename(name) for name in examples] == ["drawn_1.png", "drawn_2.png", "drawn_3.png"]
    assert all(page.look_at(examples, [], lambda *numbers: None)[0])


def test_steps_of_refinement_are_in_one_order():
    page = Page(served(StubLabels()), refine="guided,crf:iterations=3")
    assert page.chosen_steps == ["guided", "crf:iterations=3"] and page.chain([]) is None


def test_chosen_steps_run_in_the_order_that_was_asked_for(monkeypatch):
    monkeypatch.setattr("mrcnn.serving.page.build_chain", lambda text: text)
    page = Page(served(StubLabels()), refine="crf, small-regions:least=0.02,guided")
    assert page.chain(page.chosen_steps[::-1]) == "crf,small-regions:least=0.02,guided"  # ticked in any order
    assert page.steps[:3] == page.chosen_steps and sorted(page.steps[3:]) == [
        "felzenszwalb", "merged-superpixels", "slic", "small-regions"]
    with pytest.warns(UserWarning, match="crf,guided in place of crf,guided,crf"):
        assert Page(served(StubLabels()), refine="crf,guided,crf").chosen_steps == ["crf", "guided"]


@pytest.mark.parametrize("least, lowest", [(0.5, LEAST), (0.01, 0.01), (0.0, 0.0)])
def test_the_score_at_first_can_be_chosen(least, lowest):
    model = Stub()
    model.config = types.SimpleNamespace(DETECTION_MIN_CONFIDENCE=least)
    assert Page(served(model)).scores == (lowest, least)
    assert Page(served(StubLabels())).scores == (LEAST, LEAST)


@pytest.mark.parametrize("floor, scores", [(0.3, (0.3, 0.5)), (0.7, (0.7, 0.7)), (0.02, (0.05, 0.5))])
def test_the_slider_begins_where_an_exported_file_does(floor, scores):
    model = Stub()
    model.score_floor = floor
    page = Page(served(model))
    assert page.scores == scores
    told = f"stub_0003 is an exported file that drops objects below {floor:g}: for lower scores export with a lower"
    assert page.score_hint is None if floor < LEAST else told in page.score_hint
    assert Page(served()).score_hint is None and Page(served(StubLabels())).score_hint is None


def test_an_answer_says_that_nothing_else_may_be_loaded():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"1")]})
        await send({"type": "http.response.body", "body": b"text"})

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(closed(app)({}, None, send))
    assert dict(sent[0]["headers"]) == {b"x": b"1", b"content-security-policy": POLICY.encode(),
                                        b"referrer-policy": b"no-referrer"}
    assert sent[1]["body"] == b"text" and "http" not in POLICY


def test_text_is_no_markdown():
    assert plain_markdown("a_b\n[c](d)") == "a&#95;b\n\n&#91;c&#93;&#40;d&#41;"
