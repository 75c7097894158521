"""Label Studio's tasks in each form of file, and whose annotation of each is taken."""

import json
import warnings

import pytest

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.formats.label_studio_tasks import choose, read_tasks, recognises
from mrcnn.errors import DataError


def annotation(key, by=1, when="2024-03-01T10:00:00.000000Z", result=(), **more):
    return {"id": key, "completed_by": by, "created_at": when, "result": list(result), **more}


def task(key, *annotations, photo="/data/upload/1/1a2b3c4d-a.jpg", **more):
    return {"id": key, "annotations": list(annotations), "data": {"image": photo}, **more}


def written(folder, content, name="a.json"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def chosen(path, annotator=None):
    """({photo: id of the annotation}; the notes) of a file."""
    report = AnnotatedDataset()
    pairs = choose(path, read_tasks(path, report), annotator, report)
    return {task.photo: one.key for task, one in pairs}, [str(note) for note in report.notes]


POLYGON = {"points": [[1, 2], [3, 4], [5, 6]], "polygonlabels": ["hat"], "original_width": 9, "original_height": 8}
MIN = {"image": "a.jpg", "id": 5, "label": [POLYGON], "annotator": 1, "annotation_id": 7, "lead_time": 1.5}


@pytest.mark.parametrize("content, is_one", [
    ([task(1)], True),
    (task(1), True),
    ([{"id": 1, "annotations": [annotation(1)], "file_upload": "x", "data": {"image": "a.jpg"}}], True),
    ([{"id": 1, "completions": [annotation(1)], "data": {"image": "a.jpg"}}], True),
    ([{"id": 1, "predictions": [], "data": {"image": "a.jpg"}}], True),
    ([MIN], True),
    ([{"image": "a.jpg", "id": 5, "annotator": 1, "annotation_id": 7, "lead_time": 1.5}], True),
    ({**annotation(3), "task": task(1)}, True),
    ([{"image": "a.jpg", "annotations": [{"label": "hat", "coordinates": {"x": 1}}]}], False),  # CreateML
    ({"images": [], "annotations": [{"id": 1, "result": 1}], "categories": []}, False),
    ([{"image_id": 1, "category_id": 1, "score": 0.5}], False),
    ({"info": {}, "categories": {}, "items": [{"annotations": [], "data": 1}]}, False),
    ([], False),
    ("no json", False),
])
def test_recognising(tmp_path, content, is_one):
    path = written(tmp_path, content)
    assert recognises(path) == is_one
    assert recognises(tmp_path) == is_one


def test_the_end_of_a_large_task_is_not_needed_to_recognise_it(tmp_path):
    rle = {"value": {"rle": [255] * 200000, "brushlabels": ["hat"]}}
    content = [{"id": 1, "annotations": [annotation(1, result=[rle])], "data": {"image": "a.jpg"}}]
    assert recognises(written(tmp_path, content))


def test_each_form_of_file_says_the_same(tmp_path):
    result = [{"from_name": "label", "value": POLYGON, "original_width": 9, "original_height": 8}]
    one = annotation(7, result=result)
    whole = {"id": 5, "data": {"image": "a.jpg"}}
    for number, content in enumerate((
        [{**whole, "annotations": [one]}], {**whole, "annotations": [one]}, [{**whole, "completions": [one]}],
        {**one, "task": whole}, [MIN],
    )):
        tasks = read_tasks(written(tmp_path / str(number), content), AnnotatedDataset())
        assert [(task.key, task.photo) for task in tasks] == [(5, "a.jpg")]
        (found,) = tasks[0].annotations
        assert found.key == 7 and found.result[0]["value"]["points"] == POLYGON["points"] and found.who == ("1",)
        assert found.result[0]["from_name"] == "label" and found.result[0]["original_width"] == 9


def test_what_several_entries_say_of_a_task_is_put_together(tmp_path):
    entries = [{**MIN, "annotation_id": key, "updated_at": f"2024-03-0{key}T00:00:00Z"} for key in (3, 9, 4)]
    assert chosen(written(tmp_path / "min", entries))[0] == {"a.jpg": 9}
    for key in (3, 8):
        content = {**annotation(key, when=f"2024-03-0{key}"), "task": {"id": 5, "data": {"image": "a.jpg"}}}
        written(tmp_path / "storage", content, f"{key}.json")
    taken, notes = chosen(tmp_path / "storage")
    assert taken == {"a.jpg": 8} and "1 task annotated more than once: the newest is taken (--annotator" in notes[0]
    # Exports with several annotations of a task had each such task as often as it has annotations.
    twice = [task(1, annotation(1), annotation(2))] * 2
    taken, notes = chosen(written(tmp_path / "twice", twice))
    assert list(taken.values()) == [2]
    assert [note.split(":")[0] for note in notes] == ["1 task listed twice with the same annotations",
                                                      "1 task annotated more than once"]
    # One file has the annotations, another what models found.
    parts = [task(1, annotation(1)), task(1, predictions=[{"id": 8, "result": []}, {"id": 9, "result": []}])]
    assert list(chosen(written(tmp_path / "models", [*parts, *parts]), "predictions")[0].values()) == [9]
    (one,) = read_tasks(tmp_path / "models", AnnotatedDataset())
    assert [found.key for found in one.predictions] == [8, 9]
    # Two projects number their tasks alike.
    both = [task(1, annotation(1)), task(1, annotation(1), photo="b.jpg")]
    assert len(chosen(written(tmp_path / "both", both))[0]) == 2


@pytest.mark.parametrize("early, late", [
    ("2024-03-01T10:00:00.513742Z", "2024-03-01T10:00:01Z"),
    ("2024-03-01T12:00:00+03:00", "2024-03-01T10:00:00Z"),
    (1600000000, 1600000001.5),
    (1600000000, "2024-03-01T10:00:00Z"),
    (None, "2024-03-01T10:00:00Z"),
    (None, None), ("yesterday", {}), (float("nan"), float("inf")),  # no time: the later one in the file
])
def test_the_newest_annotation_is_taken(tmp_path, early, late):
    assert list(chosen(written(tmp_path, [task(1, annotation(1, when=early), annotation(2, when=late))]))[0].values())
    for first, second in ((1, 2), (2, 1)):
        when = {1: early, 2: late}
        content = [task(1, *(annotation(key, when=when[key]) for key in (first, second)))]
        has_times = isinstance(late, (str, float)) and late == late and late not in (float("inf"),)
        expected = 2 if has_times else second
        assert list(chosen(written(tmp_path, content))[0].values()) == [expected]


def test_an_update_makes_an_annotation_newer(tmp_path):
    updated = annotation(1, when="2024-01-01T00:00:00Z", updated_at="2024-06-01T00:00:00Z")
    assert list(chosen(written(tmp_path, [task(1, updated, annotation(2))]))[0].values()) == [1]


@pytest.mark.parametrize("annotator, expected", [
    ("ann@shop.com", 1), ("ANN@shop.com", 1), (17, 1), ("17", 1), ("Ann Lee", 1), ("3", 2), (3, 2),
])
def test_one_annotators(tmp_path, annotator, expected):
    ann = {"id": 17, "email": "ann@shop.com", "first_name": "Ann", "last_name": "Lee"}
    path = written(tmp_path, [task(1, annotation(1, by=ann), annotation(2, by=3))])
    assert list(chosen(path, annotator)[0].values()) == [expected]


def test_an_annotator_who_has_none_is_told_who_has(tmp_path):
    path = written(tmp_path, [task(1, annotation(1, by={"id": 1, "email": "ann@shop.com"}), annotation(2, by=3))])
    with pytest.raises(DataError, match="a.json: no annotation of annotator 'bob': it has those of ann@shop.com, 3"):
        chosen(path, "bob")


def test_what_is_not_taken_is_counted(tmp_path):
    content = [
        task(1, annotation(1, was_cancelled=True), annotation(2), photo="a.jpg"),
        task(2, annotation(3, skipped=True), photo="b.jpg"),
        task(3, photo="c.jpg", predictions=[{"id": 8, "model_version": "m", "result": []}]),
        task(4, annotation(9), photo="d.jpg"),
    ]
    taken, notes = chosen(written(tmp_path, content))
    assert taken == {"a.jpg": 2, "d.jpg": 9}
    assert notes == [
        "2 annotations marked as cancelled (skipped): left out (first: a.jpg)",
        "2 tasks without an annotation: left out (first: b.jpg)",
        "1 task with predictions of models, which are no annotations: left out (--annotator predictions takes them) "
        "(first: c.jpg)",
    ]
    taken, notes = chosen(written(tmp_path, content), "predictions")
    assert taken == {"c.jpg": 8} and notes == ["3 tasks without a prediction: left out (first: a.jpg)"]


def test_predictions_of_several_models(tmp_path):
    def found(key, model, when):
        return {"id": key, "model_version": model, "created_at": when, "result": []}

    several = [found(7, "Shop v1", "2024-01-02"), found(8, "v2", "2024-01-01")]
    content = [task(1, annotation(3, by="v2@shop.com"), photo="a.jpg", predictions=several),
               task(2, photo="b.jpg", predictions=[found(9, None, "2024-02-01"), found(10, "v2", "2024-01-01")]),
               task(3, photo="c.jpg", predictions=[found(11, "v2", "2024-02-01"), found(12, "v2", "2024-01-01")])]
    path = written(tmp_path, content)
    taken, notes = chosen(path, "predictions")
    assert taken == {"a.jpg": 7, "b.jpg": 9, "c.jpg": 11}
    how = "1 task with more than one prediction: the newest is taken"
    assert notes == [f"{how}, of the model 'Shop v1'; --annotator VERSION takes another's (first: a.jpg)",
                     f"{how}, of a model without version; --annotator VERSION takes another's (first: b.jpg)",
                     f"{how} (first: c.jpg)"]
    assert chosen(path, "V2")[0] == {"a.jpg": 8, "b.jpg": 10, "c.jpg": 11}
    taken, notes = chosen(path, "shop V1")
    assert taken == {"a.jpg": 7} and notes == ["2 tasks without one of shop V1: left out (first: b.jpg)"]
    with pytest.raises(DataError, match="'eve': it has those of v2@shop.com, and predictions of Shop v1, v2"):
        chosen(path, "eve")
    # A person of the name of a version goes first.
    content[0]["annotations"][0]["completed_by"] = "v2"
    assert chosen(written(tmp_path, content), "v2")[0] == {"a.jpg": 3}


@pytest.mark.parametrize("data, where, trouble", [
    ({"image": "a.jpg", "after": "b.jpg"}, [{"to_name": "image"}, {"to_name": "after"}], "drawn on after, image: make"),
    ({"image": "a.jpg", "after": "b.jpg"}, [{"to_name": "after"}], "drawn on after: make a task of each photo"),
    ({"image": "a.jpg"}, [{"to_name": "img", "item_index": 2}], "several pages, such as 2"),
    ({"image": "a.jpg", "thumbnail": "t.jpg"}, [{"to_name": "img"}, {"to_name": "img"}], ""),
    ({"image": "a.jpg", "text": "blue"}, [{"to_name": "image", "item_index": 0}, {"to_name": "text"}], ""),
])
def test_regions_of_another_photo_are_not_taken(tmp_path, data, where, trouble):
    path = written(tmp_path, [{"id": 1, "data": data, "annotations": [annotation(1, result=where)]}])
    (found,) = read_tasks(path, AnnotatedDataset())
    assert trouble in found.trouble and bool(found.trouble) == bool(trouble)
    assert found.photo == (None if trouble else "a.jpg")


def test_a_name_that_may_be_of_another_photo_is_told(tmp_path):
    report, regions = AnnotatedDataset(), [annotation(1, result=[{"to_name": "photo2"}])]
    data = {"image": "a.jpg", "after": "b.jpg"}
    (found,) = read_tasks(written(tmp_path, [{"id": 1, "data": data, "annotations": regions}]), report)
    assert found.photo == "a.jpg"
    (note,) = map(str, report.notes)
    assert note.startswith("1 task of several photos whose regions are drawn on 'photo2'") and "first: a.jpg" in note


@pytest.mark.parametrize("data, photo, trouble", [
    ({"image": "a.jpg", "note": "x.jpg"}, "a.jpg", ""),
    ({"note": "hello", "pic": "s3://b/a.PNG", "url": None}, "s3://b/a.PNG", ""),
    ({"Image": "a.jpg"}, "a.jpg", ""),
    ({"image": ["a.jpg", "b.jpg"]}, None, "list of photos"),
    ({"left": "a.jpg", "right": "b.jpg"}, None, "several photos, a.jpg and b.jpg"),
    ({"text": "hello"}, None, "names no photo but 'text'"),
    ({"video": "/data/upload/1/v.mp4"}, None, "names no photo but 'video': photos alone are read; of a film, label"),
    ({"image": "data:image/png;base64,AAAA"}, None, "holds the photo itself"),
    ({}, None, "names no photo"),
])
def test_the_photo_of_a_task(tmp_path, data, photo, trouble):
    path = written(tmp_path, [{"id": 1, "data": data, "annotations": [annotation(1)]}])
    (found,) = read_tasks(path, AnnotatedDataset())
    assert found.photo == photo and trouble in found.trouble and bool(found.trouble) == (photo is None)


@pytest.mark.parametrize("content, said", [
    ("[1]", "no tasks of Label Studio, for '1' is none"),
    ("{broken", "no JSON file"),
])
def test_other_files_are_refused(tmp_path, content, said):
    with warnings.catch_warnings(), pytest.raises(DataError, match=f"a.json: {said}"):
        read_tasks(written(tmp_path, content), AnnotatedDataset())


def test_tasks_in_folders_and_without_an_ending_are_read_too(tmp_path):
    """A storage has a file for each annotation, called by its id, in folders of its own."""
    written(tmp_path, [task(1, annotation(11), photo="a.jpg")])
    written(tmp_path / "s3", {**annotation(12), "task": task(2, photo="b.jpg")}, "12")
    written(tmp_path / "s3", "not a task", "README")
    written(tmp_path / "s3", {"other": 1}, "notes.json")
    assert chosen(tmp_path) == ({"a.jpg": 11, "b.jpg": 12}, [])
    assert recognises(tmp_path / "s3")
    for name in ("COPYING", "LICENSE", "Makefile"):
        written(tmp_path / "s3", "not a task", name)
        written(tmp_path / "tasks", "not a task", name)
    written(tmp_path / "tasks", [task(1, annotation(11), photo="a.jpg")], "tasks.json")
    assert recognises(tmp_path / "tasks")


def test_drafts_are_told(tmp_path):
    report = AnnotatedDataset()
    tasks = [{**task(1, photo="a.jpg"), "drafts": [annotation(1)]}, task(2, photo="b.jpg"),
             {**task(3, annotation(3), photo="c.jpg"), "drafts": [annotation(4)]}]
    found = choose("a.json", read_tasks(written(tmp_path, tasks), report), None, report)
    assert [one.photo for one, _ in found] == ["c.jpg"]
    drafts, bare = map(str, report.notes)
    assert drafts == "1 task with drafts alone: left out; submit them in Label Studio, and export again (first: a.jpg)"
    assert bare == "1 task without an annotation: left out (first: b.jpg)"
