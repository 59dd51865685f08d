"""Attributions: gradient saliency and occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.engines.ports import join, split
from pellucid.errors import NetworkError
from pellucid.explain.chosen_output import choose_output
from pellucid.explain.ports import (
    input_name,
    one_example,
    output_name,
    predict_outputs,
)
from pellucid.explain.probabilities import class_scores
from pellucid.explain.values import Array
from pellucid.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """How much each pixel matters for one class.

    Parameters
    ----------
    of_class : int
        The class.
    values : ndarray of float, shape (H, W)
        Or the input's shape, where it is no image.
    """

    of_class: int
    values: Array


def saliency(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Return |∂ output of a class / ∂ pixel|, the largest over a pixel's channels.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array, shape of the network's input
        uint8 or float; the derivative is by the network's input. Of several inputs a
        tuple, or a dict by name.
    of_class : int, optional
        The largest output, if left out.
    of_output, of_input : str, optional
        Names, where the network has several.

    Returns
    -------
    Map
        One value for each pixel, at least 0.

    Raises
    ------
    NetworkError
        If there is no such class, output or input.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman, Deep inside convolutional networks.
    arXiv:1312.6034, 2013, section 3.
    """
    example, inputs = one_example(model, image), model.network.inputs
    output, source = output_name(model, of_output), input_name(model, of_input)
    found = predict_outputs(model, example)
    chosen = choose_output(model, found[output][0], of_class, of_output=output)
    ends = {name: np.zeros_like(values) for name, values in found.items()}
    ends[output] = chosen.gradient(found[output])
    grads, _ = model.vjp(join(example), join([*ends.values()]), training=False)
    size = np.abs(split("gradients", inputs, grads)[inputs.index(source)][0])
    values = size.max(axis=-1) if size.ndim == 3 else size
    return Map(of_class=chosen.index, values=values)


def occlusion(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Cover each part of the image, and return how far the class's probability falls.

    Of a regression it is how far the value falls.

    Parameters
    ----------
    model, image, of_class
        As in `saliency`.
    size : int, optional
        Side of the grey square in pixels; a sixth of the image unless given.
    stride : int, optional
        Pixels from one square to the next; half a square unless given.
    of_output, of_input : str, optional
        As in `saliency`; the other inputs stay as they are.

    Returns
    -------
    Map
        Each pixel's mean fall over the squares that cover it; positive where
        covering it makes the class less probable.

    Raises
    ------
    NetworkError
        If the input is no image, or size or stride are less than 1.

    References
    ----------
    M. Zeiler, R. Fergus, Visualizing and understanding convolutional networks. ECCV
    2014, section 4.2.
    """
    example = one_example(model, image)
    output, source = output_name(model, of_output), input_name(model, of_input)
    place = model.network.inputs.index(source)
    pixels = example[place][0]
    if pixels.ndim != 3:
        raise NetworkError(
            f"occlusion: input must be an image; got shape={pixels.shape}."
        )
    height, width, _ = pixels.shape
    side = max(1, min(height, width) // 6) if size is None else size
    step = max(1, side // 2) if stride is None else stride
    if side < 1 or step < 1:
        raise NetworkError(
            f"occlusion: size and stride must be at least 1; got {side}, {step}."
        )
    squares = [
        (slice(i, i + side), slice(j, j + side))
        for i in range(0, height, step)
        for j in range(0, width, step)
    ]
    mean = pixels.mean(axis=(0, 1)).astype(pixels.dtype)
    covered = np.repeat(pixels[None], len(squares) + 1, axis=0)
    for one, square in zip(covered[1:], squares, strict=True):
        one[square] = mean
    many = [np.repeat(x, len(covered), axis=0) for x in example]
    many[place] = covered
    values = predict_outputs(model, tuple(many))[output]
    k = choose_output(model, values[0], of_class, of_output=output).index
    shares = class_scores(model, values, of_output=output)[:, k]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for square, share in zip(squares, shares[1:], strict=True):
        total[square] += shares[0] - share
        count[square] += 1
    return Map(of_class=k, values=total / np.maximum(count, 1))
