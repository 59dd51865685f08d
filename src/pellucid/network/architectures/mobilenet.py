"""MobileNet: Keras's first version, torchvision's second and third."""

from __future__ import annotations

from pellucid.network.architectures.blocks import (
    IMAGENET,
    Point,
    conv_norm,
    round_channels,
    squeeze_excite,
)
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    GlobalAvgPool2D,
    HardSwish,
    Input,
    Layer,
    ReLU,
    ReLU6,
    Value,
)
from pellucid.network.preprocessing import Preprocessing

#: (channels, stride) of the first version's thirteen blocks (Howard et al. 2017)
_V1 = (
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
#: (expansion, channels, blocks, stride) of the second's stages (Sandler et al. 2018)
_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: (kernel, width, channels, gated, activation, stride) of the third's blocks
#: (Howard et al. 2019, table 2)
_V3_SMALL: tuple[tuple[int, int, int, bool, type[Layer], int], ...] = (
    (3, 16, 16, True, ReLU, 2),
    (3, 72, 24, False, ReLU, 2),
    (3, 88, 24, False, ReLU, 1),
    (5, 96, 40, True, HardSwish, 2),
    (5, 240, 40, True, HardSwish, 1),
    (5, 240, 40, True, HardSwish, 1),
    (5, 120, 48, True, HardSwish, 1),
    (5, 144, 48, True, HardSwish, 1),
    (5, 288, 96, True, HardSwish, 2),
    (5, 576, 96, True, HardSwish, 1),
    (5, 576, 96, True, HardSwish, 1),
)
_V3_NORM = BatchNorm(momentum=0.99, epsilon=1e-3)


def mobilenet_v1() -> Network:
    """MobileNet (Howard et al. 2017, table 1), as Keras's; 4,231,976 parameters.

    Keras clips its activations at 6, which the paper does not.
    """
    image = Input(224, 224, 3)
    x = _conv_norm_same(image, 32, kernel_size=3, stride=2)
    channels = 32
    for outputs, stride in _V1:
        x = _conv_norm_same(x, channels, kernel_size=3, stride=stride, groups=channels)
        x = _conv_norm_same(x, outputs, kernel_size=1)
        channels = outputs
    probabilities = Dense(1000, activation="softmax")(GlobalAvgPool2D()(x))
    return Network(
        inputs=image,
        outputs=probabilities,
        name="mobilenet-v1",
        preprocessing=Preprocessing.signed(),
    )


def _conv_norm_same(
    x: Point,
    channels: int,
    *,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
) -> Value:
    """Return convolution, norm and ReLU6; more padding at the end, as in Keras."""
    convolved = Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding="same",
        groups=groups,
        bias=False,
        weight_initializer="he_normal",
    )(x)
    return ReLU6()(BatchNorm(momentum=0.99, epsilon=1e-3)(convolved))


def mobilenet_v2() -> Network:
    """MobileNet-V2 (Sandler et al. 2018), as torchvision's; 3,504,872 parameters."""
    image = Input(224, 224, 3)
    first = ("features_0_0", "features_0_1")
    x = conv_norm(image, 32, first, kernel_size=3, stride=2, activation=ReLU6)
    channels, place = 32, 1
    for expansion, outputs, count, first_stride in _V2:
        for number in range(count):
            stride = 1 if number else first_stride
            name = f"features_{place}_conv"
            y = _inverted_residual(x, channels, expansion, outputs, stride, name)
            x = Add()(x, y) if stride == 1 and channels == outputs else y
            channels, place = outputs, place + 1
    last = (f"features_{place}_0", f"features_{place}_1")
    x = conv_norm(x, 1280, last, activation=ReLU6)
    y = Dropout(0.2)(GlobalAvgPool2D()(x))
    logits = Dense(1000, name="classifier_1")(y)
    return Network(
        inputs=image, outputs=logits, name="mobilenet-v2", preprocessing=IMAGENET
    )


def _inverted_residual(
    x: Value, channels: int, expansion: int, outputs: int, stride: int, name: str
) -> Value:
    """Return the block of the second version without its shortcut."""
    place, width = 0, channels * expansion
    if expansion > 1:
        x = conv_norm(x, width, (f"{name}_0_0", f"{name}_0_1"), activation=ReLU6)
        place = 1
    names = f"{name}_{place}_0", f"{name}_{place}_1"
    x = conv_norm(
        x,
        width,
        names,
        kernel_size=3,
        stride=stride,
        groups=width,
        activation=ReLU6,
    )
    return conv_norm(x, outputs, (f"{name}_{place + 1}", f"{name}_{place + 2}"))


def mobilenet_v3_small() -> Network:
    """MobileNet-V3 small (Howard et al. 2019), as torchvision's.

    2,542,856 parameters.
    """
    image = Input(224, 224, 3)
    x = conv_norm(
        image,
        16,
        ("features_0_0", "features_0_1"),
        kernel_size=3,
        stride=2,
        norm=_V3_NORM,
        activation=HardSwish,
    )
    channels = 16
    for number, (kernel, width, outputs, gated, kind, stride) in enumerate(_V3_SMALL):
        name = f"features_{number + 1}_block"
        y = x
        parts = iter(range(4))
        if width != channels:
            names = _pair(name, next(parts))
            y = conv_norm(y, width, names, norm=_V3_NORM, activation=kind)
        y = conv_norm(
            y,
            width,
            _pair(name, next(parts)),
            kernel_size=kernel,
            stride=stride,
            groups=width,
            norm=_V3_NORM,
            activation=kind,
        )
        if gated:
            hidden = round_channels(width / 4)
            y = squeeze_excite(y, width, hidden, f"{name}_{next(parts)}")
        y = conv_norm(y, outputs, _pair(name, next(parts)), norm=_V3_NORM)
        x = Add()(x, y) if stride == 1 and channels == outputs else y
        channels = outputs
    last = ("features_12_0", "features_12_1")
    x = conv_norm(x, 576, last, norm=_V3_NORM, activation=HardSwish)
    y = HardSwish()(Dense(1024, name="classifier_0")(GlobalAvgPool2D()(x)))
    logits = Dense(1000, name="classifier_3")(Dropout(0.2)(y))
    return Network(
        inputs=image,
        outputs=logits,
        name="mobilenet-v3-small",
        preprocessing=IMAGENET,
    )


def _pair(name: str, place: int) -> tuple[str, str]:
    return f"{name}_{place}_0", f"{name}_{place}_1"
