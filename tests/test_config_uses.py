"""The table of what reads each setting."""

from mrcnn.config_rules import RULES
from mrcnn.config_uses import _ROWS, USES, of_training_alone


def test_each_setting_has_one_row():
    names = [name for _, row in _ROWS for name in row.split()]
    assert len(names) == len(set(names))
    assert set(names) == {*RULES, "BATCH_SIZE"}  # a new setting needs a row: which commands read it?


def test_what_training_alone_reads():
    assert of_training_alone("LEARNING_RATE") and of_training_alone("STEPS_PER_EPOCH")
    assert not of_training_alone("DETECTION_MIN_CONFIDENCE") and not of_training_alone("MY_OWN")
    assert USES["IMAGE_MAX_DIM"] == "photos"
