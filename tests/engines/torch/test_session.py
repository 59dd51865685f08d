"""What the engine on PyTorch promises beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import make
from pellucid.engines.state import initial_state
from pellucid.network import Network, Sequential, zoo
from pellucid.network import layers as pl

torch = pytest.importorskip("torch")
nn = torch.nn


def session_of(network: Network, dtype: str = "float32", **options: object):
    return make("torch", **options).build(
        network,
        state=initial_state(network, seed=3, dtype=dtype),
        loss=obj.CrossEntropy(),
        optimizer=obj.Adam(),
        dtype=dtype,
    )


def pictures(count: int = 8, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(0).random((count, 28, 28, 1)).astype(dtype)


def test_the_weights_fit_the_module_that_people_write_by_hand() -> None:
    session = session_of(zoo("mnist-torch"))
    by_hand = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),  # channels first: the dense weight's columns must be permuted
        nn.Linear(3136, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    values = session.native.state_dict().values()
    by_hand.load_state_dict(dict(zip(by_hand.state_dict(), values, strict=True)))
    images = pictures()
    with torch.no_grad():
        theirs = by_hand(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(session.predict(images), theirs, rtol=1e-4, atol=1e-5)


def test_native_is_a_module_with_the_nodes_names() -> None:
    session = session_of(zoo("mnist-torch"))
    assert isinstance(session.native, nn.Module)
    assert isinstance(session.native.conv2d, nn.Conv2d)
    assert next(iter(session.native.state_dict())) == "conv2d.weight"
    images = pictures()
    with torch.no_grad():
        logits = session.native(torch.from_numpy(images).permute(0, 3, 1, 2))
    np.testing.assert_array_equal(logits.numpy(), session.predict(images))


def test_node_names_that_modules_have_already_are_no_trouble() -> None:
    network = Sequential(
        pl.Input(3),
        pl.Dense(3, name="forward"),
        pl.Dense(3, name="values"),
        pl.Dense(2, name="training"),
    )
    session = session_of(network)
    assert set(session.activations(np.ones((1, 3), np.float32))) == {
        "input",
        "forward",
        "values",
        "training",
    }


def test_the_learning_rate_is_that_of_the_step() -> None:
    network = zoo("xor-one-hidden")
    session = session_of(network)
    before = session.state()
    xor = np.eye(2, dtype=np.float32), np.ones((2, 1), np.float32)
    session.train_step(*xor, learning_rate=0.0)
    after = session.state()
    weight = "weights/dense.weight"
    np.testing.assert_array_equal(after[weight], before[weight])
    assert after["step"] == 1


def test_bfloat16_is_near_and_keeps_float32_weights() -> None:
    exact = session_of(zoo("mnist-torch"))
    mixed = session_of(zoo("mnist-torch"), precision="bfloat16")
    images, labels = pictures(), np.arange(8)
    ours, theirs = (s.predict(images) for s in (mixed, exact))
    assert ours.dtype == np.float32
    assert 1e-6 < np.abs(ours - theirs).max() / np.abs(theirs).max() < 0.05
    result = mixed.train_step(images, labels, learning_rate=1e-3)
    assert result.loss == pytest.approx(
        exact.train_step(images, labels, learning_rate=1e-3).loss, rel=0.02
    )
    assert mixed.state()["weights/conv2d.weight"].dtype == np.float32


@pytest.mark.slow
def test_torch_compile_gives_the_same_numbers() -> None:
    network = Sequential(
        pl.Input(6, 6, 2),
        pl.Conv2D(4, kernel_size=3, bias=False),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Flatten(),
        pl.Dense(3),
    )
    plain, compiled = session_of(network), session_of(network, compile=True)
    random = np.random.default_rng(0)
    for count in (4, 4, 3):
        images = random.random((count, 6, 6, 2)).astype(np.float32)
        labels = random.integers(0, 3, count)
        ours, theirs = (
            s.train_step(images, labels, learning_rate=1e-3) for s in (compiled, plain)
        )
        np.testing.assert_allclose(ours.output, theirs.output, rtol=1e-4, atol=1e-5)
    state = compiled.state()
    for name, array in plain.state().items():
        np.testing.assert_allclose(state[name], array, rtol=1e-3, atol=1e-4)
