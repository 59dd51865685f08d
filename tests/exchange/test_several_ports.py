"""Networks of several inputs and outputs and shared weights: written or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import detector, images_for, on_the_way, siamese

import pellucid as pl
from pellucid.errors import PellucidError
from pellucid.exchange.formats import FORMATS

WRITTEN = [entry for entry in FORMATS.values() if entry.is_written]


def siamese_of_one_input() -> pl.Network:
    """One image through one layer twice."""
    image, dense = pl.Input(4), pl.Dense(4, activation="tanh")
    return pl.Network(inputs=image, outputs=dense(dense(image)))


def model_of(network: pl.Network) -> pl.Model:
    return pl.Model(network, engine="numpy", seed=2)


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.name)
@pytest.mark.parametrize(
    ("make", "attribute", "message"),
    [
        (detector, "holds_several", "one output; got 2: kind_softmax, box"),
        (siamese, "holds_several", "one input; got 2: left, right"),
        (
            siamese_of_one_input,
            "holds_shared",
            "weights of their own; got 'dense_1' with those of 'dense'",
        ),
    ],
)
def test_a_format_that_cannot_hold_it_says_so_and_writes_nothing(
    tmp_path: Path,
    entry: Any,
    make: Callable[[], pl.Network],
    attribute: str,
    message: str,
) -> None:
    if getattr(entry, attribute):
        pytest.skip("it can")
    target = tmp_path / f"m{entry.suffix}"
    with pytest.raises(PellucidError, match=f"export: {entry.name}: .*{message}"):
        pl.exchange.write(model_of(make()), target, format=entry.name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".safetensors"])
@pytest.mark.parametrize("make", [detector, siamese, on_the_way, siamese_of_one_input])
def test_what_is_written_comes_back(
    tmp_path: Path, make: Callable[[], pl.Network], suffix: str
) -> None:
    model = model_of(make())
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    again = pl.exchange.read(path, engine="numpy")
    images = images_for(model.network)
    for ours, theirs in zip(
        as_list(model.predict(images)), as_list(again.predict(images)), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-7)


def as_list(output: Any) -> list[np.ndarray]:
    return list(output) if isinstance(output, tuple) else [output]
