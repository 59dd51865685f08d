"""The number of threads, on which a run's bits depend: recorded, used again, told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.engines import compiled
from pellucid.runs.recipe import Recipe


def fit(run: Path, threads: int, *, epochs: int, resume: bool = False) -> None:
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    model = pl.Model(
        pl.Sequential(pl.Input(2), pl.Dense(2)),
        engine=compiled(threads=threads),
        loss="cross_entropy",
        optimizer=pl.SGD(0.1),
    )
    data = (x, (x[:, 0] > 0).astype(int))
    model.fit(data, epochs=epochs, run=run, resume=resume, progress=False)


def threads_of(run: Path) -> object:
    return Recipe.read(run / "recipe.toml").engine_options.get("threads")


def test_fit_records_the_threads_of_the_compiled_engine(tmp_path: Path) -> None:
    fit(tmp_path / "run", 2, epochs=1)
    assert threads_of(tmp_path / "run") == 2


def test_resuming_with_other_threads_is_told_and_recorded(tmp_path: Path) -> None:
    fit(tmp_path / "run", 2, epochs=1)
    fit(tmp_path / "run", 2, epochs=2, resume=True)
    with pytest.warns(UserWarning, match=r"threads should be 2, .* got threads=1"):
        fit(tmp_path / "run", 1, epochs=3, resume=True)
    assert threads_of(tmp_path / "run") == 1


def test_a_recipe_is_carried_out_with_the_threads_it_records(tmp_path: Path) -> None:
    recipe = recipes.override(
        recipes.read("xor-one-hidden"),
        {"engine": "compiled", "dtype": "float32", "epochs": 1},
    )
    assert "threads" not in recipe.engine_options
    recipes.train(recipe, run=tmp_path / "run", progress=False)
    found = threads_of(tmp_path / "run")
    assert isinstance(found, int)
    other = recipes.override(recipe, {"engine_options.threads": found + 1})
    recipes.train(other, run=tmp_path / "other", progress=False)
    kept = recipes.read(str(tmp_path / "other" / "recipe.toml"))
    outcome = recipes.train(kept, run=tmp_path / "again", progress=False)
    assert outcome.model.engine.threads == found + 1  # type: ignore[attr-defined]


def test_recorded_threads_are_no_other_engines(tmp_path: Path) -> None:
    recipe = recipes.override(
        recipes.read("xor-one-hidden"),
        {"engine": "compiled", "engine_options.threads": 2, "dtype": "float32",
         "epochs": 1},
    )  # fmt: skip
    outcome = recipes.train(
        recipe, run=tmp_path / "run", engine="numpy", progress=False
    )
    assert outcome.model.engine.name == "numpy"
    assert threads_of(tmp_path / "run") is None


def test_a_run_that_records_no_threads_is_resumed_without_a_word(
    tmp_path: Path,
) -> None:
    fit(tmp_path / "run", 2, epochs=1)
    file = tmp_path / "run" / "recipe.toml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(x for x in lines if not x.startswith("threads")))
    fit(tmp_path / "run", 1, epochs=2, resume=True)
    assert threads_of(tmp_path / "run") == 1
