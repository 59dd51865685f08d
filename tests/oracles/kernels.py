"""Sizes for kernels' tests, and the lanes this machine can be held to."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from pellucid.engines.compiled.codegen.cpu import FORCED, target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import ImageLayout, pad_channels
from pellucid.engines.compiled.lowering.layers.activation import RELU

__all__ = ["LANES", "RELU", "convolutions", "laid", "numbers"]

LANES = sorted(n for n in FORCED if n <= target().lanes)

#: numbers for sides: around an image as its convolution, and as another reader, wants
_SIDES = st.tuples(st.integers(0, 2), st.integers(0, 2))


def numbers(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return normal numbers of float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def laid(height: int, width: int, channels: int, lanes: int, halo: Any) -> ImageLayout:
    """Return an image as plans lay it out."""
    padded_channels = pad_channels(channels, lanes)
    return ImageLayout(height, width, channels, padded_channels, halo)


@st.composite
def convolutions(
    draw: Any,
    *,
    kernels: Any,
    channels: Any,
    outputs: Any = None,
    steps: Any = None,
    size: int = 9,
    smallest: int = 1,
    among: Any = LANES,
) -> tuple[int, Conv]:
    """Draw lanes and a convolution of at least ``smallest`` rows and columns of y."""
    lanes = draw(st.sampled_from(among))
    kernel = draw(st.tuples(kernels, kernels))
    one = st.just(1) if steps is None else steps
    stride, dilation = draw(st.tuples(one, one)), draw(st.tuples(one, one))
    halo = draw(st.tuples(_SIDES, _SIDES))
    shape, out = [], []
    for k, s, d, pads in zip(kernel, stride, dilation, halo, strict=True):
        reach = d * (k - 1) + 1 + (smallest - 1) * s
        length = draw(st.integers(max(1, reach - sum(pads)), max(1, reach) + size))
        shape.append(length)
        out.append((length + sum(pads) - d * (k - 1) - 1) // s + 1)
    into = draw(channels)
    x = laid(*shape, into, lanes, halo)
    y = laid(*out, into if outputs is None else draw(outputs), lanes, draw(_AROUND))
    top_left = (halo[0][0], halo[1][0])
    return lanes, Conv(x, y, kernel, stride, dilation, top_left, function=RELU)


_AROUND = st.tuples(_SIDES, _SIDES)
