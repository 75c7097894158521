"""CVAT's XML agrees with Datumaro's reader and writer of it; `benchmarks/cvat_datumaro.py` makes the files."""

import importlib.util
import pathlib

import pytest

pytest.importorskip("datumaro", reason="Datumaro, the independent reader and writer, is not installed")

PATH = pathlib.Path(__file__).parents[3] / "benchmarks" / "cvat_datumaro.py"
spec = importlib.util.spec_from_file_location("cvat_datumaro", PATH)
cvat_datumaro = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cvat_datumaro)


@pytest.mark.parametrize("compare", ["ours_to_theirs", "theirs_to_ours"])
def test_masks_labels_and_photos_agree(tmp_path, compare):
    counts = getattr(cvat_datumaro, compare)(str(tmp_path / "data"))
    assert counts["masks"][1] == cvat_datumaro.PHOTOS * cvat_datumaro.OBJECTS
    assert {what: same for what, (same, _) in counts.items()} == {what: total for what, (_, total) in counts.items()}
