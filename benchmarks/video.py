"""What `mrcnn video` costs beside the network, and how well objects keep their numbers in a drawn film.

    python benchmarks/video.py

The network is a stub that knows what was drawn. Speed: reading, drawing and writing, frames for a second of one core's
work, by size and by what is drawn. Numbers: boxes are jittered, objects that are half hidden lose score, and one in
twenty is missed. The tracker of `mrcnn.inference.tracking` stands beside those of the package `trackers`, at their own
margins; HOTA and IDF1 are those of `trackers.eval` (pip install --no-deps trackers supervision pydeprecate defusedxml).
Without it speed alone is measured. The constants of our tracker were chosen on films 0 to 4; these are others.
"""

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.data.drawn.walking import walking_people  # noqa: E402
from mrcnn.data.films.reading import FilmFrame, FilmReader  # noqa: E402
from mrcnn.data.films.writing import FORMS, FilmWriter  # noqa: E402
from mrcnn.drawing import frames as looks  # noqa: E402
from mrcnn.files import text_table  # noqa: E402
from mrcnn.inference.tracking import Tracker  # noqa: E402
from mrcnn.inference.video import Follower  # noqa: E402
from mrcnn.ops.boxes import iou_matrix  # noqa: E402

SIZES = ((360, 640), (720, 1280))
SPEED_FRAMES, FRAMES, SEEDS = 25, 150, range(5, 13)
SURE, LEAST_AREA = 0.7, 60
JITTER, MISSED = 0.03, 0.05
NAMES = ["BG", *(f"class {i}" for i in range(1, 9))]


class Known:
    """A model that finds what was drawn."""

    def __init__(self, frames):
        self.found, self.next = [boxes_of(frame) for frame in frames], 0

    def detect(self, images, **options):
        results = []
        for _ in images:
            boxes, class_ids = self.found[self.next][:2]
            self.next += 1
            results.append({"boxes": np.float32(boxes).reshape(-1, 4), "class_ids": class_ids,
                            "scores": np.full(len(boxes), 0.9, np.float32),
                            "mask_probabilities": np.ones((len(boxes), 28, 28), np.float32)})
        return results


def boxes_of(frame):
    """(boxes [N, 4], class ids, numbers, pixels that show) of the garments that show in a frame."""
    numbers = [n for n in frame.class_ids if (frame.instances == n).sum() >= LEAST_AREA]
    places = [np.argwhere(frame.instances == n) for n in numbers]
    boxes = np.array([[*place.min(axis=0), *(place.max(axis=0) + 1)] for place in places], float).reshape(-1, 4)
    return boxes, np.array([frame.class_ids[n] for n in numbers], int), np.array(numbers, int), list(map(len, places))


# --- Speed -----------------------------------------------------------------------------------------------------------


def speed():
    """Rows of frames a second for the whole way of a frame, and for parts of it."""
    rows = [["size", "objects", "reading", "and outlines", "and H.264", "splash", "blur", "cut-out, VP9"]]
    for size in SIZES:
        drawn = list(walking_people(SPEED_FRAMES, size))
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "film.mp4")
            write(source, [frame.image for frame in drawn])
            known = Known(drawn).found
            row = [f"{size[1]}x{size[0]}", f"{np.mean([len(one[0]) for one in known]):.1f}"]
            for look, ending in ((None, None), ("tracks", None), ("tracks", ".mp4"), ("splash", ".mp4"),
                                 ("blur", ".mp4"), ("cut_out", ".webm")):
                row.append(f"{SPEED_FRAMES / way(source, drawn, look, ending, folder):.1f}")
        rows.append(row)
    return rows


class Plan:
    """What a FilmWriter asks of its source, of a film that is drawn."""

    from fractions import Fraction

    time_base, rate, aspect, is_high, sounds = Fraction(1, 12800), Fraction(25), 1, True, []


def write(path, images):
    with FilmWriter(path, FORMS[".mp4"], Plan) as writer:
        for number, image in enumerate(images):
            writer.write(image, Plan.Fraction(number, 25))


def way(source, drawn, look, ending, folder):
    """Seconds of processor time, of all threads, that a film takes through the follower and what is drawn."""
    from mrcnn.data.films.writing import TRANSPARENT

    follower, writer = Follower(Known(drawn), SURE), None
    start = time.process_time()
    with FilmReader(source) as film:
        if ending:
            forms = TRANSPARENT if look == "cut_out" else FORMS
            writer = FilmWriter(os.path.join(folder, f"out{ending}"), forms[ending], film)
        for part in film.parts():
            if not isinstance(part, FilmFrame) or look is None:
                continue
            objects = follower.follow([part.image])[0]
            if look == "tracks":
                image = looks.draw_tracks(part.image, objects, NAMES)
            else:
                image = getattr(looks, look)(part.image, looks.covered(objects, part.image.shape[:2]))
            if writer:
                writer.write(image, part.time)
        if writer:
            writer.close()
    return time.process_time() - start


def memory(count):
    """Megabytes that a process took at most that read, drew and wrote `count` frames; called in one of its own."""
    few = list(walking_people(5, SIZES[0]))
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "film.mp4")
        write(source, (few[number % 5].image for number in range(count)))
        way(source, few * (count // 5), "tracks", ".mp4", folder)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- Numbers ---------------------------------------------------------------------------------------------------------


def seen_film(seed):
    """[(true numbers, true boxes, boxes found, class ids, scores)] of the frames of a drawn film."""
    rng, largest, film = np.random.default_rng(seed), {}, list(walking_people(FRAMES, seed=seed))
    frames = [boxes_of(frame) for frame in film]
    for _, _, numbers, areas in frames:
        for number, area in zip(numbers, areas):
            largest[number] = max(largest.get(number, 0), area)
    result = []
    for boxes, class_ids, numbers, areas in frames:
        shown = np.array([area / largest[number] for number, area in zip(numbers, areas)])
        scores = np.clip(0.95 * np.minimum(1, 0.2 + shown) + rng.normal(0, 0.05, len(shown)), 0, 1)
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        found = boxes + rng.normal(0, JITTER, boxes.shape) * sides
        kept = (rng.random(len(boxes)) >= MISSED) & (scores >= SURE / 2)
        order = rng.permutation(np.flatnonzero(kept))
        result.append((numbers, boxes, found[order], class_ids[order], scores[order]))
    return result


def ours(film):
    tracker = Tracker(SURE)
    return [tracker.update(boxes, class_ids, scores) for _, _, boxes, class_ids, scores in film]


def of_trackers(film, name, by_class):
    """Numbers of a tracker of `trackers`; with a tracker for each class if `by_class`."""
    import supervision as sv
    import trackers

    made, result = {}, []
    for _, _, boxes, class_ids, scores in film:
        numbers = np.zeros(len(boxes), int)
        for key in (set(range(1, 9)) if by_class else {0}):
            rows = np.flatnonzero(class_ids == key) if by_class else np.arange(len(boxes))
            if key not in made:
                settings = {"minimum_iou_threshold": 0.1} if name == "ByteTrackTracker" else {}
                made[key] = getattr(trackers, name)(track_activation_threshold=SURE, high_conf_det_threshold=SURE,
                                                    minimum_consecutive_frames=1, **settings)
            given = sv.Detections(xyxy=boxes[rows][:, [1, 0, 3, 2]], class_id=class_ids[rows], confidence=scores[rows],
                                  data={"row": rows}) if len(rows) else sv.Detections.empty()
            told = made[key].update(given)
            if len(told):
                numbers[told.data["row"]] = np.where(told.tracker_id < 0, 0, told.tracker_id * 10 + key + 1)
        result.append(numbers)
    return result


def scored(films, follow):
    """(HOTA, association accuracy, IDF1, number of times that an object got another number) over all films."""
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    truth, told, likeness = [], [], []
    for index, film in enumerate(films):
        for (numbers, true, found, _, _), tracks in zip(film, follow(film)):
            kept = np.flatnonzero(tracks)
            truth.append(numbers + 1000 * index)
            told.append(tracks[kept] + 100000 * index)
            both = len(true) and len(kept)
            likeness.append(iou_matrix(true, found[kept]) if both else np.zeros((len(true), len(kept))))
    ids = [np.unique(np.concatenate(one), return_inverse=True)[1] for one in (truth, told)]
    truth, told = (np.split(one, np.cumsum([len(part) for part in parts])[:-1]) for one, parts in
                   ((ids[0], truth), (ids[1], told)))
    hota, identity = (compute(truth, told, likeness) for compute in (compute_hota_metrics, compute_identity_metrics))
    clear = compute_clear_metrics(truth, told, likeness)
    return hota["HOTA"], hota["AssA"], identity["IDF1"], clear["IDSW"]


def numbers():
    films = [seen_film(seed) for seed in SEEDS]
    rows = [["tracker", "HOTA", "AssA", "IDF1", "switches", "ms a frame"]]
    others = {f"{name}, {'one for each class' if by_class else 'all classes'}":
              functools.partial(of_trackers, name=f"{name}Tracker", by_class=by_class)
              for name in ("ByteTrack", "CBIoU") for by_class in (False, True)}
    for name, follow in {"mrcnn": ours, **others}.items():
        start = time.process_time()
        for film in films:
            follow(film)
        took = 1000 * (time.process_time() - start) / len(films) / FRAMES
        hota, association, identity, switches = scored(films, follow)
        rows.append([name, f"{hota:.3f}", f"{association:.3f}", f"{identity:.3f}", str(int(switches)), f"{took:.1f}"])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--memory", type=int, metavar="N", help="print the peak memory of a film of N frames alone")
    count = parser.parse_args().memory
    if count:
        print(f"{memory(count):.0f} MB at most for a film of {count} frames, {SIZES[0][1]}x{SIZES[0][0]}")
        return
    print(f"Numbers: {len(SEEDS)} drawn films of {FRAMES} frames, three people each")
    try:
        print(text_table(numbers()))
    except ImportError as error:
        print(f"not measured: {error}")
    print("\nSpeed: frames for a second of processor time; each of the last four includes reading and the follower")
    print(text_table(speed()), flush=True)
    print("\nMemory")
    for count in (50, 500):
        subprocess.run([sys.executable, __file__, "--memory", str(count)], check=True)


if __name__ == "__main__":
    main()
