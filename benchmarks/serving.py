"""The server under load: 50 clients at once, broken files, large ones, clients that hang up; who gets which answer.

    python benchmarks/serving.py [--requests 2000] [--clients 50]

The model is a stub: it waits 10 ms a batch and 2 ms a photo, and finds the bright rectangle of each: every answer is
known. What is measured is the server: its time beside the network's, and whether anything is lost or mixed up.
"""

import argparse
import collections
import http.client
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from stub_server import Stub, photo, png  # noqa: E402

KINDS = (("good", 0.75), ("broken", 0.1), ("hangs up", 0.1), ("20 MB", 0.01), ("no such route", 0.04))
STATUS = {"good": 200, "broken": 415, "20 MB": 200, "no such route": 404}


class Network(Stub):
    """The stub with a network's time."""

    def detect(self, images, **options):
        time.sleep(0.01 + 0.002 * len(images))
        return super().detect(images, **options)


def run_server():
    """Serve the stub, and print the port."""
    from mrcnn.serving.app import make_app
    from mrcnn.serving.limits import Limits
    from mrcnn.serving.listening import listen, run
    from mrcnn.serving.served import ServedModel

    with listen("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        run(make_app(ServedModel(Network(), "stub"), Limits(batch_size=8)), listener)


def large():
    """A PNG of 20 MB: noise, which does not compress, with a rectangle."""
    pixels = np.random.default_rng(0).integers(0, 250, (2200, 3100, 3), np.uint8)
    pixels[5:9, 5:9, 0], pixels[0, 0] = 255, (20, 255, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=0)
    return file.getvalue()


def ask(port, kind, number, huge):
    """(status, whether the answer is the right one) of one request; None where the client hangs up."""
    side = 30 + number % 200
    box = [1 + number % 7, 2, 20, 5 + number % 20]
    body = {"good": lambda: png(photo(box, (side, side + 1))), "20 MB": lambda: huge}.get(kind, lambda: b"broken")()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    path = "/nowhere" if kind == "no such route" else "/detect"
    try:
        connection.request("POST", path, body, {"Content-Type": "image/png"})
        if kind == "hangs up":
            return None
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    if kind == "good" and answer.status == 200:
        [row] = told["photos"]
        found = [list(one["box"].values()) for one in row["objects"]]
        return answer.status, (row["height"], row["width"], found) == (side, side + 1, [box])
    return answer.status, kind == "20 MB" or set(told) == {"error"}


def load(port, count, clients):
    """Send requests from many threads. Returns {kind: [(status, right, seconds)]}, and what was raised."""
    rng, huge, rows, raised, lock = random.Random(0), large(), collections.defaultdict(list), [], threading.Lock()
    todo = list(enumerate(rng.choices([kind for kind, _ in KINDS], [share for _, share in KINDS], k=count)))

    def work():
        while True:
            with lock:
                if not todo:
                    return
                number, kind = todo.pop()
            start = time.perf_counter()
            try:
                result = ask(port, kind, number, huge)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raised.append(f"{kind}: {error!r}")
                continue
            with lock:
                rows[kind].append((*(result or (None, True)), time.perf_counter() - start))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows, raised


def resident(pid):
    """MB of memory of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def report(rows, raised, seconds):
    """Print what the clients got."""
    for kind, _ in KINDS:
        told = rows[kind]
        took = np.array([row[2] for row in told]) * 1000
        statuses = dict(collections.Counter(str(row[0]) for row in told))
        wrong = sum(not right for _, right, _ in told)
        unexpected = sum(status not in (STATUS.get(kind), None, 503) for status, _, _ in told)
        p50, p95 = np.percentile(took, (50, 95)) if len(took) else (0, 0)
        print(f"{kind:14} {len(told):5} requests  p50 {p50:6.0f} ms  p95 {p95:6.0f} ms  statuses {statuses}  "
              f"wrong answers {wrong}  unexpected statuses {unexpected}")
    print(f"{sum(map(len, rows.values())) / seconds:.0f} requests/s; without an answer: {len(raised)} {raised[:3]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        time.sleep(2)
        for part in ("first", "second"):
            start = time.perf_counter()
            rows, raised = load(port, options.requests, options.clients)
            print(f"{part} {options.requests} requests, {options.clients} clients on {os.cpu_count()} cores")
            report(rows, raised, time.perf_counter() - start)
            print(f"memory of the server afterwards {resident(server.pid):.0f} MB\n")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode().splitlines()
        print("\n".join(line for line in metrics if line.startswith(("mrcnn_hung_up", "mrcnn_photos", "mrcnn_queue"))))
    finally:
        server.terminate()
        server.wait(40)


if __name__ == "__main__":
    run_server() if sys.argv[1:] == ["serve"] else main()
