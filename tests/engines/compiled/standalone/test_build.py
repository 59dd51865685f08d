"""Stand-alone code of this processor, called from here: the engine's numbers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import two_branches

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import FORCED, Target, target
from pellucid.engines.compiled.standalone import Build, Machine, build

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or not target().is_x86,
    reason="there is no gcc for x86-64 here",
)
POINTER = ctypes.c_void_p


def machine(lanes: int = 4) -> Machine:
    name, registers = FORCED[lanes]
    made = Target(lanes, registers, name, "", is_x86=True)
    return Machine(triple="x86_64-unknown-linux-gnu", target=made)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Build], Any]:
    def loaded(made: Build) -> Any:
        (tmp_path / "m.o").write_bytes(made.code)
        command = ["gcc", "-shared", "m.o", "-o", "m.so"]
        subprocess.run(command, cwd=tmp_path, check=True)
        return ctypes.CDLL(str(tmp_path / "m.so"))

    return loaded


def call(function: Any, *arguments: Any) -> None:
    function(
        *(POINTER(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in arguments)
    )


def residual() -> pl.Network:
    """Halos, a sum, norms, windows that overlap: buffers of many lengths."""
    image = pl.Input(9, 8, 3)
    x = pl.Conv2D(6, kernel_size=3, padding="same", activation="relu")(image)
    y = pl.BatchNorm()(pl.Conv2D(6, kernel_size=3, padding="same", bias=False)(x))
    z = pl.ReLU()(pl.Add()(x, y))
    z = pl.MaxPool2D(3, stride=2, padding="same")(pl.LayerNorm()(z))
    z = pl.Conv2D(16, kernel_size=3, padding="same", activation="gelu")(z)
    return pl.Network(
        inputs=image, outputs=pl.Dense(3)(pl.Dropout(0.3)(pl.Flatten()(z)))
    )


def flat() -> pl.Network:
    """No whole vectors: what lies behind the last element must not count."""
    return pl.Sequential(pl.Input(3, 3, 1), pl.Flatten(), pl.ReLU(), pl.Dense(2))


def dense_block() -> pl.Network:
    """Concatenations that grow in place, whose pixels lie further apart."""
    x = image = pl.Input(6, 5, 8)
    for _ in range(3):
        y = pl.ReLU()(pl.BatchNorm()(x))
        x = pl.Concat()(x, pl.Conv2D(4, kernel_size=3, padding=1)(y))
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.GlobalAvgPool2D()(x)))


@pytest.mark.parametrize("make", [residual, two_branches, flat, dense_block])
def test_prediction_is_the_engines_whatever_memory_held(
    make: Callable[[], pl.Network], load: Callable[[Build], Any]
) -> None:
    network = make()
    model = pl.Model(network, engine="numpy", seed=2)
    made = build(machine(), network, model.weights, prefix="m")
    library = load(made)
    random = np.random.default_rng(0)
    inputs = [
        random.normal(size=(2, *network.shapes[name])).astype(np.float32)
        for name in network.inputs
    ]
    expected = model.predict(tuple(inputs) if len(inputs) > 1 else inputs[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    memory = np.full(made.memory + 4096, 0xFF, np.uint8)  # as floats: NaN
    for i in range(2):
        outputs = [np.full(y.shape[1:], np.nan, np.float32) for y in expected]
        given = [np.ascontiguousarray(x[i]) for x in inputs]
        call(library.m_predict, *given, *outputs, memory)
        for output, y in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, y[i], rtol=1e-5, atol=1e-6)
    assert (memory[made.memory :] == 0xFF).all()


def test_buffers_that_do_not_live_together_share_memory() -> None:
    layers = [pl.Conv2D(8, kernel_size=3, padding="same") for _ in range(5)]
    network = pl.Sequential(pl.Input(16, 16, 8), *layers)
    model = pl.Model(network, engine="numpy")
    made = build(machine(), network, model.weights, prefix="m")
    one = 18 * 18 * 8 * 4  # an image with its halo
    assert made.memory < 4 * one


def small() -> pl.Network:
    return pl.Sequential(
        pl.Input(6, 5, 2),
        pl.Conv2D(4, kernel_size=3, padding="same", activation="relu"),
        pl.BatchNorm(),
        pl.Flatten(),
        pl.Dropout(0.3),
        pl.Dense(3),
    )


def dense() -> pl.Network:
    return pl.Sequential(pl.Input(6, 5, 2), pl.Flatten(), pl.Dense(3))


@pytest.mark.parametrize(
    ("make", "loss", "optimizer"),
    [
        (small, "cross_entropy", pl.Adam(1e-3)),
        (dense, "mse", pl.SGD(1e-2, momentum=0.9, clip_norm=1.0)),
    ],
    ids=["adam", "momentum, clipped"],
)
def test_training_is_the_engines_step_by_step(
    make: Callable[[], pl.Network],
    loss: str,
    optimizer: pl.Optimizer,
    load: Callable[[Build], Any],
) -> None:
    network = make()
    model = pl.Model(network, engine="compiled", loss=loss, optimizer=optimizer, seed=5)
    made = build(
        machine(),
        network,
        model.weights,
        prefix="m",
        loss=model.loss,
        optimizer=model.optimizer,
        images=6,
        seed=model.seed,
        activations=True,
    )
    library, random = load(made), np.random.default_rng(1)
    images = random.normal(size=(6, *network.input_shape)).astype(np.float32)
    labels: Any = random.integers(0, 3, 6).astype(np.int32)
    if loss == "mse":
        labels = random.normal(size=(6, 3)).astype(np.float32)
    memory = np.full(made.memory + 4096, 0xFF, np.uint8)
    call(library.m_init, memory)
    found, output = np.zeros(1, np.float32), np.zeros(3, np.float32)
    for count in (6, 4, 6):
        expected = model.train_step(images[:count], labels[:count])
        rate = ctypes.c_float(optimizer.learning_rate)
        given = images, labels, ctypes.c_int64(count), rate, found, memory
        call(library.m_train_step, *given)
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    for _ in range(2):  # what was prepared of the weights is kept
        call(library.m_predict, images[0], output, memory)
        np.testing.assert_allclose(output, model.predict(images[:1])[0], rtol=1e-4)
    call(library.m_activations, images[0], memory)
    floats = memory[-memory.ctypes.data % 64 :][: made.memory - 64].view(np.float32)
    expected = model.activations(images[:1])
    for name, place in made.activations.items():
        size = place.height, place.width, place.channels
        steps = 4 * place.row, 4 * place.pixel, 4
        view = np.lib.stride_tricks.as_strided(floats[place.start :], size, steps)
        got = view.reshape(place.shape)
        np.testing.assert_allclose(got, expected[name][0], rtol=1e-4, atol=1e-5)
    assert (memory[made.memory :] == 0xFF).all()
