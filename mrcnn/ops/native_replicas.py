"""Communication of tf.distribute's replicas inside a step; nothing happens on one device or another backend.

JAX runs one program over all devices, whose sums are those of the whole batch already.
"""

from collections.abc import Callable

from keras import backend, ops

from mrcnn.ops import Tensor


def total_over_replicas(value: Tensor) -> Tensor:
    """The sum of a tensor over all replicas that train together; on one device the tensor itself."""
    context = _replica_context()
    return value if context is None else context.all_reduce("SUM", value)


def rows_of_replica(draw: Callable, rows: Tensor) -> Tensor:
    """What `draw(rows)` gives on one device, or this replica's rows of what it gives for the whole batch.

    Args:
        draw: function of a number of rows that returns a random tensor of so many.
        rows: those that this replica has, as many as every other. All replicas draw alike, since their random
            generators agree.
    """
    context = _replica_context()
    if context is None:
        return draw(rows)
    start = context.replica_id_in_sync_group * rows
    whole = draw(rows * context.num_replicas_in_sync)
    return ops.take(whole, ops.arange(rows) + start, axis=0)


def _replica_context():
    if backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
