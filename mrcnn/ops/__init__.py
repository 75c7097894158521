"""Tensor mathematics: boxes, sampling, non-maximum suppression, RoIAlign. The only folder that knows the backend."""
