"""What a channel looks for: the patches of test images that excite it most."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.explain import maximize
from pellucid.explain.ending import model_ending_at
from pellucid.explain.loss_nodes import reaching
from pellucid.model import Model
from pellucid.network.ports import has_several, require_single
from pellucid.network.receptive_field import field
from pellucid.studio.examples import Examples
from pellucid.studio.images import check_takes_pictures, encode

Array = npt.NDArray[Any]
_LOOKED_AT = 256  # test images
_SHOWN = 8


def strongest_patches(
    model: Model, examples: Examples | None, node: str, channel: int
) -> dict[str, Any]:
    """Return the parts of test images at which a node's channel is largest.

    Raises
    ------
    DataError
        If there is no such channel, or there are no test images.
    NetworkError
        If the node needs several inputs.
    """
    if examples is None:
        raise DataError("studio: there must be test images for the network; got none.")
    images, looking = examples.test.images, reaching(model, node)
    if has_several(model.network):
        looking = model_ending_at(looking, node)
        require_single("studio's patches", looking.network, sharing=True)
        check_takes_pictures(looking.network, None)
        images = images[model.network.inputs.index(looking.network.inputs[0])]
    images = np.asarray(images[:_LOOKED_AT])
    return {
        "node": node,
        "channel": channel,
        "data": examples.name,
        "looked_at": len(images),
        "patches": find_patches(looking, images, node, channel),
    }


def exciting_image(model: Model, node: str, channel: int) -> dict[str, Any]:
    """Return an image made to excite a channel, with its values before and after.

    Raises
    ------
    NetworkError
        If there is no such channel, or it is the input's.
    """
    found = maximize(model, node, channel)
    return {
        "image": encode(found.pixels),
        "shape": list(found.pixels.shape),
        "before": found.values[0],
        "after": max(found.values),
        "steps": len(found.values) - 1,
        "is_map": len(model.network.shapes.get(node, ())) == 3,
    }


def find_patches(
    model: Model, images: Array, node: str, channel: int
) -> list[dict[str, Any]]:
    """Return the parts of images at which a node's channel is largest.

    Parameters
    ----------
    model : Model
        Its network takes pictures.
    images : ndarray of uint8, shape (N, H, W, C)
    node : str
    channel : int
        A channel of the node, or a unit of a vector.

    Returns
    -------
    list of dict
        The largest value first, at most one from an image: which image, the value,
        where in the node it is, and the pixels that reach it.

    Raises
    ------
    DataError
        If there is no such channel.
    """
    shape = model.network.shapes[model.network.node(node).name]
    if not 0 <= channel < shape[-1]:
        raise DataError(
            f"studio: a channel of '{node}' must be from 0 to {shape[-1] - 1}; got "
            f"{channel}."
        )
    # one by one: the engine has compiled that for the image that is looked at
    found = [_largest(model, image, node, channel) for image in images]
    order = sorted(range(len(found)), key=lambda i: -found[i][0])[:_SHOWN]
    return [_patch(model, images[i], node, i, *found[i]) for i in order]


def _largest(
    model: Model, image: Array, node: str, channel: int
) -> tuple[float, tuple[int, ...]]:
    """Return a channel's largest value, and its place in the node."""
    values = model.activations(image[None])[node][0][..., channel]
    at = np.unravel_index(int(values.argmax()), values.shape)
    return float(values[at]), (*(int(n) for n in at), channel)


def _patch(
    model: Model, image: Array, node: str, index: int, value: float, at: tuple[int, ...]
) -> dict[str, Any]:
    box = field(model.network, node, at)
    (top, bottom), (left, right) = box or ((0, -1), (0, -1))
    cut = image[top : bottom + 1, left : right + 1]
    return {
        "index": index,
        "value": value,
        "at": list(at),
        "field": box,
        "image": encode(cut),
        "shape": list(cut.shape),
    }
