"""The networks that come with pellucid."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.errors import NetworkError
from pellucid.network.graph import Network
from pellucid.network.initializers import Uniform
from pellucid.network.layers import (
    Add,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
    Value,
)
from pellucid.network.preprocessing import Preprocessing
from pellucid.network.sequential import Sequential
from pellucid.network.window import Padding


def xor_one_hidden() -> Network:
    """2-4-1 with sigmoids: the smallest network that learns exclusive or."""
    return Sequential(Input(2), *_sigmoid_layers(4, 1), name="xor-one-hidden")


def xor_two_hidden() -> Network:
    """2-4-4-1 with sigmoids."""
    return Sequential(Input(2), *_sigmoid_layers(4, 4, 1), name="xor-two-hidden")


def _sigmoid_layers(*units: int) -> list[Dense]:
    start = Uniform(-1.0, 1.0)
    return [
        Dense(
            n,
            activation="sigmoid",
            weight_initializer=start,
            bias_initializer=start,
        )
        for n in units
    ]


def mnist_keras() -> Network:
    """The tutorial's Keras network: valid convolutions, softmax at the end."""
    layers = _two_convolutions("valid", head="softmax")
    return Sequential(layers, name="mnist-keras", preprocessing=Preprocessing.unit())


def mnist_torch() -> Network:
    """The tutorial's PyTorch network: padding 1, 3136 → 128, logits at the end."""
    layers = _two_convolutions(1, head=None)
    return Sequential(layers, name="mnist-torch", preprocessing=Preprocessing.signed())


def _two_convolutions(padding: Padding, head: str | None) -> list:  # type: ignore[type-arg]
    return [
        Input(28, 28, 1),
        Conv2D(32, kernel_size=3, padding=padding, activation="relu"),
        MaxPool2D(2),
        Conv2D(64, kernel_size=3, padding=padding, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(128, activation="relu"),
        Dense(10, activation=head),
    ]


def mnist_fast() -> Network:
    """A small network that reads MNIST well after two epochs; valid convolutions."""
    return Sequential(
        Input(28, 28, 1),
        Conv2D(16, kernel_size=3, activation="relu"),
        MaxPool2D(2),
        Conv2D(32, kernel_size=3, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(10),
        name="mnist-fast",
        preprocessing=Preprocessing.unit(),
    )


def lenet5() -> Network:
    """LeNet-5 (LeCun et al. 1998, figure 2) with average pools and a linear output."""
    return Sequential(
        Input(28, 28, 1),
        Conv2D(6, kernel_size=5, padding=2, activation="tanh"),
        AvgPool2D(2),
        Conv2D(16, kernel_size=5, activation="tanh"),
        AvgPool2D(2),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
        Dense(10),
        name="lenet5",
        preprocessing=Preprocessing.signed(),
    )


def resnet20() -> Network:
    """ResNet-20 for 32×32 pictures (He et al. 2016, section 4.2).

    Three stages of three blocks with 16, 32 and 64 channels. Shortcuts are the
    identity, or a 1×1 projection where the shape changes (the paper's option B).
    """
    image = Input(32, 32, 3)
    x: Value | Input = ReLU()(_conv_norm(image, 16))
    for channels in (16, 32, 64):
        for block in range(3):
            stride = 2 if block == 0 and channels > 16 else 1
            x = _residual_block(x, channels, stride)
    logits = Dense(10)(GlobalAvgPool2D()(x))
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return Network(
        inputs=image,
        outputs=logits,
        name="resnet20",
        preprocessing=Preprocessing.standardize(mean, std),
    )


def _conv_norm(
    x: Value | Input, channels: int, *, kernel_size: int = 3, stride: int = 1
) -> Value:
    convolved = Conv2D(
        channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        bias=False,
        weight_initializer="he_normal",
    )(x)
    return BatchNorm()(convolved)


def _residual_block(x: Value | Input, channels: int, stride: int) -> Value:
    y = ReLU()(_conv_norm(x, channels, stride=stride))
    y = _conv_norm(y, channels)
    is_same = stride == 1
    shortcut = x if is_same else _conv_norm(x, channels, kernel_size=1, stride=stride)
    return ReLU()(Add()(y, shortcut))


ZOO: dict[str, Callable[[], Network]] = {
    "lenet5": lenet5,
    "mnist-fast": mnist_fast,
    "mnist-keras": mnist_keras,
    "mnist-torch": mnist_torch,
    "resnet20": resnet20,
    "xor-one-hidden": xor_one_hidden,
    "xor-two-hidden": xor_two_hidden,
}


def zoo(name: str) -> Network:
    """Return a network that comes with pellucid.

    Parameters
    ----------
    name : str
        lenet5, mnist-fast, mnist-keras, mnist-torch, resnet20, xor-one-hidden or
        xor-two-hidden.

    Returns
    -------
    Network
        A new description; weights come with a `Model`.

    Raises
    ------
    NetworkError
        If there is none of that name.

    Examples
    --------
    >>> zoo("mnist-torch").parameter_count
    421642
    """
    if name not in ZOO:
        raise NetworkError(f"zoo: name must be one of {', '.join(ZOO)}; got {name!r}.")
    return ZOO[name]()
