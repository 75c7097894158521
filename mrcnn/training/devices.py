"""Training on several devices behind Config.GPU_COUNT: each takes an equal part of every batch.

TensorFlow: `tf.distribute`, mirrored over the devices of one machine, or over several workers if TF_CONFIG names them.
JAX: `keras.distribution.DataParallel` over the devices of one process. PyTorch has no such thing in Keras.
"""

import contextlib
import functools
import json
import os
import warnings
from collections.abc import Callable, Iterator

import keras
import numpy as np

from mrcnn.config import Settings
from mrcnn.errors import ConfigError
from mrcnn.ops.forks import refuse_forked

LONGEST = 1024  # bytes of a text that workers agree on


def devices_for(config: Settings, mode: str = "training") -> "OneDevice":
    """The devices that a model of this Config and mode computes on; detection needs one.

    Raises:
        ConfigError: if GPU_COUNT is not what there is, or the backend cannot train on several devices.
        RunError: if this process was forked from one in which a network was built.
    """
    refuse_forked()
    workers, backend = tensorflow_workers(), keras.backend.backend()
    if mode == "training" and backend != "tensorflow":
        _warn_of_workers(backend)
    if mode != "training" or (config.GPU_COUNT == 1 and workers < 2):
        return OneDevice()
    if backend == "tensorflow":
        if config.ACCUMULATE_STEPS > 1:
            # Keras decides inside the step whether to update, where tf.distribute cannot.
            raise ConfigError(
                f"ACCUMULATE_STEPS={config.ACCUMULATE_STEPS} goes with one device on TensorFlow: set it to 1 and raise "
                "IMAGES_PER_GPU, or use KERAS_BACKEND=jax."
            )
        return TensorFlowDevices(_strategy(config.GPU_COUNT, workers))
    if backend == "jax":
        return JaxDevices(config.GPU_COUNT)
    raise ConfigError(
        f"GPU_COUNT={config.GPU_COUNT}: on {backend} training has one device. Use KERAS_BACKEND=tensorflow or jax, or "
        f"GPU_COUNT=1 with IMAGES_PER_GPU={config.BATCH_SIZE}."
    )


class OneDevice:
    """Nothing to share out. The other devices have the same methods.

    Attributes: count, devices over all workers; chief, whether this process writes the run's files.
    """

    count, chief = 1, True

    def scope(self) -> object:
        """The context to build the network and its optimizer in."""
        return contextlib.nullcontext()

    def fitting(self) -> object:
        """The context to call fit() in."""
        return contextlib.nullcontext()

    def apart(self) -> object:
        """The context to detect in, also amid fit(): detection is the work of one device."""
        return contextlib.nullcontext()

    def adopt(self, training: object, inference: object) -> None:
        """Make two models that were built in `scope()` and share their weights ready for it: the latter detects."""

    def share(self, batches: object) -> object:
        """The batches as `fit` is to get them, each divisible among the devices; None stays None."""
        return batches

    def join(self, optimizer: object) -> None:
        """Let an optimizer add up the gradients of all replicas before it does anything with them."""

    def agree(self, text: str) -> str:
        """The chief's text on every worker, once all have come here."""
        return text

    def differ(self, text: str) -> bool:
        """Whether some worker's text is not the chief's."""
        return False

    def callbacks(self, segmenter: object) -> list:
        """Keras callbacks that keep workers together, to be called after all others."""
        return []


class JaxDevices(OneDevice):
    """The first `count` devices of this process, as one program whose batches are cut among them."""

    def __init__(self, count: int):
        names = keras.distribution.list_devices()
        _check_number(count, names, "XLA_FLAGS=--xla_force_host_platform_device_count")
        self.count = count
        self.distribution = keras.distribution.DataParallel(devices=names[:count], auto_shard_dataset=False)

    def scope(self) -> object:
        return self.distribution.scope()

    def fitting(self) -> object:
        return self.distribution.scope()

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def share(self, batches: object) -> object:
        return None if batches is None else EqualShares(batches, self.count)


class TensorFlowDevices(OneDevice):
    """The replicas of a strategy of tf.distribute, each with a copy of the weights."""

    def __init__(self, strategy: object):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        self.workers = tensorflow_workers() if resolver is not None else 1
        # Without a "chief" in TF_CONFIG it is the first worker, as TensorFlow has it.
        first = resolver is None or resolver.task_id in (0, None)
        self.chief = self.workers < 2 or (first and (resolver.task_type == "chief" or not _has_chief()))

    def scope(self) -> object:
        return self.strategy.scope()

    def adopt(self, training: object, inference: object) -> None:
        # Keras would add the replicas' first batches up to learn their shapes, which flags cannot be; all is built.
        training._maybe_symbolic_build = lambda **_: None
        # Keras remembers the strategy that a model was built under and would send each photo to every replica.
        inference._distribute_strategy = None
        if self.workers > 1:
            # Keras takes the mean of what workers return over its first axis, which a loss has not.
            training.train_step, training.test_step = _with_axis(training.train_step), _with_axis(training.test_step)

    def share(self, batches: object) -> object:
        return None if batches is None else EqualShares(batches, self.count)

    def join(self, optimizer: object) -> None:
        import tensorflow as tf

        apply = optimizer.apply

        def apply_total(grads, trainable_variables=None):
            context, grads = tf.distribute.get_replica_context(), list(grads)
            present = [grad for grad in grads if grad is not None]
            totals = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
            return apply([None if grad is None else next(totals) for grad in grads], trainable_variables)

        # Keras clips the gradients of each replica alone and adds them up after: not the clipping of the whole batch.
        optimizer.apply = apply_total
        for part in (optimizer, getattr(optimizer, "inner_optimizer", None)):
            if part is not None:
                part._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars

    def agree(self, text: str) -> str:
        if self.workers < 2:
            return text
        code = np.zeros(LONGEST, np.int32)
        if self.chief:
            letters = text.encode()[:LONGEST]
            code[: len(letters)] = np.frombuffer(letters, np.uint8)
        told = self._total(code) // (self.count // self.workers)  # every replica of the chief says it
        return bytes(told[told > 0].astype(np.uint8)).decode()

    def differ(self, text: str) -> bool:
        return self.workers > 1 and bool(self._total(np.array([self.agree(text) != text], np.int32))[0])

    def callbacks(self, segmenter: object) -> list:
        return [StopTogether(self, segmenter)] if self.workers > 1 else []

    def _total(self, numbers):
        """The sum of int32 numbers over all replicas, of which each has those of its worker."""
        return self.strategy.experimental_local_results(_sum_function(self.strategy)(np.asarray(numbers)))[0].numpy()


class EqualShares(keras.utils.PyDataset):
    """Batches whose number of photos is made to divide among the devices by blank ones that teach nothing.

    Only the last batch of an epoch can need them. A network that knows no such photos has the first ones of the batch
    twice.

    Args:
        batches: `mrcnn.data.batches.Batches`, on which epochs and failures go on to be asked.
        count: number of devices.
    """

    def __init__(self, batches: object, count: int):
        super().__init__(workers=1)
        self.batches, self.count = batches, count

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict]:
        (batch,) = self.batches[index]
        return (divisible(batch, self.count, self.batches.samples.blank),)

    def on_epoch_begin(self) -> None:
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.batches.on_epoch_end()


def divisible(batch: dict[str, np.ndarray], count: int, blank: Callable) -> dict[str, np.ndarray]:
    """A batch with as many photos more as make its size a multiple of `count`.

    Args:
        batch: the dict of `mrcnn.data.batches`.
        count: number of devices.
        blank: function of a batch and its first added row that makes these teach nothing; they are the batch's own
            photos again.
    """
    rows = len(batch["image"])
    lacking = -rows % count
    if not lacking:
        return batch
    batch = {name: np.concatenate([value, value[np.arange(lacking) % rows]]) for name, value in batch.items()}
    blank(batch, rows)
    return batch


class StopTogether(keras.callbacks.Callback):
    """Lets the chief's word decide whether training ends early, and the workers wait while it measures and writes.

    Args:
        devices: those of the model.
        segmenter: the `Segmenter` that trains.
    """

    def __init__(self, devices: object, segmenter: object):
        super().__init__()
        self.devices, self.segmenter = devices, segmenter

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.devices.agree("begun")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.segmenter.epoch = epoch + 1
        self.model.stop_training = self.devices.agree(str(bool(self.model.stop_training))) == "True"


# --- What TensorFlow has ---------------------------------------------------------------------------------------------
def _cluster():
    """{"worker": [addresses], ...} of TF_CONFIG, {} without one."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        cluster = {kind: list(addresses) for kind, addresses in config.get("cluster", {}).items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"TF_CONFIG is no JSON of a cluster ({error}): give "
            '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
    return cluster


def _has_chief():
    return bool(_cluster().get("chief"))


def tensorflow_workers() -> int:
    """Number of processes that TF_CONFIG lets train together; 1 without it, and on another backend."""
    return max(1, _named_workers()) if keras.backend.backend() == "tensorflow" else 1


def _named_workers():
    """Number of processes that TF_CONFIG names."""
    cluster = _cluster()
    return len(cluster.get("chief", ())) + len(cluster.get("worker", ()))


def _warn_of_workers(backend):
    """Warn of workers that TF_CONFIG names where the backend does not join them."""
    try:
        workers = _named_workers()
    except ConfigError:  # of another program, for nothing here reads it
        return
    if workers > 1:
        warnings.warn(f"TF_CONFIG names {workers} workers, which train together on TensorFlow alone: on {backend} each "
                      "of them trains a network of its own. Set KERAS_BACKEND=tensorflow, or unset TF_CONFIG.",
                      stacklevel=3)


@functools.cache  # TensorFlow sets up a cluster once in a process
def _strategy(count, workers):
    import tensorflow as tf

    if workers > 1:
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise ConfigError(
                f"The workers of TF_CONFIG could not be joined ({_first_line(error)}): make the model before anything "
                "else uses TensorFlow."
            ) from error
        if strategy.num_replicas_in_sync != count:
            raise ConfigError(
                f"GPU_COUNT={count}, but the {workers} workers of TF_CONFIG have {strategy.num_replicas_in_sync} "
                f"devices together: set GPU_COUNT={strategy.num_replicas_in_sync}, or choose with CUDA_VISIBLE_DEVICES."
            )
        return strategy
    names = [device.name for device in tf.config.list_logical_devices("GPU")]
    names = names or [device.name for device in tf.config.list_logical_devices("CPU")]
    _check_number(count, names, "tf.config.set_logical_device_configuration")
    return tf.distribute.MirroredStrategy(names[:count])


@functools.cache
def _sum_function(strategy):
    import tensorflow as tf

    def total(numbers):
        # The copy lies on the device of the replica, which the reduction goes by.
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(numbers))

    return tf.function(lambda numbers: strategy.run(total, args=(numbers,)), reduce_retracing=True)


def _with_axis(step):
    """A step of Keras whose figures have an axis of length 1."""
    return lambda data: {name: keras.ops.expand_dims(value, 0) for name, value in step(data).items()}


def _check_number(count, names, how):
    if len(names) < count:
        kind = "GPU" if "gpu" in names[0].lower() or "cuda" in names[0].lower() else "CPU"
        hint = "" if kind == "GPU" else f" (virtual CPU devices are made by {how})"
        raise ConfigError(
            f"GPU_COUNT={count}, but there {'is' if len(names) == 1 else 'are'} {len(names)} {kind} device"
            f"{'s' * (len(names) > 1)} here: set GPU_COUNT={len(names)} and IMAGES_PER_GPU to the whole batch{hint}."
        )


def _first_line(error):
    return str(error).strip().splitlines()[0]


def on_processor() -> bool:
    """Whether the backend has found no accelerator, so that the machine's processor computes."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return all(device.device_type == "CPU" for device in tf.config.list_physical_devices())
    if backend == "jax":
        from mrcnn.ops.native_jax import on_processor as jax_on_processor

        return jax_on_processor()
    import torch

    return not (torch.cuda.is_available() or torch.backends.mps.is_available())


def accelerator_memory() -> dict[str, int] | None:
    """Tell what memory the first GPU has, and the most of it that this process has held.

    Returns:
        {"peak", "limit"} in bytes; None on a CPU, or where the backend does not tell.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        from mrcnn.training.machine import gpu_memory

        if not tf.config.list_physical_devices("GPU") or not (limit := gpu_memory()):
            return None
        return {"peak": int(tf.config.experimental.get_memory_info("GPU:0")["peak"]), "limit": limit}
    if backend == "jax":
        import jax

        told = jax.local_devices()[0].memory_stats() or {}
        known = "peak_bytes_in_use" in told and "bytes_limit" in told and jax.default_backend() != "cpu"
        return {"peak": int(told["peak_bytes_in_use"]), "limit": int(told["bytes_limit"])} if known else None
    import torch

    if not torch.cuda.is_available():
        return None
    return {"peak": int(torch.cuda.max_memory_allocated()), "limit": int(torch.cuda.mem_get_info()[1])}
