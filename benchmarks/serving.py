"""The server under load: 50 clients at once, broken files, large ones, clients that hang up or are killed.

    python benchmarks/serving.py [--requests 2000] [--clients 50]
    python benchmarks/serving.py --memory 6000 [--clients 10]

The model is a stub: it waits 10 ms a batch and 2 ms a photo, and finds the bright rectangle of each: every answer is
known. What is measured is the server: its time beside the network's, and whether anything is lost or mixed up.

Clients ask again as soon as they are answered, so an answer takes the number of clients over the requests of a second:
on a machine that others keep busy it takes as much longer as they leave it less. The server's processor time a
request does not depend on them, and two numbers of clients show that answers wait their turn and nothing else.

--memory prints what the server's memory is after each 500 requests of the same kinds, with none in hand, and the most
that it was meanwhile.
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
LARGE_BOX = [5, 5, 9, 9]
STEP = 500  # requests of --memory between two lines
# A client that promises 20 MB, sends half of them, and says so: it is killed then.
HALF = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"POST /detect HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: image/png\\r\\nContent-Length: 20000000\\r\\n\\r\\n")
s.sendall(bytes(10000000))
print("half", flush=True)
time.sleep(60)
"""
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
    """(status, whether the answer is the right one, seconds) of one request; status None where the client hangs up."""
    side = 30 + number % 200
    box = [1 + number % 7, 2, 20, 5 + number % 20]
    good = png(photo(box, (side, side + 1)))
    body, start = {"good": good, "hangs up": good, "20 MB": huge}.get(kind, b"broken"), time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    path = "/nowhere" if kind == "no such route" else "/detect"
    try:
        connection.request("POST", path, body, {"Content-Type": "image/png"})
        if kind == "hangs up":
            time.sleep(0.001 * (number % 20))  # before, while and after the network looks
            return None, True, time.perf_counter() - start
        answer = connection.getresponse()
        told, seconds = json.loads(answer.read()), time.perf_counter() - start
    finally:
        connection.close()
    if kind == "good" and answer.status == 200:
        [row] = told["photos"]
        found = [list(one["box"].values()) for one in row["objects"]]
        return answer.status, (row["height"], row["width"], found) == (side, side + 1, [box]), seconds
    if kind == "20 MB" and answer.status == 200:
        found = [list(one["box"].values()) for one in told["photos"][0]["objects"]]
        return answer.status, found == [LARGE_BOX], seconds
    return answer.status, set(told) == {"error"}, seconds


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
            try:
                result = ask(port, kind, number, huge)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raised.append(f"{kind}: {error!r}")
                continue
            with lock:
                rows[kind].append(result)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows, raised


def kill_clients(port, count):
    """Let clients send half of what they promise, and kill them (SIGKILL)."""
    clients = [subprocess.Popen([sys.executable, "-c", HALF, str(port)], stdout=subprocess.PIPE) for _ in range(count)]
    for client in clients:
        client.stdout.readline()
    for client in clients:
        client.kill()
        client.wait()


def processor_seconds(pid):
    """Seconds of processor time that a process has taken."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid, field="VmRSS"):
    """MB of memory of a process; VmHWM the most since `forget_most`."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def forget_most(pid):
    """Let VmHWM begin anew."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_curve(pid, port, count, clients):
    """Print the memory of the server over many requests."""
    print(f"memory of the server, {clients} clients (load average before: {os.getloadavg()[0]:.1f})")
    print(f"before any request {resident(pid):4.0f} MB")
    for done in range(STEP, count + 1, STEP):
        forget_most(pid)
        before = processor_seconds(pid)
        rows, raised = load(port, STEP, clients)
        took = processor_seconds(pid) - before
        time.sleep(0.5)
        wrong = sum(not right for told in rows.values() for _, right, _ in told)
        print(f"{done:5} requests  none in hand {resident(pid):4.0f} MB  at most {resident(pid, 'VmHWM'):4.0f} MB  "
              f"processor time {1000 * took / STEP:.1f} ms a request  wrong answers {wrong}  "
              f"without an answer {len(raised)}", flush=True)


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
    parser.add_argument("--memory", type=int, metavar="N", help="the curve of the memory over N requests alone")
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        time.sleep(2)
        if options.memory:
            memory_curve(server.pid, port, options.memory, options.clients)
            return
        for part, clients in (("first", options.clients), ("second", options.clients), ("third", options.clients // 5)):
            start, before, busy = time.perf_counter(), processor_seconds(server.pid), os.getloadavg()[0]
            rows, raised = load(port, options.requests, clients)
            took = processor_seconds(server.pid) - before
            print(f"{part} {options.requests} requests, {clients} clients on {os.cpu_count()} cores (load average "
                  f"before: {busy:.1f})")
            report(rows, raised, time.perf_counter() - start)
            print(f"processor time of the server {1000 * took / options.requests:.1f} ms a request; its memory "
                  f"afterwards {resident(server.pid):.0f} MB\n", flush=True)
            kill_clients(port, 20)
        print("after each of these 20 clients were killed in the middle of 20 MB: 60 in all")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode().splitlines()
        print("\n".join(line for line in metrics if line.startswith(("mrcnn_hung_up", "mrcnn_photos", "mrcnn_queue"))))
    finally:
        server.terminate()
        server.wait(40)


if __name__ == "__main__":
    run_server() if sys.argv[1:] == ["serve"] else main()
