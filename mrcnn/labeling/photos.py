"""From a model and photos to their label maps, one batch of photos in memory at a time."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from mrcnn.data.annotated import photo_name
from mrcnn.data.checked_photos import photos_for
from mrcnn.data.class_names import check_knows
from mrcnn.data.dataset import Dataset
from mrcnn.data.label_samples import true_label_map
from mrcnn.evaluation.pixels import PixelConfusion, photo_figures
from mrcnn.labeling.label_map import LabelSettings, label_map, labels_alone, labels_of
from mrcnn.progress import progress_bar


def detected(model: object, images: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What a model finds in photos, as `label_map` and `Tuner` take it: masks on their grids, no full-size ones.

    Args:
        model: anything whose `detect(images, rle=True, mask_probabilities=True)` returns a dict per image, as
            `MaskRCNN`.
        images: list of uint8 [H, W, 3].

    Returns:
        A list of dicts with "boxes", "class_ids", "scores", "mask_probabilities".
    """
    names = ("boxes", "class_ids", "scores", "mask_probabilities")
    # Run lengths are made only because they are so much less than the full-size masks that would come in their place.
    results = model.detect(images, rle=True, mask_probabilities=True)
    return [{name: result[name] for name in names} for result in results]


def label_photo(detections: dict[str, np.ndarray], shape: tuple[int, int], class_names: Sequence[str],
                settings: LabelSettings | None = None, probabilities: bool = True) -> dict[str, np.ndarray]:
    """The label map of what was found in one photo, as `mrcnn.labeling.label_map` makes it.

    Args:
        detections: as `detected` gives it.
        shape: (H, W) of the photo.
        class_names: by class id, background first.
        settings: LabelSettings.
        probabilities: whether to give these too.

    Returns:
        {"labels": uint8 [H, W]} and perhaps "probabilities" float32 [H, W, C].
    """
    if not probabilities:
        return {"labels": labels_alone(detections, shape, class_names, settings)}
    labels, soft = label_map(detections, shape, class_names, settings)
    return {"labels": labels, "probabilities": soft}


def labelled(model: object, images: Sequence[np.ndarray], settings: LabelSettings | None = None,
             chain: Callable | None = None) -> Iterator[np.ndarray]:
    """Yield the label maps uint8 [H, W] of some photos, refined.

    Args:
        model: anything with `label_each(images, probabilities=...)`, as every network here.
        images: list of uint8 [H, W, 3].
        settings: LabelSettings, for networks of objects; None takes the defaults.
        chain: what `build_chain` returns.
    """
    options = {} if settings is None else {"settings": settings}
    for image, result in zip(images, model.label_each(images, probabilities=chain is not None, **options)):
        yield refined(image, result, chain)


def refined(image: np.ndarray, result: dict[str, np.ndarray], chain: Callable | None) -> np.ndarray:
    """The label map uint8 [H, W] of a photo, refined.

    Args:
        image: uint8 [H, W, C].
        result: of `label_each` for it, with probabilities if there is a chain.
        chain: what `build_chain` returns, or None.
    """
    return result["labels"] if chain is None else labels_of(np.asarray(chain(image, result["probabilities"])))


def compared(model: object, dataset: Dataset, settings: LabelSettings | None = None, chain: Callable | None = None,
             limit: int | None = None, progress: bool = True, seen: Callable | None = None) -> PixelConfusion:
    """The PixelConfusion of a model's label maps with those of a data set.

    Args:
        model: as for `labelled`, with `config.BATCH_SIZE`.
        dataset: prepared Dataset with annotations.
        settings, chain: as for `labelled`.
        limit: number of photos to take, the first ones; None takes all.
        progress: report on stderr.
        seen: called with (image id, truth uint8 [H, W], label map, figures) of each photo; the figures are those of
            `photo_figures`, "photo", its name, and "ignored_pixels".

    Raises:
        DataError: the model knows other classes than the data set.
    """
    check_knows(model, dataset)
    confusion, image_ids = PixelConfusion(dataset.class_names), dataset.image_ids[:limit]
    with progress_bar("Labelling") if progress else contextlib.nullcontext() as show:
        for batch in batches(image_ids, model.config.BATCH_SIZE):
            images = photos_for(model, dataset, batch)
            for image_id, labels in zip(batch, labelled(model, images, settings, chain)):
                truth, name = true_label_map(dataset, image_id), photo_name(dataset, image_id)
                counts = confusion.add(truth, labels, name)
                if seen is not None:
                    figures = photo_figures(confusion.class_names, *counts)
                    ignored = truth.size - figures["pixels"]
                    seen(image_id, truth, labels, {"photo": name, "ignored_pixels": ignored, **figures})
                if progress:
                    show(confusion.photos, len(image_ids))
    return confusion


def batches(image_ids: Collection[int], size: int) -> list:
    """The image ids in lists of `size`."""
    image_ids = [int(i) for i in image_ids]
    return [image_ids[start : start + size] for start in range(0, len(image_ids), max(1, size))]
