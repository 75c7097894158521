"""Several processes against one, and processes that are killed."""

import functools
import multiprocessing
import os
import signal

import pytest

pytest.importorskip("pyarrow")

from garments import GarmentFinder, rows_of, write_photos  # noqa: E402

from mrcnn.collections.local_engine import label_here, label_in_processes  # noqa: E402
from mrcnn.collections.plan import opened  # noqa: E402
from mrcnn.collections.shards import Job  # noqa: E402
from mrcnn.errors import CheckpointError, RunError  # noqa: E402


class Dying(GarmentFinder):
    """Is killed, as a system without memory does it, once a file says that other shards are there."""

    def find(self, image):
        if len([name for name in os.listdir(os.environ["COLLECTION"]) if name.endswith(".parquet")]) >= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().find(image)


def fail():
    raise CheckpointError("the weights do not fit: give others")


@pytest.fixture
def open_plan(tmp_path):
    write_photos(tmp_path / "photos", 12)
    root = str(tmp_path / "photos")

    def open_plan(name):
        return opened(str(tmp_path / name), root, {}), sorted(os.listdir(root)), root

    return open_plan


def test_processes_give_what_one_gives(open_plan, tmp_path):
    shown = []
    for name, label in (("one", label_here), ("two", functools.partial(label_in_processes, workers=2))):
        plan, names, root = open_plan(name)
        with plan as plan:
            plan.add(names, 5)
            counts = label(plan, plan.missing(), Job(root, plan.key), make_model=GarmentFinder,
                           show=lambda done, total: shown.append((done, total)))
            assert plan.missing() == [] and counts.photos == 12 and shown[-1] == (12, 12)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def test_a_killed_worker_is_told_and_the_rest_is_done_later(open_plan, tmp_path, monkeypatch):
    monkeypatch.setenv("COLLECTION", str(tmp_path / "out"))
    plan, names, root = open_plan("out")
    with plan as plan:
        plan.add(names, 2)
        job, seen = Job(root, plan.key), []
        with pytest.raises(RunError, match="killed, or out of memory.*the same command does the others; fewer --work"):
            label_in_processes(plan, plan.missing(), job, Dying, 2, lambda *done: seen.append(done))
        missing = plan.missing()
        assert 0 < len(missing) <= 4 and not [name for name in os.listdir(plan.folder) if name.endswith("partial")]
        label_here(plan, missing, job, GarmentFinder, lambda *done: None)
        assert plan.missing() == []
    whole, names, root = open_plan("whole")
    with whole as whole:
        whole.add(names, 2)
        label_here(whole, whole.missing(), job, GarmentFinder, lambda *done: None)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def test_the_error_of_a_model_reaches_the_user_and_the_workers_end(open_plan):
    plan, names, root = open_plan("out")
    with plan as plan, pytest.raises(CheckpointError, match="do not fit: give others"):
        plan.add(names, 2)
        label_in_processes(plan, plan.missing(), Job(root, plan.key), fail, 2, lambda *done: None)
    assert multiprocessing.active_children() == []
