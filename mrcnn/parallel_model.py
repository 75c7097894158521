"""Matterport's module of several GPUs, which is gone: Config.GPU_COUNT does its work."""

from mrcnn.matterport.gone import teller

__all__: list[str] = []
__getattr__ = teller(__name__)
