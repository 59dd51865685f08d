"""Attributions by gradients: Grad-CAM, integrated gradients, guided backpropagation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid.engines.numpy import NumpySession
from pellucid.errors import NetworkError
from pellucid.explain.arithmetic import one_image
from pellucid.explain.chosen_output import ChosenOutput, choose_output
from pellucid.explain.float_session import (
    float64_session,
    float64_weights,
    float_input,
)
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
    x: Array
    node: str
    chosen: ChosenOutput

    def of(self, images: Array) -> Array:
        """Return the score of each image, shape (N,)."""
        values = self.session.activations(images)[self.node]
        return np.asarray(values[:, self.chosen.column] * self.chosen.sign)

    def ends(self, count: int) -> dict[str, Array]:
        """Return the derivative of each image's score by the node's output."""
        width = self.session.activations(self.x)[self.node].shape[1]
        grad = np.zeros((count, width))
        grad[:, self.chosen.column] = self.chosen.sign
        return {self.node: grad}


def _score(model: Model, image: npt.ArrayLike, of_class: int | None) -> _Score:
    x = np.asarray(float_input(model, one_image(model, image)), np.float64)
    session = float64_session(model, float64_weights(model))
    output = session.activations(x)[model.network.outputs[0]]
    chosen = choose_output(model, output[0], of_class)
    return _Score(session, x, _score_node(model.network), chosen)


def _score_node(network: Network) -> str:
    """Return the node before a final softmax or sigmoid, else the output."""
    last = network.node(network.outputs[0])
    is_probability = isinstance(last.layer, Softmax | Sigmoid)
    return last.inputs[0] if is_probability else last.name


def grad_cam(
    model: Model,
    image: npt.ArrayLike,
    of_class: int | None = None,
    *,
    node: str | None = None,
) -> Map:
    """Return where a late feature map speaks for a class, enlarged to the image.

    ``α_k = mean over positions of ∂ score / ∂ A_k``, ``map = ReLU(Σ_k α_k A_k)``,
    enlarged bilinearly.

    Parameters
    ----------
    model : Model
        On any engine; computed in float64 by the numpy engine.
    image : array, shape of the network's input
        uint8 or float.
    of_class : int, optional
        The largest output, if left out.
    node : str, optional
        Whose output A is; the last one that is an image with more than one pixel, if
        left out.

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
    score = _score(model, image, of_class)
    network = model.network
    chosen = _feature_map(network, node)
    grads, _ = score.session.pull_back(score.x, score.ends(1), training=False)
    values = score.session.activations(score.x)[chosen][0]
    shares = grads[chosen][0].mean(axis=(0, 1))
    heat = np.maximum(values @ shares, 0)
    height, width = network.input_shape[:2]
    return Map(of_class=score.chosen.index, values=_enlarge(heat, (height, width)))


def _feature_map(network: Network, node: str | None) -> str:
    if len(network.input_shape) != 3:
        raise NetworkError(
            f"grad_cam: input must be an image; got shape={network.input_shape}."
        )
    shapes = network.shapes
    if node is not None:
        shape = shapes[network.node(node).name]
        if len(shape) != 3:
            raise NetworkError(
                f"grad_cam: node must have an image as output; got '{node}' with "
                f"shape={shape}."
            )
        return node
    maps = [
        one.name
        for one in network.nodes
        if one.inputs and len(shapes[one.name]) == 3 and max(shapes[one.name][:2]) > 1
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
    image: npt.ArrayLike,
    of_class: int | None = None,
    *,
    baseline: npt.ArrayLike | None = None,
    steps: int = _STEPS,
) -> Map:
    """Return each pixel's share of a class's score, which add up to its rise.

    ``(x − x₀) · mean over t of ∂ score / ∂ x at x₀ + t (x − x₀)``, t at the middle of
    each of ``steps`` parts of 0 … 1. The sum over all pixels is score(x) − score(x₀),
    up to the error of the sum that stands for an integral.

    Parameters
    ----------
    model, image, of_class
        As in `grad_cam`.
    baseline : array, optional
        x₀, of the image's shape and kind; a black image, if left out (zeros where the
        image is float).
    steps : int
        At least 1.

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
    score = _score(model, image, of_class)
    black = np.zeros_like(np.asarray(image)) if baseline is None else baseline
    begin = _score(model, black, score.chosen.index).x
    way = score.x - begin
    total = np.zeros_like(way)
    fractions = (np.arange(steps) + 0.5) / steps
    for first in range(0, steps, _AT_ONCE):
        some = fractions[first : first + _AT_ONCE]
        images = begin + some.reshape(-1, *[1] * (way.ndim - 1)) * way
        grads, _ = score.session.pull_back(
            images, score.ends(len(images)), training=False
        )
        total += grads[model.network.inputs[0]].sum(axis=0, keepdims=True)
    shares = (way * total / steps)[0]
    values = shares.sum(axis=-1) if shares.ndim == 3 else shares
    return Map(of_class=score.chosen.index, values=values)


def guided_backpropagation(
    model: Model, image: npt.ArrayLike, of_class: int | None = None
) -> Map:
    """Return ∂ score / ∂ pixel where every ReLU passes positive gradients only.

    The size of the largest channel's value, as in `saliency`; the picture shows the
    strokes that excite, without those that inhibit.

    Parameters
    ----------
    model, image, of_class
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
    score = _score(model, image, of_class)
    rectifiers = {
        node.name for node in model.network.nodes if isinstance(node.layer, ReLU)
    }

    def positive(name: str, grad: Array) -> Array:
        return np.maximum(grad, 0) if name in rectifiers else grad

    grads, _ = score.session.pull_back(
        score.x, score.ends(1), training=False, change=positive
    )
    size = np.abs(grads[model.network.inputs[0]][0])
    values = size.max(axis=-1) if size.ndim == 3 else size
    return Map(of_class=score.chosen.index, values=values)
