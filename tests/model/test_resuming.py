"""Resuming with other arguments: each is the same, taken over, or refused by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.model.resuming import RULES, Rule
from pellucid.objectives import OutputMeaning, schedule_from_json, select_metrics
from pellucid.runs.recipe import Recipe

IMAGES = np.random.default_rng(0).integers(0, 255, (48, 4, 4, 1), np.uint8)
LABELS = np.arange(48) % 2
MODEL = ("engine", "loss", "optimizer", "seed", "dtype", "preprocessing", "network")


class Cut(pl.Callback):
    """Press Ctrl-C after a step, in the middle of the second epoch."""

    def on_step(self, trainer: Any, loss: float) -> None:
        if trainer.position.step == 9:
            raise KeyboardInterrupt


def network(units: int = 2) -> pl.Network:
    return pl.Sequential(
        pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(3, activation="relu"), pl.Dense(units)
    )


def fit(run: Path, **given: Any) -> tuple[pl.Model, pl.History]:
    about: dict[str, Any] = {
        "engine": "numpy",
        "loss": "cross_entropy",
        "optimizer": pl.Adam(0.01),
        "seed": 3,
    }
    about |= {name: given.pop(name) for name in MODEL if name in given}
    model = pl.Model(about.pop("network", network()), **about)
    arguments: dict[str, Any] = {"epochs": 3, "batch_size": 6, "progress": False}
    data = given.pop("data", (IMAGES, LABELS))
    return model, model.fit(data, run=run, **(arguments | given))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(path, callbacks=[Cut()], epochs=3)
    return path


def test_there_is_a_rule_for_every_argument_and_every_field() -> None:
    arguments = {
        name
        for function in (pl.Model.__init__, pl.Model.fit)
        for name in inspect.signature(function).parameters
        if name not in ("self", "output_meaning")
    }
    assert set(RULES) == arguments | set(Recipe.model_fields)


OTHER: dict[str, tuple[Any, str]] = {
    "network": (network().with_settings({"dense.units": 4}), "network="),
    "loss": (pl.CrossEntropy(label_smoothing=0.1), "loss="),
    "optimizer": (pl.Adam(0.02), "optimizer="),
    "seed": (4, r"seed=4 \(it was 3\)"),
    "dtype": ("float64", r"dtype='float64' \(it was 'float32'\)"),
    "preprocessing": (pl.Preprocessing(scale=(2.0,)), "preprocessing="),
    "data": ((IMAGES[::-1], LABELS[::-1]), "data must be what"),
    "validation_data": ((IMAGES, LABELS), "validation_data must be what"),
    "validation_split": (0.25, r"validation_split=0.25 \(it was 0.0\)"),
    "batch_size": (12, r"batch_size=12 \(it was 6\)"),
    "schedule": ("cosine", "schedule="),
    "metrics": ((), r"metrics=\(\) \(it was .*accuracy"),
    "class_weight": ({1: 2.0}, "class_weight="),
    "sample_weight": (np.ones(48), "sample_weight must be what"),
    "clip_norm": (1.0, "clip_norm="),
    "augment": (pl.Augment(shift=1), "augment="),
    "average": ("ema", "average="),
    "accumulate": (2, r"accumulate=2 \(it was 1\)"),
    "sampler": ("balanced", "sampler='balanced'"),
    "shuffle": (False, "shuffle=False"),
}


def test_each_argument_that_must_stay_is_tried() -> None:
    same = {name for name, rule in RULES.items() if rule is Rule.SAME}
    # which no argument has; which a recipe keeps in the loss
    assert set(OTHER) == same - {"settings", "loss_weights"}


def test_weights_of_losses_must_stay(tmp_path: Path) -> None:
    image = pl.Input(3)
    ends = [pl.Dense(2, name=name)(image) for name in ("one", "two")]
    network = pl.Network(inputs=image, outputs=ends)
    random = np.random.default_rng(0)
    data = random.normal(size=(8, 3)), (np.arange(8) % 2, np.arange(8) % 2)

    def train(weight: float, *, resume: bool = False) -> None:
        model = pl.Model(
            network,
            engine="numpy",
            loss={"one": "cross_entropy", "two": "cross_entropy"},
            loss_weights={"two": weight},
            optimizer="sgd",
        )
        model.fit(data, epochs=1, run=tmp_path / "run", resume=resume, progress=False)

    train(0.5)
    train(0.5, resume=True)
    with pytest.raises(pl.RunError, match="loss="):
        train(0.25, resume=True)


@pytest.mark.parametrize("name", OTHER)
def test_an_argument_that_must_stay_is_refused_by_name(name: str, run: Path) -> None:
    value, message = OTHER[name]
    before = {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}
    with pytest.raises(pl.RunError, match=f"^resume: .*{message}"):
        fit(run, resume=True, **{name: value})
    before.pop(".lock")
    assert all((run / p).read_bytes() == content for p, content in before.items())


def test_several_differences_are_named_together(run: Path) -> None:
    with pytest.raises(pl.RunError, match=r"batch_size=4 \(it was 6\); .*seed=9"):
        fit(run, resume=True, batch_size=4, seed=9)


def test_the_same_in_other_words_goes_on_to_the_same_bits(
    run: Path, tmp_path: Path
) -> None:
    whole, _ = fit(tmp_path / "whole")
    resumed, history = fit(
        run, resume=True, optimizer=pl.Adam(learning_rate=0.01), schedule="constant"
    )
    assert history["epoch"] == [1, 2, 3]
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, resumed.weights[name])


def test_class_weights_in_another_form_are_the_same(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(run, epochs=1, class_weight={1: 2})
    for same in ([1, 2], np.array([1.0, 2.0]), {"0": 1, "1": 2.0}):
        fit(run, epochs=1, resume=True, class_weight=same)
    with pytest.raises(pl.RunError, match="class_weight='balanced'"):
        fit(run, epochs=1, resume=True, class_weight="balanced")


def test_epochs_engine_and_early_stopping_are_taken_over_and_recorded(
    run: Path,
) -> None:
    _, history = fit(run, resume=True, epochs=4, engine="compiled", early_stopping=7)
    assert history["epoch"] == [1, 2, 3, 4]
    recipe = Recipe.read(run / "recipe.toml")
    assert (recipe.epochs, recipe.engine) == (4, "compiled")
    assert recipe.early_stopping is not None
    assert recipe.early_stopping.patience == 7
    assert {"started", "resumed"} <= set(recipe.provenance)
    with pytest.raises(pl.RunError, match=r"early_stopping=.*'monitor': 'loss'"):
        fit(run, resume=True, early_stopping=pl.EarlyStopping(monitor="loss"))


def test_fewer_epochs_than_are_done_are_not_recorded(run: Path) -> None:
    fit(run, resume=True)
    fit(run, resume=True, epochs=1)
    assert Recipe.read(run / "recipe.toml").epochs == 3


def test_a_recipe_that_was_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    recipe = recipes.override(recipes.read("xor-one-hidden"), {"epochs": 2})
    recipes.train(recipe, run=tmp_path / "run", progress=False)
    more = recipes.override(recipe, {"epochs": 3})
    outcome = recipes.train(more, run=tmp_path / "run", resume=True, progress=False)
    assert len(outcome.history) == 3
    other = recipes.override(recipe, {"batch_size": 2})
    with pytest.raises(pl.RunError, match="batch_size=2"):
        recipes.train(other, run=tmp_path / "run", resume=True, progress=False)


def halve(epoch: int) -> float:
    return float(0.01 * 0.5**epoch)


def test_functions_are_given_again(tmp_path: Path) -> None:
    def quality(output: Any, target: Any) -> float:
        return float(np.mean(output.argmax(1) == target))

    run, given = tmp_path / "run", {"schedule": halve, "metrics": [quality]}
    fit(run, epochs=1, **given)
    _, history = fit(run, epochs=2, resume=True, **given)
    assert history["learning_rate"] == [0.01, 0.005]
    with pytest.raises(pl.RunError, match="metrics="):
        fit(run, epochs=3, resume=True, schedule=halve)
    with pytest.raises(pl.RunError, match="schedule="):
        fit(run, epochs=3, resume=True, metrics=[quality], schedule=lambda epoch: 0.1)
    recipe = Recipe.read(run / "recipe.toml")
    with pytest.raises(pl.NetworkError, match="metrics: must be given again"):
        select_metrics(OutputMeaning(kind="classes", columns=2), recipe.metrics)
    with pytest.raises(pl.NetworkError, match=r"schedule: must be given again.*halve"):
        schedule_from_json(recipe.schedule)
