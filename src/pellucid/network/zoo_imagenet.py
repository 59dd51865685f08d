"""Networks for ImageNet's 224×224 images and 1000 classes, untrained.

They are to be timed and to start from; the zoo's other networks have recipes.
"""

from __future__ import annotations

from collections.abc import Callable

from pellucid.network.graph import Network
from pellucid.network.layers import (
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)
from pellucid.network.preprocessing import Preprocessing
from pellucid.network.residual import conv_norm, residual_block

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: (channels, stride) of MobileNet's thirteen blocks (Howard et al. 2017, table 1)
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


def resnet18() -> Network:
    """ResNet-18 (He et al. 2016, table 1), with torchvision's 11,689,512 parameters."""
    image = Input(224, 224, 3)
    x: Value | Input = ReLU()(conv_norm(image, 64, kernel_size=7, stride=2))
    x = MaxPool2D(3, stride=2, padding=1)(x)
    for channels in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and channels > 64 else 1
            x = residual_block(x, channels, stride)
    logits = Dense(1000)(GlobalAvgPool2D()(x))
    how = Preprocessing.standardize(_MEAN, _STD)
    return Network(inputs=image, outputs=logits, name="resnet18", preprocessing=how)


def mobilenet_v1() -> Network:
    """MobileNet (Howard et al. 2017, table 1) with ReLU, as in the paper.

    Keras's has the same 4,231,976 parameters and clips its activations at 6.
    """
    image = Input(224, 224, 3)
    x = _conv_norm_same(image, 32, kernel_size=3, stride=2)
    channels = 32
    for outputs, stride in _BLOCKS:
        x = _conv_norm_same(x, channels, kernel_size=3, stride=stride, groups=channels)
        x = _conv_norm_same(x, outputs, kernel_size=1)
        channels = outputs
    probabilities = Dense(1000, activation="softmax")(GlobalAvgPool2D()(x))
    how = Preprocessing.signed()
    return Network(
        inputs=image, outputs=probabilities, name="mobilenet-v1", preprocessing=how
    )


def _conv_norm_same(
    x: Value | Input,
    channels: int,
    *,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
) -> Value:
    """Return convolution, norm and ReLU; more padding at the end, as in Keras."""
    convolved = Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding="same",
        groups=groups,
        bias=False,
        weight_initializer="he_normal",
    )(x)
    return ReLU()(BatchNorm(epsilon=1e-3)(convolved))


ZOO_IMAGENET: dict[str, Callable[[], Network]] = {
    "mobilenet-v1": mobilenet_v1,
    "resnet18": resnet18,
}
