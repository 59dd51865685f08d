"""SqueezeNet 1.1 (Iandola et al. 2016), as torchvision has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import IMAGENET, Point, convolve
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Concat,
    Conv2D,
    Dropout,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)

#: (place, channels between, channels of each expansion); None: a pool before it
_FIRES = (
    (3, 16, 64),
    (4, 16, 64),
    None,
    (6, 32, 128),
    (7, 32, 128),
    None,
    (9, 48, 192),
    (10, 48, 192),
    (11, 64, 256),
    (12, 64, 256),
)


def squeezenet() -> Network:
    """SqueezeNet 1.1; 1,235,496 parameters.

    Its pools lose no pixel of 224×224; of sizes where they would, torchvision's round
    up instead.
    """
    image = Input(224, 224, 3)
    first = Conv2D(64, kernel_size=3, stride=2, activation="relu", name="features_0")
    x = MaxPool2D(3, stride=2)(first(image))
    for fire in _FIRES:
        x = MaxPool2D(3, stride=2)(x) if fire is None else _fire(x, *fire)
    x = ReLU()(convolve(Dropout(0.5)(x), 1000, "classifier_1"))
    logits = GlobalAvgPool2D()(x)
    return Network(
        inputs=image, outputs=logits, name="squeezenet", preprocessing=IMAGENET
    )


def _fire(x: Point, place: int, between: int, expanded: int) -> Value:
    """Return few channels between, made many by 1×1 and 3×3 convolutions."""
    name = f"features_{place}"
    y = ReLU()(convolve(x, between, f"{name}_squeeze"))
    near = ReLU()(convolve(y, expanded, f"{name}_expand1x1"))
    far = ReLU()(convolve(y, expanded, f"{name}_expand3x3", kernel_size=3))
    return Concat()(near, far)
