"""A network whose `detect` tells of each object what it is like, as numbers that can be compared."""

import copy

from mrcnn.errors import UsageError

OUTPUT = "embedding"  # of the graph; results have "embeddings"
KIND = "pyramid under the mask"  # what the numbers are, for those who keep them: others cannot be compared with them

NO_EXPORTED = ("Embeddings are made by a checkpoint's network, which an exported file does not show: give "
               "--weights the checkpoint that it was made of.")


def with_embeddings(model: object) -> object:
    """Give what a network finds an embedding each.

    Args:
        model: a Mask R-CNN of a checkpoint.

    Returns:
        A copy that shares its weights, whose detect() and detect_tiled() add "embeddings" float32 [N, C]: rows of
        length 1, and means of such where views or tiles are merged.

    Raises:
        UsageError: it is an exported file, or of an architecture that does not pool its objects.
    """
    network = getattr(model, "inference_model", None)
    if network is None:
        raise UsageError(NO_EXPORTED)
    from mrcnn.network.object_embedding import PYRAMID, object_embeddings

    if not {*PYRAMID, "roi_align_mask"} <= {layer.name for layer in network.layers}:
        raise UsageError(f"Embeddings are of the architecture mask_rcnn, which pools each object, not of "
                         f"{model.architecture_name()}: give --weights a checkpoint of that.")
    import keras

    telling = copy.copy(model)
    telling.inference_model = keras.Model(
        network.input, {**network.output, OUTPUT: object_embeddings(network, model.config)}, name="mask_rcnn_embedding")
    return telling
