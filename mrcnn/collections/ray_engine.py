"""Labelling shards on many machines: Ray places the workers and starts dead ones anew; shards are files as ever."""

import collections
import dataclasses
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mrcnn.collections.access import access_to
from mrcnn.collections.plan import ABOUT, Plan
from mrcnn.collections.shards import Counts, Job, write_shard
from mrcnn.collections.storage import is_address
from mrcnn.errors import RunError, UsageError, UserError
from mrcnn.files import remove_leftovers

TRIES = 3  # workers that a shard may lose before it is the shard's fault
LOOK_EVERY = 5.0  # seconds between looks at the cluster while nothing comes back
TELL_EVERY = 60.0  # seconds between lines about the machines
LOOPBACK = "127.0.0.1"
LOCAL = ("127.", "localhost:", "[::1]:")
ANSWER_WITHIN = 10.0  # seconds in which a cluster has to answer
STORE = 80 * 1024**2  # bytes of shared memory, Ray's least but little: photos are read where they are needed


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the workers ask of a cluster.

    Args:
        workers: number of them; None for as many as the cluster holds.
        cpus: CPUs of each.
        gpus: GPUs of each; 0.5 lets two share one.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0

    def held_by(self, resources: dict[str, float]) -> int:
        """Number of workers that a machine holds. resources: {"CPU": ..., "GPU": ...} of it."""
        asked = {"CPU": self.cpus, "GPU": self.gpus}
        return min(int(resources.get(name, 0) / number + 1e-6) for name, number in asked.items() if number)

    def fitted(self, machines: Sequence[dict[str, float]], shards: int) -> int:
        """Number of workers to start.

        Args:
            machines: resources of each machine.
            shards: number of shards; more workers would have nothing to do.

        Raises:
            UsageError: they would wait for ever, as no machine has so much or all machines have not.
        """
        places, most = sum(map(self.held_by, machines)), _most(machines)
        if not places:
            raise UsageError(f"--worker-cpus {self.cpus:g} --worker-gpus {self.gpus:g}: no machine of the cluster has "
                             f"as much (the largest has {most}), so that workers would wait for ever: ask for less.")
        if self.workers is not None and self.workers > places:
            raise UsageError(f"--workers {self.workers}: the cluster holds {places} workers of {self.cpus:g} CPUs and "
                             f"{self.gpus:g} GPUs (the largest machine has {most}): ask for fewer or smaller ones.")
        return min(self.workers or places, shards)


def _most(machines):
    largest = max(machines, key=lambda machine: machine.get("CPU", 0), default={})
    return f"{largest.get('CPU', 0):g} CPUs and {largest.get('GPU', 0):g} GPUs"


class Worker:
    """A worker; Ray runs it in a process of its own, on any machine.

    Args:
        cpus: it may use.
        packed: a pickled (job, make_model, folder, access), which stays so until the number of threads is set.
    """

    def __init__(self, cpus: float, packed: bytes):
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ[name] = str(max(1, int(cpus)))  # before TensorFlow is imported
        self.packed, self.model, self.job = packed, None, None

    def ready(self) -> str:
        """Make the model; returns the name of the machine."""
        import ray

        if self.model is None:
            self.job, make_model, folder, access = ray.cloudpickle.loads(self.packed)
            access.take_over()
            for path in (os.path.join(folder, ABOUT), self.job.root):
                if not is_address(path) and not os.path.exists(path):
                    raise RunError(f"{path} is not seen on the machine {socket.gethostname()}: photos and --output "
                                   "have to be in a folder that all machines share, under the same path.")
            self.model = make_model()
        context = ray.get_runtime_context()
        return f"{ray.util.get_node_ip_address()} ({context.get_node_id()[:6]})"

    def label(self, path: str, names: Sequence[str]) -> tuple[str, Counts, float, list[str]]:
        """Label a shard; returns the machine, its counts, the seconds it took, and the warnings."""
        began, machine = time.monotonic(), self.ready()
        with warnings.catch_warnings(record=True) as told:
            counts = write_shard(path, names, self.job, self.model)
        return machine, counts, time.monotonic() - began, [str(warning.message) for warning in told]


def label_on_ray(plan: Plan, numbers: Sequence[int], job: Job, make_model: Callable[[], object], layout: Layout,
                 address: str | None, show: Callable[[int, int], None], tell: Callable[[str], None]) -> Counts:
    """Label shards on a cluster of Ray, or on this machine as a cluster of one.

    A worker that dies, alone or with its machine, is started anew by Ray where there is room, and its shard goes to
    whichever worker is free. All machines see the photos and the collection's folder under the same paths.

    Args:
        plan, numbers, job, show: as for `mrcnn.collections.local_engine.label_in_processes`.
        make_model: makes the model; it is sent to the workers by pickle.
        layout: of the workers.
        address: of a running cluster, "auto" for that of this machine; None starts one on this machine's loopback,
            which ends with the work.
        tell: called with a line about what is done where, or what went wrong.

    Returns:
        What is in the shards.

    Raises:
        UsageError: the layout cannot be had.
        RunError: the cluster cannot be reached, or no worker can do the work.
    """
    with _connected(address) as ray:
        machines = _machines(ray)
        count = layout.fitted(machines, len(numbers))
        if not layout.gpus and any(machine.get("GPU") for machine in machines):
            tell("The cluster has GPUs, and the workers ask for none: --worker-gpus 1 gives each worker one.")
        access = access_to([job.root, *(name for number in numbers for name in plan.shards[number])])
        if address and access.told():
            tell(f"What the workers open photos with, as this command does: {access.told()}.")
        packed = ray.cloudpickle.dumps((job, make_model, os.path.abspath(plan.folder), access))
        remote = ray.remote(max_restarts=-1, max_task_retries=0, num_cpus=layout.cpus, num_gpus=layout.gpus)(Worker)
        workers = [remote.remote(layout.cpus, packed) for _ in range(count)]
        try:
            return _Work(ray, plan, numbers, layout, show, tell).done_by(workers)
        finally:
            for worker in workers:
                ray.kill(worker)
            remove_leftovers(plan.folder)


class _Work:
    """Hands shards to workers, one to each that is free."""

    def __init__(self, ray, plan, numbers, layout, show, tell):
        self.ray, self.plan, self.layout, self.show, self.tell = ray, plan, layout, show, tell
        self.waiting, self.lost = collections.deque(numbers), collections.Counter()
        self.total = sum(len(plan.shards[number]) for number in numbers)
        self.counts, self.left = Counts(), len(numbers)
        self.running, self.idle = {}, []  # {answer: (worker, its shard, or None if it makes its network)}
        self.speeds, self.told, self.began, self.warned = {}, time.monotonic(), time.monotonic(), set()
        self.given_up = []  # what is said at the end of shards that ended their workers

    def done_by(self, workers):
        for worker in workers:
            self._make_ready(worker)
        heard = time.monotonic()
        while self.left:
            answers, _ = self.ray.wait(list(self.running), timeout=LOOK_EVERY)
            for answer in answers:
                self._take(answer, *self.running.pop(answer))
            heard = time.monotonic() if answers else self._look(heard)
            if self.left and not self.running:
                raise RunError("No worker is left (see above): the shards that are done stay, and the same command "
                               "does the others.")
            if time.monotonic() - self.told >= TELL_EVERY and self.speeds:
                self.tell(self._speeds())
        if len(self.speeds) > 1:
            self.tell(self._speeds())
        if self.given_up:
            raise RunError(" ".join(self.given_up))
        return self.counts

    def _take(self, answer, worker, number):
        """Take an answer, and give its worker the next shard."""
        try:
            result = self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            raise
        except self.ray.exceptions.RayError as error:
            self._lose(worker, number, " ".join(str(error).split())[:150])
            return
        if number is not None:
            self._count(*result)
        self.idle.append(worker)
        self._hand_out()

    def _hand_out(self):
        while self.waiting and self.idle:
            worker, shard = self.idle.pop(), self.waiting.popleft()
            answer = worker.label.remote(os.path.abspath(self.plan.path(shard)), self.plan.shards[shard])
            self.running[answer] = worker, shard

    def _lose(self, worker, number, reason):
        """A worker died: its shard goes to the next one that is free, itself to Ray."""
        if number is None:
            self.lost[worker] += 1
            if self.lost[worker] >= TRIES:
                self.tell(f"A worker died {TRIES} times before it had its network, and is given up ({reason}); less "
                          "memory is taken by fewer --workers.")
                return
        else:
            self.lost[number] += 1
            first = self.plan.shards[number][0]
            if self.lost[number] >= TRIES:
                self.left -= 1
                self.given_up.append(f"Shard {number} (from {first} on) ended {TRIES} workers (killed, or out of "
                                     f"memory: {reason}): the shards that are done stay; fewer --workers need less "
                                     "memory.")
                if len(self.given_up) == TRIES:  # no fault of single photos
                    raise RunError(self.given_up[-1])
                self.tell(f"Shard {number} (from {first} on) ended {TRIES} workers and is left out: {reason}")
            else:
                self.waiting.append(number)
                self.tell(f"A worker died at shard {number} (from {first} on), which is done again: {reason}")
        for other in (worker, *self.idle):  # those that were on the same machine are dead too
            self._make_ready(other)
        self.idle.clear()

    def _make_ready(self, worker):
        self.running[worker.ready.options(max_task_retries=TRIES).remote()] = worker, None

    def _count(self, machine, counts, seconds, told):
        self.counts.add(counts)
        self.left -= 1
        self.speeds[machine] = self.speeds.get(machine, 0) + counts.photos
        for message in told:
            if message not in self.warned:
                self.warned.add(message)
                self.tell(message)
        self.show(self.counts.photos, self.total)

    def _look(self, heard):
        """Nothing came back for a while: refuse to wait for machines that are gone, and say what is waited for."""
        if not any(map(self.layout.held_by, _machines(self.ray))):
            raise RunError("No machine of the cluster has room for a worker any more: the shards that are done stay; "
                           "add machines, and the same command does the others.")
        if time.monotonic() - heard < TELL_EVERY or any(shard is not None for _, shard in self.running.values()):
            return heard
        self.tell("No worker is ready yet: others may hold the cluster's CPUs or GPUs, or the network is being made.")
        return time.monotonic()

    def _speeds(self):
        self.told = time.monotonic()
        passed = max(self.told - self.began, 1e-9)
        return "Photos/s: " + ", ".join(f"{machine} {photos / passed:.1f}"
                                        for machine, photos in sorted(self.speeds.items()))


def _machines(ray):
    """Resources of the machines that live."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@contextmanager
def _connected(address) -> Iterator[object]:
    """The module ray, connected; what Ray changes of this process is put back."""
    ray = load_ray(address)
    check_address(address)
    here = {} if address else {"include_dashboard": False, "_node_ip_address": LOOPBACK, "object_store_memory": STORE}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"--address {address}: no cluster of Ray can be used there ({reason}): start one by `ray start "
                       "--head`, give RAY_AUTH_TOKEN or ~/.ray/auth_token of the cluster if it has a token, or leave "
                       "--address out.") from error
    try:
        if main:
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end the process without a word
        if not address and ray.util.get_node_ip_address() != LOOPBACK:
            raise RunError("Ray was imported before, and would listen to the network: start a cluster yourself and "
                           "give its --address.")
        yield ray
    finally:
        ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, handler)


def check_address(address: str | None) -> None:
    """Refuse an address where nothing is: Ray would wait there for minutes without a word.

    Args:
        address: of the cluster, HOST:PORT; "auto" and None are Ray's to find.

    Raises:
        UsageError: it is of another kind.
        RunError: nothing answers there.
    """
    if not address or address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise UsageError(f"--address {address}: give HOST:PORT of the cluster's head, as `ray start --head` tells it, "
                         "or auto.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise RunError(f"--address {address}: nothing answers there ({error}): start a cluster by `ray start --head`, "
                       "or leave --address out.") from error


def load_ray(address: str | None) -> object:
    """The module ray, which tells nobody that it is used.

    Args:
        address: of the cluster; None keeps what is started here to the loopback, which Ray does of itself on some
            systems, and on the others with this variable, which it reads when it is imported.

    Raises:
        UsageError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not address or address.startswith(LOCAL):  # else Ray looks for 127.0.0.1 at the machine's own address
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    try:
        import ray
        import ray.exceptions
        import ray.util
    except ImportError as error:
        raise UsageError(f'--engine ray needs the package ray ({error}): pip install "mrcnn-keras[ray]"') from error
    return ray
