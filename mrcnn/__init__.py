"""Mask R-CNN for Keras 3, in the style of Matterport's Mask_RCNN.

Importing the package itself costs nothing; `load` and `from mrcnn import model` bring Keras in.
"""

import os
from typing import Any

__version__ = "0.1.0"

# oneDNN computes convolutions faster where the processor has AVX-512 and slower where it has AVX2 alone
# (benchmarks/results/onednn.txt). TensorFlow leaves it off on some of the former; elsewhere its own choice stands.
CPU_FILE = "/proc/cpuinfo"  # of Linux
WIDE_VECTORS = "avx512f"


def has_wide_vectors(path: str = CPU_FILE) -> bool:
    """Whether the processor is known to have AVX-512.

    Args:
        path: of a file as Linux' /proc/cpuinfo, whose first line of flags is read.

    Returns:
        False also where there is no such file or no such line, as on other systems and processors.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return WIDE_VECTORS in next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return False


# TensorFlow reads these once, at its import; values of the user's own stand.
if has_wide_vectors():
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Below level 2 the graph optimizer prints a page for every crop whose size it cannot know beforehand. At 2 TensorFlow
# reports as an error that a machine without a GPU has none, in front of what we have to say.
GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if any(map(os.path.exists, GPU_FILES)) else "3")


def load(path: str | os.PathLike = "last", logs: str | os.PathLike = "logs", **settings: object) -> Any:
    """Open a network for use, a checkpoint of any architecture or an exported file.

    Args:
        path: of a checkpoint, or of a file that `mrcnn export` wrote, which its own runtime runs; "last" is the last
            checkpoint of the newest run, whatever its name.
        logs: folder of the runs, in which "last" is looked for.
        **settings: to change, by name, as DETECTION_MIN_CONFIDENCE=0.5.

    Returns:
        What has detect(photos), if it finds objects, and label(photos); photos are paths of files,
        bytes of files, Pillow images, or arrays uint8 [H, W, 3] RGB; one, or a list. See `mrcnn.architectures.load`.

    Raises:
        FileNotFoundError: there is no run in `logs`.
        CheckpointError: the file cannot be read, or its weights do not fit.
        ConfigError: its architecture is not there, or settings do not fit.
        ExportError: an exported file that cannot be used.
    """
    from mrcnn import architectures  # brings numpy in, and Keras when it opens a checkpoint
    from mrcnn.training.runs import find_last_checkpoint

    if os.fspath(path) == "last" and not os.path.exists(path):
        path = find_last_checkpoint(logs)
    return architectures.load(path, **settings)
