"""The page of `mrcnn demo` in a real browser: `make test-browser`. MRCNN_WEIGHTS names a checkpoint in place of a stub.

Needed: Gradio, Playwright, a Chromium (CHROMIUM, else the one on the PATH), and axe.min.js of axe-core (AXE).
"""

import io
import json
import os
import pathlib
import shutil
import threading
import zipfile

import numpy as np
import pytest
import stub_server
from PIL import Image

from mrcnn.data import run_lengths

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE, WEIGHTS = os.environ.get("AXE", ""), os.environ.get("MRCNN_WEIGHTS")
if not CHROMIUM:
    pytest.skip("no Chromium: CHROMIUM says where it is", allow_module_level=True)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
HAT = "<b>hat</b> ${1+1}{{x}}"  # no text of a checkpoint is taken for a program
SHOTS = os.environ.get("SHOTS")  # folder of the screenshots that are to be looked at


def served_model():
    if not WEIGHTS:
        stub = stub_server.Describing()
        stub.class_names = ["BG", HAT, "shoe"]
        return stub_server.served(stub)
    from mrcnn import architectures
    from mrcnn.serving.served import ServedModel

    return ServedModel(architectures.load(WEIGHTS), version=pathlib.Path(WEIGHTS).stem)


@pytest.fixture(scope="module")
def site():
    """(address, model) of a page in this process."""
    import uvicorn

    from mrcnn.serving.gradio_start import private_gradio
    from mrcnn.serving.listening import address_of, listen
    from mrcnn.serving.page import Page, make_page_app

    with private_gradio(), listen("127.0.0.1", 0) as listener:
        served = served_model()
        server = uvicorn.Server(uvicorn.Config(make_page_app(Page(served)), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        stub_server.wait_until(lambda: server.started)
        yield address_of(listener), served
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        yield browser
        browser.close()


@pytest.fixture
def opened(site, chromium):
    """(size, scheme) -> a page, open; at the end no address but the site's was asked for."""
    asked, contexts = [], []

    def open_page(size="desktop", scheme="light"):
        width, height = SIZES[size]
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme,
                                             has_touch=size == "phone", permissions=["camera"]))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.goto(site[0])
        page.wait_for_selector("#photos input[type=file]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    outside = [url for url in asked if not url.startswith((site[0] + "/", "data:", "blob:"))]
    assert bool(asked) == bool(contexts) and not outside


@pytest.fixture
def photos(tmp_path):
    """Paths of two photos: of the drawn ones for a checkpoint, else with a hat of score 0.8, and of 0.6."""
    if WEIGHTS:
        from mrcnn.data.drawn.people import draw_picture

        pixels = [draw_picture(5, index, (512, 384)).image for index in range(2)]
    else:
        pixels = [stub_server.photo((20, 30, 90, 99), (120, 160), score) for score in (0.8, 0.6)]
    paths = [str(tmp_path / name) for name in ("first.png", "second.png")]
    for path, one in zip(paths, pixels):
        Image.fromarray(one).save(path)
    return paths


def upload(page, paths):
    page.set_input_files("#photos input[type=file]", paths)
    page.wait_for_selector("#picture svg.photo")


def caption(page, text):
    """Wait for the caption of the photo."""
    page.wait_for_function("text => document.querySelector('#picture figcaption')?.textContent === text", arg=text)


def slide(page, score):
    page.fill("#score input[type=number]", str(score))
    page.press("#score input[type=number]", "Tab")


def downloads(page):
    """{name: bytes} of the files that the page makes."""
    page.click("#make")
    page.wait_for_selector("#downloads a[download]")
    files = {}
    for link in page.query_selector_all("#downloads a[download]"):
        with page.expect_download() as started:
            link.click()
        files[link.get_attribute("download")] = pathlib.Path(started.value.path()).read_bytes()
    return files


def found(served, path, least):
    return served.model.detect([np.asarray(Image.open(path))], rle=True, min_confidence=least)[0]


def test_uploaded_and_downloaded_is_what_detect_finds(opened, site, photos):
    page, served = opened(), site[1]
    upload(page, photos)
    for least in (0.7, 0.5):
        slide(page, least)
        expected = [found(served, path, least) for path in photos]
        count = len(expected[0]["scores"])
        caption(page, f"{pathlib.Path(photos[0]).name}: {count} object{'' if count == 1 else 's'}")
        files = downloads(page)
        document = json.loads(files["detections.json"])
        for image, result in zip(document["images"], expected, strict=True):
            rows = [row for row in document["annotations"] if row["image_id"] == image["id"]]
            assert [row["category_id"] for row in rows] == result["class_ids"].tolist()
            np.testing.assert_allclose([row["score"] for row in rows], result["scores"], atol=1e-5)
            if "attributes" in result:
                for row, words in zip(rows, result["attributes"], strict=True):
                    assert row["attributes"] == pytest.approx(words, abs=1e-3)
            for row, rle in zip(rows, result["rles"], strict=True):
                assert run_lengths.iou([row["segmentation"]], [rle])[0, 0] > 0.999
        with zipfile.ZipFile(io.BytesIO(files["cut-outs.zip"])) as archive:
            assert len(archive.namelist()) == len(document["annotations"]) > 0
            assert Image.open(archive.open(archive.namelist()[0])).mode == "RGBA"
        assert sum(name.endswith("_labels.png") for name in files) == 2


def test_moving_the_score_or_choosing_classes_asks_the_network_nothing(opened, site, photos):
    if WEIGHTS:
        pytest.skip("counted on the stub")
    page, batches = opened(), site[1].model.batches
    upload(page, photos)
    name, before = pathlib.Path(photos[0]).name, len(batches)
    caption(page, f"{name}: 1 object")
    slide(page, 0.9)
    caption(page, f"{name}: 0 objects")
    page.focus("#score input[type=range]")
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    caption(page, f"{name}: 1 object")
    page.uncheck("#classes input >> nth=0")
    caption(page, f"{name}: 0 objects")
    page.click("#every")
    caption(page, f"{name}: 1 object")
    page.click("#shown input")
    page.click("text=2. second.png")
    caption(page, "second.png: 0 objects")
    assert len(batches) == before


def test_objects_light_up_by_mouse_and_by_key(opened, photos):
    page = opened()
    upload(page, photos)
    shown = "() => [...document.querySelectorAll('#picture .object text')].map(t => getComputedStyle(t).display)"
    assert set(page.evaluate(shown)) == {"none"}
    if not WEIGHTS:
        assert page.get_attribute("#picture .object", "aria-label") == f"{HAT} 0.80: red 0.90, long 0.60"
    page.focus("#picture .object >> nth=0")
    assert page.evaluate(shown).count("block") == 1
    page.evaluate("document.activeElement.blur()")
    page.hover("#picture .object path >> nth=-1", force=True)
    assert page.evaluate(shown).count("block") == 1
    if not WEIGHTS:
        lines = page.evaluate("[...document.querySelectorAll('#picture .object tspan')].map(one => one.textContent)")
        assert lines == ["red 0.90", "long 0.60"]
        assert page.inner_text("#picture .objects td.told") == "red 0.90, long 0.60"


def test_an_object_lights_up_by_a_tap(opened, photos):
    page = opened("phone")
    upload(page, photos)
    page.tap("#picture .object path >> nth=-1", force=True)
    page.wait_for_selector("#picture .object text >> visible=true")


def test_a_photo_can_be_taken_by_camera(opened):
    page = opened("phone")
    page.click("button:has-text('Camera')")
    page.click("text=Click to Access Webcam")
    # Gradio takes nothing, and tells nothing, where the button is pressed before the first picture has come.
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0")
    page.click("button[aria-label='capture photo']")
    page.wait_for_selector("#picture svg.photo")
    assert page.inner_text("#picture figcaption >> nth=0").startswith("image.png: ")


def test_what_is_no_photo_is_told_and_the_others_are_shown(opened, photos, tmp_path):
    page = opened()
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    upload(page, [str(tmp_path / "broken.jpg"), photos[1]])
    assert "broken.jpg: no photo that is read here" in page.inner_text("#message")
    assert page.inner_text("#picture figcaption >> nth=0").startswith("second.png")
    page.click("#clear")
    page.wait_for_selector("text=Drop photos above")


def test_drawn_pictures_can_be_tried(opened):
    page = opened()
    page.click("#examples")
    page.wait_for_selector("#picture svg.photo")
    assert page.inner_text("#picture figcaption >> nth=0").startswith("drawn_1.png: ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_everyone_can_read_it(opened, photos, size, scheme):
    page = opened(size, scheme)
    upload(page, photos)
    page.click("#make")
    page.wait_for_selector("#downloads a[download]")
    page.wait_for_timeout(500)  # until colours have faded in
    if SHOTS:
        page.hover("#picture .object path >> nth=-1", force=True)
        page.wait_for_timeout(300)
        page.screenshot(path=os.path.join(SHOTS, f"{size}_{scheme}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"
    if not AXE:
        pytest.skip("AXE names no axe.min.js")
    page.evaluate(pathlib.Path(AXE).read_text(encoding="utf-8"))
    faults = [(fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"]])
              for fault in page.evaluate("axe.run()")["violations"]]
    assert not [fault for fault in faults if fault[1] in ("serious", "critical")]
