"""A model as CVAT's functions: masks and polygons by hand, and against cvat-sdk's classes where it is installed."""

import io
import types

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.encoded import decode_image
from mrcnn.errors import UsageError
from mrcnn.serving import cvat
from mrcnn.serving.cvat import Function, mask_bits, mask_points, polygons_of
from tests.stub_server import Stub, StubLabels, photo

# Two rows of a ring with a hole, and a dot apart: x 2 to 5, y 1 to 3, and (7, 5).
MASK = np.zeros((8, 10), bool)
MASK[1:4, 2:6] = True
MASK[2, 3:5] = False
MASK[5, 7] = True
RLE = run_lengths.encode(MASK)
BOX = [2, 1, 7, 5]


def test_a_mask_by_hand():
    # Its box is 6 x 5: 111100 100100 111100 000000 000001. It begins with what is inside, so with a run of none.
    assert mask_points(RLE) == [0, 4, 2, 1, 2, 1, 2, 4, 13, 1, *BOX]
    assert mask_bits(RLE) == [int(bit) for bit in "111100100100111100000000000001"] + BOX


def test_polygons_are_parts_without_their_holes():
    first, second = polygons_of(RLE)
    assert sorted(zip(first[::2], first[1::2])) == [(2, 1), (2, 4), (6, 1), (6, 4)]
    assert sorted(zip(second[::2], second[1::2])) == [(7, 5), (7, 6), (8, 5), (8, 6)]


def test_objects_without_a_pixel_are_told():
    with pytest.warns(UserWarning, match="a.png: 1 of 2 objects have no pixel and are left out"):
        cvat.tell_empty({"rles": [RLE, run_lengths.encode(np.zeros((8, 10), bool))]}, "a.png")


def test_a_network_of_label_maps_is_told():
    pytest.importorskip("cvat_sdk")
    with pytest.raises(UsageError, match="finds no objects"):
        Function(StubLabels())


def test_masks_of_any_kind_are_read_by_the_sdk():
    masks = pytest.importorskip("cvat_sdk.masks")
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = rng.random((13, 17)) < share
        points = mask_points(run_lengths.encode(mask))
        assert points == masks.encode_mask(mask)
        assert np.array_equal(masks.decode_mask(points, image_width=17, image_height=13), mask)


@pytest.mark.parametrize("polygons", [False, True])
def test_the_sdk_takes_what_is_found(polygons):
    """As `annotate_task` of the SDK has it: labels are matched by name, and shapes are checked."""
    driver = pytest.importorskip("cvat_sdk.auto_annotation.driver")
    models = pytest.importorskip("cvat_sdk.models")
    function = Function(Stub())
    assert [(label.id, label.name) for label in function.spec.labels] == [(1, "hat"), (2, "shoe")]
    labels = [models.Label(id=number, name=name, type="any", attributes=[], sublabels=[], color="#000000")
              for number, name in ((31, "shoe"), (57, "hat"))]
    logger = types.SimpleNamespace(info=print)
    mapper = driver._AnnotationMapper(logger, function.spec.labels, labels, allow_unmatched_labels=False,
                                      conv_mask_to_poly=polygons)
    context = driver._DetectionFunctionContextImpl(frame_name="a.png", conf_threshold=None, conv_mask_to_poly=polygons)
    tags, [shape] = mapper.validate_and_remap(function.detect(context, Image.fromarray(photo())), 9)
    assert not tags and shape.label_id == 57 and shape.frame == 9
    assert shape.type.value == ("polygon" if polygons else "mask")
    if polygons:
        assert sorted(zip(shape.points[::2], shape.points[1::2])) == [(3, 2), (3, 6), (9, 2), (9, 6)]
    else:
        assert shape.points == [0, 24, 3, 2, 8, 5]  # 4 rows of 6 pixels
    sure = driver._DetectionFunctionContextImpl(frame_name="a.png", conf_threshold=0.9, conv_mask_to_poly=polygons)
    assert function.detect(sure, Image.fromarray(photo())) == []
    assert Function(Stub(), 0.9).detect(context, Image.fromarray(photo())) == []


def test_photos_are_those_that_the_commands_see():
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # a quarter
    clear = np.dstack([photo(), np.full(photo().shape[:2], 100, np.uint8)])[:, :-4]
    Image.fromarray(clear).save(file, format="PNG", exif=exif)
    seen = cvat._pixels(Image.open(file), "a.png")
    assert seen.shape[:2] == clear.shape[1::-1]
    np.testing.assert_array_equal(seen, decode_image(file.getvalue(), "a.png"))
