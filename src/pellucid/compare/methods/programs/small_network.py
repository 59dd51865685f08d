"""A small convolutional network that any size of image would do for."""

from __future__ import annotations

from pellucid.network import Network
from pellucid.network import layers as nl


def build_small_network(shape: tuple[int, ...]) -> Network:
    """Return the network for one shape of images (height, width, channels)."""
    image = nl.Input(*shape)
    x = nl.Conv2D(8, kernel_size=3, padding="same", activation="relu")(image)
    return Network(inputs=image, outputs=nl.Dense(4)(nl.GlobalAvgPool2D()(x)))
