"""What every network does with photos: place them on canvases, and predict in batches of one shape."""

import dataclasses
import importlib
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.config_chains import steps_of
from mrcnn.data.given_photos import GivenPhotos, Photos, as_pixels, is_encoded
from mrcnn.data.images import Window, place_image, to_channels
from mrcnn.errors import DataError
from mrcnn.inference.views import place_view, views_of
from mrcnn.ops.forks import refuse_forked

_COMPILING = threading.Lock()
REMEDIES = {1: " grey, or RGB as mrcnn.data.images.load_image does", 3: " RGB, as mrcnn.data.images.load_image does"}
OTHERWISE = ", its channels as those that the network was trained on, for load_image gives RGB alone"
FEW = 4  # batches; measured, 6 to 9 took as long as to compile the graph and run it


class Predictor:
    """Photos through an inference graph, for whatever has the attributes config, devices and inference_model."""

    _compiled = (None, None)  # (inference graph, the function of its inputs that runs it)

    def place(self, image: np.ndarray) -> tuple[np.ndarray, Window]:
        """Place a photo on the canvas that the network takes.

        Args:
            image: uint8 [H, W, C].

        Returns:
            (canvas uint8 [h, w, C], Window that maps boxes between canvas and photo).
        """
        config = self.config
        mode = "square" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE
        # A network trained on crops still has to see the whole photo.
        largest = int(config.IMAGE_SHAPE[0]) if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_MAX_DIM
        smallest = min(config.IMAGE_MIN_DIM, largest) if config.IMAGE_MIN_DIM else config.IMAGE_MIN_DIM
        canvas, window = place_image(image, smallest, largest, config.IMAGE_MIN_SCALE, mode)
        return canvas, self.window_of(window)

    def window_of(self, window: Window) -> Window:
        """Give a Window the geometry of the network, which leads detections back to the photo.

        Args:
            window: of a photo on its canvas.

        Returns:
            A Window of the same numbers.
        """
        from mrcnn.network.geometries import geometry_of  # brings Keras in, which exported files do without

        return geometry_of(self.config).window_kind(*dataclasses.astuple(window))

    def placed_views(self, image: np.ndarray) -> list[tuple[np.ndarray, Window]]:
        """Place a photo on a canvas for each of `views_of(config)`.

        Args:
            image: uint8 [H, W, C].

        Returns:
            A list of (canvas uint8 [h, w, C], its Window).
        """
        usual = self.place(image)
        return [place_view(image, view, usual) for view in views_of(self.config)]

    def predict(self, canvases: np.ndarray, windows: np.ndarray, **numbers: float) -> dict[str, np.ndarray]:
        """Run the inference graph on canvases of one shape, from any number of threads.

        Args:
            canvases: uint8 [B, h, w, 3].
            windows: float32 [B, 4], the part of each canvas that its photo fills, pixels.
            numbers: further inputs of the graph by name, one number for all canvases.

        Returns:
            The graph's outputs by name; see the glossary of `mrcnn.network`.

        Raises:
            RunError: this process was forked from the one that the network was built in.
        """
        inputs = {"image": canvases.astype("float32"), "window": windows.astype("float32")}
        refuse_forked()
        inputs.update({name: np.full(len(canvases), number, np.float32) for name, number in numbers.items()})
        with self.devices.apart():
            outputs = self._network()({name: inputs[name] for name in self.inference_model.input})
        return {name: np.asarray(value) for name, value in outputs.items()}

    def _network(self):
        """The inference graph as a function of a dict of arrays, the same one for all threads."""
        import keras

        model, backend = self.inference_model, keras.backend.backend()
        with _COMPILING:
            if backend == "torch" or self.devices.count > 1 and backend != "jax":
                model.make_predict_function()
                return model.predict_on_batch
            if self._compiled[0] is not model:
                self._compiled = model, importlib.import_module(f"mrcnn.ops.native_{backend}").compiled(model)
            return self._compiled[1]

    def skip_compiling(self) -> None:
        """Make ready for a few photos and no more: on TensorFlow the graph is run operation by operation.

        To compile it takes as long as FEW batches take longer without. JAX compiles all the same, and PyTorch never
        does.
        """
        import keras

        if keras.backend.backend() == "tensorflow" and self.devices.count == 1:
            model = self.inference_model
            with _COMPILING:
                self._compiled = model, lambda inputs: model(inputs, training=False)

    def warming_sizes(self) -> list[int]:
        """Tell the numbers of photos to be looked at once each, in this order, so that later ones find all compiled.

        Returns:
            [1]; on JAX, which compiles anew for each number of rows, also 2, 4 and so on, up to BATCH_SIZE: those in
            between are filled up to the next one.
        """
        if not hasattr(self, "inference_model"):  # an exported file, which does without Keras
            return [1]
        import keras

        most = self.config.BATCH_SIZE if keras.backend.backend() == "jax" else 1
        return [2**power for power in range((most - 1).bit_length())] + [most]

    def predicted(self, placed: Sequence[tuple[np.ndarray, Window]],
                  **numbers: float) -> Iterator[tuple[int, dict, Window]]:
        """Predict on canvases of any shapes, those of one shape together.

        Args:
            placed: pairs of canvas and Window.
            numbers: as for `predict`.

        Yields:
            (index in `placed`, the network's outputs for it, its Window), not in the order of the indices.
        """
        groups = {}  # canvases of one shape go through the network together
        for index, (canvas, _) in enumerate(placed):
            groups.setdefault(canvas.shape, []).append(index)
        for indices in groups.values():
            for start in range(0, len(indices), self.config.BATCH_SIZE):
                chunk = indices[start : start + self.config.BATCH_SIZE]
                canvases, windows = zip(*(placed[i] for i in chunk))
                outputs = self.predict(np.stack(canvases), np.stack([window.box for window in windows]), **numbers)
                for row, index in enumerate(chunk):
                    yield index, {name: value[row] for name, value in outputs.items()}, placed[index][1]

    def label(self, images: Photos, probabilities: bool = True, **options: object) -> list[dict]:
        """Tell the class of each pixel of any number of photos of any sizes, refined as LABEL_REFINE says.

        Args:
            images: photos, or one: arrays [H, W, 3] RGB, uint8 or other numbers 0..255, paths of files, bytes of files,
                or Pillow images.
            probabilities: False leaves these out, which saves memory and time.
            options: of `label_each`, which does not refine, such as settings=LabelSettings of a network of objects.

        Returns:
            One dict per photo:
            "labels": uint8 [H, W], class ids, 0 background.
            "probabilities": float32 [H, W, C], which sum to 1.

        Raises:
            DataError: an image is no such array, or a file is not there or cannot be read; the message names it.
        """
        chain = None
        if steps_of(self.config.LABEL_REFINE):
            from mrcnn.labeling.label_map import labels_of
            from mrcnn.labeling.refine import build_chain  # with which SciPy comes

            chain, images = build_chain(self.config.LABEL_REFINE), _kept(images)
        seen = self.label_each(images, probabilities or chain is not None, **options)
        if chain is None:
            return list(seen)
        results = []
        for image, result in zip(self.checked_images(images), seen):
            result["probabilities"] = np.asarray(chain(image, result["probabilities"]))
            result["labels"] = labels_of(result["probabilities"])
            results.append(result if probabilities else {"labels": result["labels"]})
        return results

    def checked_images(self, images: Photos) -> GivenPhotos:
        """Check photos, and give them as a sequence of arrays.

        Args:
            images: photos, or one: arrays [H, W, IMAGE_CHANNEL_COUNT] as for `checked_image`, paths of files, bytes of
                files, or Pillow images.

        Returns:
            The photos; those that are not arrays are decoded when they are asked for.

        Raises:
            DataError: one has another shape or type, or is not there; the message gives its index.
        """
        channels = int(self.config.IMAGE_CHANNEL_COUNT)
        return GivenPhotos(images, lambda image, index: checked_image(image, index, channels))


def _kept(images):
    """Photos that can be gone through twice: those of a generator as a list."""
    return images if hasattr(images, "__len__") or is_encoded(images) else list(images)


def checked_image(image: np.ndarray, index: int, channels: int) -> np.ndarray:
    """Check that a photo is [H, W, channels] of numbers 0..255.

    Args:
        image: the photo, uint8, or numbers of another type; floats below 2 are refused, as they may be of 0..1.
        index: its index among the photos, for the message.
        channels: number of channels.

    Returns:
        uint8 [H, W, channels].

    Raises:
        DataError: it is something else.
    """
    image = to_channels(as_pixels(np.asarray(image), index), channels)
    if image.ndim != 3 or image.shape[2] != channels or image.dtype != np.uint8 or 0 in image.shape:
        numbers = image.dtype.kind in "iuf" and image.dtype != np.uint8 and image.size
        span = f" of {image.min():.6g} to {image.max():.6g}" if numbers else ""
        raise DataError(
            f"Image {index} is {image.dtype} {list(image.shape)}{span}: give uint8 [height, width, {channels}]"
            f"{REMEDIES.get(channels, OTHERWISE)}."
        )
    return image
