"""What scripts ask a graph itself for: plain .h5 files in Keras' own way, which are checkpoints, and layers by name."""

import difflib
import os

import keras

from mrcnn.errors import ConfigError, DataError
from mrcnn.network.layout import layout_of


class GraphWithFiles(keras.Model):
    """A graph whose plain .h5 files its segmenter writes and reads; NAME.weights.h5 stays Keras' own.

    Attributes:
        segmenter: has save_weights(path) and take_weights(path, by_name, fitting=...); None: files are as Keras has
            them. If it has `renamed`, {old name of a layer: its names in the graphs}, `get_layer` takes the old names.
    """

    segmenter = None

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True,
                     max_shard_size: float | None = None) -> None:
        if max_shard_size is not None or not self._is_plain(filepath):
            return super().save_weights(filepath, overwrite, max_shard_size)
        if not overwrite and os.path.exists(filepath):
            raise DataError(f"{filepath} is there already: give another name, or overwrite=True.")
        return self.segmenter.save_weights(filepath)

    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **options: object) -> None:
        if self.segmenter is None:
            return super().save(filepath, overwrite, **options)
        raise DataError(f"{filepath}: the graph is not kept as a whole model, which Keras could not load again: "
                        "save_weights('NAME.h5') keeps weights, settings and classes for mrcnn.load(), and mrcnn "
                        "export writes files that run without it.")

    def load_weights(self, filepath: str | os.PathLike, skip_mismatch: bool = False, **options: object) -> None:
        if not self._is_plain(filepath):
            if self.segmenter is not None:
                self.segmenter.drawn_by = None  # Keras' files do not tell
            return super().load_weights(filepath, skip_mismatch, **options)
        unknown = sorted(set(options) - {"by_name"})
        if unknown:
            raise TypeError(f"load_weights() of an .h5 file takes by_name and skip_mismatch, not {', '.join(unknown)}.")
        report = self.segmenter.take_weights(filepath, bool(options.get("by_name")), fitting=bool(skip_mismatch))
        print(f"{filepath}: {report}")

    def get_layer(self, name: str | None = None, index: int | None = None) -> keras.layers.Layer:
        if name is None or index is not None:
            return super().get_layer(name, index)
        names = [layer.name for layer in self.layers]
        candidates = [*getattr(self.segmenter, "renamed", {}).get(name, ()), name]
        known = next((candidate for candidate in candidates if candidate in names), None)
        if known is None:
            of_group = [layer.name for layer in self.layers
                        if layer.weights and layout_of(self).group_of(layer.name) == name]
            close = of_group or difflib.get_close_matches(candidates[0], names, 3) or names[-3:]
            raise ConfigError(f"The graph {self.name} has no layer {name!r}: take {', '.join(close)}, or another one "
                              "of [layer.name for layer in model.keras_model.layers] (model.inference_model is the "
                              "graph of detection).")
        return super().get_layer(known)

    def _is_plain(self, path):
        """Whether a file is one of ours by its name, and there is who knows such files."""
        name = str(path)
        return self.segmenter is not None and name.endswith(".h5") and not name.endswith(".weights.h5")
