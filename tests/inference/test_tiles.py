"""Tiles of huge photos: where they lie, what is one object, and rectangles that come back whole."""


import numpy as np
import pytest

from mrcnn.data.images import Window
from mrcnn.data.masks import paste_masks
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError
from mrcnn.inference import tiles as tiles_file
from mrcnn.inference.detector import Detector
from mrcnn.inference.tiles import merge_tiles, tile_boxes, tile_window
from tests.tiny import TinyConfig

SHAPE = (160, 256)  # with tiles of 64 and an overlap of 16: three rows of tiles and five columns, 48 pixels apart
TILES = tile_boxes(SHAPE, 64, 0.25)


# --- Where tiles lie -------------------------------------------------------------------------------------------------


def test_tiles_by_hand():
    # Side 100, at least 25 in common: a step of 75 at most. 250 pixels: 0, 75, 150. 260: the last tile begins at 160,
    # two steps of 75 do not reach it, so four tiles: 0, 160/3 = 53, its mirror image 107, 160.
    assert tile_boxes((90, 250), 100, 0.25).tolist() == [[0, 0, 90, 100], [0, 75, 90, 175], [0, 150, 90, 250]]
    assert tile_boxes((260, 100), 100, 0.25)[:, 0].tolist() == [0, 53, 107, 160]
    # Enlarged twofold, a tile of 100 is 50 pixels of the photo.
    assert tile_boxes((50, 100), 100, 0, scale=2)[:, 1].tolist() == [0, 50]
    np.testing.assert_array_equal(tile_boxes((64, 64), 64), [[0, 0, 64, 64]])
    assert TILES[:5, 1].tolist() == [0, 48, 96, 144, 192] and TILES[::5, 0].tolist() == [0, 48, 96]


@pytest.mark.parametrize("shape, tile, overlap", [
    ((7000, 10000), 1024, 0.25), ((1000, 999), 64, 0.9), ((501, 77), 70, 0), ((40, 300), 128, 0.5),
])
def test_tiles_cover_the_photo_and_each_other(shape, tile, overlap):
    boxes = tile_boxes(shape, tile, overlap)
    assert len({tuple(box[2:] - box[:2]) for box in boxes}) == 1  # of one size: they share batches
    for axis in (0, 1):
        starts, ends = np.unique(boxes[:, axis]), np.unique(boxes[:, axis + 2])
        assert starts[0] == 0 and ends[-1] == shape[axis]
        assert (ends[:-1] - starts[1:] >= int(overlap * tile) - 1).all()
        pairs = starts + starts[::-1]  # from the other end the same tiles, the middle one to a pixel
        assert (np.abs(pairs - (shape[axis] - (ends[0] - starts[0]))) <= 1).all()


@pytest.mark.parametrize("arguments, message", [
    ({"tile": 32}, "tile=32: give the side of a tile in whole pixels, 64 or more"),
    ({"tile": 512.0}, "tile=512.0"),
    ({"tile": True}, "tile=True"),
    ({"overlap": 1.0}, "overlap=1.0: give a share of a tile's side from 0 to 0.9"),
    ({"overlap": -0.1}, "overlap=-0.1"),
    ({"overlap": float("nan")}, "overlap=nan"),
    ({"overlap": "a quarter"}, "overlap='a quarter'"),
    ({"scale": 0}, "scale=0: give how much the photo is enlarged"),
])
def test_bad_values_are_one_line(arguments, message):
    with pytest.raises(DataError) as caught:
        tile_boxes((100, 100), **arguments)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_window_of_a_tile():
    # A part of 50 x 40 pixels, enlarged to 100 x 80, then placed at half of that size, 7 pixels down: 0.5 * 2 = 1.
    window = tile_window(Window((100, 80), (64, 64), (0.5, 0.5), (7.0, 0.0)), np.array([200, 300, 250, 340]))
    np.testing.assert_allclose(window.to_original(np.float32([17, 5, 57, 30])), [10, 5, 50, 30])
    np.testing.assert_allclose(window.to_original(np.float32([0, 0, 64, 64])), [0, 0, 50, 40])  # clipped to the tile


# --- One object or two -----------------------------------------------------------------------------------------------


def rectangle(y1, x1, y2, x2, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def ellipse(y, x, height, width, shape=SHAPE):
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 0.25


def seen(box, *objects):
    """What a tile sees of objects (mask, class, score), all of it right; see `merge_tiles`."""
    tile = rectangle(*box)
    rows = [(mask & tile, class_id, score) for mask, class_id, score in objects if (mask & tile).any()]
    boxes = []
    for mask, *_ in rows:
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append([ys[0], xs[0], ys[-1] + 1, xs[-1] + 1])
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "class_ids": np.array([class_id for _, class_id, _ in rows], np.int32),
        "scores": np.array([score for *_, score in rows], np.float32),
        "rles": [rle_encode(mask) for mask, *_ in rows],
    }


def merged(*objects, whole=None, tiles=TILES):
    """The merged answer of all tiles, each of which sees all objects; whole: objects that the whole view sees."""
    views = [seen(box, *objects) for box in tiles]
    everything = None if whole is None else seen((0, 0, *SHAPE), *whole)
    return merge_tiles(views, tiles, SHAPE, 0.5, everything)


def check(answer, *objects):
    """The objects (mask, class, score), best first, are the answer, to the pixel."""
    assert answer["class_ids"].tolist() == [class_id for _, class_id, _ in objects]
    assert answer["scores"] == pytest.approx([score for *_, score in objects])
    for rle, box, (mask, *_) in zip(answer["rles"], answer["boxes"], objects, strict=True):
        np.testing.assert_array_equal(rle_decode(rle, SHAPE), mask)
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert box.tolist() == [ys[0], xs[0], ys[-1] + 1, xs[-1] + 1]
    assert answer["rois"].dtype == np.int32 and (answer["rois"] == answer["boxes"]).all()


@pytest.mark.parametrize("mask", [
    rectangle(10, 40, 30, 75),  # across the border of two tiles, in neither whole
    rectangle(40, 40, 75, 75),  # across four
    ellipse(60, 60, 50, 40),
    ellipse(80, 128, 20, 200),  # across a whole row
    ellipse(80, 128, 150, 250),  # nearly the whole photo, in fifteen tiles
    rectangle(0, 0, *SHAPE),  # all of it
    rectangle(10, 20, 70, 26) | rectangle(64, 20, 70, 120) | rectangle(10, 114, 70, 120),  # a U, in two parts where cut
])
def test_an_object_in_many_tiles_is_one(mask):
    check(merged((mask, 2, 0.8)), (mask, 2, 0.8))


def test_attributes_of_a_joined_object_are_the_mean_of_its_pieces():
    left, right = rectangle(10, 40, 30, 75), rectangle(100, 200, 110, 210)
    views = [seen(box, (left, 2, 0.8), (right, 1, 0.5)) for box in TILES]
    for number, view in enumerate(views):
        view["attribute_scores"] = np.array([[0.1 * number, class_id] for class_id in view["class_ids"]]).reshape(-1, 2)
    # The first is cut by the tiles 0 and 1; the other one is whole in the tiles 9, 14 or both, all of one score.
    answer = merge_tiles(views, TILES, SHAPE, 0.5)
    np.testing.assert_allclose(answer["attribute_scores"][0], [0.05, 2], rtol=1e-6)
    assert answer["attribute_scores"].shape == (2, 2) and answer["attribute_scores"][1, 1] == 1


def test_an_object_whole_in_one_tile_and_cut_in_the_next():
    # Columns 40 to 63 lie in the first tile, 48 to 111 in the second: it sees columns 48 to 60, cut.
    mask = rectangle(10, 40, 30, 60)
    views = [seen(box) for box in TILES]
    views[0], views[1] = seen(TILES[0], (mask, 1, 0.6)), seen(TILES[1], (mask, 1, 0.9))
    assert views[1]["boxes"].tolist() == [[10, 48, 30, 60]]
    check(merge_tiles(views, TILES, SHAPE, 0.5), (mask, 1, 0.6))
    # The tiles do not agree about its outline: the one that sees it whole is believed.
    views[1] = seen(TILES[1], (rectangle(12, 40, 32, 62), 1, 0.9))
    check(merge_tiles(views, TILES, SHAPE, 0.5), (mask, 1, 0.6))


def test_what_is_hardly_sure_changes_no_sure_object():
    # The second tile sees whole, and hardly believes in, what the first sees cut: as if it had not been looked for.
    cut = seen(TILES[0], (rectangle(10, 40, 30, 75), 1, 0.9))
    whole = seen(TILES[1], (rectangle(10, 50, 30, 90), 1, 0.2))
    views = [cut, whole, *(seen(box) for box in TILES[2:])]
    check(merge_tiles(views, TILES, SHAPE, 0.5), (rectangle(10, 40, 30, 64), 1, 0.9))


@pytest.mark.parametrize("seed", range(3))
def test_the_least_score_looked_for_changes_no_sure_object(seed):
    rng = np.random.default_rng(seed)
    sure = [(ellipse(*rng.integers(20, 140, 2), *rng.integers(15, 90, 2)), 1, float(rng.uniform(0.8, 1)))
            for _ in range(5)]
    doubtful = [[(rectangle(y, x, y + h, x + w), 1, float(rng.uniform(0.02, 0.3)))
                 for y, x, h, w in rng.integers(5, 100, (3, 4))] for _ in TILES]
    few = merge_tiles([seen(box, *sure) for box in TILES], TILES, SHAPE, 0.5)
    many = merge_tiles([seen(box, *sure, *more) for box, more in zip(TILES, doubtful)], TILES, SHAPE, 0.5)
    above = many["scores"] > 0.5
    assert len(many["scores"]) > above.sum() == len(few["scores"])
    np.testing.assert_array_equal(many["scores"][above], few["scores"])
    np.testing.assert_array_equal(many["boxes"][above], few["boxes"])


def test_of_two_whole_sights_of_an_object_the_better_is_kept():
    views = [seen(box) for box in TILES]
    one, other = rectangle(10, 50, 30, 62), rectangle(11, 50, 30, 62)
    views[0], views[1] = seen(TILES[0], (one, 1, 0.6)), seen(TILES[1], (other, 1, 0.9))
    check(merge_tiles(views, TILES, SHAPE, 0.5), (other, 1, 0.9))
    # An IoU of 8 / 12 is above 0.5, one of 6 / 12 is not.
    views[1] = seen(TILES[1], (rectangle(10, 50, 30, 58), 1, 0.9))
    assert len(merge_tiles(views, TILES, SHAPE, 0.5)["scores"]) == 1
    views[1] = seen(TILES[1], (rectangle(10, 50, 30, 55), 1, 0.9))
    assert len(merge_tiles(views, TILES, SHAPE, 0.5)["scores"]) == 2


@pytest.mark.parametrize("one, other", [
    (rectangle(10, 40, 30, 75), rectangle(30, 40, 50, 75)),  # both across the same border
    (rectangle(30, 30, 60, 60), rectangle(30, 60, 60, 90)),  # each to its side of it
    (rectangle(30, 20, 50, 100), rectangle(50, 20, 75, 100)),  # along the border between two rows
    (ellipse(40, 60, 50, 50), ellipse(75, 85, 40, 40) & ~ellipse(40, 60, 50, 50)),
])
def test_touching_objects_stay_two(one, other):
    check(merged((one, 1, 0.9), (other, 1, 0.7)), (one, 1, 0.9), (other, 1, 0.7))


def test_other_classes_are_other_objects():
    coat, bag = rectangle(20, 30, 100, 80), rectangle(60, 40, 75, 75)
    check(merged((coat, 1, 0.9), (bag, 2, 0.8)), (coat, 1, 0.9), (bag, 2, 0.8))


def test_a_fragment_of_a_better_object_is_dropped():
    # The first tile finds it twice: as it is, and with less certainty a part of it.
    mask = rectangle(10, 40, 30, 75)
    views = [seen(box, (mask, 1, 0.9)) for box in TILES]
    views[0] = seen(TILES[0], (mask, 1, 0.8), (rectangle(18, 40, 26, 75), 1, 0.3))
    check(merge_tiles(views, TILES, SHAPE, 0.5), (mask, 1, 0.9))


def test_nothing_at_all():
    answer = merged()
    assert answer["boxes"].shape == (0, 4) and answer["rles"] == [] and answer["class_ids"].dtype == np.int32
    assert len(merged(whole=())["scores"]) == 0


# --- With the whole view ---------------------------------------------------------------------------------------------


def test_an_object_larger_than_a_tile_is_the_whole_views():
    large, sight = rectangle(20, 20, 120, 200), rectangle(22, 18, 122, 202)
    check(merged((large, 1, 0.9), whole=[(sight, 1, 0.7)]), (sight, 1, 0.7))
    # One that it hardly believes in replaces nothing; suppression then leaves the better one.
    check(merged((large, 1, 0.9), whole=[(sight, 1, 0.3)]), (large, 1, 0.9))


def test_a_small_object_is_the_tiles():
    small, joined = rectangle(10, 10, 20, 20), rectangle(10, 40, 30, 75)
    coarse = [(rectangle(8, 8, 20, 20), 1, 0.95), (rectangle(8, 40, 32, 76), 1, 0.95)]
    check(merged((small, 1, 0.6), (joined, 1, 0.5), whole=coarse), (small, 1, 0.6), (joined, 1, 0.5))


def test_the_whole_view_completes_what_a_tile_saw_half_of():
    mask = rectangle(10, 20, 30, 75)
    views = [seen(box) for box in TILES]
    views[1] = seen(TILES[1], (mask, 1, 0.9))  # columns 48 on: 27 of 55, less than half
    everything = seen((0, 0, *SHAPE), (mask, 1, 0.6), (rectangle(100, 100, 110, 110), 1, 0.4))
    answer = merge_tiles(views, TILES, SHAPE, 0.5, everything)
    check(answer, (mask, 1, 0.6), (rectangle(100, 100, 110, 110), 1, 0.4))  # what no tile found counts too


# --- Invariants ------------------------------------------------------------------------------------------------------


def scene(seed, count=14):
    """Objects of two classes that do not overlap within a class, with scores that all differ."""
    rng, taken, objects = np.random.default_rng(seed), {1: np.zeros(SHAPE, bool), 2: np.zeros(SHAPE, bool)}, []
    scores = rng.permutation(np.linspace(0.3, 0.95, count))
    for score in scores:
        class_id = int(rng.integers(1, 3))
        y, x, height, width = rng.uniform([0, 0, 8, 8], [*SHAPE, 90, 120])
        mask = ellipse(y, x, height, width) & ~taken[class_id]
        columns = mask.any(axis=0)
        if columns.any() and np.diff(np.flatnonzero(columns)).max(initial=1) == 1 and mask.sum() > 60:
            taken[class_id] |= mask
            objects.append((mask, class_id, float(score)))
    return sorted(objects, key=lambda entry: -entry[2])


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_photo_gives_the_flipped_result(seed):
    objects = scene(seed)
    answer = merged(*objects)
    assert len(answer["scores"]) >= len(objects) > 5  # ellipses that another cuts in two may stay so
    for axes in ((0,), (1,)):
        flipped = merged(*[(np.flip(mask, axes), class_id, score) for mask, class_id, score in objects])
        assert flipped["class_ids"].tolist() == answer["class_ids"].tolist()
        masks = [np.flip(rle_decode(rle), axes) for rle in flipped["rles"]]
        for rle, mask in zip(answer["rles"], masks, strict=True):
            np.testing.assert_array_equal(rle_decode(rle), mask)


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_is_found_and_none_besides(seed):
    objects = scene(seed)
    answer = merged(*objects)
    for class_id in (1, 2):
        true = np.any([mask for mask, own, _ in objects if own == class_id], axis=0)
        masks = [rle_decode(rle) for rle, own in zip(answer["rles"], answer["class_ids"]) if own == class_id]
        np.testing.assert_array_equal(np.any(masks, axis=0), true)


def test_objects_at_the_photos_border_are_whole():
    height, width = SHAPE
    corners = [rectangle(0, 0, 12, 14), rectangle(0, width - 14, 12, width), rectangle(height - 12, 0, height, 14),
               rectangle(height - 12, width - 14, height, width)]
    objects = [(mask, 1, 0.9 - 0.1 * i) for i, mask in enumerate(corners)]
    check(merged(*objects), *objects)
    # Not cut, so the whole view's coarser ones do not replace them.
    check(merged(*objects, whole=[(rectangle(0, 0, 16, 16), 1, 0.9)]), *objects)


def test_probabilities_of_a_joined_object():
    mask = rectangle(10, 40, 30, 76)
    views = [seen(box, (mask, 1, 0.8)) for box in TILES]
    for view in views:
        view["mask_probabilities"] = np.full((len(view["scores"]), 7, 7), 0.75, np.float32)
    answer = merge_tiles(views, TILES, SHAPE, 0.5)
    assert answer["mask_probabilities"].shape == (1, 14, 14)
    np.testing.assert_allclose(answer["mask_probabilities"], 0.75, rtol=1e-6)
    pasted = paste_masks(answer["mask_probabilities"], answer["boxes"], SHAPE)
    np.testing.assert_array_equal(pasted[..., 0], mask)


# --- From photos -----------------------------------------------------------------------------------------------------


class Painted(Detector):
    """A network that finds each rectangle of a known colour perfectly: class by red, score by blue."""

    def __init__(self, colours, **settings):
        self.config = TinyConfig(DETECTION_MAX_INSTANCES=4, IMAGES_PER_GPU=3, **settings)
        self.colours, self.seen = colours, []

    def predict(self, canvases, windows, min_confidence):
        self.seen.append(canvases.shape)
        names = {"boxes": (4,), "class_ids": (), "scores": (), "valid": (), "masks": (8, 8)}
        outputs = {name: np.zeros((len(canvases), 4) + shape, np.float32) for name, shape in names.items()}
        outputs["valid"] = outputs["valid"] > 0
        for row, canvas in enumerate(canvases):
            places = [np.argwhere((canvas == colour).all(axis=-1)) for colour in self.colours]
            objects = [(colour, place) for colour, place in zip(self.colours, places) if len(place)]
            for column, (colour, place) in enumerate(objects[:4]):
                outputs["boxes"][row, column] = [*place.min(axis=0), *(place.max(axis=0) + 1)]
                outputs["class_ids"][row, column], outputs["scores"][row, column] = colour[0] // 80, colour[2] / 255
                outputs["valid"][row, column], outputs["masks"][row, column] = True, 1
        return outputs


def painted(rectangles, shape=SHAPE):
    """(photo, {colour: mask}) of rectangles (y1, x1, y2, x2, class)."""
    photo, masks = np.full(shape + (3,), 30, np.uint8), {}
    for i, (*box, class_id) in enumerate(rectangles):
        colour = (80 * class_id, 90, 250 - 7 * i)
        masks[colour] = rectangle(*box, shape=shape)
        photo[masks[colour]] = colour
    return photo, masks


SCENE = [  # best first
    (30, 40, 50, 75, 1), (50, 40, 60, 75, 1),  # touching, across two tiles
    (60, 0, 80, 20, 2), (0, 240, 8, 256, 2),  # at the photo's border
    (84, 84, 124, 120, 1),  # across four
    (130, 8, 134, 12, 3), (136, 8, 140, 12, 3), (130, 20, 134, 24, 3), (150, 200, 156, 256, 2), (4, 4, 9, 9, 1),
]


def test_perfect_sights_give_perfect_masks():
    photo, masks = painted(SCENE)
    model = Painted(list(masks))
    answer = model.detect_tiled([photo], tile=64, overlap=0.25, whole=False)[0]
    assert len(answer["scores"]) == len(SCENE) > model.config.DETECTION_MAX_INSTANCES  # which holds for each tile
    for rle, box, class_id, mask, true in zip(answer["rles"], answer["boxes"], answer["class_ids"], masks.values(),
                                              SCENE, strict=True):
        np.testing.assert_array_equal(rle_decode(rle, SHAPE), mask)
        np.testing.assert_allclose(box, true[:4], atol=1e-4)
        assert class_id == true[4]
    assert model.seen == [(3, 64, 64, 3)] * 5  # 15 tiles by threes
    full = model.detect_tiled([photo], tile=64, whole=False, rle=False)[0]
    np.testing.assert_array_equal(full["masks"], np.stack(list(masks.values()), axis=-1))
    assert "rles" not in full


def test_the_whole_view_adds_what_is_larger_than_a_tile():
    # A quarter of the size on the canvas: its sides are multiples of four, so that its colour comes through unmixed.
    photo, masks = painted([(16, 40, 140, 240, 1), (144, 10, 150, 20, 2)])
    model = Painted(list(masks))
    answer = model.detect_tiled([photo], tile=64)[0]
    for rle, mask in zip(answer["rles"], masks.values(), strict=True):
        np.testing.assert_array_equal(rle_decode(rle, SHAPE), mask)
    assert model.seen[0] == (1, 64, 64, 3) and len(model.seen) == 6


def test_boxes_are_put_together_a_few_times_however_many_they_are(monkeypatch):
    made = []
    monkeypatch.setattr(tiles_file, "_boxes", lambda things, make=tiles_file._boxes: made.append(len(things))
                        or make(things))
    corners = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).reshape(-1, 2) * 10
    masks = [rle_encode(rectangle(y, x, y + 8, x + 8, (128, 128))) for y, x in corners]
    view = {"boxes": np.concatenate([corners, corners + 8], axis=1).astype(np.float32), "rles": masks,
            "class_ids": np.ones(144, int), "scores": np.linspace(1, 0.5, 144)}
    cut = tile_boxes((128, 128), 128)
    found = merge_tiles([view], cut, (128, 128), 0.5, view)
    assert len(found["boxes"]) == 144 and sum(made) <= 5 * 144
    assert merge_tiles([view], cut, (128, 128), 0.5)["boxes"].tolist() == found["boxes"].tolist()


@pytest.mark.parametrize("geometry", ["exact", "matterport"])
def test_a_tile_is_detected_as_a_photo_of_its_own(geometry):
    photo, masks = painted(SCENE)
    model = Painted(list(masks), GEOMETRY=geometry)
    results = list(model._in_tiles(photo, TILES, 1.0, True, model.config.DETECTION_MIN_CONFIDENCE))
    assert sum(len(one["scores"]) for one in results) > len(SCENE)
    for one, (y1, x1, y2, x2) in zip(results, TILES, strict=True):
        alone = model.detect([photo[y1:y2, x1:x2]], mask_probabilities=True)[0]
        np.testing.assert_array_equal(one["rois"], alone["rois"] + [y1, x1, y1, x1])
        for name in ("class_ids", "scores", "mask_probabilities"):
            np.testing.assert_array_equal(one[name], alone[name])
        for i, rle in enumerate(one["rles"]):
            mask = rle_decode(rle, SHAPE)
            np.testing.assert_array_equal(mask[y1:y2, x1:x2], alone["masks"][..., i])
            assert mask.sum() == alone["masks"][..., i].sum()  # nothing outside


def test_tiles_are_seen_mirrored_too():
    photo, masks = painted(SCENE)
    model = Painted(list(masks), TEST_FLIP=True)
    answer = model.detect_tiled([photo], tile=64, whole=False)[0]
    assert sum(shape[0] for shape in model.seen) == 2 * len(TILES)
    for rle, mask in zip(answer["rles"], masks.values(), strict=True):
        np.testing.assert_array_equal(rle_decode(rle, SHAPE), mask)


def test_tiles_of_an_enlarged_photo():
    photo, masks = painted([(10, 20, 20, 50, 1), (30, 4, 50, 9, 2)], shape=(56, 80))
    model = Painted(list(masks))
    # Each tile is 32 pixels of the photo, which resizing to twice that mixes at the rectangles' rims alone.
    answer = model.detect_tiled([photo], tile=64, scale=2, whole=False)[0]
    assert len(answer["scores"]) == 2 and set(model.seen) <= {(n, 64, 64, 3) for n in (1, 2, 3)}
    for box, true in zip(answer["boxes"], [(10, 20, 20, 50), (30, 4, 50, 9)]):
        np.testing.assert_allclose(box, true, atol=0.5)


def test_a_photo_that_one_tile_holds_is_detected_as_ever():
    small, masks = painted([(10, 20, 30, 50, 1), (30, 20, 40, 50, 1)], shape=(60, 64))
    huge, others = painted(SCENE)
    model = Painted(sorted({*masks, *others}))
    results = model.detect_tiled([small, huge, small[:40]], tile=64, mask_probabilities=True)
    for result, image in zip(results[::2], (small, small[:40])):
        expected = model.detect([image], rle=True, mask_probabilities=True)[0]
        assert result.keys() == expected.keys() and result["rles"] == expected["rles"]
        for name in expected.keys() - {"rles"}:
            np.testing.assert_array_equal(result[name], expected[name])
    assert len(results[1]["scores"]) == len(SCENE) and results[1]["mask_probabilities"].shape[1:] == (16, 16)
    assert model.detect_tiled([]) == []


def test_bad_photos_and_numbers_show_before_anything_is_detected():
    photo, masks = painted(SCENE)
    model = Painted(list(masks))
    for images, arguments in (([photo, photo[..., 0]], {}), ([photo], {"tile": 10}), ([photo], {"overlap": 2})):
        with pytest.raises(DataError):
            model.detect_tiled(images, **arguments)
    assert not model.seen
