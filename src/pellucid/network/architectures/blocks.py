"""Blocks that architectures share, their nodes named as the module is elsewhere.

Names are those of the published module with underscores for dots, so that its weights
are found by name: ``layer1.0.conv1`` is node ``layer1_0_conv1``.
"""

from __future__ import annotations

from pellucid.network.initializers import Initializer
from pellucid.network.layers import (
    BatchNorm,
    Conv2D,
    GlobalAvgPool2D,
    HardSigmoid,
    Input,
    Layer,
    Multiply,
    ReLU,
    Reshape,
    Value,
)
from pellucid.network.preprocessing import Preprocessing

Point = Value | Input

#: of ImageNet's photographs, as torchvision and timm take them
IMAGENET = Preprocessing.standardize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def convolve(
    x: Point,
    channels: int,
    name: str,
    *,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    bias: bool = True,
    initializer: Initializer = "he_normal",
) -> Value:
    """Return a convolution padded by half its kernel."""
    return Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=bias,
        weight_initializer=initializer,
        name=name,
    )(x)


def conv_norm(
    x: Point,
    channels: int,
    names: tuple[str, str],
    *,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    norm: BatchNorm | None = None,
    activation: type[Layer] | None = None,
) -> Value:
    """Return a convolution without bias, its batch norm and an activation.

    ``names`` are those of the two; ``norm`` has the constants of the batch norm.
    """
    y = convolve(
        x,
        channels,
        names[0],
        kernel_size=kernel_size,
        stride=stride,
        groups=groups,
        bias=False,
    )
    like = norm or BatchNorm()
    y = BatchNorm(momentum=like.momentum, epsilon=like.epsilon, name=names[1])(y)
    return y if activation is None else activation()(y)


def squeeze_excite(
    x: Value,
    channels: int,
    hidden: int,
    name: str,
    *,
    activation: type[Layer] = ReLU,
    gate: type[Layer] = HardSigmoid,
) -> Value:
    """Return x with each channel times a gate computed from all (Hu et al. 2018)."""
    y = Reshape((1, 1, channels))(GlobalAvgPool2D()(x))
    y = activation()(convolve(y, hidden, f"{name}_fc1"))
    y = convolve(y, channels, f"{name}_fc2", initializer="glorot_uniform")
    return Multiply()(x, gate()(y))


def round_channels(channels: float) -> int:
    """Return the nearest multiple of 8, not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
