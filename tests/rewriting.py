"""How TensorFlow runs what tests build: whether it makes graphs at all, and whether it rewrites them."""

import contextlib

import keras


@contextlib.contextmanager
def rewriting_graphs(wanted):
    """Within it TensorFlow rewrites graphs before it runs them, as it does for users, or leaves them as they are.

    To rewrite one takes half as long as to trace it, which pays in long trainings and not in short ones.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not wanted})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


@contextlib.contextmanager
def running_eagerly(wanted):
    """Within it TensorFlow runs steps and detections operation by operation, without a graph, or with one.

    To trace the graph of one training step of Mask R-CNN takes as long as a dozen steps without one.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(wanted)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
