"""From a model and photos to their label maps, one batch of photos in memory at a time."""

import numpy as np

from mrcnn.data.annotated import photo_name
from mrcnn.evaluation.pixels import PixelConfusion, true_label_map
from mrcnn.labeling.label_map import label_map, labels_alone, labels_of
from mrcnn.progress import progress_bar


def detected(model, images):
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


def label_photo(image, detections, class_names, settings=None, chain=None):
    """The label map of one photo, refined.

    Args:
        image: uint8 [H, W, 3].
        detections: as `detected` gives it.
        class_names: by class id, background first.
        settings: LabelSettings.
        chain: what `build_chain` returns.

    Returns:
        uint8 [H, W] class ids.
    """
    if chain is None:
        return labels_alone(detections, image.shape[:2], class_names, settings)
    probabilities = label_map(detections, image.shape[:2], class_names, settings)[1]
    return labels_of(np.asarray(chain(image, probabilities)))


def compared(model, dataset, settings=None, chain=None):
    """The PixelConfusion of a model's label maps with those of a data set.

    Args:
        model: as for `detected`, with `config.BATCH_SIZE`.
        dataset: prepared Dataset with annotations.
        settings: LabelSettings.
        chain: what `build_chain` returns.
    """
    confusion = PixelConfusion(dataset.class_names)
    with progress_bar("Labelling") as show:
        for batch in batches(dataset.image_ids, model.config.BATCH_SIZE):
            images = [dataset.load_image(image_id) for image_id in batch]
            for image_id, image, detections in zip(batch, images, detected(model, images)):
                labels = label_photo(image, detections, dataset.class_names, settings, chain)
                confusion.add(true_label_map(dataset, image_id), labels, photo_name(dataset, image_id))
                show(confusion.photos, len(dataset.image_ids))
    return confusion


def batches(image_ids, size):
    """The image ids in lists of `size`."""
    image_ids = [int(i) for i in image_ids]
    return [image_ids[start : start + size] for start in range(0, len(image_ids), max(1, size))]
