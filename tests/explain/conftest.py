"""A network of one layer with drawn weights, for each kind of layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.layers import Layer

ImageLayers = dict[str, Callable[[], Layer]]

#: layers that take an image
ON_IMAGES: ImageLayers = {
    "conv": lambda: pl.Conv2D(4, kernel_size=3),
    "conv same, stride 2": lambda: pl.Conv2D(4, 3, stride=2, padding="same"),
    "conv dilated": lambda: pl.Conv2D(4, (2, 3), dilation=2, padding=1, bias=False),
    "conv in groups": lambda: pl.Conv2D(4, 3, padding=((2, 0), (1, 1)), groups=2),
    "transposed": lambda: pl.ConvTranspose2D(4, 3, stride=2),
    "transposed same": lambda: pl.ConvTranspose2D(4, 3, stride=2, padding="same"),
    "transposed, cropped": lambda: pl.ConvTranspose2D(
        4, (3, 2), stride=(2, 1), padding=1, dilation=2, groups=2, output_padding=1
    ),
    "dense on each pixel": lambda: pl.Dense(3),
    "max pool": lambda: pl.MaxPool2D(2),
    "max pool, padded": lambda: pl.MaxPool2D(3, stride=2, padding=1),
    "avg pool, padded": lambda: pl.AvgPool2D(3, stride=2, padding="same"),
    "global avg pool": lambda: pl.GlobalAvgPool2D(),
    "batch norm": lambda: pl.BatchNorm(),
    "layer norm": lambda: pl.LayerNorm(),
    "local response norm": lambda: pl.LocalResponseNorm(size=3, alpha=2.0),
    "global max pool": lambda: pl.GlobalMaxPool2D(),
    "group norm": lambda: pl.GroupNorm(2),
    "instance norm": lambda: pl.InstanceNorm(),
    "l2 normalize": lambda: pl.L2Normalize(),
    "prelu": lambda: pl.PReLU(),
    "prelu, shared": lambda: pl.PReLU(shared=True),
    "rescale": lambda: pl.Rescale(0.5, (0.0, 1.0, -1.0, 0.3)),
    "relu": lambda: pl.ReLU(),
    "leaky relu": lambda: pl.LeakyReLU(0.2),
    "sigmoid": lambda: pl.Sigmoid(),
    "tanh": lambda: pl.Tanh(),
    "gelu": lambda: pl.GELU(),
    "silu": lambda: pl.SiLU(),
    "log_softmax": lambda: pl.LogSoftmax(),
    "softmax": lambda: pl.Softmax(),
    "dropout": lambda: pl.Dropout(0.5),
    "flatten": lambda: pl.Flatten(),
    "zero pad": lambda: pl.ZeroPad2D(((1, 0), (2, 1))),
    "nearest": lambda: pl.Upsample2D(2),
    "bilinear": lambda: pl.Upsample2D((2, 3), mode="bilinear"),
    "resize": lambda: pl.Resize((7, 4), mode="bilinear"),
    "resize bicubic": lambda: pl.Resize((7, 4), mode="bicubic"),
    "resize nearest": lambda: pl.Resize((7, 4)),
    "slice": lambda: pl.Slice((1, -1), (None, 0), (2, -1), axis=(1, 2)),
    "reshape": lambda: pl.Reshape((-1, 3)),
    "permute": lambda: pl.Permute((2, 0, 1)),
    "crop": lambda: pl.Crop2D(((1, 0), (2, 1))),
    "pad channels": lambda: pl.PadChannels(1, 2),
    "depth to space": lambda: pl.DepthToSpace(2),
    "depth to space CRD": lambda: pl.DepthToSpace(2, order="CRD"),
    "space to depth": lambda: pl.SpaceToDepth(1),
    "channel shuffle": lambda: pl.ChannelShuffle(2),
    "parameter": lambda: pl.Parameter((2, 3, 4)),
}


JOINS: dict[str, Callable[..., Layer]] = {
    "add": pl.Add,
    "concat": pl.Concat,
    "matmul": lambda name: pl.MatMul(False, True, 0.5, name=name),
    "matmul, turned": lambda name: pl.MatMul(True, name=name),
    "maximum": pl.Maximum,
    "multiply": pl.Multiply,
    "subtract": pl.Subtract,
}


def one_layer(name: str) -> pl.Network:
    image = pl.Input(5, 6, 4)
    if name in JOINS:
        scaled = pl.Conv2D(4, 1, name="other")(image)
        gate = pl.AvgPool2D((5, 6), name="gate")(scaled)
        two = {"concat": scaled, "subtract": gate, "matmul": scaled}
        two["matmul, turned"] = scaled
        others = (two[name],) if name in two else (scaled, gate)
        return pl.Network(inputs=image, outputs=JOINS[name](name="it")(image, *others))
    named = dataclasses.replace(ON_IMAGES[name](), name="it")
    return pl.Network(inputs=image, outputs=named(image))


def drawn_model(network: pl.Network, dtype: str = "float64") -> pl.Model:
    """Give every array, biases and running statistics too, numbers of its own."""
    model = pl.Model(network, engine="numpy", loss="cross_entropy", dtype=dtype)
    random = np.random.default_rng(1)
    model.load_weights(
        {
            name: random.uniform(0.2, 1, a.shape)
            if "variance" in name
            else random.normal(size=a.shape)
            for name, a in model.weights.items()
        }
    )
    return model


@pytest.fixture(params=[*ON_IMAGES, *JOINS])
def model(request: pytest.FixtureRequest) -> pl.Model:
    return drawn_model(one_layer(request.param))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(5, 6, 4))


@pytest.fixture
def classifier() -> pl.Model:
    """A small network with all that a real one has."""
    picture = pl.Input(8, 8, 3)
    x = pl.Conv2D(4, 3, padding="same")(picture)
    y = pl.ReLU()(pl.BatchNorm()(x))
    y = pl.Conv2D(4, 3, padding="same", activation="tanh")(y)
    z = pl.MaxPool2D(2)(pl.Add()(x, y))
    z = pl.Dense(6, activation="relu")(pl.Flatten()(z))
    end = pl.Dense(3, activation="softmax")(z)
    network = pl.Network(inputs=picture, outputs=end, name="small")
    model = drawn_model(network)
    model.classes = ("a", "b", "c")
    return model


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, 8, 3)).astype(np.uint8)
