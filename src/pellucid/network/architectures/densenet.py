"""DenseNet-121 (Huang et al. 2017, table 1), as torchvision has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import IMAGENET, conv_norm, convolve
from pellucid.network.graph import Network
from pellucid.network.layers import (
    AvgPool2D,
    BatchNorm,
    Concat,
    Dense,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)

_GROWTH = 32
_BLOCKS = (6, 12, 24, 16)


def densenet121() -> Network:
    """DenseNet-121: each layer reads all before it; 7,978,856 parameters."""
    image = Input(224, 224, 3)
    first = ("features_conv0", "features_norm0")
    x = conv_norm(image, 64, first, kernel_size=7, stride=2, activation=ReLU)
    x = MaxPool2D(3, stride=2, padding=1)(x)
    channels = 64
    for number, count in enumerate(_BLOCKS, start=1):
        for layer in range(1, count + 1):
            name = f"features_denseblock{number}_denselayer{layer}"
            x = Concat()(x, _layer(x, name))
        channels += _GROWTH * count
        if number < len(_BLOCKS):
            channels //= 2
            x = _transition(x, channels, f"features_transition{number}")
    x = ReLU()(BatchNorm(name="features_norm5")(x))
    logits = Dense(1000, name="classifier")(GlobalAvgPool2D()(x))
    return Network(
        inputs=image, outputs=logits, name="densenet121", preprocessing=IMAGENET
    )


def _layer(x: Value, name: str) -> Value:
    """Return the 32 channels that a layer adds: norm before each convolution."""
    y = ReLU()(BatchNorm(name=f"{name}_norm1")(x))
    names = f"{name}_conv1", f"{name}_norm2"
    y = conv_norm(y, 4 * _GROWTH, names, activation=ReLU)
    return convolve(y, _GROWTH, f"{name}_conv2", kernel_size=3, bias=False)


def _transition(x: Value, channels: int, name: str) -> Value:
    y = ReLU()(BatchNorm(name=f"{name}_norm")(x))
    return AvgPool2D(2)(convolve(y, channels, f"{name}_conv", bias=False))
