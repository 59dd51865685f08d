"""Gradient checks and parity of several inputs, outputs and shared weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import (
    CASES,
    detector,
    images_for,
    labels_for,
    siamese,
    two_branches,
)

import pellucid as pl
from pellucid.cli import main
from pellucid.engines.numpy import NumpySession
from pellucid.errors import NetworkError
from pellucid.network import dumps
from pellucid.verify import Examples, check_gradients, check_parity, load_examples


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_all_outputs_and_all_uses(name: str) -> None:
    case = CASES[name]
    found = check_gradients(case.make(), loss=case.loss, samples=40)
    assert found.passes
    assert max(weight.error for weight in found.weights) < 1e-8


def test_a_use_of_a_shared_weight_that_is_forgotten_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = NumpySession._pull_back

    def forget(self: Any, records: Any, ends: Any, *more: Any) -> Any:
        # the second use of the encoder's convolution gives no gradient
        kept = records["encoder_conv2d_1"]
        none = kept._replace(grad_weights=lambda grad_y: {})
        return right(self, {**records, "encoder_conv2d_1": none}, ends, *more)

    monkeypatch.setattr(NumpySession, "_pull_back", forget)
    found = {w.name: w.error for w in check_gradients(siamese()).weights}
    assert found["encoder_conv2d.weight"] > 1e-2
    assert found["encoder_dense.weight"] < 1e-8


def test_the_losses_of_outputs_may_be_named() -> None:
    both = {"kind_softmax": "cross_entropy", "box": "mse"}
    assert check_gradients(detector(), loss=both, samples=20).passes
    with pytest.raises(NetworkError, match="loss must name one for each output"):
        check_gradients(detector(), loss=pl.MeanSquaredError())


@pytest.mark.parametrize("name", ["two branches", "on the way", "siamese", "triplet"])
def test_numpy_and_compiled_agree(name: str) -> None:
    case = CASES[name]
    report = check_parity(
        case.make(), ["numpy", "compiled"], loss=case.loss, steps=2, batch_size=8
    )
    assert report.passes
    assert report.data == "random numbers"
    assert report.batch_size == 8


def test_a_wrong_engine_is_found_by_its_tensor() -> None:
    class Wrong:
        name = "wrong"

        def build(self, network: pl.Network, **given: Any) -> NumpySession:
            return _WrongBox(network, **given)

    case = CASES["detector"]
    report = check_parity(
        detector(), ["numpy", Wrong()], loss=case.loss, steps=1, batch_size=4
    )
    assert not report.passes
    parting = report.first_divergence(("numpy", "wrong"))
    assert parting is not None
    assert (parting.kind, parting.tensor) == ("gradients", "box.bias")


class _WrongBox(NumpySession):
    def gradients(self, *arguments: Any, **more: Any) -> Any:
        loss, grads = super().gradients(*arguments, **more)
        return loss, {**grads, "box.bias": grads["box.bias"] * 1.01}


def test_arrays_by_name_are_examples(tmp_path: Path) -> None:
    network, case = two_branches(), CASES["two branches"]
    vector, image = images_for(network, 10)
    labels = labels_for(case, network, 10)
    path = tmp_path / "d.npz"
    np.savez(path, vector=vector, image=image, dense_2_softmax=labels)
    found = load_examples(network, case.loss, source=str(path))
    assert isinstance(found, Examples)
    assert found.images[1].shape == (8, 6, 5, 3)  # a fifth is test data
    batches = found.batches(3, 4, seed=0)
    assert [len(images[0]) for images, _ in batches] == [4, 4, 4]
    assert batches[0][1].shape == (4,)


def test_the_command_verifies_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "siamese.json"
    path.write_text(dumps(siamese()))
    given = ["--gradients", "--engines", "numpy,compiled", "--steps", "1"]
    assert main(["verify", str(path), *given, "--batch-size", "4"]) == 0
    out = capsys.readouterr().out
    assert "gradients of siamese: correct" in out
    assert "siamese on random numbers" in out
