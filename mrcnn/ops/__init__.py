"""Tensor mathematics: boxes, sampling, non-maximum suppression, RoIAlign. The only folder that knows the backend."""

from typing import Any

Tensor = Any  # in hints: a tensor of the backend, symbolic or not, or an array of numpy, as shapes and types say
