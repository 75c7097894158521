"""Figures of a network's weights: norms of filters, dead filters, scales of its norms.

`model` is anything with get_trainable_layers(), as MaskRCNN has, or with layers, as a Keras model has. Layers of a
model that is a layer of another are named "inner/layer".
"""

from collections.abc import Iterator

import numpy as np

from mrcnn.figure_fonts import fit_letters

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
DEAD_SHARE = 0.01  # of its layer's median norm; below it a filter adds nothing that the next layer could tell from zero


def layers_of(model: object) -> Iterator[tuple[str, object]]:
    """Yield (name, layer) of the layers of a model that have weights, those of models in it one by one."""
    layers = model.get_trainable_layers() if hasattr(model, "get_trainable_layers") else model.layers
    for layer in layers:
        if hasattr(layer, "layers"):
            yield from ((f"{layer.name}/{name}", inner) for name, inner in layers_of(layer))
        elif layer.weights:
            yield layer.name, layer


def weights_of(layer: object) -> dict[str, np.ndarray]:
    """{"kernel": array, "bias": array ...} of a layer; "query/kernel" where it has several of one name."""
    paths = [getattr(variable, "path", variable.name).split(":")[0].split("/") for variable in layer.weights]
    last = [path[-1] for path in paths]
    names = [path[-1] if last.count(path[-1]) == 1 else "/".join(path[-2:]) for path in paths]
    return dict(zip(names, layer.get_weights()))


def weights_named(model: object, *names: str) -> dict[str, np.ndarray]:
    """{layer: float array} of the weights of these names ("kernel", "gamma" ...), in the order of the layers.

    A layer that has more than one of them has an entry for each, "layer/pointwise_kernel".
    """
    return {label: values for label, _, _, values in _named(model, names)}


def _named(model, names):
    """Yield (label, layer, name of the weight, array)."""
    for label, layer in layers_of(model):
        own = {name: values for name, values in weights_of(layer).items() if name.split("/")[-1] in names}
        for name, values in own.items():
            yield label if len(own) == 1 else f"{label}/{name}", layer, name, values


def filter_norms(model: object) -> dict[str, np.ndarray]:
    """{layer: float [filters]}, the Euclidean norm of each filter: of all weights that lead to one output channel.

    A separable convolution has an entry for its depthwise and one for its pointwise filters.
    """
    norms = {}
    for label, layer, name, kernel in _named(model, KERNELS):
        kind = type(layer).__name__
        if name == "depthwise_kernel" or "Depthwise" in kind:
            # [h, w, channels, multiplier]: a filter for each of the last two
            kernel = kernel.reshape((*kernel.shape[:-2], -1))
        elif "Transpose" in kind:  # [h, w, outputs, inputs]
            kernel = np.swapaxes(kernel, -1, -2)
        norms[label] = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)
    return norms


def dead_filters(norms: dict[str, np.ndarray], share: float = DEAD_SHARE) -> dict[str, np.ndarray]:
    """{layer: int positions of the filters with less than `share` of the layer's median norm}, layers with such alone.

    Args:
        norms: as from `filter_norms`; a layer whose median is zero has all its zeros dead.
        share: of the layer's median norm, below which a filter is dead.
    """
    dead = {}
    for name, values in norms.items():
        few = np.flatnonzero((values < share * np.median(values)) | (values == 0))
        if len(few):
            dead[name] = few
    return dead


def plot_layer_ranges(values: dict[str, np.ndarray], label: str, dead: dict[str, np.ndarray] | None = None,
                      log: bool = True) -> object:
    """Plot for each layer, from top to bottom, the range and the middle half of some numbers.

    Args:
        values: {layer: [N]}.
        label: what they are.
        dead: as from `dead_filters`, marked red.
        log: on a logarithmic axis.

    Returns:
        The axis.
    """
    import matplotlib.pyplot as plt

    dead = dead or {}
    figure, ax = plt.subplots(figsize=(9, max(2.5, 0.19 * len(values) + 1)), layout="constrained")
    for row, (name, numbers) in enumerate(values.items()):
        numbers = np.asarray(numbers, np.float64).ravel()
        low, quarter, middle, three, high = np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])
        ax.plot([low, high], [row, row], color="#b8c4d6", linewidth=1.5)
        ax.plot([quarter, three], [row, row], color="#4c78a8", linewidth=5, solid_capstyle="butt")
        ax.plot([middle], [row], "o", color="white", markeredgecolor="#1b3a63", markersize=4)
        if name in dead:
            ax.plot(numbers[dead[name]], np.full(len(dead[name]), row), "x", color="#d62728", markersize=5)
    ax.set_yticks(range(len(values)), list(values), fontsize=7)
    ax.set_ylim(len(values) - 0.4, -0.6)
    positive = [number for numbers in values.values() for number in np.ravel(numbers) if number > 0]
    if log and positive:
        # A logarithmic axis has no room for zeros, one that is straight near zero does.
        zeros = len(positive) < sum(map(np.size, values.values()))
        ax.set_xscale("symlog", linthresh=float(min(positive))) if zeros else ax.set_xscale("log")
    ax.set_xlabel(f"{label}: least to largest, middle half, median" + (", dead" if dead else ""))
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    fit_letters(figure)
    plt.show()
    return ax
