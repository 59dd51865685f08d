"""The two networks of MLPerf Tiny's image and keyword tasks, in Keras's conventions."""

from __future__ import annotations

from pellucid.network.architectures.blocks import Point
from pellucid.network.checks import Pair
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    GlobalAvgPool2D,
    Input,
    ReLU,
    Value,
)
from pellucid.network.preprocessing import Preprocessing


def resnet8() -> Network:
    """ResNet-8 for CIFAR-10's 32×32 pixels of 0 … 255; 78,186 parameters.

    78,666 with the running statistics, as Keras counts.
    """
    image = Input(32, 32, 3)
    x = ReLU()(_conv_norm(image, 16))
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        y = ReLU()(_conv_norm(x, channels, stride=stride))
        y = _conv_norm(y, channels)
        if stride > 1:
            x = _conv(x, channels, kernel_size=1, stride=stride)
        x = ReLU()(Add()(x, y))
    probabilities = Dense(10, activation="softmax")(GlobalAvgPool2D()(x))
    return Network(
        inputs=image,
        outputs=probabilities,
        name="resnet8",
        preprocessing=Preprocessing.raw(),
    )


def ds_cnn() -> Network:
    """DS-CNN for twelve keywords (Zhang et al. 2017); 23,756 parameters.

    24,908 with the running statistics, as Keras counts. The input are 49 frames of ten
    cepstral coefficients.
    """
    sound = Input(49, 10, 1)
    x = ReLU()(_conv_norm(sound, 64, kernel_size=(10, 4), stride=2))
    x = Dropout(0.2)(x)
    for _ in range(4):
        x = ReLU()(_conv_norm(x, 64, groups=64))
        x = ReLU()(_conv_norm(x, 64, kernel_size=1))
    x = GlobalAvgPool2D()(Dropout(0.4)(x))
    return Network(
        inputs=sound, outputs=Dense(12, activation="softmax")(x), name="ds-cnn"
    )


def _conv(
    x: Point,
    channels: int,
    *,
    kernel_size: int | Pair = 3,
    stride: int = 1,
    groups: int = 1,
) -> Value:
    return Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding="same",
        groups=groups,
        weight_initializer="he_normal",
    )(x)


def _conv_norm(
    x: Point,
    channels: int,
    *,
    kernel_size: int | Pair = 3,
    stride: int = 1,
    groups: int = 1,
) -> Value:
    y = _conv(x, channels, kernel_size=kernel_size, stride=stride, groups=groups)
    return BatchNorm(momentum=0.99, epsilon=1e-3)(y)  # Keras's
