"""What is given for arrays: tensors and ragged lists are taken, all else is told in one line with the remedy."""

import warnings

import numpy as np
import pytest

from mrcnn.data.formats.array_inputs import arrays_of
from mrcnn.data.formats.arrays import ArrayDataset
from mrcnn.errors import DataError

IMAGES = np.zeros((3, 16, 20, 3), np.uint8)
MASKS = np.ones((3, 16, 20), np.uint8)
LABELS = [[1], [2], [1]]


class Tensor:
    """As other libraries have arrays: with a dtype of their own, and a way to NumPy's."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, f"tensor of {array.dtype}"

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, place):
        return Tensor(self.array[place])


class Learned(Tensor):
    """A tensor that NumPy gets only once it is detached, as PyTorch's with gradients."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Ragged:
    """A ragged tensor."""

    shape = (3, None)

    def to_list(self):
        return LABELS


def made(*arrays, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ArrayDataset(*arrays, **options)


@pytest.mark.parametrize("kind", [Tensor, Learned])
def test_tensors_are_taken(kind):
    for images, masks in ((kind(IMAGES), kind(MASKS)), (list(map(kind, IMAGES)), list(map(kind, MASKS)))):
        for labels in (kind(np.array([1, 2, 1])), [kind(np.array(own)) for own in LABELS], Ragged()):
            dataset = made(images, masks, labels, names=["cat", "dog"])
            assert [dataset.load_mask(i)[1].tolist() for i in range(3)] == LABELS
            assert dataset.load_mask(0)[0].all() and not dataset.load_image(2).any()


def test_arrays_stay_what_they_are():
    found = arrays_of({"images": IMAGES, "masks": MASKS, "labels": None, "names": "names.txt"})
    assert found["images"] is IMAGES and found["masks"] is MASKS and set(found) == {"images", "masks", "names"}


@pytest.mark.parametrize("arrays, options, said", [
    ((IMAGES,), {"labels": LABELS}, "images, labels without masks: .*give masks="),
    ((IMAGES,), {}, "images without masks"),
    ((None, MASKS), {"names": ["cat"]}, "masks, names without images: there are no photos: give images="),
    (((image for image in IMAGES), MASKS), {}, r"images is a generator, no array: .*list\(images\).*zip\(\*data\)"),
    ((iter(IMAGES), None), {"names": ["cat"]}, "images is a .*iterator, no array"),
    ((IMAGES, map(abs, MASKS)), {}, "masks is a map, no array"),
    (({"images": IMAGES, "masks": MASKS},), {}, "images is several arrays under names: give them one by one"),
    (("photos.npy", MASKS), {}, "images is a path: load the array first .*open_dataset"),
    ((["a.jpg"] * 3, MASKS), {}, "images lists paths .first: a.jpg.: read the files first"),
    ((IMAGES, MASKS), {"labels": 3}, "labels is a int, no array"),
    ((IMAGES, MASKS), {"counts": np.array(3)}, "counts is one value, no array"),
    (([(IMAGES[0], MASKS[0])] * 3, MASKS), {}, "images: number 0 of the list is a tuple of arrays of different shapes"),
    ((IMAGES, MASKS, [[1], [[2, 3], 4], []]), {}, "labels: number 1 of the list is a list of arrays of different"),
])
def test_what_is_no_array_is_told_in_one_line(arrays, options, said):
    with pytest.raises(DataError, match=said) as error:
        made(*arrays, **options)
    assert "\n" not in str(error.value)


def test_a_tensor_that_numpy_cannot_take_is_told():
    class Odd(Learned):
        def numpy(self):
            raise TypeError("Got unsupported ScalarType\nBFloat16")

    with pytest.raises(DataError, match="images holds a Odd that NumPy cannot take .*ScalarType BFloat16.*give NumPy"):
        made(Odd(IMAGES), MASKS)
