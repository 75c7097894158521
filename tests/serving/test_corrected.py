"""Corrected tasks of Label Studio: what its events do to the folder, and that the folder is read as annotations."""

import json
import os

import pytest

from mrcnn.data.formats import open_dataset
from mrcnn.errors import DataError
from mrcnn.serving.corrected import NAMES, CorrectedTasks
from mrcnn.serving.refusals import Refused
from tests.stub_server import photo, png


def region(label="hat"):
    """A rectangle of x 25 to 50 % and y 0 to 50 % of a photo of 16 x 12 pixels: 4 x 6 pixels."""
    points = [[25, 0], [50, 0], [50, 50], [25, 50]]
    return {"id": "r", "type": "polygonlabels", "from_name": "polygon", "to_name": "image", "original_width": 16,
            "original_height": 12, "value": {"points": points, "closed": True, "polygonlabels": [label]}}


def event(action="ANNOTATION_CREATED", task=3, key=4, result=None, **more):
    return {"action": action, "project": {"id": 2}, "task": {"id": task, "data": {"image": f"{task}.png"}},
            "annotation": {"id": key, "task": task, "result": result or [region()], "completed_by": 1}, **more}


@pytest.fixture
def corrected(tmp_path):
    return CorrectedTasks(tmp_path / "corrected", ["BG", "hat", "shoe"])


def kept(corrected, task=3):
    with open(os.path.join(corrected.folder, f"project_2_task_{task}.json"), encoding="utf-8") as file:
        return json.load(file)


def test_the_folder_is_read_as_annotations(corrected, tmp_path):
    (tmp_path / "photos").mkdir()
    for task in (3, 7):
        (tmp_path / "photos" / f"{task}.png").write_bytes(png(photo()))
        assert corrected.hear(event(task=task, key=10 * task)) == 1
    assert len(corrected) == 2
    dataset = open_dataset(corrected.folder, str(tmp_path / "photos"), names=os.path.join(corrected.folder, NAMES))
    # In the model's order, though no shoe was drawn.
    assert dataset.class_names == ["BG", "hat", "shoe"] and len(dataset.image_ids) == 2
    masks, class_ids = dataset.load_mask(0)
    assert masks.sum() == 24 and masks[:6, 4:8].all() and class_ids.tolist() == [1]


def test_an_annotation_made_anew_replaces_the_former(corrected):
    corrected.hear(event(key=4))
    corrected.hear(event(key=5))
    corrected.hear(event("ANNOTATION_UPDATED", key=4, result=[region("shoe")]))
    assert [(one["id"], one["result"][0]["value"]["polygonlabels"]) for one in kept(corrected)["annotations"]] == [
        (5, ["hat"]), (4, ["shoe"])]


def test_several_at_once(corrected):
    one, two = event(task=3, key=4), event(task=7, key=5)
    both = {**one, "action": "ANNOTATIONS_CREATED", "task": [one["task"], two["task"]],
            "annotation": [two["annotation"], one["annotation"]]}
    assert corrected.hear(both) == 2
    assert [one["id"] for one in kept(corrected, 7)["annotations"]] == [5]


def test_what_is_deleted_is_gone(corrected):
    for task, key in ((3, 4), (3, 5), (7, 6), (8, 9)):
        corrected.hear(event(task=task, key=key))
    deleted = {"action": "ANNOTATIONS_DELETED", "project": {"id": 2}, "annotations": [{"id": 5}, {"id": 6}, {"id": 99}]}
    assert corrected.hear(deleted) == 2
    assert [one["id"] for one in kept(corrected)["annotations"]] == [4] and len(corrected) == 2
    assert corrected.hear({**deleted, "project": {"id": 1}, "annotations": [{"id": 4}]}) == 0  # of another project
    assert corrected.hear({"action": "TASKS_DELETED", "project": {"id": 2}, "tasks": [{"id": 8}, {"id": 50}]}) == 1
    assert sorted(os.listdir(corrected.folder)) == [NAMES, "project_2_task_3.json"]


def test_other_events_change_nothing(corrected):
    assert corrected.hear({"action": "PROJECT_UPDATED", "project": {"id": 2}}) == 0
    assert os.listdir(corrected.folder) == [NAMES]


@pytest.mark.parametrize("change, message", [
    ({"project": None}, "no project with a number"), ({"project": {"id": "../../x"}}, "no project with a number"),
    ({"annotation": None}, "has no payload"), ({"annotation": {"id": True}}, "no annotation with a number"),
    ({"task": {"id": 9}}, "comes without its task"), ({"task": [{"id": 3}]}, "comes without its task"),
    ({"task": {"id": -1, "data": {}}}, "no task with a number"), ({"annotation": []}, "has no payload")])
def test_events_without_what_is_needed(corrected, change, message):
    with pytest.raises(Refused, match=message):
        corrected.hear({**event(), **change})
    assert len(corrected) == 0


@pytest.mark.parametrize("names", [["BG"], ["BG", "", "a"], ["BG", "a", "a "], ["BG", "a\r\nb"]])
def test_its_own_labels_are_known_at_the_next_start(tmp_path, names):
    for _ in range(2):
        CorrectedTasks(tmp_path, names)
    with pytest.raises(DataError, match="labels.xml: is there already"):
        CorrectedTasks(tmp_path, ["BG", "another"])


def test_labels_of_others_are_left_as_they_are(corrected, tmp_path):
    names, path = ["BG", "hat", "shoe"], os.path.join(corrected.folder, NAMES)
    with open(path, encoding="utf-8") as file:
        own = file.read().replace("<View>", "<View><!-- mine -->")
    for text in (own, own.replace("hat", "cap"), "<View>mine</View>", ""):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if text == own:  # it lists the same
            CorrectedTasks(corrected.folder, names)
        else:
            with pytest.raises(DataError, match="labels.xml: is there already, .* give --corrected another folder"):
                CorrectedTasks(corrected.folder, names)
        with open(path, encoding="utf-8") as file:
            assert file.read() == text


@pytest.mark.parametrize("text", ['{"half": true}', "[]", '{"annotations": [{"result": []}]}', "broken"])
def test_files_of_others_are_passed_over_and_told(corrected, text, caplog):
    corrected.hear(event(task=3, key=4))
    for number in (1, 9):
        with open(os.path.join(corrected.folder, f"project_2_task_{number}.json"), "w", encoding="utf-8") as file:
            file.write(text)
    assert corrected.hear({"action": "ANNOTATIONS_DELETED", "project": {"id": 2}, "annotations": [{"id": 4}]}) == 1
    assert corrected.hear({"action": "TASKS_DELETED", "project": {"id": 2}, "tasks": [{"id": 9}]}) == 0
    assert caplog.text.count("project_2_task_9.json: no ") == 2 and caplog.text.count("project_2_task_1.json: no ") == 1
    with pytest.raises(DataError, match="project_2_task_9.json: no "):
        corrected.hear(event(task=9, key=5))
    assert sorted(os.listdir(corrected.folder)) == [NAMES, "project_2_task_1.json", "project_2_task_9.json"]
    with open(os.path.join(corrected.folder, "project_2_task_9.json"), encoding="utf-8") as file:
        assert file.read() == text


def test_files_of_other_names_are_no_tasks(corrected):
    for name in ("project_2_task_notes.json", "project_settings.json"):
        with open(os.path.join(corrected.folder, name), "w", encoding="utf-8") as file:
            file.write("{}")
    assert len(corrected) == 0
