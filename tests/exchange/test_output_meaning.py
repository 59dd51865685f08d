"""Files of other programs keep what a model's output means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.exchange.metadata import ModelMetadata

CASES: tuple[tuple[Any, ...], ...] = (
    (1, None, "binary_cross_entropy", "binary"),
    (3, None, "binary_cross_entropy", "labels"),
    (3, None, "mse", "regression"),
    (1, "sigmoid", None, "binary"),
    (3, None, "cross_entropy", "classes"),
)


@pytest.mark.parametrize("name", ["model.onnx", "model.npz", "model.keras"])
@pytest.mark.parametrize(("units", "end", "loss", "kind"), CASES)
def test_a_written_file_says_what_its_output_means(
    units: int, end: str | None, loss: str | None, kind: str, name: str, tmp_path: Path
) -> None:
    network = pl.Sequential(
        pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(units, activation=end)
    )
    model = pl.Model(network, engine="numpy", loss=loss)
    assert model.output_meaning.kind == kind
    pl.exchange.write(model, tmp_path / name)
    found = pl.exchange.read(tmp_path / name, engine="numpy")
    assert found.output_meaning == model.output_meaning
    x = np.ones((2, 4, 4, 1), np.float32)
    answers = (m.output_meaning.predict(m.predict(x)) for m in (model, found))
    first, second = answers
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("format", ["onnx", "savedmodel"])
def test_both_names_of_a_logit_are_kept(format: str, tmp_path: Path) -> None:
    if format == "savedmodel":
        pytest.importorskip("tensorflow")
    network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(1))
    loss, names = "binary_cross_entropy", ("cat", "dog")
    model = pl.Model(network, engine="numpy", loss=loss, classes=names)
    pl.exchange.write(model, tmp_path / "model", format=format)
    found = pl.exchange.read(tmp_path / "model", format=format, engine="numpy")
    assert found.class_names == names


def test_a_card_says_only_what_the_network_does_not() -> None:
    network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(3))
    classes = pl.Model(network, engine="numpy", loss="cross_entropy")
    assert "output_meaning" not in ModelMetadata.of(classes.file()).to_json()
    values = pl.Model(network, engine="numpy", loss="mse")
    card = ModelMetadata.of(values.file())
    assert ModelMetadata.from_json(card.to_json()) == card
    with pytest.raises(pl.ExchangeError, match="card must have preprocessing"):
        ModelMetadata.from_json({**card.to_json(), "output_meaning": "regression"})
