"""Convolution with batch norm, and the basic residual block."""

from __future__ import annotations

from pellucid.network.layers import Add, BatchNorm, Conv2D, Input, ReLU, Value


def conv_norm(
    x: Value | Input,
    channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
) -> Value:
    """Return a convolution without bias, padded by half its kernel, and its norm."""
    convolved = Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
        weight_initializer="he_normal",
    )(x)
    return BatchNorm()(convolved)


def residual_block(x: Value | Input, channels: int, stride: int) -> Value:
    """Return two 3×3 convolutions beside a shortcut (He et al. 2016, option B).

    ``stride`` is 2 where a stage begins that has more channels than the one before;
    the shortcut is a 1×1 projection there, else the identity.
    """
    y = ReLU()(conv_norm(x, channels, stride=stride))
    y = conv_norm(y, channels)
    is_same = stride == 1
    shortcut = x if is_same else conv_norm(x, channels, kernel_size=1, stride=stride)
    return ReLU()(Add()(y, shortcut))
