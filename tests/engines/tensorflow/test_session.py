"""What the engine on TensorFlow promises beyond the contract."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import make
from pellucid.engines.state import initial_state
from pellucid.errors import UnsupportedObjectiveError
from pellucid.network import Network, Sequential, zoo
from pellucid.network import layers as pl

pytest.importorskip("tensorflow")

FIRST_STEP = """
import numpy as np
from pellucid import objectives as obj
from pellucid.engines import make
from pellucid.engines.state import initial_state
from pellucid.network import zoo
network = zoo("xor-one-hidden")
state = initial_state(network, seed=0, dtype="float32")
session = make("tensorflow").build(network, state=state)
print(session.predict(np.zeros((1, 2), np.float32)).shape)
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    return subprocess.run(
        [sys.executable, "-c", FIRST_STEP],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def session_of(network: Network, dtype: str = "float32", **options: object):
    return make("tensorflow", **options).build(
        network,
        state=initial_state(network, seed=3, dtype=dtype),
        loss=obj.CrossEntropy(),
        optimizer=obj.Adam(),
        dtype=dtype,
    )


def small(*between: pl.Layer) -> Network:
    return Sequential(
        pl.Input(6, 6, 2),
        pl.Conv2D(4, kernel_size=3, bias=False),
        *between,
        pl.ReLU(),
        pl.Flatten(),
        pl.Dense(3),
    )


def batch(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.random((count, 6, 6, 2)).astype(np.float32)
    return images, random.integers(0, 3, count)


def test_nothing_but_the_answer_is_written() -> None:
    result = run()
    assert (result.stdout, result.stderr) == ("(1, 1)\n", "")


def test_another_keras_backend_is_refused_before_keras_is_imported() -> None:
    result = run(KERAS_BACKEND="jax")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert "Keras must run on TensorFlow; got KERAS_BACKEND=jax" in last


def test_native_is_a_keras_model_with_the_nodes_names() -> None:
    import keras

    session = session_of(small(pl.Dropout(0.5)))
    assert isinstance(session.native, keras.Model)
    assert isinstance(session.native.get_layer("conv2d"), keras.layers.Conv2D)
    assert [i.name for i in session.native.inputs] == ["input"]
    images, _ = batch()
    ours = session.native(images, training=False).numpy()
    np.testing.assert_allclose(ours, session.predict(images), rtol=1e-5, atol=1e-6)


def test_neither_a_schedule_nor_another_batch_size_traces_again() -> None:
    session = session_of(small())
    for count in (4, 4, 3, 2):
        session.train_step(*batch(count), learning_rate=0.1 / count)
        session.predict(batch(count)[0])
    step = session._step_function(((1, "int64"),), (False,), False)
    assert step.experimental_get_tracing_count() == 1
    assert session._predict_function.experimental_get_tracing_count() == 1


def test_xla_gives_the_same_numbers() -> None:
    network = small(pl.BatchNorm())
    plain, compiled = session_of(network), session_of(network, compile=True)
    for count in (4, 3):
        ours, theirs = (
            s.train_step(*batch(count), learning_rate=1e-3) for s in (compiled, plain)
        )
        np.testing.assert_allclose(ours.output, theirs.output, rtol=1e-4, atol=1e-5)
    state = compiled.state()
    for name, array in plain.state().items():
        np.testing.assert_allclose(state[name], array, rtol=1e-3, atol=1e-4)


def test_xla_refuses_losses_of_numpy_functions_by_one_sentence() -> None:
    net = small()
    loss = obj.NumpyLoss(lambda z, t: z[:, 0], lambda z, t: z, title="called")
    message = "compile must be False where a loss is of NumPy"
    with pytest.raises(UnsupportedObjectiveError, match=message):
        make("tensorflow", compile=True).build(
            net, state=initial_state(net, seed=3, dtype="float32"), loss=loss
        )


def test_bfloat16_is_near_and_keeps_float32_weights() -> None:
    exact = session_of(zoo("lenet5"))
    mixed = session_of(zoo("lenet5"), precision="bfloat16")
    images = np.random.default_rng(0).random((4, 28, 28, 1)).astype(np.float32)
    ours, theirs = mixed.predict(images), exact.predict(images)
    assert ours.dtype == np.float32
    assert 1e-6 < np.abs(ours - theirs).max() / np.abs(theirs).max() < 0.05
    result = mixed.train_step(images, np.arange(4), learning_rate=1e-3)
    expected = exact.train_step(images, np.arange(4), learning_rate=1e-3)
    assert result.loss == pytest.approx(expected.loss, rel=0.02)
    assert mixed.state()["weights/conv2d.weight"].dtype == np.float32


@pytest.mark.parametrize(
    "layer",
    [
        pl.LeakyReLU(0.2),
        pl.LocalResponseNorm(size=5, alpha=0.7, beta=0.6, bias=1.5),
        pl.LocalResponseNorm(size=31, alpha=2.0),
        pl.Upsample2D((2, 3), mode="bilinear"),
    ],
    ids=repr,
)
def test_what_tensorflow_has_in_float32_only_is_its_own_and_the_same(
    layer: pl.Layer, agree: object
) -> None:
    network = Sequential(pl.Input(4, 5, 7), layer)
    state = initial_state(network, seed=0, dtype="float32")
    ours, theirs = (
        make(name).build(network, state=state, dtype="float32")
        for name in ("tensorflow", "numpy")
    )
    random = np.random.default_rng(0)
    images = random.standard_normal((3, *network.input_shape)).astype(np.float32)
    images[0, 0, 0, :3] = 0  # where the slope at 0 counts
    grad = random.standard_normal((3, *network.output_shape)).astype(np.float32)
    agree(ours.predict(images), theirs.predict(images), 1e-6)
    agree(ours.vjp(images, grad)[0], theirs.vjp(images, grad)[0], 1e-5)


LOAD = """
import sys
import numpy as np
import keras
model = keras.models.load_model(sys.argv[1])
with np.load(sys.argv[2]) as file:
    ours = model.predict(file["images"], verbose=0)
    np.testing.assert_allclose(ours, file["outputs"], rtol=1e-5, atol=1e-6)
print(*sorted({type(layer).__name__ for layer in model.layers}))
"""


def layers_of_our_own() -> Network:
    return Sequential(
        pl.Input(8, 7, 4),
        pl.Conv2D(6, kernel_size=3, stride=2, dilation=2, padding=2, groups=2),
        pl.GELU(),
        pl.LocalResponseNorm(size=3),
        pl.Conv2D(4, kernel_size=3, padding=((1, 0), (2, 1))),
        pl.LeakyReLU(0.2),
        pl.ConvTranspose2D(
            6, kernel_size=3, stride=2, padding=1, groups=2, output_padding=1
        ),
        pl.MaxPool2D(3, stride=1, padding=1),
        pl.AvgPool2D(3, stride=2, padding=1),
        pl.Upsample2D(2, mode="bilinear"),
        pl.LayerNorm(),
        pl.Dropout(0.5),
        pl.Flatten(),
        pl.Dense(3),
    )


@pytest.mark.filterwarnings("ignore:__array__")  # Keras saves so
def test_native_is_saved_and_loaded_by_keras_in_another_process(tmp_path) -> None:
    from pellucid.engines.tensorflow.imports import keras

    session = session_of(layers_of_our_own())
    images = np.random.default_rng(0).random((3, 8, 7, 4)).astype(np.float32)
    saved, arrays = tmp_path / "native.keras", tmp_path / "arrays.npz"
    session.native.save(saved)
    np.savez(arrays, images=images, outputs=session.predict(images))
    keras.models.load_model(saved)
    command = [sys.executable, "-c", "import pellucid.engines.tensorflow;" + LOAD]
    found = subprocess.run(
        [*command, str(saved), str(arrays)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    for name in ("AvgPool2D", "Dropout", "LeakyReLU", "LocalResponseNorm"):
        assert name in found.stdout
