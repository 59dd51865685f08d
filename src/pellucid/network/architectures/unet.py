"""U-Net (Ronneberger et al. 2015) with padding and batch norm."""

from __future__ import annotations

from pellucid.network.architectures.blocks import Point, conv_norm, convolve
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Concat,
    ConvTranspose2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)
from pellucid.network.preprocessing import Preprocessing


def unet() -> Network:
    """U-Net of 64 to 1024 channels, logits of two classes for each pixel.

    31,037,698 parameters, as the widespread PyTorch version of milesial has them.
    """
    image = Input(256, 256, 3)
    x = _two_convolutions(image, 64, "inc")
    levels = []
    for level in range(1, 5):
        levels.append(x)
        name = f"down{level}_maxpool_conv_1"
        x = _two_convolutions(MaxPool2D(2)(x), 64 * 2**level, name)
    for level, skipped in enumerate(reversed(levels), start=1):
        channels = 1024 // 2**level
        x = ConvTranspose2D(channels, kernel_size=2, stride=2, name=f"up{level}_up")(x)
        x = _two_convolutions(Concat()(skipped, x), channels, f"up{level}_conv")
    logits = convolve(x, 2, "outc_conv", initializer="glorot_uniform")
    return Network(
        inputs=image, outputs=logits, name="unet", preprocessing=Preprocessing.unit()
    )


def _two_convolutions(x: Point, channels: int, name: str) -> Value:
    for place in (0, 3):
        names = (f"{name}_double_conv_{place}", f"{name}_double_conv_{place + 1}")
        x = conv_norm(x, channels, names, kernel_size=3, activation=ReLU)
    return x  # type: ignore[return-value]
