"""A checkpoint as a file that other programs run."""

from mrcnn.export.files import export

__all__ = ["export"]
