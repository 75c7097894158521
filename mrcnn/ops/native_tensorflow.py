"""TensorFlow's own kernels for NMS, RoIAlign and Adam: same results as the references, much faster; and a network as
one graph."""

import contextvars
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from mrcnn.ops import Tensor

_answering = contextvars.ContextVar("answering", default=False)  # whether a graph of `compiled` is being traced


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_outputs: int, absent: float) -> tuple[Tensor, Tensor]:
    """`mrcnn.ops.nms.nms` by NonMaxSuppressionV4, one set at a time."""

    def one_set(inputs):
        set_boxes, set_scores = inputs
        indices, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=set_boxes,
            scores=set_scores,
            max_output_size=max_outputs,
            iou_threshold=tf.cast(iou_threshold, tf.float32),
            score_threshold=tf.constant(absent, tf.float32),
            pad_to_max_output_size=True,
        )
        return tf.ensure_shape(indices, (max_outputs,)), tf.range(max_outputs) < count

    signature = (tf.TensorSpec((max_outputs,), tf.int32), tf.TensorSpec((max_outputs,), tf.bool))
    inputs = (tf.cast(boxes, tf.float32), tf.cast(scores, tf.float32))
    return tf.map_fn(one_set, inputs, fn_output_signature=signature)


def roi_align(maps: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, image_index: Tensor, level_index: Tensor,
              size: int, sampling_ratio: int) -> Tensor:
    """`mrcnn.ops.roi_align.roi_align` by crop_and_resize at corrected points, averaged in each cell."""
    crops, rows = [], []
    for level, (features, stride) in enumerate(zip(maps, strides)):
        chosen = tf.cast(tf.where(level_index == level)[:, 0], tf.int32)
        images = tf.gather(image_index, chosen)
        crops.append(_crop_level(features, stride, tf.gather(boxes, chosen), images, size, sampling_ratio))
        rows.append(chosen)
    crops = tf.concat(crops, axis=0)
    order = tf.math.invert_permutation(tf.concat(rows, axis=0))
    return tf.gather(crops, order)


def _crop_level(features, stride, boxes, image_index, size, sampling_ratio):
    """Crops of one map: [n, size, size, F]."""
    # The map is repeated by one cell at its border: samples up to a cell outside take the edge, others are zero.
    features = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    shape = tf.cast(tf.shape(features), tf.float32)
    coordinates = _corner_points(boxes + stride, stride, size, sampling_ratio, shape[1], shape[2])
    count = size * sampling_ratio
    crops = tf.image.crop_and_resize(tf.cast(features, tf.float32), coordinates, image_index, [count, count])
    crops = tf.nn.avg_pool2d(crops, sampling_ratio, sampling_ratio, "VALID")
    return tf.cast(crops, features.dtype)


def _corner_points(boxes, stride, size, sampling_ratio, height, width):
    """Boxes for which crop_and_resize hits RoIAlign's sample points.

    boxes: [n, 4] pixels; height, width: cells of the map. That operation puts its first and last point on the box's
    edges, normalised by (cells - 1), so the box is shrunk by half a sampling step at each end and shifted by half a
    cell (the correction that tensorpack's FasterRCNN found necessary). Returns [n, 4].
    """
    count = size * sampling_ratio
    step = (boxes[:, 2:] - boxes[:, :2]) / (stride * count)
    first = boxes[:, :2] / stride - 0.5 + 0.5 * step
    last = first + step * (count - 1)
    scale = tf.stack([height - 1.0, width - 1.0])
    return tf.concat([first / scale, last / scale], axis=-1)


def enlarge(x: Tensor, times: int) -> Tensor:
    """`mrcnn.ops.bilinear.enlarge` of maps whose size the graph does not know."""
    return tf.cast(tf.image.resize(x, tf.shape(x)[1:3] * times), x.dtype)


def convolve_enlarged(x: Tensor, kernel: Tensor) -> Tensor:
    """`mrcnn.ops.bilinear.convolve_enlarged` by a quarter of its multiplications.

    To enlarge bilinearly is to put a zero behind each cell and to smooth along both axes by (1, 3, 3, 1) / 4. What is
    linear may change places: here cells are convolved first, where three of four products would be with zeros, and the
    result is smoothed. Only the outermost cells differ, for the smoothing sees what the convolution takes for zeros:
    they are computed as it is written.
    """
    batch, height, width = tf.unstack(tf.shape(x)[:3])
    channels = kernel.shape[-1]
    edged = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    flipped = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))  # a transposed convolution scatters, others gather
    shape = tf.stack([batch, 2 * height + 1, 2 * width + 1, channels])
    spread = tf.nn.conv2d_transpose(edged, flipped, shape, 2, padding=[[0, 0], [2, 2], [2, 2], [0, 0]])
    tent = tf.constant([1, 3, 3, 1], x.dtype) / 4
    tent = tf.tile((tent[:, None] * tent)[:, :, None, None], (1, 1, channels, 1))
    inner = tf.nn.depthwise_conv2d(spread, tent, (1, 1, 1, 1), "VALID")

    def along_edge(cells, axis, taps):
        """Outermost row (axis 1) or column (axis 2) from the two of the large map that it sees."""
        around = [[0, 0], [0, 0], [0, 0], [0, 0]]
        around[3 - axis] = [1, 1]
        return tf.nn.conv2d(tf.pad(cells, around), taps, 1, "VALID")

    top = along_edge(enlarge(x[:, :2], 2)[:, :2], 1, kernel[1:])
    bottom = along_edge(enlarge(x[:, -2:], 2)[:, -2:], 1, kernel[:2])
    left = along_edge(enlarge(x[:, :, :2], 2)[:, :, :2], 2, kernel[:, 1:])
    right = along_edge(enlarge(x[:, :, -2:], 2)[:, :, -2:], 2, kernel[:, :2])
    middle = tf.concat([left[:, 1:-1], inner, right[:, 1:-1]], axis=2)
    return tf.ensure_shape(tf.concat([top, middle, bottom], axis=1), (None, None, None, channels))


def scaled_convolution(x: Tensor, factor_and_shift: Callable) -> Tensor | None:
    """x * factor + shift by the convolution that x comes from, with a kernel of its own in place of x.

    A bias follows a convolution within one operation, and so does the activation behind it, where a product and a sum
    each go through the whole map. What x was made by is pruned from the graph, if nothing else needs it.

    Args:
        x: [B, h, w, G].
        factor_and_shift: function that gives both, [G] each; asked only where they are needed.

    Returns:
        [B, h, w, G]; None where x does not come straight from a convolution, and outside the graphs of `compiled`.
    """
    if not _answering.get() or tf.executing_eagerly() or x.dtype != tf.float32:
        return None
    made, bias = x.op, None
    if made.type == "BiasAdd":
        bias, made = made.inputs[1], made.inputs[0].op
    if made.type not in ("Conv2D", "DepthwiseConv2dNative") or made.get_attr("data_format") != b"NHWC":
        return None
    factor, shift = factor_and_shift()
    shift = shift if bias is None else shift + bias * factor
    before, kernel = made.inputs
    by_channel = made.type == "DepthwiseConv2dNative"  # whose kernels come [height, width, F, G / F]
    settings = {name: made.get_attr(name) for name in ("strides", "padding", "explicit_paddings", "dilations")}
    convolve = tf.raw_ops.DepthwiseConv2dNative if by_channel else tf.raw_ops.Conv2D
    kernel = kernel * (tf.reshape(factor, kernel.shape[2:]) if by_channel else factor)
    return tf.nn.bias_add(convolve(input=before, filter=kernel, **settings), shift)


def adam(variable: tf.Variable, momentum: tf.Variable, velocity: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor,
         step: tf.Tensor, betas: tuple[float, float], epsilon: float) -> None:
    """Adam's change of one variable and of its two means by ResourceApplyAdam, one operation in place of thirty.

    Args:
        variable, momentum, velocity: changed in place.
        gradient: of the variable's shape.
        rate: scalar.
        step: scalar, 1 in the first step.
        betas, epsilon: constants of Adam.
    """
    dtype = variable.dtype
    first, second = (tf.constant(beta, dtype) for beta in betas)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=tf.pow(first, step),
        beta2_power=tf.pow(second, step),
        lr=rate,
        beta1=first,
        beta2=second,
        epsilon=tf.constant(epsilon, dtype),
        grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
    )


def compiled(model: object) -> Callable:
    """A compiled function that runs a network from any number of threads.

    Keras' `predict_on_batch` traces a graph for the first shape, and others when another canvas comes and when another
    number of photos does: seconds each. Here one graph takes them all.

    Args:
        model: built keras.Model of a dict of inputs.

    Returns:
        Function of the model's inputs that gives its outputs as numpy arrays, with the weights of the moment.
    """
    signature = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name) for name, tensor in model.input.items()}

    def answer(inputs):
        token = _answering.set(True)
        try:
            return model(inputs, training=False)
        finally:
            _answering.reset(token)

    function = tf.function(answer, input_signature=[signature], autograph=False)
    # A function that traces when it is called is complained of by TensorFlow from the fifth network on.
    traced = None if tf.config.functions_run_eagerly() else function.get_concrete_function()

    def run(inputs):
        tensors = {name: tf.convert_to_tensor(value) for name, value in inputs.items()}
        outputs = function(tensors) if traced is None or tf.config.functions_run_eagerly() else traced(tensors)
        return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}

    return run
