"""The queue: what goes together, what is refused, whose answer is whose."""

import threading

import pytest

from mrcnn.serving.batching import BatchQueue
from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Refused


class Network:
    """Doubles numbers; fails on negative ones; waits for `free`."""

    def __init__(self):
        self.batches, self.free, self.begun = [], threading.Event(), threading.Semaphore(0)
        self.free.set()

    def __call__(self, key, numbers):
        self.begun.release()
        assert self.free.wait(20)
        self.batches.append((key, list(numbers)))
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def queue_of(network):
    queues = []

    def make(**limits):
        queue = BatchQueue(network, Limits(**{"wait": 0, **limits}))
        queue.start()
        queues.append(queue)
        return queue

    yield make
    network.free.set()
    for queue in queues:
        queue.close()


def blocked(network, queue):
    """Have the network busy with one photo, so that what comes next waits."""
    network.free.clear()
    future = queue.submit("a", [0])
    assert network.begun.acquire(timeout=20)
    return future


def test_what_waits_goes_together_by_kind_and_in_order(network, queue_of):
    queue = queue_of(batch_size=3)
    first = blocked(network, queue)
    futures = [*queue.submit("a", [1, 2]), *queue.submit("b", [3]), *queue.submit("a", [4, 5])]
    network.free.set()
    assert [future.result(20) for future in [*first, *futures]] == [0, 2, 4, 6, 8, 10]
    assert network.batches == [("a", [0]), ("a", [1, 2, 4]), ("b", [3]), ("a", [5])]


def test_a_photo_waits_for_others_to_go_with_it(network, queue_of):
    queue = queue_of(batch_size=2, wait=20)
    futures = queue.submit("a", [1])
    futures += queue.submit("a", [2])  # the batch is full, long before 20 seconds are over
    assert [future.result(10) for future in futures] == [2, 4] and network.batches == [("a", [1, 2])]


def test_a_full_queue_takes_all_photos_of_a_request_or_none(network, queue_of):
    queue = queue_of(queue=3)
    blocked(network, queue)
    queue.submit("a", [1, 2])
    with pytest.raises(Refused, match="2 photos wait already, 3 may: ask again") as refused:
        queue.submit("a", [3, 4])
    assert refused.value.status == 503 and refused.value.headers == {"Retry-After": "1"}
    assert queue.submit("a", [3]) and len(queue) == 3


def test_what_can_never_fit_is_not_told_to_ask_again(queue_of):
    with pytest.raises(Refused, match="4 photos at once, the queue holds 3: send them in several") as refused:
        queue_of(queue=3).submit("a", [1, 2, 3, 4])
    assert refused.value.status == 413 and not refused.value.headers


def test_what_nobody_waits_for_costs_nothing(network, queue_of):
    queue = queue_of(queue=2)
    blocked(network, queue)
    lost = queue.submit("a", [1, 2])
    assert all(future.cancel() for future in lost)
    kept = queue.submit("a", [3, 4])  # their places are free
    network.free.set()
    assert [future.result(20) for future in kept] == [6, 8]
    assert network.batches == [("a", [0]), ("a", [3, 4])]


def test_photos_that_nobody_waits_for_are_let_go_of_before_their_turn(network, queue_of):
    queue = queue_of(queue=4)
    blocked(network, queue)
    lost = queue.submit("a", [1, 2, 3])
    assert lost[0].cancel() and lost[2].cancel()
    assert [job.photo for job in queue._waiting] == [2]
    network.free.set()
    assert lost[1].result(20) == 4


def test_a_fault_in_one_photo_is_not_the_others(network, queue_of):
    queue = queue_of(batch_size=4)
    blocked(network, queue)
    good, bad, other = queue.submit("a", [1, -1, 2])
    network.free.set()
    assert good.result(20) == 2 and other.result(20) == 4
    with pytest.raises(ValueError, match="negative"):
        bad.result(20)


def test_ending_answers_what_waits_and_takes_no_more(network, queue_of):
    queue = queue_of()
    blocked(network, queue)
    futures = queue.submit("a", [1, 2])
    closing = threading.Thread(target=queue.close)
    closing.start()
    network.free.set()
    closing.join(20)
    assert [future.result(0) for future in futures] == [2, 4]
    with pytest.raises(Refused, match="ending") as refused:
        queue.submit("a", [1])
    assert refused.value.status == 503


def test_50_threads_get_their_own_answers(network, queue_of):
    queue, wrong = queue_of(batch_size=4, queue=1000), []

    def ask(number):
        for step in range(20):
            mine = 100 * number + step
            [future] = queue.submit("ab"[step % 2], [mine])
            if future.result(20) != 2 * mine:
                wrong.append(mine)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and sum(len(numbers) for _, numbers in network.batches) == 1000
    assert max(len(numbers) for _, numbers in network.batches) <= 4
