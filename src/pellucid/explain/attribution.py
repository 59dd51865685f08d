"""Attributions by gradients: Grad-CAM, integrated gradients, guided backpropagation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.engines.numpy import NumpySession
from pellucid.engines.ports import join
from pellucid.errors import NetworkError
from pellucid.explain.chosen_output import ChosenOutput, choose_output
from pellucid.explain.float_session import (
    float64_session,
    float64_weights,
    float_example,
)
from pellucid.explain.ports import Example, input_name, one_example, output_name
from pellucid.explain.saliency import Map
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.network import Network
from pellucid.network.layers import ReLU, Sigmoid, Softmax

_STEPS = 64  # of the path of integrated gradients
_AT_ONCE = 16  # images of that path in one batch


@dataclass(frozen=True, slots=True)
class _Score:
    """The number that is explained: a class's logit, or a value."""

    session: NumpySession
    x: Example
    node: str
    chosen: ChosenOutput

    def of(self, example: Example) -> Array:
        """Return the score of each example, shape (N,)."""
        values = self.session.activations(join(example))[self.node]
        return np.asarray(values[:, self.chosen.column] * self.chosen.sign)

    def ends(self, count: int) -> dict[str, Array]:
        """Return the derivative of each example's score by the node's output."""
        width = self.session.activations(join(self.x))[self.node].shape[1]
        grad = np.zeros((count, width))
        grad[:, self.chosen.column] = self.chosen.sign
        return {self.node: grad}


def _score(
    model: Model, image: Any, of_class: int | None, of_output: str | None
) -> _Score:
    name = output_name(model, of_output)
    x = float_example(model, one_example(model, image))
    session = float64_session(model, float64_weights(model))
    output = session.activations(join(x))[name]
    chosen = choose_output(model, output[0], of_class, of_output=name)
    return _Score(session, x, _score_node(model.network, name), chosen)


def _score_node(network: Network, output: str) -> str:
    """Return the node before a final softmax or sigmoid, else the output."""
    last = network.node(output)
    is_probability = isinstance(last.layer, Softmax | Sigmoid)
    return last.inputs[0] if is_probability else last.name


def grad_cam(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    node: str | None = None,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Return where a late feature map speaks for a class, enlarged to the image.

    ``α_k = mean over positions of ∂ score / ∂ A_k``, ``map = ReLU(Σ_k α_k A_k)``,
    enlarged bilinearly.

    Parameters
    ----------
    model : Model
        On any engine; computed in float64 by the numpy engine.
    image : array, shape of the network's input
        uint8 or float; of several inputs a tuple, or a dict by name.
    of_class : int, optional
        The largest output, if left out.
    node : str, optional
        Whose output A is; the last one behind the input that is an image with more
        than one pixel, if left out.
    of_output, of_input : str, optional
        Names, where the network has several.

    Returns
    -------
    Map
        (H, W) of the image, at least 0.

    Raises
    ------
    NetworkError
        If there is no such class or node, or the node's output is no image.

    References
    ----------
    R. Selvaraju and others, Grad-CAM: visual explanations from deep networks via
    gradient-based localization. ICCV 2017, equations 1 and 2.
    """
    score = _score(model, image, of_class, of_output)
    network, source = model.network, input_name(model, of_input)
    chosen = _feature_map(network, source, node)
    x = join(score.x)
    grads, _ = score.session.pull_back(x, score.ends(1), training=False)
    values = score.session.activations(x)[chosen][0]
    shares = grads[chosen][0].mean(axis=(0, 1))
    heat = np.maximum(values @ shares, 0)
    height, width = network.shapes[source][:2]
    return Map(of_class=score.chosen.index, values=_enlarge(heat, (height, width)))


def _feature_map(network: Network, source: str, node: str | None) -> str:
    shapes = network.shapes
    if len(shapes[source]) != 3:
        raise NetworkError(
            f"grad_cam: input must be an image; got shape={shapes[source]}."
        )
    if node is not None:
        shape = shapes[network.node(node).name]
        if len(shape) != 3:
            raise NetworkError(
                f"grad_cam: node must have an image as output; got '{node}' with "
                f"shape={shape}."
            )
        return node
    behind = {source}
    for one in network.nodes:
        if behind.intersection(one.inputs):
            behind.add(one.name)
    maps = [
        one.name
        for one in network.nodes
        if one.inputs
        and one.name in behind
        and len(shapes[one.name]) == 3
        and max(shapes[one.name][:2]) > 1
    ]
    if not maps:
        raise NetworkError(
            "grad_cam: the network must have a feature map with more than one pixel; "
            "got none. `occlusion` needs none."
        )
    return maps[-1]


def _enlarge(heat: Array, size: tuple[int, int]) -> Array:
    """Interpolate between the cells' centres; beyond them the edge is repeated."""
    for axis, count in enumerate(size):
        cells = heat.shape[axis]
        at = np.clip((np.arange(count) + 0.5) * cells / count - 0.5, 0, cells - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, cells - 1)
        share = np.expand_dims(at - low, 1 - axis)
        heat = heat.take(low, axis) * (1 - share) + heat.take(high, axis) * share
    return heat


def integrated_gradients(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    baseline: Any | None = None,
    steps: int = _STEPS,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Return each pixel's share of a class's score, which add up to its rise.

    ``(x − x₀) · mean over t of ∂ score / ∂ x at x₀ + t (x − x₀)``, t at the middle of
    each of ``steps`` parts of 0 … 1. The sum over all pixels is score(x) − score(x₀),
    up to the error of the sum that stands for an integral; of several inputs, over
    the pixels of all: x goes from x₀ in all of them.

    Parameters
    ----------
    model, image, of_class
        As in `grad_cam`.
    baseline : array, optional
        x₀, of the image's shape and kind; a black image, if left out (zeros where the
        image is float).
    steps : int
        At least 1.
    of_output, of_input : str, optional
        As in `grad_cam`.

    Returns
    -------
    Map
        (H, W), channels added up; positive where the pixel speaks for the class. Of an
        input that is no image, the input's shape.

    Raises
    ------
    NetworkError
        If there is no such class, or steps is less than 1.

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan, Axiomatic attribution for deep networks. ICML
    2017, equation 3.
    """
    if steps < 1:
        raise NetworkError(
            f"integrated_gradients: steps must be at least 1; got {steps}."
        )
    score = _score(model, image, of_class, of_output)
    source, given = input_name(model, of_input), one_example(model, image)
    black = tuple(np.zeros_like(x) for x in given)
    if baseline is not None:
        black = one_example(model, baseline)
    begins = float_example(model, black)
    ways = [x - begin for x, begin in zip(score.x, begins, strict=True)]
    way = ways[model.network.inputs.index(source)]
    total = np.zeros_like(way)
    fractions = (np.arange(steps) + 0.5) / steps
    for first in range(0, steps, _AT_ONCE):
        some = fractions[first : first + _AT_ONCE]
        images = [
            begin + some.reshape(-1, *[1] * (one.ndim - 1)) * one
            for begin, one in zip(begins, ways, strict=True)
        ]
        grads, _ = score.session.pull_back(
            join(images), score.ends(len(some)), training=False
        )
        total += grads[source].sum(axis=0, keepdims=True)
    shares = (way * total / steps)[0]
    values = shares.sum(axis=-1) if shares.ndim == 3 else shares
    return Map(of_class=score.chosen.index, values=values)


def guided_backpropagation(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Return ∂ score / ∂ pixel where every ReLU passes positive gradients only.

    The size of the largest channel's value, as in `saliency`; the picture shows the
    strokes that excite, without those that inhibit.

    Parameters
    ----------
    model, image, of_class
        As in `grad_cam`.
    of_output, of_input : str, optional
        As in `grad_cam`.

    Returns
    -------
    Map
        One value for each pixel, at least 0.

    Raises
    ------
    NetworkError
        If there is no such class.

    References
    ----------
    J. Springenberg and others, Striving for simplicity: the all convolutional net.
    ICLR workshop 2015, section 3.4.
    """
    score = _score(model, image, of_class, of_output)
    source = input_name(model, of_input)
    rectifiers = {
        node.name for node in model.network.nodes if isinstance(node.layer, ReLU)
    }

    def positive(name: str, grad: Array) -> Array:
        return np.maximum(grad, 0) if name in rectifiers else grad

    grads, _ = score.session.pull_back(
        join(score.x), score.ends(1), training=False, change=positive
    )
    size = np.abs(grads[source][0])
    values = size.max(axis=-1) if size.ndim == 3 else size
    return Map(of_class=score.chosen.index, values=values)
