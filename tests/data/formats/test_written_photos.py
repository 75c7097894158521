"""Names of photos in a folder that is written."""

import pytest

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.written_photos import target_names


def dataset_of(*photos):
    dataset = Dataset()
    for name, part in photos:
        dataset.add_image("own", name, None, file_name=name, **({"split": part} if part else {}))
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("photos, names, renamed", [
    ([("images/train/a.jpg", "train"), ("images/val/a.jpg", "val")], ["a.jpg", "a.jpg"], 0),
    ([("train/images/a.jpg", None), ("val/images/a.jpg", None)], ["train/images/a.jpg", "val/images/a.jpg"], 0),
    ([("a.jpg", None), ("a.png", None), ("a", None)], ["a.jpg", "a_png.png", "a_png_png.png"], 2),
    ([("../../x/a.jpg", None), ("x\\y.v2.jpg", None)], ["x/a.jpg", "x\\y.v2.jpg"], 0),
])
def test_names_tell_photos_apart_and_lead_nowhere(photos, names, renamed):
    dataset = dataset_of(*photos)
    targets, count = target_names(dataset, dataset.image_ids)
    assert [name for _, name in targets] == names and count == renamed
    assert [part for part, _ in targets] == [part for _, part in photos]
