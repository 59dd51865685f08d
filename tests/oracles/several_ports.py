"""Networks of several inputs and outputs and shared weights, with batches for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid import objectives as obj
from pellucid.network import Network, Sequential
from pellucid.network import layers as pl

BATCH = 4


def two_branches() -> Network:
    """An image and a vector, joined to one answer."""
    image, vector = pl.Input(6, 5, 3, name="image"), pl.Input(7, name="vector")
    x = pl.Conv2D(4, kernel_size=3, activation="relu")(image)
    x = pl.Flatten()(pl.MaxPool2D(2)(x))
    y = pl.Dense(5, activation="tanh")(vector)
    joined = pl.Dense(6, activation="relu")(pl.Concat()(x, y))
    return Network(
        inputs=[vector, image],  # not the order in which they are read
        outputs=pl.Dense(3, activation="softmax")(joined),
        name="two branches",
    )


def detector() -> Network:
    """A class and a box from one trunk."""
    image = pl.Input(8, 8, 2)
    x = pl.Conv2D(6, kernel_size=3, padding="same", activation="relu")(image)
    x = pl.BatchNorm()(x)
    x = pl.Flatten()(pl.MaxPool2D(2)(x))
    x = pl.Dense(8, activation="relu")(x)
    box = pl.Dense(4, name="box")(x)
    kind = pl.Dense(3, name="kind", activation="softmax")(pl.Dropout(0.3)(x))
    return Network(inputs=image, outputs=[kind, box], name="detector")


def on_the_way() -> Network:
    """An output that other nodes read: deep supervision."""
    image = pl.Input(6, 6, 2)
    x = pl.Conv2D(4, kernel_size=3, activation="relu", name="stem")(image)
    middle = pl.Conv2D(2, kernel_size=1, name="middle", activation="sigmoid")(x)
    last = pl.Dense(2, name="last")(pl.Flatten()(middle))
    return Network(inputs=image, outputs=[last, middle], name="on the way")


def absorbed_twice() -> Network:
    """Logits and their softmax, both outputs."""
    vector = pl.Input(5)
    logits = pl.Dense(3, name="logits")(vector)
    return Network(inputs=vector, outputs=[pl.Softmax(name="shares")(logits), logits])


def siamese() -> Network:
    """Two images through one encoder, and their squared distance per feature."""
    encoder = Sequential(
        pl.Input(6, 6, 2),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(5, activation="tanh"),
        name="encoder",
    )
    left, right = pl.Input(6, 6, 2, name="left"), pl.Input(6, 6, 2, name="right")
    both = pl.Concat()(encoder(left), encoder(right))
    return Network(
        inputs=[left, right],
        outputs=pl.Dense(1, activation="sigmoid")(both),
        name="siamese",
    )


def triplet() -> Network:
    """Three images through one encoder with norms; all embeddings are outputs."""
    encoder = Sequential(
        pl.Input(5, 5, 1),
        pl.Conv2D(3, kernel_size=3, padding="same", bias=False),
        pl.BatchNorm(momentum=0.7),
        pl.ReLU(),
        pl.LayerNorm(epsilon=0.1),  # few channels: float32 needs a floor
        pl.Flatten(),
        pl.Dropout(0.25),
        pl.Dense(4),
        name="encoder",
    )
    images = [pl.Input(5, 5, 1, name=n) for n in ("anchor", "positive", "negative")]
    return Network(inputs=images, outputs=[encoder(x) for x in images], name="triplet")


def shared_sizes() -> Network:
    """One convolution at two sizes of image, one of them before a max-pool."""
    large, small = pl.Input(9, 8, 2, name="large"), pl.Input(5, 4, 2, name="small")
    conv = pl.Conv2D(16, kernel_size=3, padding="same", activation="relu")
    pooled = pl.GlobalAvgPool2D()(pl.MaxPool2D(2)(conv(large)))
    plain = pl.GlobalAvgPool2D()(conv(small))
    dense = pl.Dense(3)
    return Network(
        inputs=[large, small],
        outputs=[dense(pooled), dense(plain)],
        name="shared sizes",
    )


def recurrent() -> Network:
    """One dense layer three times in a row."""
    vector, step = pl.Input(6), pl.Dense(6, activation="tanh", name="step")
    return Network(
        inputs=vector, outputs=pl.Dense(2)(step(step(step(vector)))), name="recurrent"
    )


@dataclass(frozen=True)
class Case:
    """A network and the losses of its outputs."""

    make: Callable[[], Network]
    losses: dict[str, Any]
    weights: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> obj.Loss:
        network = self.make()
        loss = obj.output_losses(network.outputs, self.losses, self.weights)
        assert loss is not None
        return loss


CASES: dict[str, Case] = {
    "two branches": Case(two_branches, {"dense_2_softmax": "cross_entropy"}),
    "detector": Case(
        detector, {"kind_softmax": "cross_entropy", "box": "mse"}, {"box": 0.25}
    ),
    "detector, one loss": Case(detector, {"box": "half_squared_error_sum"}),
    "on the way": Case(
        on_the_way, {"last": "mse", "middle_sigmoid": "binary_cross_entropy"}
    ),
    "absorbed twice": Case(
        absorbed_twice, {"shares": "cross_entropy", "logits": "mse"}, {"shares": 2.0}
    ),
    "siamese": Case(siamese, {"dense_sigmoid": "binary_cross_entropy"}),
    "triplet": Case(
        triplet,
        {
            "encoder_dense": "mse",
            "encoder_dense_1": "mse",
            "encoder_dense_2": obj.CrossEntropy(label_smoothing=0.1),
        },
        {"encoder_dense_1": 0.5},
    ),
    "shared sizes": Case(shared_sizes, {"dense": "cross_entropy", "dense_1": "mse"}),
    "recurrent": Case(recurrent, {"dense": "mse"}),
}


def join(arrays: list[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def images_for(network: Network, count: int = BATCH, seed: int = 3) -> Any:
    random = np.random.default_rng(seed)
    shapes = [(count, *network.shapes[name]) for name in network.inputs]
    return join([random.standard_normal(shape) for shape in shapes])


def labels_for(case: Case, network: Network, count: int = BATCH) -> Any:
    random = np.random.default_rng(7)
    found: list[Any] = []
    for name in network.outputs:
        shape = (count, *network.shapes[name])
        loss = obj.as_loss(case.losses.get(name))
        if loss is None:
            found.append(None)
        elif isinstance(loss, obj.CrossEntropy):
            found.append(random.integers(0, shape[-1], shape[:-1]))
        else:
            found.append(random.random(shape))
    return join(found)
