"""Accuracy of every network's end, loss and form of labels, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pellucid as pl
from pellucid.engines import Engine

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))

Array = npt.NDArray[Any]
N = 12


def two_classes(truth: Array) -> dict[str, Array]:
    column = truth[..., None]
    return {
        "int64": truth,
        "uint8": truth.astype(np.uint8),
        "bool": truth.astype(bool),
        "float32": truth.astype(np.float32),
        "column": column,
        "bool column": column.astype(bool),
        "float column": column.astype(np.float64),
    }


def one_hot(truth: Array) -> dict[str, Array]:
    rows = np.eye(3, dtype=np.int64)[truth]
    return {f"one-hot {name}": form for name, form in multi_hot(rows).items()}


def classes(truth: Array) -> dict[str, Array]:
    return {
        "int32": truth.astype(np.int32),
        "column": truth[..., None],
        **one_hot(truth),
    }


def multi_hot(truth: Array) -> dict[str, Array]:
    return {
        "int64": truth,
        "float32": truth.astype(np.float32),
        "bool": truth.astype(bool),
    }


@dataclass(frozen=True)
class Case:
    """A network's end under a loss, its labels, and what an output says."""

    columns: int
    end: str | None
    loss: str
    forms: Callable[[Array], dict[str, Array]]
    says: Callable[[Array], Array]

    def truth(self, places: tuple[int, ...]) -> Array:
        shape = (N, *places, self.columns) if self.forms is multi_hot else (N, *places)
        most = 2 if self.forms in (multi_hot, two_classes) else 3
        truth = np.random.default_rng(1).integers(0, most, shape)
        if self.forms is multi_hot:
            truth[0] = 1  # not one-hot
        return truth


def above(cut: float) -> Callable[[Array], Array]:
    return lambda output: output[..., 0] > cut


def each_above(cut: float) -> Callable[[Array], Array]:
    return lambda output: output > cut


def largest(output: Array) -> Array:
    return output.argmax(axis=-1)


CASES = (
    Case(1, None, "binary_cross_entropy", two_classes, above(0)),
    Case(1, "sigmoid", "binary_cross_entropy", two_classes, above(0.5)),
    Case(1, "sigmoid", "mse", two_classes, above(0.5)),
    Case(1, "sigmoid", "half_squared_error_sum", two_classes, above(0.5)),
    Case(3, None, "cross_entropy", classes, largest),
    Case(3, "softmax", "cross_entropy", classes, largest),
    Case(3, "softmax", "mse", one_hot, largest),
    Case(3, "sigmoid", "mse", one_hot, largest),
    Case(3, "sigmoid", "mse", multi_hot, each_above(0.5)),
    Case(3, None, "binary_cross_entropy", multi_hot, each_above(0)),
    Case(3, "sigmoid", "binary_cross_entropy", multi_hot, each_above(0.5)),
)


def identity(case: Case) -> str:
    return f"{case.columns}-{case.end}-{case.loss}-{case.forms.__name__}"


def check(model: pl.Model, case: Case, x: Array) -> None:
    """Hold every figure to what the network's own output gives."""
    output = model.predict(x)
    truth = case.truth(output.shape[1:-1])
    right = float((case.says(output) == truth).mean())
    assert 0 < right < 1
    forms = case.forms(truth)
    if model.engine.name != "numpy":  # others see integers or floats, no more
        forms = {name: forms[name] for name in forms if "32" in name or name == "int64"}
    for name, labels in forms.items():
        data = (x, labels)
        history = model.fit(
            data, epochs=1, batch_size=N, validation_data=data, progress=False
        )
        found = model.evaluate(data)
        assert history["accuracy"] == pytest.approx([right]), name
        assert history["val_accuracy"] == pytest.approx([right]), name
        assert found["accuracy"] == pytest.approx(right), name
        loss = model.train_step(x, labels)
        assert loss == pytest.approx(found["loss"], rel=1e-4), name


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_every_form_of_labels_has_the_right_accuracy(
    case: Case, engine: Engine
) -> None:
    layer = pl.Dense(case.columns, activation=case.end)
    network = pl.Sequential(pl.Input(6), layer)
    model = pl.Model(network, engine=engine, loss=case.loss, optimizer=pl.SGD(1e-12))
    check(model, case, np.random.default_rng(0).normal(size=(N, 6)))


@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[9]], ids=identity)
def test_every_form_of_masks_has_the_right_accuracy(case: Case, engine: Engine) -> None:
    layer = pl.Conv2D(case.columns, 1, activation=case.end)
    network = pl.Sequential(pl.Input(4, 5, 2), layer)
    model = pl.Model(network, engine=engine, loss=case.loss, optimizer=pl.SGD(1e-12))
    check(model, case, np.random.default_rng(0).normal(size=(N, 4, 5, 2)))


def test_values_have_an_absolute_error_and_no_accuracy(engine: Engine) -> None:
    network = pl.Sequential(pl.Input(6), pl.Dense(2))
    model = pl.Model(network, engine=engine, loss="mse", optimizer=pl.SGD(1e-12))
    x, y = np.random.default_rng(0).normal(size=(2, N, 6))
    data = (x, y[:, :2])
    right = float(np.abs(model.predict(x) - data[1]).mean())
    history = model.fit(data, validation_data=data, progress=False)
    assert history["val_mean_absolute_error"] == pytest.approx([right], rel=1e-5)
    assert history["mean_absolute_error"] == pytest.approx([right], rel=1e-5)
    assert model.evaluate(data).keys() == {"loss", "mean_absolute_error"}
