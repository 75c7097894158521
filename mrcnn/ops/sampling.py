"""Choosing rows: a random, balanced share of a set, and the rows that are worth computing at all."""

from collections.abc import Callable

from keras import backend, ops, random

from mrcnn.ops import Tensor
from mrcnn.ops.native_replicas import rows_of_replica
from mrcnn.ops.portable import needs_static_shapes


def sample_balanced(positive: Tensor, negative: Tensor, count: int, max_positive: int,
                    seed: object) -> tuple[Tensor, Tensor, Tensor]:
    """A random sample with a bounded share of positives, negatives filling all the rest (Fast R-CNN section 2.3).

    Args:
        positive, negative: bool [B, N], disjoint.
        count: int T.
        max_positive: int.
        seed: keras.random.SeedGenerator.

    Returns:
        (indices int32 [B, T], is_positive bool [B, T], valid bool [B, T]), positives first. With no positive at all the
        negatives still fill T slots; slots that nothing is left for are not valid and have index 0.
    """
    if positive.shape[1] is None or positive.shape[1] < count:
        nobody = ops.zeros((ops.shape(positive)[0], count), dtype="bool")
        positive = ops.concatenate([positive, nobody], axis=1)
        negative = ops.concatenate([negative, nobody], axis=1)
    batch, rows = ops.shape(positive)
    keys = rows_of_replica(lambda images: random.uniform((images, rows), seed=seed, dtype="float32"), batch)
    positive_keys = ops.where(positive, keys, -1.0)
    lowest_chosen = ops.top_k(positive_keys, max_positive)[0][:, -1:]
    chosen = ops.logical_and(positive, positive_keys >= lowest_chosen)
    # Chosen positives get keys in 2..3, negatives 0..1: one selection then lists positives first.
    priority = ops.where(chosen, keys + 2.0, ops.where(negative, keys, -1.0))
    priority, indices = ops.top_k(priority, count)
    valid = priority >= 0.0
    return ops.cast(ops.where(valid, indices, 0), "int32"), priority >= 2.0, valid


def filled_rows(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the rows that hold something, so that padding costs nothing where shapes may be dynamic.

    Args:
        valid: bool [N].

    Returns:
        (indices int32 [K], kept bool [K]). TensorFlow and PyTorch give K = max(1, number of valid rows); JAX, whose
        shapes are static, and a graph that needs static ones give all N rows, `kept` telling which of them count.
    """
    rows = ops.arange(ops.shape(valid)[0], dtype="int32")
    if backend.backend() == "jax" or needs_static_shapes():
        return rows, valid
    # One row stays even if none is valid: a convolution of an empty batch is not defined on every device.
    spare = ops.logical_and(rows == 0, ops.logical_not(ops.any(valid)))
    chosen = ops.nonzero(ops.logical_or(valid, spare))[0]
    return ops.cast(chosen, "int32"), ops.take(valid, chosen)


def turns_pay() -> bool:
    """Whether padding costs work that `in_turns` spares: static shapes, and no accelerator doing all rows at once."""
    if backend.backend() == "jax":
        from mrcnn.ops.native_jax import on_processor

        return on_processor()
    return needs_static_shapes()


def in_turns(function: Callable[[dict[str, Tensor]], Tensor], rows: dict[str, Tensor], valid: Tensor,
             turn: int, shape: tuple[int, ...]) -> Tensor:
    """What a function gives of the valid rows, some of them at a time, and 0 for the rest.

    This is for graphs whose shapes do not follow what is found (`turns_pay`): their loops can end when all valid rows
    had their turn, so padding costs no more than what fills up the last turn.

    Args:
        function: from {name: [turn, ...]} to [turn, *shape].
        rows: {name: [N, ...]}.
        valid: bool [N].
        turn: rows of a turn.
        shape: of what the function gives of a row.

    Returns:
        float32 [N, *shape].
    """
    number = valid.shape[0]
    turns = -(-number // turn)
    place = ops.arange(number, dtype="int32")
    order = ops.cast(ops.argsort(ops.where(valid, place, place + number)), "int32")  # the valid ones first
    count = ops.sum(ops.cast(valid, "int32"))

    ones = (1,) * len(shape)

    def unfinished(index, table):
        return index * turn < count

    def again(index, table):
        chosen = ops.take(order, ops.minimum(index * turn + ops.arange(turn, dtype="int32"), number - 1))
        answer = function({name: ops.take(value, chosen, axis=0) for name, value in rows.items()})
        here = ops.cast(ops.arange(turns, dtype="int32") == index, "float32")
        return index + 1, table + ops.reshape(here, (-1, 1, *ones)) * ops.cast(answer, "float32")[None]

    start = ops.convert_to_tensor(0, dtype="int32"), ops.zeros((turns, turn, *shape), dtype="float32")
    _, table = ops.while_loop(unfinished, again, start)
    table = ops.take(ops.reshape(table, (turns * turn, *shape)), ops.argsort(order), axis=0)
    return table * ops.reshape(ops.cast(valid, "float32"), (-1, *ones))
