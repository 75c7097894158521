"""Matterport's functions and layers under its names and signatures, as doors to the code that does the work.

`mrcnn.model` and `mrcnn.utils` hand them out. Its normalised boxes are (y1 / (H - 1), x1 / (W - 1), (y2 - 1) / (H - 1),
(x2 - 1) / (W - 1)) of an image of H x W pixels.
"""
