"""Networks of objects on grey photos, from training to what is drawn of them."""

import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.architectures import load
from mrcnn.data.images import to_channels
from mrcnn.drawing.pictures import draw_instances
from mrcnn.drawing.sheets import photo_sheet
from mrcnn.evaluation.evaluate import evaluate
from mrcnn.inference.diagnosis import examine
from mrcnn.labeling.label_map import LabelSettings
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.mark.parametrize("least, measured", [(0.9, 0.05), (0.01, 0.01)])
def test_measuring_looks_at_uncertain_detections_too(tmp_path, least, measured):
    model = MaskRCNN("inference", TinyConfig(DETECTION_MIN_CONFIDENCE=least), str(tmp_path))
    detect, asked = model.detect, []
    model.detect = lambda images, **options: asked.append(options["min_confidence"]) or detect(images, **options)
    model.measure(Squares().load(1))
    assert asked == [measured]


@pytest.mark.usefixtures("eagerly")
def test_a_grey_network_goes_all_the_way(tmp_path):
    """RGB photos, grey ones with and without an axis for the channel: all are the same to it, in every use."""
    config = TinyConfig(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=[117], STEPS_PER_EPOCH=1, VALIDATION_STEPS=1)
    data = Squares().load(2)
    trained = MaskRCNN("training", config, str(tmp_path))
    trained.train(data, data, 0.01, epochs=1, layers="all")
    model = load(trained.find_last())
    assert model.inference_model.input["image"].shape[-1] == 1
    photo = data.load_image(0)
    grey = to_channels(photo, 1)
    found = [model.detect([given], min_confidence=0.0)[0] for given in (photo, grey, grey[..., 0])]
    assert len(found[0]["scores"])
    for other in found[1:]:
        np.testing.assert_array_equal(other["boxes"], found[0]["boxes"])
    assert model.label([grey])[0]["labels"].shape == (64, 64)
    tiled = model.detect_tiled([np.concatenate([grey, grey], axis=1)], tile=64, min_confidence=0.0)[0]
    assert len(tiled["scores"])
    metrics, results, truth = evaluate(model, data)
    assert metrics["images"] == 2 and photo_sheet(data, results, truth, 0.0)
    assert examine(model, data)["photos"] == 2
    drawing = draw_instances(grey, found[1]["boxes"], found[1]["masks"], found[1]["class_ids"], model.class_names,
                             found[1]["scores"])
    assert drawing.shape == (64, 64, 3)


class TwiceSure(MaskRCNN):
    """Detects in a way of its own."""

    def detect(self, images, **options):
        return [{**result, "scores": result["scores"] * 2} for result in super().detect(images, **options)]


@pytest.mark.parametrize("kind", [MaskRCNN, TwiceSure])
def test_label_maps_step_by_step_are_the_same(tmp_path, kind):
    model = kind("inference", TinyConfig(DETECTION_MIN_CONFIDENCE=0.0), str(tmp_path))
    images, settings = [Squares().load(2).load_image(i) for i in range(2)], LabelSettings(score_threshold=0.2)
    expected = list(model.label_each(images, settings=settings))
    steps = model.label_steps(settings=settings)
    for index, seen in steps.look([steps.place(image) for image in images]):
        result = steps.finish(images[index], seen)
        np.testing.assert_array_equal(result["labels"], expected[index]["labels"])
        np.testing.assert_allclose(result["probabilities"], expected[index]["probabilities"], atol=1e-6)
    if kind is TwiceSure:  # its scores count, hence its detect() was called
        usual = list(MaskRCNN.label_each(MaskRCNN("inference", model.config, str(tmp_path)), images, settings=settings))
        assert any((one["probabilities"] != other["probabilities"]).any() for one, other in zip(expected, usual))
