"""Mask R-CNN for Keras 3, in the style of Matterport's Mask_RCNN.

Importing the package itself costs nothing; `from mrcnn import model` brings Keras in.
"""

import os

__version__ = "0.1.0"

# oneDNN is off by default on some CPUs, where it trains and detects faster (benchmarks/README.md has both ways).
# TensorFlow reads these once, at its import; values of the user's own stand.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Below level 2 the graph optimizer prints a page for every crop whose size it cannot know beforehand. At 2 TensorFlow
# reports as an error that a machine without a GPU has none, in front of what we have to say.
GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if any(map(os.path.exists, GPU_FILES)) else "3")
