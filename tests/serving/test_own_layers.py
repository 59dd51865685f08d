"""Runs with layers of one's own are served once the user has named their file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.cli.own_code import load_own_code
from pellucid.engines import make
from pellucid.network.registered_layers import forget_layers
from pellucid.serving import Source

OWN = """
from dataclasses import dataclass

import pellucid as pl


@dataclass(frozen=True)
class Double(pl.Layer):
    def output_shape(self, shape):
        return shape

    def forward(self, x, weights):
        return 2 * x

    def backward(self, x, weights, grad_y):
        return 2 * grad_y, {}
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own.py").write_text(OWN)
    kind: Any = load_own_code(tmp_path / "own.py").names["Double"]
    network = pl.Sequential(pl.Input(2), kind(), pl.Dense(1), name="doubled")
    pl.Model(network, engine="numpy", seed=4).save(tmp_path / "doubled.pellucid")
    yield tmp_path / "doubled.pellucid"
    forget_layers()


def test_a_file_is_served_and_loaded_again(
    file: Path, make_client: Callable[..., TestClient]
) -> None:
    source = Source(name="doubled", origin=str(file), engine=make("numpy"))
    client = make_client([source])
    body = {"instances": [[1.0, 2.0]]}
    expected = pl.load(file, engine="numpy").predict(np.array([[1.0, 2.0]]))
    for _ in range(2):
        found = client.post("/v1/models/doubled:predict", json=body).json()
        np.testing.assert_allclose(found["predictions"], expected, rtol=1e-6)
        assert client.post("/v2/repository/models/doubled/load").status_code == 200


def test_without_it_the_layer_is_refused_by_name(
    file: Path, make_client: Callable[..., TestClient]
) -> None:
    forget_layers()
    source = Source(name="doubled", origin=str(file), engine=make("numpy"))
    with pytest.raises(pl.PellucidError, match="got 'Double'"):
        make_client([source])
