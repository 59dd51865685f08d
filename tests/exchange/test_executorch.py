"""ExecuTorch's programs, run in its own runtime."""

from __future__ import annotations

from pathlib import Path

import networks
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import verify_export

pytest.importorskip("executorch", reason="executorch is not installed")

#: what XNNPACK takes, what portable kernels do, and both in one program
CASES = (
    "avg_pool_same",
    "batch_norm",
    "branches",
    "conv_dilated",
    "conv_transpose",
    "layer_norm_on_pixels",
    "leaky_relu",
    "max_pool",
    "softmax_on_pixels",
    "vectors",
)


@pytest.mark.parametrize("name", CASES)
def test_executorch_gives_the_same(name, model_of, images_of, tmp_path):
    case_model = model_of(networks.CASES[name]())
    path = exchange.write(case_model, tmp_path / "model.pte")
    proof = verify_export(case_model, path, images_of(case_model, 2))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("executorch")


def test_networks_of_the_zoo_run_in_executorch(zoo_model, images_of, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.pte")
    assert verify_export(zoo_model, path, images_of(zoo_model, 2)).relative <= 1e-5


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    from oracles.several_ports import detector, images_for, two_branches

    for make in (two_branches, detector):
        model = pl.Model(make(), engine="numpy", seed=3)
        path = pl.exchange.write(model, tmp_path / "m.pte")
        report = pl.exchange.verify_export(model, path, images_for(model.network, 3))
        assert report.relative < 1e-5
