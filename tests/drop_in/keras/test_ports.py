"""Models of Keras with several inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.drop_in.keras.compiled_model import CompiledModel
from tests.drop_in.keras.conftest import TOLERANCE, keras


def _make() -> Any:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    picture, facts = (
        keras.Input((4, 4, 1), name="picture"),
        keras.Input((3,), name="facts"),
    )
    x = layers.Concatenate()([layers.Flatten()(picture), facts])
    x = layers.Dense(6, activation="tanh")(x)
    outputs = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(x),
        "place": layers.Dense(2, name="place")(x),
    }
    model = keras.Model({"picture": picture, "facts": facts}, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss={"kind": "sparse_categorical_crossentropy", "place": "mse"},
        loss_weights={"kind": 1.0, "place": 0.5},
        metrics={"kind": ["accuracy"]},
    )
    return model


def test_several_inputs_and_outputs_are_kerass(same_state: Any, capsys: Any) -> None:
    rng = np.random.default_rng(0)
    shapes = {"picture": (20, 4, 4, 1), "facts": (20, 3)}
    x = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
    y = {"kind": rng.integers(0, 3, 20), "place": rng.normal(size=(20, 2))}
    theirs, mine = _make(), _make()
    fast = pl.compile(mine, threads=1)
    weights = {name: rng.uniform(0.5, 2, 20) for name in y}
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    options |= {"sample_weight": weights, "validation_data": (x, y)}
    wanted, found = (model.fit(x, y, **options).history for model in (theirs, fast))
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=TOLERANCE)
    same_state(mine, theirs)
    outputs = [model.predict(x, batch_size=8, verbose=0) for model in (theirs, fast)]
    for name, values in outputs[0].items():
        np.testing.assert_allclose(outputs[1][name], values, atol=TOLERANCE)
    assert "must have one output for a step of the engine" in capsys.readouterr().err
    with pytest.raises(pl.ExchangeError, match="x must hold 2 inputs; got 1"):
        fast.predict({"picture": x["picture"]}, verbose=0)


def test_inputs_that_nothing_reads_are_refused() -> None:
    ports = [keras.Input((4,)), keras.Input((3,))]
    model = keras.Model(ports, keras.layers.Dense(2)(ports[0]))
    with pytest.raises(pl.ExchangeError, match="every input must be read; got 1 of 2"):
        pl.compile(model)


def test_weights_are_compared_once_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(loss="mse")
    fast = pl.compile(model, threads=1)
    x = np.zeros((12, 4), np.float32)
    takes = []
    taken = CompiledModel.take

    def take(self: CompiledModel) -> None:
        takes.append(self)
        taken(self)

    monkeypatch.setattr(CompiledModel, "take", take)
    fast.predict(x, batch_size=4, verbose=0)
    assert len(takes) == 1
    fast.evaluate(x, x[:, :2], batch_size=4, verbose=0)
    assert len(takes) == 2
    model.layers[0].bias.assign([1.0, 2.0])  # the next call sees it
    np.testing.assert_allclose(fast.predict(x, verbose=0)[0], [1.0, 2.0])
