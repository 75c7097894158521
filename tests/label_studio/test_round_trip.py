"""Pre-labels, corrections and training with Label Studio itself: `make test-labelstudio`.

LABEL_STUDIO is the path of its program, in an environment of its own. With CHROMIUM, or a Chromium on the PATH, and
Playwright its page is opened too; SHOTS is a folder for pictures of it.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import stub_server
from studio import PASSWORD, TOKEN, USER, studio_of

from mrcnn.commands.main import main
from mrcnn.data import run_lengths
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.label_studio_config import config_text
from mrcnn.serving.corrected import CorrectedTasks
from mrcnn.serving.task_photos import TaskPhotos

PROGRAM = os.environ.get("LABEL_STUDIO")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if not PROGRAM:
    pytest.skip("LABEL_STUDIO does not say where label-studio is", allow_module_level=True)
pytest.importorskip("fastapi")
SIZE = (96, 128)
ROWS, COLUMNS = np.ogrid[:SIZE[0], :SIZE[1]]
DISK = (ROWS - 50) ** 2 + (COLUMNS - 60) ** 2 < 30 ** 2
RING = DISK & ((ROWS - 50) ** 2 + (COLUMNS - 60) ** 2 > 14 ** 2)
BOX = (ROWS >= 10) & (ROWS < 40) & (COLUMNS >= 20) & (COLUMNS < 70)
MASKS = {"box.png": BOX, "disk.png": DISK, "ring.png": RING, "two parts.png": BOX | (DISK & (ROWS > 60))}
CONFIG = config_text(["hat", "shoe"])
ALL = {"selectedItems": {"all": True, "excluded": []}}
# What Label Studio's own converter makes of brushes: [[rle, height, width], ...] -> masks, and masks -> [rle, ...].
DECODE = """
import json, sys
import numpy as np
from label_studio_sdk.converter.brush import decode_rle
rows = json.load(sys.stdin)
print(json.dumps([(decode_rle(rle).reshape(height, width, 4)[..., 3] > 0).astype(int).tolist()
                  for rle, height, width in rows]))
"""
ENCODE = """
import json, sys
import numpy as np
from label_studio_sdk.converter.brush import mask2rle
print(json.dumps([[int(value) for value in mask2rle(np.array(mask, np.uint8) * 255)] for mask in json.load(sys.stdin)]))
"""


def theirs(script, value):
    """What a script gives in Label Studio's environment."""
    python = pathlib.Path(PROGRAM).with_name("python")
    run = subprocess.run([python, "-c", script], input=json.dumps(value), capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.strip().rpartition("\n")[2])


def drawn(mask, score):
    pixels = np.full((*mask.shape, 3), stub_server.BACK, np.uint8)
    pixels[mask, 0] = 255
    pixels[0, 0, 1:] = round(score * 255), 0
    return pixels


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder that Label Studio serves; photos lie in a folder of it."""
    root = tmp_path_factory.mktemp("served")
    (root / "photos").mkdir()
    for place, (name, mask) in enumerate(MASKS.items()):
        (root / "photos" / name).write_bytes(stub_server.png(drawn(mask, 0.9 - 0.1 * place)))
    return root


@pytest.fixture(scope="module")
def studio(root, tmp_path_factory):
    with studio_of(PROGRAM, str(tmp_path_factory.mktemp("studio")), str(root)) as studio:
        yield studio


@pytest.fixture(scope="module")
def backend(root, studio, tmp_path_factory):
    """(address, folder of corrected tasks) of the server."""
    corrected = tmp_path_factory.mktemp("work") / "corrected"
    with stub_server.listening(stub_server.Stub(), task_photos=TaskPhotos(root, studio.url, TOKEN),
                               corrected=CorrectedTasks(corrected, stub_server.NAMES)) as (_, (host, port)):
        yield f"http://{host}:{port}", corrected


@pytest.fixture(scope="module")
def project(studio, backend, root):
    """Id of a project with a task for each photo, the last of them uploaded, connected to the server."""
    project = studio.ask("POST", "/api/projects", {"title": "clothes", "label_config": CONFIG})["id"]
    studio.ask("POST", "/api/storages/localfiles", {"project": project, "title": "photos", "use_blob_urls": True,
                                                    "path": str(root / "photos")})
    *names, last = MASKS
    studio.ask("POST", f"/api/projects/{project}/import",
               [{"data": {"image": f"/data/local-files/?d=photos/{name}"}} for name in names])
    studio.upload(project, last, (root / "photos" / last).read_bytes())
    studio.ask("POST", "/api/webhooks/", {"url": f"{backend[0]}/webhook", "project": project, "send_payload": True,
                                          "send_for_all_actions": True})
    connected = studio.ask("POST", "/api/ml", {"url": backend[0], "project": project, "title": "mrcnn"})
    assert connected["readable_state"] == "Connected" and connected["model_version"] == "stub_0003"
    asked = studio.ask("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", ALL)
    assert asked["detail"] == f"Retrieved {len(MASKS)} predictions"
    return project


@pytest.fixture(scope="module")
def tasks(studio, project):
    """{name of the photo: its task, as Label Studio has it}."""
    listed = studio.ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
    whole = [studio.ask("GET", f"/api/tasks/{task['id']}") for task in sorted(listed, key=lambda task: task["id"])]
    return dict(zip(MASKS, whole))


def polygon_mask(region):
    height, width = region["original_height"], region["original_width"]
    corners = [side * length / 100 for x, y in region["value"]["points"] for side, length in ((x, width), (y, height))]
    return run_lengths.decode(run_lengths.from_polygons([corners], (height, width)))


def test_predictions_are_kept_as_what_was_found(tasks):
    brushes = {}
    for place, (name, task) in enumerate(tasks.items()):
        [prediction] = task["predictions"]
        [region] = prediction["result"]
        assert prediction["model_version"] == "stub_0003"
        assert prediction["score"] == pytest.approx(round((0.9 - 0.1 * place) * 255) / 255)
        assert (region["original_height"], region["original_width"]) == SIZE
        if region["type"] == "brushlabels":
            brushes[name] = [region["value"]["rle"], *SIZE]
        else:
            wrong = polygon_mask(region) ^ MASKS[name]
            # Outlines keep within a pixel of the mask's.
            eroded = MASKS[name] & np.roll(MASKS[name], 1, 0) & np.roll(MASKS[name], -1, 0) & np.roll(
                MASKS[name], 1, 1) & np.roll(MASKS[name], -1, 1)
            assert not (wrong & eroded).any() and wrong.sum() <= 0.02 * MASKS[name].sum()
    assert set(brushes) == {"ring.png", "two parts.png"}
    for name, mask in zip(brushes, theirs(DECODE, list(brushes.values()))):
        assert np.array_equal(np.array(mask, bool), MASKS[name])


def test_a_button_that_trains_nothing_leaves_the_model_connected(studio, project):
    [model] = studio.ask("GET", f"/api/ml?project={project}")
    studio.ask("POST", f"/api/ml/{model['id']}/train", {})
    assert studio.ask("GET", f"/api/ml?project={project}")[0]["readable_state"] == "Connected"


@pytest.fixture(scope="module")
def labelled(studio, tasks):
    """{name of the photo: mask as corrected}: the box was accepted, the ring drawn anew, the disk called a shoe."""
    made = {}
    for name, task in tasks.items():
        [prediction] = task["predictions"]
        made[name] = studio.ask("POST", f"/api/tasks/{task['id']}/annotations/",
                                {"result": prediction["result"], "parent_prediction": prediction["id"]})
    corrected = RING | (ROWS > 90)
    [region] = made["ring.png"]["result"]
    region["value"]["rle"] = theirs(ENCODE, [corrected.astype(int).tolist()])[0]
    studio.ask("PATCH", f"/api/annotations/{made['ring.png']['id']}", {"result": [region]})
    [region] = made["disk.png"]["result"]
    region["value"]["polygonlabels"] = ["shoe"]
    studio.ask("PATCH", f"/api/annotations/{made['disk.png']['id']}", {"result": [region]})
    # One that is made and thrown away again.
    gone = studio.ask("POST", f"/api/tasks/{tasks['box.png']['id']}/annotations/", {"result": []})
    studio.ask("DELETE", f"/api/annotations/{gone['id']}")
    masks = {**MASKS, "ring.png": corrected, "disk.png": polygon_mask(tasks["disk.png"]["predictions"][0]["result"][0])}
    return masks


def check(dataset, masks):
    assert dataset.class_names == ["BG", "hat", "shoe"] and len(dataset.image_ids) == len(masks)
    for image_id in dataset.image_ids:
        name = os.path.basename(dataset.image_info[image_id]["path"])
        found, class_ids = dataset.load_mask(image_id)
        assert np.array_equal(found[..., 0], masks[name]) and found.shape[2] == 1, name
        assert class_ids.tolist() == [2 if name == "disk.png" else 1]


def test_the_export_has_the_masks_that_were_made(studio, project, labelled, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export = studio.ask("GET", f"/api/projects/{project}/export?exportType=JSON")
    pathlib.Path("export.json").write_text(json.dumps(export))
    pathlib.Path("labels.xml").write_text(studio.ask("GET", f"/api/projects/{project}")["label_config"])
    check(open_dataset("export.json", str(root / "photos"), names="labels.xml"), labelled)
    assert main(["data", "convert", "--annotations", "export.json", "--images", str(root / "photos"), "--names",
                 "labels.xml", "--to", "coco", "--output", "coco.json"]) == 0
    check(open_dataset("coco.json", str(root / "photos")), labelled)


def test_corrected_tasks_are_marked(labelled, backend, root):
    folder = backend[1]

    def annotations():
        return sum(path.read_text().count('"unique_id"') for path in folder.glob("project_*.json"))

    stub_server.wait_until(lambda: annotations() == len(MASKS))
    check(open_dataset(str(folder), str(root / "photos"), names=str(folder / "labels.xml")), labelled)


@pytest.fixture(scope="module")
def checkpoint(labelled, backend, root, tmp_path_factory):
    """Path of the checkpoint of a training on the corrected tasks that was gone on with."""
    folder, logs = backend[1], tmp_path_factory.mktemp("logs")
    small = ["--image-size", "64", "--backbone", "small", "--batch-size", "2", "--augment", "none", "--logs", str(logs)]
    for setting in ("NORM=group", "WORKERS=0", "STEPS_PER_EPOCH=1", "VALIDATION_STEPS=1"):
        small += ["--set", setting]
    data = ["--train", str(folder), "--val", str(folder), "--images", str(root / "photos"), "--names",
            str(folder / "labels.xml")]
    for weights, stages in (("none", "heads:1:1e-3"), ("last", "heads:2:1e-3")):
        run = subprocess.run([sys.executable, "-m", "mrcnn", "train", *data, *small, "--weights", weights, "--stages",
                              stages], capture_output=True, text=True, timeout=1800)
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert re.search(r"Resuming .*after epoch 1", run.stdout)
    [path] = logs.rglob("*_0002.h5")
    return str(path)


def test_what_was_trained_makes_the_next_pre_labels(studio, checkpoint, root):
    """`mrcnn serve` itself, of a network that has learned next to nothing: its masks are of any form."""
    command = [sys.executable, "-u", "-m", "mrcnn", "serve", "--weights", checkpoint, "--port", "0", "--photos",
               str(root), "--min-confidence", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = (re.search(r"http://[^ :]*:\d+", line) for line in server.stdout)  # what was loaded is told first
            url = next(filter(None, lines))[0]
            stub_server.wait_until(lambda: answers(f"{url}/readyz"), 120)
            project = studio.ask("POST", "/api/projects", {"title": "again", "label_config": CONFIG})["id"]
            studio.ask("POST", f"/api/projects/{project}/import",
                       [{"data": {"image": f"/data/local-files/?d=photos/{name}"}} for name in MASKS])
            studio.ask("POST", "/api/ml", {"url": url, "project": project, "title": "mrcnn"})
            studio.ask("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", ALL)
            listed = studio.ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
            found = {name: detected(url, root / "photos" / name) for name in MASKS}
        finally:
            server.terminate()
    brushes, masks = [], []
    for task in listed:
        objects = found[task["data"]["image"].rpartition("/")[2]]
        [prediction] = studio.ask("GET", f"/api/tasks/{task['id']}")["predictions"]
        assert len(prediction["result"]) == sum(run_lengths.areas([one["rle"]])[0] > 0 for one in objects)
        for region in prediction["result"]:
            one = objects[int(region["id"][1:])]
            assert region["score"] == pytest.approx(one["score"])
            assert region["value"][region["type"]] == [one["class_name"]]
            if region["type"] == "brushlabels":
                brushes.append([region["value"]["rle"], *SIZE])
                masks.append(run_lengths.decode(one["rle"]))
    assert sum(map(len, found.values()))
    for decoded, mask in zip(theirs(DECODE, brushes), masks):
        assert np.array_equal(np.array(decoded, bool), mask)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def detected(url, path):
    request = urllib.request.Request(f"{url}/detect", path.read_bytes(), {"Content-Type": "image/png"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["photos"][0]["objects"]


def test_the_page_shows_them(studio, project, tasks):
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium: CHROMIUM says where it is")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(90_000)
        page.goto(f"{studio.url}/user/login")
        page.fill("input[name=email]", USER)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit], input[type=submit]")
        page.wait_for_url(re.compile("projects|/$"))
        for name, kind in (("box.png", "polygon"), ("ring.png", "brush")):
            page.goto(f"{studio.url}/projects/{project}/data?task={tasks[name]['id']}")
            page.wait_for_selector(".lsf-outliner-item")
            page.wait_for_timeout(3000)
            if os.environ.get("SHOTS"):
                page.screenshot(path=os.path.join(os.environ["SHOTS"], f"label_studio_{kind}.png"))
            assert "hat" in page.inner_text(".lsf-outliner-item >> nth=0").lower()
        browser.close()
