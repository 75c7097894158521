"""Detection as a call: from any number of threads, with the least score of the moment."""

import concurrent.futures
import pathlib

import numpy as np
import pytest
from PIL import Image
from tiny import Squares, TinyConfig

from mrcnn.errors import DataError
from mrcnn.inference.mask_scores import maskness
from mrcnn.inference.pipeline import steps_of, through
from mrcnn.model import MaskRCNN

THREADS = 8


@pytest.fixture(scope="module", params=["exact", pytest.param("matterport", marks=pytest.mark.long)])
def model(request, tmp_path_factory):
    """A random network."""
    strides = {"BACKBONE_STRIDES": [4, 8, 16, 32, 64]} if request.param == "matterport" else {}
    config = TinyConfig(GEOMETRY=request.param, IMAGES_PER_GPU=1, **strides)
    model = MaskRCNN("inference", config, str(tmp_path_factory.mktemp("logs")))
    return model


def halve(model):
    """Set the least score to what half of what the network finds has."""
    scores = np.concatenate([result["scores"] for result in model.detect(photos(), rle=True, min_confidence=0.0)])
    model.config.DETECTION_MIN_CONFIDENCE = float(np.median(scores))


def photos():
    squares = Squares().load(4)
    return [squares.load_image(i) for i in squares.image_ids]


def same(result, expected):
    assert result["rles"] == expected["rles"]
    for name in ("rois", "class_ids"):
        np.testing.assert_array_equal(result[name], expected[name])
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(result[name], expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_threads_get_the_answers_of_one(model, flip):
    model.config.TEST_FLIP = flip
    halve(model)
    jobs = [(photo, least) for least in (None, 0.0, 0.9) for photo in photos()]
    expected = [model.detect([photo], rle=True, min_confidence=least)[0] for photo, least in jobs]
    counts = [len(result["scores"]) for result in expected]
    assert 0 < sum(counts[:4]) < sum(counts[4:8]) and not any(counts[8:])
    weights = model.inference_model.get_weights()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda job: model.detect([job[0]], rle=True, min_confidence=job[1])[0], jobs * 3))
    for one, answer in zip(results, expected * 3, strict=True):
        same(one, answer)
    for now, before in zip(model.inference_model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.slow
def test_threads_may_be_the_first_to_detect(tmp_path):
    model = MaskRCNN("inference", TinyConfig(IMAGES_PER_GPU=1), str(tmp_path))
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda photo: model.detect([photo], rle=True)[0], photos() * 2))
    for one, photo in zip(results, photos() * 2, strict=True):
        same(one, model.detect([photo], rle=True)[0])


@pytest.mark.parametrize("flip", [False, True])
def test_step_by_step_it_finds_the_same(model, flip):
    model.config.TEST_FLIP = flip
    halve(model)
    usual = model.detect(photos(), rle=True, mask_probabilities=True)
    steps = steps_of(model, "detect", "detection_steps", rle=True, mask_probabilities=True)
    batches = [[0, 1, 2], [3]]
    found = list(through(batches, lambda number: photos()[number], steps, lambda number, image, result: result))
    assert sum(len(result["scores"]) for _, result, _ in found) > 0
    for (_, result, _), expected in zip(found, usual, strict=True):
        same(result, expected)
    alone = model.detection_steps(mask_probabilities=True, paste=False)
    seen = dict(alone.look([alone.place(photo) for photo in photos()]))
    for index, expected in enumerate(usual):
        result = alone.finish(photos()[index], seen[index])
        assert not {"rles", "masks"} & set(result)
        np.testing.assert_allclose(result["mask_probabilities"], expected["mask_probabilities"], atol=1e-6)


def test_without_compiling_it_finds_the_same(model):
    model.config.TEST_FLIP = False
    halve(model)
    usual = model.detect(photos(), rle=True)
    before = model._compiled
    model.skip_compiling()
    try:
        assert model._compiled is not before
        for result, expected in zip(model.detect(photos(), rle=True), usual, strict=True):
            np.testing.assert_allclose(result["boxes"], expected["boxes"], atol=1e-3)
            np.testing.assert_allclose(result["scores"], expected["scores"], atol=1e-5)
    finally:
        model._compiled = before


def test_the_least_score_is_that_of_the_moment(model):
    """What has a higher score is found whatever the least: suppression looks from above."""
    model.config.TEST_FLIP = False
    halve(model)
    usual, everything = model.detect(photos()), model.detect(photos(), min_confidence=0.0)
    little = model.detect(photos(), min_confidence=0.3)
    for least, some in ((model.config.DETECTION_MIN_CONFIDENCE, usual), (0.3, little)):
        for result, all_of_it in zip(some, everything, strict=True):
            kept = int((all_of_it["scores"] >= np.float32(least)).sum())
            assert len(result["scores"]) == kept
            for name in ("rois", "class_ids", "boxes", "scores"):
                np.testing.assert_array_equal(result[name], all_of_it[name][:kept])
            np.testing.assert_array_equal(result["masks"], all_of_it["masks"][..., :kept])


@pytest.mark.parametrize("flip", [False, True])
def test_scores_that_count_the_mask(model, flip):
    model.config.TEST_FLIP = flip
    halve(model)
    options = {"min_confidence": 0.0, "mask_probabilities": True}
    plain = model.detect(photos(), **options)
    model.config.MASK_SCORES = True
    try:
        found, fewer = model.detect(photos(), **options), model.detect(photos())
        tiled = model.detect_tiled(photos()[:1], tile=512, min_confidence=0.0)
    finally:
        model.config.MASK_SCORES = False
    for result, some, before in zip(found, fewer, plain, strict=True):
        scores = before["scores"] * maskness(before["mask_probabilities"])
        order = np.argsort(-scores, kind="stable")
        np.testing.assert_allclose(result["scores"], scores[order], rtol=1e-5)
        assert (np.diff(result["scores"]) <= 0).all() and (result["scores"] < before["scores"]).any()
        kept = int((result["scores"] >= np.float32(model.config.DETECTION_MIN_CONFIDENCE)).sum())
        np.testing.assert_array_equal(some["scores"], result["scores"][:kept])
    np.testing.assert_array_equal(tiled[0]["scores"], found[0]["scores"])


def test_tiles_take_it_too(model):
    model.config.TEST_FLIP = False
    halve(model)
    photo = np.concatenate([photos()[0], photos()[1]], axis=1)
    assert all(len(result["scores"]) == 0 for result in model.detect_tiled([photo], tile=64, min_confidence=0.95))
    lower = model.detect_tiled([photo], tile=64, min_confidence=0.0)[0]["scores"]
    usual = model.detect_tiled([photo], tile=64)[0]["scores"]
    assert lower.min() < model.config.DETECTION_MIN_CONFIDENCE <= usual.min()


def test_photos_may_be_paths_bytes_and_pillow_images_and_one_needs_no_list(model, tmp_path, capsys):
    model.config.TEST_FLIP = False
    halve(model)
    arrays = photos()[:3]
    for index, photo in enumerate(arrays):
        Image.fromarray(photo).save(tmp_path / f"{index}.png")
    paths = [str(tmp_path / f"{index}.png") for index in range(3)]
    given = [paths[0], pathlib.Path(paths[1]).read_bytes(), Image.open(paths[2]), paths[0], arrays[1]]
    for result, index in zip(model.detect(given, rle=True, verbose=1), [0, 1, 2, 0, 1], strict=True):
        same(result, model.detect([arrays[index]], rle=True)[0])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [f"Image {i}" for i in range(5)]
    for one in (arrays[0], paths[0]):
        same(*model.detect(one, rle=True), model.detect([arrays[0]], rle=True)[0])
    wide = [np.concatenate([array, array[::-1]], axis=1) for array in arrays[:2]]
    for index in range(2):
        Image.fromarray(wide[index]).save(paths[index])
    for result, array in zip(model.detect_tiled(paths[:2], tile=64, verbose=1), wide, strict=True):
        same(result, model.detect_tiled(array, tile=64)[0])
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["Image", "0:"], ["Image", "1:"]]
    for result, array in zip(model.label(paths), [*wide, arrays[2]], strict=True):
        np.testing.assert_array_equal(result["labels"], model.label(array)[0]["labels"])
    (tiled,) = model.label_each_tiled(paths[0], tile=64)
    np.testing.assert_array_equal(tiled["labels"], next(model.label_each_tiled([wide[0]], tile=64))["labels"])


def test_what_is_no_photo_is_told(model, tmp_path):
    photo = photos()[0]
    for given, said in [("a.jpg", "Image 0 is 'a.jpg', no file"), ([photo, "a.jpg"], "Image 1 is 'a.jpg', no file"),
                        ([photo, photo / 255], "Image 1 is float64"),
                        (photo[..., 0], "Image 0 is uint8 .64, 64.: give")]:
        with pytest.raises(DataError, match=said):
            model.detect(given)
        with pytest.raises(DataError, match=said):
            model.label(given)


def test_a_photo_that_cannot_be_is_called_by_its_place_among_all(model, tmp_path):
    Image.fromarray(photos()[0]).save(tmp_path / "a.png")
    given = [tmp_path / "a.png"] * 3 + [photos()[0] / 255]
    for call in (model.detect, model.label, lambda images: list(model.label_each_tiled(images))):
        with pytest.raises(DataError, match="Image 3 is float64"):
            call(given)
