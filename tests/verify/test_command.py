"""`pellucid verify --engines`: the table, JSON, the picture and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pellucid as pl
from pellucid.cli import main
from pellucid.verify import tolerance

SHORT = ["--engines", "numpy,compiled", "--steps", "2", "--batch-size", "4"]


def test_engines_that_agree_give_exit_code_0_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "parity.png"
    assert main(["verify", "lenet5", *SHORT, "--picture", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "numpy · compiled" in out
    assert out.rstrip().endswith("2 steps of 4: the engines agree")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_engines_past_the_tolerance_give_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tolerance, "FLOORS", 1e-3)
    assert main(["verify", "lenet5", *SHORT, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["passes"] is False
    assert "numpy and compiled part in step 1" in document["pairs"][0]["parting"]


def test_a_run_is_verified_from_its_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "digits.pellucid"
    network = pl.zoo("lenet5").renamed("mine")
    pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd").save(run)
    assert main(["verify", str(run), *SHORT, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["network"], document["optimizer"]) == ("mine", "sgd")


@pytest.mark.parametrize("engines", ["numpy", "numpy,,torch", "numpy,theano"])
def test_what_is_no_list_of_engines_gives_exit_code_2(
    engines: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "xor-one-hidden", "--engines", engines]) == 2
    assert "must be" in capsys.readouterr().err


def test_the_compiled_engine_says_that_it_has_no_float64(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["verify", "lenet5", *SHORT, "--dtype", "float64"]) == 2
    assert "dtype must be 'float32'" in capsys.readouterr().err
