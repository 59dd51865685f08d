"""Convolutional networks for CIFAR-10, made to be trained quickly."""

from __future__ import annotations

from pellucid.network.graph import Network
from pellucid.network.layers import (
    GELU,
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool2D,
    Rescale,
    Value,
)
from pellucid.network.preprocessing import Preprocessing

_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def cifar10_fast() -> Network:
    """Six convolutions behind a frozen 2×2 one that whitens; 1,972,792 parameters.

    After K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, 2024,
    arXiv:2404.00498: the whitening convolution's weights come from the training images
    (`pellucid.whiten`), the others' first outputs repeat their inputs at first, and
    the logits are divided by nine.
    """
    return _network("cifar10-fast", (64, 256, 256), is_residual=False)


def cifar10_residual() -> Network:
    """Nine convolutions, wider, and a shortcut in each block; 5,134,968 parameters.

    `cifar10_fast` with what the same paper's network for 96 % adds to it, at three
    quarters of that one's width or less.
    """
    return _network("cifar10-residual", (96, 256, 384), is_residual=True)


def _network(name: str, widths: tuple[int, ...], *, is_residual: bool) -> Network:
    image = Input(32, 32, 3)
    x: Value = Conv2D(24, kernel_size=2, trainable=False, name="whiten")(image)
    x = GELU()(x)
    for channels in widths:
        x = MaxPool2D(2)(_convolve(x, channels))
        x = first = GELU()(BatchNorm(momentum=0.6)(x))
        x = BatchNorm(momentum=0.6)(_convolve(x, channels))
        if is_residual:
            x = BatchNorm(momentum=0.6)(_convolve(GELU()(x), channels))
            x = Add()(x, first)
        x = GELU()(x)
    x = Rescale(1 / 9)(Flatten()(MaxPool2D(3)(x)))
    logits = Dense(10, bias=False, weight_initializer="fan_in_uniform")(x)
    return Network(
        inputs=image,
        outputs=logits,
        name=name,
        preprocessing=Preprocessing.standardize(_MEAN, _STD),
    )


def _convolve(x: Value, channels: int) -> Value:
    return Conv2D(
        channels,
        kernel_size=3,
        padding="same",
        bias=False,
        weight_initializer="dirac",
    )(x)
