"""What does not fit into memory is refused in one sentence, with the bytes."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines import memory
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError


def network(units: int = 3, size: int = 8) -> pl.Network:
    image = pl.Input(size, size, 1)
    x = pl.Conv2D(4, 3, activation="relu")(image)
    return pl.Network(inputs=image, outputs=pl.Dense(units)(pl.Flatten()(x)))


def leave(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: available)


@pytest.mark.parametrize("engine", ["numpy", "compiled", "torch", "jax"])
def test_weights_are_not_drawn_where_they_do_not_fit(engine):
    # 144 inputs: 5.76e14 bytes that nothing has
    with pytest.raises(
        EngineError,
        match=r"Model: the weights of network '.*' must fit into memory; got "
        r"145,000,000,000,040 weights of float32: 580,000,000,000,160 bytes",
    ):
        pl.Model(network(10**12), engine=engine)


def test_a_declared_convolution_is_not_drawn_either():
    huge = pl.Sequential(pl.Input(70000, 70000, 3), pl.Conv2D(10**6, 60000))
    with pytest.raises(EngineError, match=r"must fit into memory; got .* bytes, where"):
        pl.Model(huge)


def test_what_fits_once_may_not_fit_beside_its_gradients(monkeypatch):
    # 14.5 million weights: 58 MB; with gradients and slots four times that
    one = network(10**5)
    state = initial_state(one, seed=0, dtype="float32")
    leave(monkeypatch, 100 << 20)
    with pytest.raises(
        EngineError, match=r"their gradients and the optimizer's slots must fit"
    ):
        pl.engines.make("compiled", threads=1).build(one, state=state)


def test_a_batch_that_does_not_fit_is_refused_and_a_smaller_one_works(monkeypatch):
    model = pl.Model(
        network(size=64), engine=pl.engines.compiled(threads=1), loss="cross_entropy"
    )
    x, labels = np.zeros((400, 64, 64, 1), np.float32), np.zeros(400, int)
    leave(monkeypatch, 32 << 20)
    with pytest.raises(
        EngineError,
        match=r"engine 'compiled': a batch must fit into memory; got 400 images, "
        r"which need [\d,]+ bytes, where 33,554,432 are available. Take a smaller",
    ):
        model.gradients(x, labels)
    loss, _ = model.gradients(x[:8], labels[:8])
    assert np.isfinite(loss)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_memory_that_runs_out_is_an_engine_error(engine, monkeypatch):
    model = pl.Model(network(), engine=engine)

    def fail(*_, **__):
        raise MemoryError("Unable to allocate 74.5 GiB for an array")

    inner = {"numpy": "_run", "compiled": "_forward"}[engine]
    monkeypatch.setattr(model.session, inner, fail)
    with pytest.raises(
        EngineError,
        match=f"engine '{engine}': predict must fit into memory; got Unable to "
        "allocate 74.5 GiB",
    ):
        model.session.predict(np.zeros((2, 8, 8, 1), np.float32))


def test_little_is_not_asked_for(monkeypatch):
    leave(monkeypatch, 0)
    memory.require_memory("it", memory.SMALL, advice="")
    with pytest.raises(EngineError, match=r"it must fit into memory; got 16,777,217"):
        memory.require_memory("it", memory.SMALL + 1, advice="")
