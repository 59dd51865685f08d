"""Files written by pellucid 0.1 load, predict and resume as they did then."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid.cli.main import main
from pellucid.compare.results import read_results
from pellucid.network import from_json, load_network
from pellucid.runs import Checkpoint
from pellucid.runs.recipe import Recipe

V0_1 = Path(__file__).parent / "goldens" / "v0_1"
RUNS = V0_1 / "runs"

#: float32 sums in another order: BLAS differs from machine to machine
RTOL, ATOL = 1e-5, 1e-6


def names(pattern: str) -> list[str]:
    return sorted(path.name for path in V0_1.glob(pattern))


def weights(path: Path) -> dict[str, np.ndarray]:
    return dict(pl.load(path, engine="numpy").weights)


def assert_same_weights(path: Path, golden: Path) -> None:
    got, expected = weights(path), weights(golden)
    assert list(got) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("name", [n[:-9] for n in names("models/*.pellucid")])
def test_a_model_of_0_1_predicts_as_it_did(name: str) -> None:
    expected = np.load(V0_1 / "models" / f"{name}.npz")
    model = pl.load(V0_1 / "models" / f"{name}.pellucid", engine="numpy")
    output = model.predict(expected["images"])
    np.testing.assert_allclose(output, expected["output"], rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("name", names("networks/*.json"))
def test_a_network_of_0_1_is_the_zoos(name: str) -> None:
    network = load_network(V0_1 / "networks" / name)
    assert network == pl.zoo(name.removesuffix(".json"))


@pytest.mark.parametrize("name", names("runs/*-*"))
def test_the_files_of_a_run_of_0_1_are_read(name: str) -> None:
    recipe = Recipe.read(RUNS / name / "recipe.toml")
    assert recipe.engine == "numpy"
    checkpoint = Checkpoint.read(RUNS / name / "checkpoint.safetensors")
    assert checkpoint.position.step > 0
    if isinstance(recipe.network, dict):
        assert from_json(recipe.network).nodes


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Flatten(),
        pl.Dropout(0.3),
        pl.Dense(3),
    )


@pytest.mark.parametrize("name", ["stopped-within-epoch", "stopped-after-epoch"])
def test_a_run_of_0_1_resumes_to_where_0_1_came(name: str, tmp_path: Path) -> None:
    run = Path(shutil.copytree(RUNS / name, tmp_path / "run"))
    data = np.load(RUNS / "data.npz")
    model = pl.Model(
        network(),
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.AdamW(1e-2),
        seed=5,
    )
    history = model.fit(
        (data["images"], data["labels"]),
        epochs=4,
        batch_size=16,
        validation_split=0.2,
        schedule="cosine",
        early_stopping=3,
        augment=pl.Augment(shift=1, flip=True),
        class_weight={0: 1.0, 1: 2.0, 2: 1.0},
        run=run,
        resume=True,
        progress=False,
    )
    golden = Checkpoint.read(RUNS / "finished" / "checkpoint.safetensors").history
    for key in ("accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(history[key], golden[key], rtol=1e-4, atol=1e-6)
    # batches count by the weight of their examples now, in 0.1 by their number
    np.testing.assert_allclose(history["loss"], golden["loss"], rtol=0.02)
    assert_same_weights(run / "last.pellucid", RUNS / "finished" / "last.pellucid")
    assert_same_weights(run / "best.pellucid", RUNS / "finished" / "best.pellucid")


def test_a_run_of_0_1_resumes_on_the_command_line(tmp_path: Path) -> None:
    run = Path(shutil.copytree(RUNS / "xor-stopped", tmp_path / "run"))
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_weights(run / "last.pellucid", RUNS / "xor-finished" / "last.pellucid")


def test_a_comparison_of_0_1_is_read() -> None:
    results = read_results(V0_1 / "comparison.json")
    assert results.engines == ("numpy", "torch")
    assert results.get("ease", "torch") is not None
