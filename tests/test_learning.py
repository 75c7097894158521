"""The whole machine learns: eight drawn pictures by heart, from random weights."""

import keras
import pytest
from tiny import TinyConfig

from mrcnn.data.drawn.people import DrawnPeople
from mrcnn.evaluation.evaluate import evaluate
from mrcnn.model import MaskRCNN


class LearningConfig(TinyConfig):
    NUM_CLASSES = 9
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = 150
    WORKERS = 1
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_CHANNELS = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    TRAIN_ROIS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 20
    DETECTION_MAX_INSTANCES = 30
    DETECTION_NMS_THRESHOLD = 0.5
    OPTIMIZER = "adamw"
    WARMUP_STEPS = 20


@pytest.mark.slow
@pytest.mark.usefixtures("polished_graphs")
def test_eight_pictures_are_learned_to_ap50_above_09(tmp_path):
    pictures = DrawnPeople()
    pictures.load_drawn(8, size=(128, 96), seed=11)
    pictures.prepare()
    keras.utils.set_random_seed(0)
    model = MaskRCNN("training", LearningConfig(), str(tmp_path))
    model.train(pictures, None, 2e-3, 1, "all")
    model.train(pictures, None, 3e-4, 2, "all")
    metrics, _, _ = evaluate(model, pictures, progress=False)
    print(metrics["segm"], metrics["bbox"])
    assert metrics["segm"]["AP50"] > 0.9
    assert metrics["bbox"]["AP50"] > 0.9
