"""Execution modes of each framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.model import Model
from pellucid.network import Network
from pellucid.network import layers as nl

Array = npt.NDArray[Any]
Call = Callable[[Array], Any]


def list_modes(model: Model) -> Iterator[tuple[str, Call]]:
    """Yield a mode's name, and a function from images (N, H, W, C) to what is ready.

    The first call of a graph mode traces and compiles.
    """
    yield from _MODES[model.engine.name](model)


def _list_our_modes(name: str) -> Callable[[Model], Iterator[tuple[str, Call]]]:
    def found(model: Model) -> Iterator[tuple[str, Call]]:
        yield name, model.predict

    return found


def _list_torch_modes(model: Model) -> Iterator[tuple[str, Call]]:
    torch = importlib.import_module("torch")
    native = model.native.eval()

    def called(function: Any) -> Call:
        def call(images: Array) -> Any:
            with torch.inference_mode():
                return function(torch.from_numpy(images).permute(0, 3, 1, 2))

        return call

    yield "eager", called(native)
    yield "torch.compile", called(torch.compile(native))


def _list_tensorflow_modes(model: Model) -> Iterator[tuple[str, Call]]:
    tf = importlib.import_module("tensorflow")
    native = model.native

    def called(function: Any) -> Call:
        return lambda images: function(tf.constant(images)).numpy()

    yield "eager", called(lambda x: native(x, training=False))
    yield "tf.function", called(tf.function(lambda x: native(x, training=False)))
    yield (
        "XLA",
        called(tf.function(lambda x: native(x, training=False), jit_compile=True)),
    )


def _list_jax_modes(model: Model) -> Iterator[tuple[str, Call]]:
    jax = importlib.import_module("jax")
    native = model.native

    def called(function: Any) -> Call:
        return lambda images: function(jax.numpy.asarray(images)).block_until_ready()

    yield "eager", called(lambda x: native.apply(native.weights, x))
    compiled = jax.jit(native.apply)
    yield "jit", called(lambda x: compiled(native.weights, x))


_MODES: dict[str, Callable[[Model], Iterator[tuple[str, Call]]]] = {
    "numpy": _list_our_modes("as it is"),
    "compiled": _list_our_modes("compiled"),
    "torch": _list_torch_modes,
    "tensorflow": _list_tensorflow_modes,
    "jax": _list_jax_modes,
}


def list_sizeless_modes(engine: str, channels: int) -> Iterator[tuple[str, Call]]:
    """Yield the modes of a small network that takes images of any size.

    Our own engines' networks say their size: a new one is made for each.
    """
    if engine in ("numpy", "compiled"):
        known: dict[tuple[int, ...], Model] = {}

        def call(images: Array) -> Any:
            shape = images.shape[1:]
            if shape not in known:
                known[shape] = Model(_build_network(shape), engine=engine)
            return known[shape].predict(images)

        yield "a new network", call
        return
    shape = (16, 16, channels)
    yield from _MODES[engine](_SIZELESS[engine](shape))


def _build_network(shape: tuple[int, ...]) -> Network:
    image = nl.Input(*shape)
    x = nl.Conv2D(8, kernel_size=3, padding="same", activation="relu")(image)
    return Network(inputs=image, outputs=nl.Dense(4)(nl.GlobalAvgPool2D()(x)))


class _Native:
    """A framework's own network, where a `Model` is expected."""

    def __init__(self, engine: str, native: Any) -> None:
        self.native = native
        self.engine = type("Engine", (), {"name": engine})


def _torch_sizeless(shape: tuple[int, ...]) -> Any:
    nn = importlib.import_module("torch").nn
    return _Native(
        "torch",
        nn.Sequential(
            nn.Conv2d(shape[2], 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        ),
    )


def _keras_sizeless(shape: tuple[int, ...]) -> Any:
    keras = importlib.import_module("tensorflow").keras
    layers = keras.layers
    return _Native(
        "tensorflow",
        keras.Sequential(
            [
                keras.Input((None, None, shape[2])),
                layers.Conv2D(8, 3, padding="same", activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4),
            ]
        ),
    )


def _jax_sizeless(shape: tuple[int, ...]) -> Any:
    model = Model(_build_network(shape), engine="jax")
    jax = importlib.import_module("jax")
    weights = {name: np.array(value) for name, value in model.weights.items()}

    def apply(w: Any, x: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, w["conv2d.weight"], (1, 1), "SAME", dimension_numbers=layout
        )
        y = jax.nn.relu(y + w["conv2d.bias"]).mean(axis=(1, 2))
        return y @ w["dense.weight"] + w["dense.bias"]

    native = type("Native", (), {"apply": staticmethod(apply), "weights": weights})
    return _Native("jax", native)


_SIZELESS: dict[str, Callable[[tuple[int, ...]], Any]] = {
    "torch": _torch_sizeless,
    "tensorflow": _keras_sizeless,
    "jax": _jax_sizeless,
}
