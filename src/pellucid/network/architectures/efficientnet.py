"""EfficientNet-B0 (Tan & Le 2019), as torchvision has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import (
    IMAGENET,
    conv_norm,
    squeeze_excite,
)
from pellucid.network.graph import Network
from pellucid.network.layers import (
    Add,
    Dense,
    Dropout,
    GlobalAvgPool2D,
    Input,
    Sigmoid,
    SiLU,
    Value,
)

#: (expansion, kernel, stride, channels, blocks) of each stage (table 1)
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def efficientnet_b0() -> Network:
    """EfficientNet-B0; 5,288,548 parameters.

    The paths that torchvision drops at random while it trains are not dropped.
    """
    image = Input(224, 224, 3)
    first = ("features_0_0", "features_0_1")
    x = conv_norm(image, 32, first, kernel_size=3, stride=2, activation=SiLU)
    channels = 32
    for stage, (expansion, kernel, first_stride, outputs, count) in enumerate(_STAGES):
        for number in range(count):
            stride = 1 if number else first_stride
            name = f"features_{stage + 1}_{number}_block"
            y = _block(x, channels, expansion, kernel, stride, outputs, name)
            x = Add()(x, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = conv_norm(x, 1280, ("features_8_0", "features_8_1"), activation=SiLU)
    y = Dropout(0.2)(GlobalAvgPool2D()(x))
    logits = Dense(1000, name="classifier_1")(y)
    return Network(
        inputs=image, outputs=logits, name="efficientnet-b0", preprocessing=IMAGENET
    )


def _block(
    x: Value,
    channels: int,
    expansion: int,
    kernel: int,
    stride: int,
    outputs: int,
    name: str,
) -> Value:
    """Return the block without its shortcut."""
    place, width = 0, channels * expansion
    if expansion > 1:
        x = conv_norm(x, width, _pair(name, 0), activation=SiLU)
        place = 1
    x = conv_norm(
        x,
        width,
        _pair(name, place),
        kernel_size=kernel,
        stride=stride,
        groups=width,
        activation=SiLU,
    )
    hidden, gate = channels // 4, f"{name}_{place + 1}"
    x = squeeze_excite(x, width, hidden, gate, activation=SiLU, gate=Sigmoid)
    return conv_norm(x, outputs, _pair(name, place + 2))


def _pair(name: str, place: int) -> tuple[str, str]:
    return f"{name}_{place}_0", f"{name}_{place}_1"
