"""Whitening: a first convolution whose outputs are uncorrelated and of variance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data.picture_files import PictureFiles
from pellucid.errors import NetworkError
from pellucid.model.inputs import prepare_array
from pellucid.model.ports import by_order
from pellucid.network.layers import Conv2D

if TYPE_CHECKING:
    from pellucid.model.model import Model

_IMAGES = 5000  # enough for the covariance of a few pixels
_EPSILON = 5e-4


def whiten(model: Model, images: Any, node: str) -> None:
    """Set a first convolution's weights to the eigenvectors of the images' patches.

    Each is divided by the root of its eigenvalue; the negatives of all follow. Where
    there are more outputs than that the rest stays as it is. A bias becomes 0.

    Parameters
    ----------
    model : Model
        Its weights change.
    images : array, shape (N, H, W, C)
        Training images, as `Model.predict` takes them, of several inputs a tuple or
        dict; 5,000 at even distances are used, for a folder's are in the order of
        their classes.
    node : str
        A convolution that reads an input. Freeze it, to keep its outputs white.

    Raises
    ------
    NetworkError
        If there is no such convolution, or it has too few outputs.

    References
    ----------
    K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024,
    section 3.2.

    Examples
    --------
    >>> import pellucid as pl
    >>> layers = pl.Conv2D(8, kernel_size=2, name="white"), pl.Flatten(), pl.Dense(2)
    >>> model = pl.Model(pl.Sequential(pl.Input(4, 4, 1), *layers), engine="numpy")
    >>> images = np.random.default_rng(0).random((50, 4, 4, 1))
    >>> pl.whiten(model, images, "white")
    >>> model.weights["white.weight"].shape
    (2, 2, 1, 8)
    """
    rows, columns = _check(model, node)
    network, how = model.network, model.preprocessing
    (source,) = network.node(node).inputs
    given = by_order("whiten", network.inputs, images)
    chosen = _spread(given[network.inputs.index(source)])
    x = prepare_array(chosen, network.shapes[source], how, model.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3)  # (n, h, w, rows, columns, channels)
    shape = patches.shape[3:]
    flat = patches.reshape(-1, int(np.prod(shape))).astype(np.float64)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    scaled = vectors[:, ::-1] / np.sqrt(values[::-1] + _EPSILON)
    weights = {name: np.array(array) for name, array in model.weights.items()}
    mine = weights[f"{node}.weight"]
    both = np.concatenate([scaled, -scaled], axis=1).reshape(*shape, -1)
    mine[..., : both.shape[-1]] = both
    if f"{node}.bias" in weights:
        weights[f"{node}.bias"][:] = 0
    model.load_weights(weights)


def _spread(images: Any) -> npt.NDArray[Any]:
    """Return some of the images, from the first to the last."""
    stored = images if isinstance(images, PictureFiles) else np.asarray(images)
    step = max(len(stored) // _IMAGES, 1)
    return stored[np.arange(0, len(stored), step)[:_IMAGES]]


def _check(model: Model, node: str) -> tuple[int, int]:
    network = model.network
    found: Any = None
    if node in {n.name for n in network.nodes}:
        found = network.node(node)
    reads = found is not None and set(found.inputs) <= set(network.inputs)
    if not reads or not isinstance(found.layer, Conv2D) or found.layer.groups != 1:
        raise NetworkError(
            "whiten: the node must be a convolution without groups that reads an "
            f"input; got {node!r}."
        )
    kernel = model.weights[f"{node}.weight"].shape
    least = 2 * int(np.prod(kernel[:3]))
    if kernel[3] < least:
        raise NetworkError(
            f"whiten: '{node}' must have at least {least} outputs, two for each "
            f"value of a patch; got {kernel[3]}."
        )
    return kernel[0], kernel[1]
