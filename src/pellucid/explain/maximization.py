"""The image that excites a channel most, found by gradient ascent on the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.errors import NetworkError
from pellucid.explain.ending import model_ending_at
from pellucid.explain.loss_nodes import reaching
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.network.checks import is_int
from pellucid.network.ports import require_single

_RATE = 0.05  # of the pixels' range a step, as root mean square
_DECAY = 0.01  # towards the middle of the range, a step
_STARTS = 16  # images of noise, of which the best is gone on with: ReLUs may be dead
_JITTERED = 16  # pixels a side from which images are moved before each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximization:
    """An image and how far it excites a channel.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        As the network takes it.
    pixels : ndarray of uint8, shape (H, W, C)
        The same as a picture.
    values : list of float
        What was climbed, at the start and after each step.
    """

    image: Array
    pixels: Array
    values: list[float]


def maximize(
    model: Model, node: str, channel: int, *, steps: int = 64, seed: int = 0
) -> Maximization:
    """Return an image that excites a channel.

    What is climbed is a unit's value; of a map it is the root of the mean of
    ``max(a, 0)²`` over its elements a, which a pattern makes larger than an even grey.
    From noise, the best of 16 images, x goes ``x + 0.05 · g / rms(g)``, with g the
    gradient by the pixels and the pixels' range as unit; it is drawn a
    little to grey and kept within the range. Larger images are moved by a pixel or two
    before each step, so that no pattern hangs on a place.

    Parameters
    ----------
    model : Model
        Of its inputs the node needs one, a picture; its preprocessing is known.
    node : str
        A node, or the softmax after the logits.
    channel : int
        A channel of the node, or a unit of a vector.
    steps : int
        At least 1.
    seed : int
        Of the noise and the moves.

    Returns
    -------
    Maximization
        The best image of all steps.

    Raises
    ------
    NetworkError
        If there is no such node or channel, steps is less than 1, or the node does not
        need one picture alone.

    References
    ----------
    D. Erhan et al., Visualizing higher-layer features of a deep network, 2009.
    C. Olah et al., Feature visualization, Distill, 2017, doi:10.23915/distill.00007.
    """
    if node in model.network.inputs:
        raise NetworkError(
            f"explain.maximize: node must not be the input; got node={node!r}."
        )
    part = model_ending_at(reaching(model, node), node)
    require_single("explain.maximize", part.network, sharing=True)
    shape, network = part.network.output_shape, part.network
    if len(network.input_shape) != 3 or network.input_shape[2] not in (1, 3):
        raise NetworkError(
            "explain.maximize: the network must take pictures; got an input of shape "
            f"{network.input_shape}."
        )
    if not is_int(channel) or not 0 <= channel < shape[-1]:
        raise NetworkError(
            f"explain.maximize: channel of '{node}' must be from 0 to {shape[-1] - 1}; "
            f"got channel={channel!r}."
        )
    if not is_int(steps) or steps < 1:
        raise NetworkError(
            f"explain.maximize: steps must be at least 1; got steps={steps!r}."
        )
    draws = np.random.default_rng(seed)
    scale, shift = _range(model)
    noise = 0.5 + 0.25 * draws.standard_normal((_STARTS, *network.input_shape))
    starts = np.clip(noise, 0, 1)
    firsts, _ = _climbed(part, starts * scale + shift, channel)
    x = starts[firsts.argmax()][None]
    best, values = x, [float(firsts.max())]
    for _ in range(steps):
        moves = draws.integers(-2, 3, 2) if min(x.shape[1:3]) >= _JITTERED else (0, 0)
        moved = np.roll(x, moves, (1, 2)) * scale + shift
        _, upstream = _climbed(part, moved, channel)
        grad, _ = part.vjp(moved.astype(model.dtype), upstream, training=False)
        g = np.roll(grad, (-moves[0], -moves[1]), (1, 2)) * scale
        g = g / (np.sqrt(np.mean(np.square(g, dtype=np.float64))) + 1e-12)
        x = np.clip(x + _RATE * g + _DECAY * (0.5 - x), 0, 1)
        values.append(float(_climbed(part, x * scale + shift, channel)[0][0]))
        if values[-1] >= max(values):
            best = x
    image = (best * scale + shift)[0].astype(model.dtype)
    pixels = np.rint(255 * best[0]).astype(np.uint8)
    if model.preprocessing.channel_order == "bgr":
        pixels = pixels[..., ::-1]
    return Maximization(image=image, pixels=pixels, values=values)


def _range(model: Model) -> tuple[Array, Array]:
    """Return what makes of 0 … 1 the network's input."""
    how = model.preprocessing
    how.check_pictures()
    return 255 * np.asarray(how.scale), np.asarray(how.offset)


def _climbed(model: Model, images: Array, channel: int) -> tuple[Array, Array]:
    """Return what is climbed for each image, and its gradient by the output.

    The gradient is that of the square where it is a root, and of the mean where no
    element is above zero: only its direction is used.
    """
    outputs = model.predict(images.astype(model.dtype))
    upstream = np.zeros_like(outputs)
    if outputs.ndim == 2:
        upstream[:, channel] = 1
        return outputs[:, channel].astype(np.float64), upstream
    places = tuple(range(1, outputs.ndim - 1))
    above = np.maximum(outputs[..., channel], 0).astype(np.float64)
    upstream[..., channel] = above if above.any() else 1
    return np.sqrt(np.square(above).mean(places)), upstream
