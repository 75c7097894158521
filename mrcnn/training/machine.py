"""What a machine has for a training: cores, and memory that is free; and which settings are slow on it."""

import os
import shutil
import subprocess
import warnings

from mrcnn.config import FIXED_CANVAS_MODES, Settings
from mrcnn.data.images import NETWORK_STRIDE

UNLIMITED = 2**60  # bytes; a cgroup of the first version writes some such number for no limit
CGROUPS = (("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
           ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            "/sys/fs/cgroup/memory/memory.stat"))

# Words of /proc/cpuinfo, of Intel's, AMD's and ARM's processors.
ARITHMETIC = {"mixed_bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
              "mixed_float16": {"avx512_fp16", "amx_fp16", "asimdhp"}}


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes of main memory that a program may still take: what the system has free, or the container, if less.

    Returns:
        The number; None where the system does not tell.
    """
    known = [free for free in (_of_system(), *(_of_cgroup(*paths) for paths in CGROUPS)) if free is not None]
    return max(0, min(known)) if known else None


def _of_system():
    meminfo = _read("/proc/meminfo")
    for line in (meminfo or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:  # elsewhere what is built in, of which half is taken as free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _of_cgroup(limit, usage, stat):
    """What a container may still take; files that it read and can drop again do not count. None without a limit."""
    try:
        most, used = int(_read(limit)), int(_read(usage))
    except (TypeError, ValueError):  # no such file, or "max"
        return None
    if most >= UNLIMITED:
        return None
    dropped = sum(int(line.split()[1]) for line in (_read(stat) or "").splitlines()
                  if line.startswith(("inactive_file ", "active_file ")))
    return most - used + dropped


def _read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def gpu_memory() -> int | None:
    """Bytes of memory of the first NVIDIA GPU that this process may use, as its driver's program tells.

    No backend is asked, for that would take the GPU's memory for this process.

    Returns:
        The number; None without such a GPU, or where what CUDA_VISIBLE_DEVICES has first is no number or UUID of one.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = None if visible is None else visible.split(",")[0].strip()
    if first in ("", "-1") or not shutil.which("nvidia-smi"):
        return None
    chosen = [] if first is None else ["-i", first]  # a number or a UUID
    try:
        told = subprocess.run(["nvidia-smi", *chosen, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
                              capture_output=True, text=True, timeout=20, check=True).stdout
        return int(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def names_part_of_gpu() -> bool:
    """Whether CUDA_VISIBLE_DEVICES has a part of an NVIDIA GPU first (MIG), whose memory the driver does not tell."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    return first.startswith("MIG-") and shutil.which("nvidia-smi") is not None


def has_arithmetic(precision: str, path: str = "/proc/cpuinfo") -> bool | None:
    """Whether the processor multiplies numbers of a Config.PRECISION; None where the system does not tell.

    Args:
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
        path: of the system's account of its processors.
    """
    if precision not in ARITHMETIC:
        return True
    told = {word for line in (_read(path) or "").splitlines() if line.startswith(("flags", "Features"))
            for word in line.split()}
    return bool(told & ARITHMETIC[precision]) if told else None


def warn_of_slow_precision(precision: str) -> None:
    """Warn of a Config.PRECISION that this machine's processor, which computes, has no arithmetic for.

    Args:
        precision: as for `has_arithmetic`.
    """
    if has_arithmetic(precision) is False:
        better = "mixed_bfloat16" if has_arithmetic("mixed_bfloat16") else "float32"
        warnings.warn(f"PRECISION={precision!r}: no accelerator was found, and this processor has no such arithmetic; "
                      f"{better!r} is likely faster on it.", stacklevel=3)


def warn_of_shapes(config: Settings) -> None:
    """Warn, on JAX, of a Config.IMAGE_RESIZE_MODE that gives batches of several shapes: each is compiled for.

    Args:
        config: settings of the training.
    """
    import keras  # not above: who asks for cores and memory alone does without it

    mode = config.IMAGE_RESIZE_MODE
    single = mode in FIXED_CANVAS_MODES or (mode == "rectangle" and config.IMAGE_MAX_DIM <= NETWORK_STRIDE)
    if keras.backend.backend() == "jax" and not single:
        buckets = " and ASPECT_BUCKETS=False" if config.ASPECT_BUCKETS else ""
        warnings.warn("JAX compiles the training step anew for each shape of a batch, which takes seconds to minutes, "
                      f"and with IMAGE_RESIZE_MODE={mode} shapes follow the photos: IMAGE_RESIZE_MODE=square{buckets} "
                      "has a single one; the variable JAX_COMPILATION_CACHE_DIR=FOLDER keeps what is compiled for "
                      "later runs.", stacklevel=3)


def held_memory(most: bool = False) -> int | None:
    """Bytes of main memory that this process holds, or the most that it ever held; None where that is not known.

    Args:
        most: whether the greatest value is asked for.
    """
    wanted = "VmHWM:" if most else "VmRSS:"
    for line in (_read("/proc/self/status") or "").splitlines():
        if line.startswith(wanted):  # not getrusage, which a new program inherits from the one that started it
            return int(line.split()[1]) * 1024
    try:
        import resource
        import sys
    except ImportError:  # of Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_most_held() -> None:
    """Let the most that `held_memory` tells begin anew with what this process holds now, where the system can."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:  # of no Linux, or a container that does not let it
        pass
