"""The networks that come with pellucid."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.architectures import ARCHITECTURES, HEAD_OUTPUTS
from pellucid.network.graph import Network
from pellucid.network.head import replace_head
from pellucid.network.initializers import Uniform
from pellucid.network.layers import (
    AvgPool2D,
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
from pellucid.network.residual import conv_norm, residual_block
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
    x: Value | Input = ReLU()(conv_norm(image, 16))
    for channels in (16, 32, 64):
        for block in range(3):
            stride = 2 if block == 0 and channels > 16 else 1
            x = residual_block(x, channels, stride)
    logits = Dense(10)(GlobalAvgPool2D()(x))
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return Network(
        inputs=image,
        outputs=logits,
        name="resnet20",
        preprocessing=Preprocessing.standardize(mean, std),
    )


#: the networks that have recipes
ZOO: dict[str, Callable[[], Network]] = {
    "lenet5": lenet5,
    "mnist-fast": mnist_fast,
    "mnist-keras": mnist_keras,
    "mnist-torch": mnist_torch,
    "resnet20": resnet20,
    "xor-one-hidden": xor_one_hidden,
    "xor-two-hidden": xor_two_hidden,
}


def zoo(
    name: str,
    *,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> Network:
    """Return a network that comes with pellucid.

    Parameters
    ----------
    name : str
        With a recipe: lenet5, mnist-fast, mnist-keras, mnist-torch, resnet20,
        xor-one-hidden, xor-two-hidden. Published architectures, untrained:
        cifar10-fast, cifar10-residual, convnext-atto, densenet121, ds-cnn,
        efficientnet-b0, mobilenet-v1, mobilenet-v2, mobilenet-v3-small, resnet8,
        resnet18, resnet34, resnet50, squeezenet, tiny-yolo, unet, vgg11.
    classes : int, optional
        How many its head tells apart, where not as many as published.
    input_size : (int, int), optional
        Height and width of its input, where not as published.

    Returns
    -------
    Network
        A new description; weights come with a `Model`.

    Raises
    ------
    NetworkError
        If there is none of that name, or it cannot have that many classes.
    ShapeError
        If that size leaves nothing between its layers.

    Examples
    --------
    >>> zoo("mnist-torch").parameter_count
    421642
    >>> zoo("resnet18", classes=5).output_shape
    (5,)
    """
    known = {**ZOO, **ARCHITECTURES}
    if name not in known:
        names = ", ".join(known)
        raise NetworkError(f"zoo: name must be one of {names}; got {name!r}.")
    network = known[name]()
    if input_size is not None:
        network = _resize(network, input_size)
    if classes is None:
        return network
    outputs = HEAD_OUTPUTS.get(name, int)(checks.integer("zoo", "classes", classes))
    return replace_head(network, outputs)


def _resize(network: Network, size: tuple[int, int]) -> Network:
    """Return the network with images of another height and width."""
    shape = network.input_shape
    if len(shape) != 3:
        raise NetworkError(
            f"zoo: input_size must be given for images only; got {network.name!r}, "
            f"whose input has shape {shape}."
        )
    height, width = checks.pair("zoo", "input_size", size)
    entry = network.node(network.inputs[0])
    resized = entry.with_layer(Input(height, width, shape[2], name=entry.layer.name))
    nodes = [resized if node is entry else node for node in network.nodes]
    return Network.from_nodes(
        nodes,
        name=network.name,
        preprocessing=network.preprocessing,
        inputs=network.inputs,
        outputs=network.outputs,
    )
