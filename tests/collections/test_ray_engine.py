"""What workers ask of a cluster; a real cluster of three nodes, of which a worker, a node and the driver are killed.

The second part needs the package ray: make test-cluster.
"""

import contextlib
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow")

from garments import GarmentFinder, counts_of, expected_counts, rows_of, write_photos  # noqa: E402
from PIL import Image  # noqa: E402
from ray_cluster import COUNT, needs_ray, raylet_of, shards_in, wait_for, workers_of  # noqa: E402

from mrcnn.collections.ray_engine import Layout, _Work, check_address  # noqa: E402
from mrcnn.collections.shards import Counts  # noqa: E402
from mrcnn.errors import RunError, UsageError  # noqa: E402

pytest_plugins = ("ray_fixtures",)
NODES = [{"CPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}]
# 127.0.0.1, the same as an address of IPv6, and ::1, as /proc/net/tcp writes them.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_addresses_where_no_cluster_can_be_are_refused_at_once():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(RunError, match=f"--address 127.0.0.1:{port}: nothing answers there .*ray start --head"):
            check_address(f"127.0.0.1:{port}")
    for address in ("ray://127.0.0.1:10001", "127.0.0.1", "head:port"):
        with pytest.raises(UsageError, match="give HOST:PORT of the cluster's head"):
            check_address(address)
    with socket.create_server(("127.0.0.1", 0)) as open_:
        check_address(f"127.0.0.1:{open_.getsockname()[1]}")
    check_address("auto")
    check_address(None)


@pytest.mark.parametrize("layout, places", [(Layout(), [1, 2]), (Layout(cpus=2), [0, 1]), (Layout(cpus=0.5), [2, 4]),
                                            (Layout(cpus=0.1), [10, 20]), (Layout(gpus=0.5), [0, 2])])
def test_places_for_workers(layout, places):
    assert [layout.held_by(node) for node in NODES] == places
    assert layout.fitted(NODES, 100) == sum(places)
    assert layout.fitted(NODES, 1) == 1


def test_layouts_that_would_wait_for_ever_are_refused():
    with pytest.raises(UsageError, match="--worker-cpus 4 .*the largest has 2 CPUs and 1 GPUs.*ask for less"):
        Layout(cpus=4).fitted(NODES, 9)
    with pytest.raises(UsageError, match="--workers 4: the cluster holds 3 workers of 1 CPUs.*ask for fewer"):
        Layout(workers=4).fitted(NODES, 9)
    assert Layout(workers=3).fitted(NODES, 9) == 3


# --- A cluster -------------------------------------------------------------------------------------------------------


@needs_ray
def test_a_worker_a_node_and_the_driver_are_killed(cluster, start, tmp_path):
    from mrcnn.commands import collection
    from mrcnn.commands.main import main

    out, nodes = tmp_path / "out", cluster.list_all_nodes()
    process = start("--engine", "ray", "--address", cluster.address)
    wait_for(lambda: len(shards_in(out)) >= 6, process)
    workers = workers_of([raylet_of(node) for node in nodes])
    assert len(workers) == 3
    os.kill(workers[0], signal.SIGKILL)
    done = len(shards_in(out))
    wait_for(lambda: len(shards_in(out)) >= done + 6, process)
    cluster.remove_node(nodes[-1], allow_graceful=False)
    done = len(shards_in(out))
    wait_for(lambda: len(shards_in(out)) >= done + 36, process)  # Ray needs some seconds to tell of the node
    process.kill()
    errors = process.communicate()[1]
    assert errors.count("A worker died at shard ") == 2, errors  # that of the worker, and that of the node
    wait_for(lambda: not workers_of([raylet_of(node) for node in nodes[:-1]]), subprocess.Popen(["sleep", "60"]))
    left = shards_in(out)
    assert 18 <= len(left) < COUNT

    process = start("--engine", "ray", "--address", cluster.address)
    said, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert f"{len(left)} of {COUNT} shards are done" in said
    assert {name: when for name, when in shards_in(out).items() if name in left} == left  # none is done again
    rows = rows_of(out)
    assert counts_of(rows) == expected_counts(write_photos(tmp_path / "again", COUNT))
    assert len({row["photo"] for row in rows}) == COUNT
    assert not [name for name in os.listdir(out) if name.endswith(".partial")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "load_model", lambda *_: GarmentFinder())
        assert main(["collection", "label", str(tmp_path / "photos"), "--weights", str(tmp_path / "weights.h5"),
                     "--output", str(tmp_path / "one"), "--shard-size", "1"]) == 0
    assert rows == rows_of(tmp_path / "one")


@needs_ray
def test_what_the_cluster_cannot_hold_is_refused_at_once(cluster, start, tmp_path):
    process = start("--engine", "ray", "--address", cluster.address, "--worker-cpus", "2")
    assert "no machine of the cluster has as much (the largest has 1 CPUs" in process.communicate(timeout=60)[1]
    assert process.returncode == 2 and not shards_in(tmp_path / "out")


@needs_ray
def test_a_photo_that_ends_its_workers_is_left_out_and_workers_of_half_a_cpu(cluster, start, tmp_path):
    from mrcnn.data.images import load_image

    image = load_image(tmp_path / "photos" / "photo-07.png")
    image[0, 0] = (1, 2, 3)
    Image.fromarray(image).save(tmp_path / "photos" / "photo-07.png")
    process = start("--engine", "ray", "--address", cluster.address, "--worker-cpus", "0.5", "--workers", "6", delay=0)
    errors = process.communicate(timeout=200)[1]
    assert process.returncode == 2, errors
    assert "Shard 7 (from photo-07.png on) ended 3 workers and is left out" in errors
    assert "Shard 7 (from photo-07.png on) ended 3 workers (killed, or out of memory" in errors.splitlines()[-1]
    assert shards_in(tmp_path / "out").keys() == {f"shard-{n:06d}.parquet" for n in range(COUNT) if n != 7}


@needs_ray
def test_embeddings_are_those_of_one_machine(small_cluster, start, tmp_path):
    from mrcnn.architectures.mask_rcnn import MaskRCNN
    from mrcnn.collections.rows import EMBEDDING
    from mrcnn.data.drawn.people import DrawnPeople
    from tests.tiny import TinyConfig

    model = MaskRCNN("inference", TinyConfig(), str(tmp_path))
    model.class_names = ["BG", "person", "top", "skirt"]
    model.save_weights(str(tmp_path / "weights.h5"))
    people = DrawnPeople()
    people.load_drawn(6, seed=3, size=(96, 72))
    people.prepare()
    (tmp_path / "drawn").mkdir()
    for image_id in people.image_ids:
        Image.fromarray(people.load_image(image_id)).save(tmp_path / "drawn" / f"{image_id}.png")
    one_thread = {"NETWORK": "real", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}  # as workers of Ray have
    on_ray = ["--engine", "ray", "--address", small_cluster.address, "--workers", "2"]
    for output, engine in (("ray", on_ray), ("here", [])):
        process = start("--embeddings", *engine, photos=tmp_path / "drawn", output=output, shard_size=2,
                        environment=one_thread)
        errors = process.communicate(timeout=900)[1]
        assert process.returncode == 0, errors
    rows = rows_of(tmp_path / "ray")
    assert rows == rows_of(tmp_path / "here") and len({row["photo"] for row in rows}) == 6
    vectors = [row[EMBEDDING] for row in rows if row["object"] is not None]
    assert vectors and {len(vector) for vector in vectors} == {TinyConfig.TOP_DOWN_PYRAMID_SIZE}


@contextlib.contextmanager
def head_with_token(token):
    """A cluster of one node that was started with a token by itself; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address", "127.0.0.1",
         "--port", str(port), "--num-cpus", "1", "--include-dashboard", "false", "--object-store-memory",
         str(80 * 1024**2)], env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        said = list(itertools.takewhile(lambda line: "Ray runtime started" not in line, lines))
        assert process.poll() is None, said
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


@needs_ray
def test_a_token_of_the_environment_opens_a_cluster_that_has_it_and_no_other_does(start, tmp_path, monkeypatch):
    root = pathlib.Path(__file__).parent.parent
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("PYTHONPATH", f"{root.parent}{os.pathsep}{root}")
    with head_with_token("a" * 32) as address:
        command = ["--engine", "ray", "--address", address, "--limit", "3"]
        for token, code in (("b" * 32, 2), ("a" * 32, 0)):
            process = start(*command, delay=0, environment={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
            errors = process.communicate(timeout=200)[1]
            assert process.returncode == code, errors
            assert code == 0 or "no cluster of Ray can be used there" in errors.splitlines()[-1]
            assert token not in errors and len(shards_in(tmp_path / "out")) == (0 if code else 3)


@needs_ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cluster_of_one_listens_on_the_loopback_alone_and_stops(start, tmp_path, number):
    process = start("--engine", "ray", "--workers", "1")
    wait_for(lambda: len(shards_in(tmp_path / "out")) >= 2, process)
    family = family_of(process.pid)
    listening = addresses_of(family)
    assert listening and listening <= LOOPBACK, listening
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, errors
    assert errors == "interrupted; what is done stays, and the same command does the rest\n"
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith(".partial")]
    end = time.monotonic() + 30
    while any(is_alive(member) for member in family):
        assert time.monotonic() < end, "processes stay behind"
        time.sleep(0.1)


def is_alive(number):
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family_of(number):
    """Numbers of a process and all below it."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {number}
    while True:
        more = {child for child, parent in parents.items() if parent in family} - family
        if not more:
            return family
        family |= more


def addresses_of(family):
    """Addresses, as /proc/net/tcp writes them, at which processes listen."""
    sockets, found = set(), set()
    for number in family:
        for link in pathlib.Path(f"/proc/{number}/fd").glob("*"):
            try:
                sockets.add(os.readlink(link))
            except OSError:
                continue
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].split(":")[0])
    return found


# --- Shards that end their workers, without a cluster ----------------------------------------------------------------


class Gone(Exception):
    """A worker that died."""


class FakeRay:
    """As much of the module ray as `_Work` needs; workers die at the shards that are named."""

    class exceptions:
        RayTaskError, RayError = type("Task", (Exception,), {}), Gone

    def wait(self, answers, timeout):
        return answers[:1], answers[1:]

    def get(self, answer):
        if isinstance(answer.value, Exception):
            raise answer.value
        return answer.value

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 1}}]


class FakeWorker:
    """A worker with `ready` and `label` as Ray's actors have them."""

    def __init__(self, deadly):
        def remote(path, names):
            shard = int(path[-6:])
            return Answer(Gone("killed") if shard in deadly else ("here", Counts(photos=1), 0.0, []))

        self.ready = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: Answer("here")))
        self.label = SimpleNamespace(remote=remote)


class Answer:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("deadly, done", [({3}, 9), ({0, 9}, 8)])
def test_shards_that_end_their_workers_are_left_out_and_the_others_are_done(deadly, done):
    plan = SimpleNamespace(path=lambda number: f"/c/shard-{number:06d}", shards=[[f"{n}.jpg"] for n in range(10)])
    shown, told = [], []
    work = _Work(FakeRay(), plan, range(10), Layout(), lambda photos, _: shown.append(photos), told.append)
    with pytest.raises(RunError, match=f"Shard {max(deadly)} .from {max(deadly)}.jpg on. ended 3 workers"):
        work.done_by([FakeWorker(deadly), FakeWorker(deadly)])
    assert shown[-1] == done and sum("is done again" in line for line in told) == 2 * len(deadly)
    assert sum("is left out" in line for line in told) == len(deadly)


def test_when_all_shards_end_their_workers_the_command_ends_soon():
    plan = SimpleNamespace(path=lambda number: f"/c/shard-{number:06d}", shards=[[f"{n}.jpg"] for n in range(1000)])
    told = []
    with pytest.raises(RunError, match="ended 3 workers .killed, or out of memory: killed.: .*fewer --workers"):
        _Work(FakeRay(), plan, range(1000), Layout(), lambda *_: None, told.append).done_by([FakeWorker(range(1000))])
    assert len(told) < 3000
