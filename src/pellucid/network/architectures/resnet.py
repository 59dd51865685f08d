"""ResNet-18, 34 and 50 (He et al. 2016, table 1), as torchvision has them."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.network.architectures.blocks import IMAGENET, Point, conv_norm
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Add,
    Dense,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)

#: a block: from x, its width, its stride, its name and whether x is projected
Block = Callable[[Point, int, int, str, bool], Value]


def resnet18() -> Network:
    """ResNet-18: two basic blocks in each stage; 11,689,512 parameters."""
    return _resnet("resnet18", _basic_block, (2, 2, 2, 2), expansion=1)


def resnet34() -> Network:
    """ResNet-34: 3, 4, 6 and 3 basic blocks; 21,797,672 parameters."""
    return _resnet("resnet34", _basic_block, (3, 4, 6, 3), expansion=1)


def resnet50() -> Network:
    """ResNet-50: 3, 4, 6 and 3 bottlenecks; 25,557,032 parameters.

    The stride is in the 3×3 convolution, as in torchvision, not in the first as in
    the paper and in Keras.
    """
    return _resnet("resnet50", _bottleneck, (3, 4, 6, 3), expansion=4)


def _resnet(
    name: str, block: Block, counts: tuple[int, ...], *, expansion: int
) -> Network:
    image = Input(224, 224, 3)
    x = conv_norm(image, 64, ("conv1", "bn1"), kernel_size=7, stride=2, activation=ReLU)
    x = MaxPool2D(3, stride=2, padding=1)(x)
    channels = 64
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        for number in range(count):
            stride = 2 if stage and not number else 1
            projects = stride > 1 or channels != width * expansion
            x = block(x, width, stride, f"layer{stage + 1}_{number}", projects)
            channels = width * expansion
    logits = Dense(1000, name="fc")(GlobalAvgPool2D()(x))
    return Network(inputs=image, outputs=logits, name=name, preprocessing=IMAGENET)


def _basic_block(x: Point, width: int, stride: int, name: str, projects: bool) -> Value:
    y = conv_norm(
        x, width, _pair(name, 1), kernel_size=3, stride=stride, activation=ReLU
    )
    y = conv_norm(y, width, _pair(name, 2), kernel_size=3)
    return ReLU()(Add()(y, _shortcut(x, width, stride, name) if projects else x))


def _bottleneck(x: Point, width: int, stride: int, name: str, projects: bool) -> Value:
    y = conv_norm(x, width, _pair(name, 1), activation=ReLU)
    y = conv_norm(
        y, width, _pair(name, 2), kernel_size=3, stride=stride, activation=ReLU
    )
    y = conv_norm(y, 4 * width, _pair(name, 3))
    return ReLU()(Add()(y, _shortcut(x, 4 * width, stride, name) if projects else x))


def _pair(name: str, number: int) -> tuple[str, str]:
    return f"{name}_conv{number}", f"{name}_bn{number}"


def _shortcut(x: Point, channels: int, stride: int, name: str) -> Value:
    names = f"{name}_downsample_0", f"{name}_downsample_1"
    return conv_norm(x, channels, names, stride=stride)
