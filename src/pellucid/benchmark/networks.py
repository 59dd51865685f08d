"""Networks of the benchmarks: the zoo's, and some made to measure."""

from __future__ import annotations

from pathlib import Path

import pellucid.network.layers as pl
from pellucid.errors import NetworkError
from pellucid.network import (
    Network,
    Preprocessing,
    Sequential,
    from_json,
    load_network,
    to_json,
    zoo,
)
from pellucid.network.ports import has_several

LEAKY = "mnist-torch-leaky"


def get_network(name: str, *, who: str = "benchmark") -> Network:
    """Return a network of the zoo, ``mnist-torch-leaky``, or one from a file.

    Raises
    ------
    NetworkError
        If there is none of that name, or it takes no images.
    """
    if name == LEAKY:
        return build_leaky()
    network = load_network(name) if Path(name).suffix in (".py", ".json") else zoo(name)
    check_takes_images(network, name, who)
    return network


def check_takes_images(network: Network, name: str, who: str) -> None:
    """Refuse a network whose only input takes no images; of several any will do."""
    if not has_several(network) and len(network.input_shape) != 3:
        raise NetworkError(
            f"{who}: network must take images (height, width, channels); "
            f"got {name!r} with input shape {network.input_shape}."
        )


def resize_input(network: Network, size_px: int) -> Network:
    """Return a network for square images of another size.

    Raises
    ------
    NetworkError
        If there are several inputs, or the one takes no images.
    """
    if len(network.inputs) > 1 or len(network.input_shape) != 3:
        raise NetworkError(
            "benchmark: the network must have one input of images to be resized; got "
            f"{', '.join(network.inputs)}. Leave the size out."
        )
    document = to_json(network)
    entry = document["nodes"][0]
    entry["shape"] = [size_px, size_px, entry["shape"][-1]]
    return from_json(document)


def build_leaky() -> Network:
    """mnist-torch with LeakyReLU and average pools: no gradient is ever zero."""
    return Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(32, kernel_size=3, padding=1),
        pl.LeakyReLU(),
        pl.AvgPool2D(2),
        pl.Conv2D(64, kernel_size=3, padding=1),
        pl.LeakyReLU(),
        pl.AvgPool2D(2),
        pl.Flatten(),
        pl.Dense(128),
        pl.LeakyReLU(),
        pl.Dense(10),
        name=LEAKY,
        preprocessing=Preprocessing.signed(),
    )


def build_scalable(size_px: int, channels: int) -> Network:
    """Two convolutions and a global pool: works for any size and any width."""
    return Sequential(
        pl.Input(size_px, size_px, 3),
        pl.Conv2D(channels, kernel_size=3, padding=1, activation="relu"),
        pl.MaxPool2D(2),
        pl.Conv2D(channels, kernel_size=3, padding=1, activation="relu"),
        pl.MaxPool2D(2),
        pl.GlobalAvgPool2D(),
        pl.Dense(10),
        name=f"scalable-{size_px}px-{channels}ch",
        preprocessing=Preprocessing.signed(),
    )
