"""ConvNeXt-Atto (Liu et al. 2022; the size is timm's), as timm has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import IMAGENET, Point, convolve
from pellucid.network.graph import Network
from pellucid.network.initializers import Constant
from pellucid.network.layers import (
    GELU,
    Add,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    Input,
    LayerNorm,
    Value,
)

_STAGES = ((40, 2), (80, 2), (160, 6), (320, 2))
_EPSILON = 1e-6


def convnext_atto() -> Network:
    """ConvNeXt-Atto; 3,695,520 parameters.

    The scale of each block's channels is a 1×1 convolution of each channel by itself.
    """
    image = Input(224, 224, 3)
    x = _patches(image, 40, 4, "stem_0")
    x = LayerNorm(epsilon=_EPSILON, name="stem_1")(x)
    for stage, (channels, count) in enumerate(_STAGES):
        name = f"stages_{stage}"
        if stage:
            x = LayerNorm(epsilon=_EPSILON, name=f"{name}_downsample_0")(x)
            x = _patches(x, channels, 2, f"{name}_downsample_1")
        for number in range(count):
            x = _block(x, channels, f"{name}_blocks_{number}")
    x = LayerNorm(epsilon=_EPSILON, name="head_norm")(GlobalAvgPool2D()(x))
    logits = Dense(1000, name="head_fc")(x)
    return Network(
        inputs=image, outputs=logits, name="convnext-atto", preprocessing=IMAGENET
    )


def _patches(x: Point, channels: int, size: int, name: str) -> Value:
    return Conv2D(channels, kernel_size=size, stride=size, name=name)(x)


def _block(x: Value, channels: int, name: str) -> Value:
    y = convolve(x, channels, f"{name}_conv_dw", kernel_size=7, groups=channels)
    y = LayerNorm(epsilon=_EPSILON, name=f"{name}_norm")(y)
    y = GELU()(convolve(y, 4 * channels, f"{name}_mlp_fc1"))
    y = convolve(y, channels, f"{name}_mlp_fc2")
    scaled = convolve(
        y,
        channels,
        f"{name}_gamma",
        groups=channels,
        bias=False,
        initializer=Constant(1e-6),
    )
    return Add()(x, scaled)
