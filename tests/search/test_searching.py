"""Searches of a tiny network, in a database of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid.cli import main
from pellucid.network import dumps, to_json
from pellucid.runs.recipe import Recipe
from pellucid.search import Choice, Range, parse_space, picture, search

pytest.importorskip("optuna")


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A network of 2 × 3 weights on 60 points, half of them right of a line."""
    monkeypatch.chdir(tmp_path)
    points = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    labels = (points[:, 0] > 0).astype(np.int64)
    np.savez("tiny.npz", x_train=points, y_train=labels, x_test=points, y_test=labels)
    network = pl.Sequential(
        pl.Input(2), pl.Dense(3, activation="tanh"), pl.Dense(2), name="tiny"
    )
    Path("tiny.json").write_text(dumps(network))
    return Recipe.parse(
        {
            "network": "tiny.json",
            "data": {"source": "tiny.npz"},
            "engine": "numpy",
            "epochs": 3,
            "validation_split": 0.3,
        },
        origin="the test",
    )


SPACE = {"optimizer.learning_rate": Range(1e-4, 0.3), "dense.units": Range(1, 6)}


def test_the_best_trial_trains_to_its_score_again(recipe: Recipe) -> None:
    found = search(recipe, SPACE, trials=7, seeds=2, prune=False)
    assert [trial.number for trial in found.trials] == list(range(1, 8))
    assert found.metric == "val_accuracy"
    assert found.is_maximized
    best = found.best
    assert best is not None
    assert best.score == max(trial.score or 0 for trial in found.trials)
    assert best.score == pytest.approx(np.mean(best.scores))
    assert best.spread == pytest.approx(np.std(best.scores, ddof=1))
    for seed, score in enumerate(best.scores):
        from pellucid import recipes

        changed = recipes.override(recipe, {**best.values, "seed": seed})
        outcome = recipes.train(changed, progress=False)
        assert outcome.history["val_accuracy"][-1] == pytest.approx(score)
    assert len(picture(found, SPACE).axes) == 3


@pytest.mark.parametrize("by", ["python", "command"])
def test_a_study_of_a_run_s_recipe_is_named_after_the_run(
    recipe: Recipe, by: str
) -> None:
    path = Path("runs/mine.1/recipe.toml")
    path.parent.mkdir(parents=True)
    network = str(Path("tiny.json").absolute())
    path.write_text(recipe.model_copy(update={"network": network}).to_toml())
    if by == "python":
        search(str(path), {"dense.units": Choice((2, 3))}, trials=1)
    else:
        given = ["--set", "dense.units=2,3", "--trials", "1", "--quiet"]
        assert main(["search", str(path), *given]) == 0
    assert Path("searches/mine.1/study.db").exists()


def test_a_study_goes_on_and_is_no_other_s(recipe: Recipe) -> None:
    first = search(recipe, SPACE, trials=2, study="one")
    seen: list[int] = []
    both = search(
        recipe, SPACE, trials=4, study="one", on_trial=lambda t: seen.append(t.number)
    )
    assert seen == [3, 4]
    assert both.trials[:2] == first.trials
    from pellucid import recipes

    other = recipes.override(recipe, {"batch_size": 8})
    with pytest.raises(pl.RunError, match="must be one of this recipe"):
        search(other, SPACE, trials=5, study="one")
    with pytest.raises(pl.RunError, match="must be one of this space"):
        search(recipe, {"batch_size": Choice((8, 16))}, trials=5, study="one")
    with pytest.raises(pl.RunError, match="must be one of this number of seeds"):
        search(recipe, SPACE, trials=5, study="one", seeds=2)


def test_the_same_search_gives_the_same_trials(recipe: Recipe) -> None:
    values = [
        [trial.values for trial in search(recipe, SPACE, trials=3, study=name).trials]
        for name in ("one", "two")
    ]
    assert values[0] == values[1]


def test_a_grid_tries_each_combination_once(recipe: Recipe) -> None:
    space = {"batch_size": Choice((8, 16)), "dense.units": Range(1, 3)}
    found = search(recipe, space, trials=100, sampler="grid", prune=False)
    tried = {tuple(sorted(trial.values.items())) for trial in found.trials}
    assert len(found.trials) == len(tried) == 6


def test_settings_that_do_not_fit_fail_and_the_search_goes_on(recipe: Recipe) -> None:
    space = {"dense_1.units": Choice((2, 0)), "batch_size": Choice((8, 16))}
    found = search(recipe, space, trials=4, sampler="grid")
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert len(failed) == 2
    assert all("units" in trial.reason for trial in failed)
    assert found.best is not None
    assert found.best.values["dense_1.units"] == 2


def test_a_rate_without_sense_is_pruned(recipe: Recipe) -> None:
    space, _ = parse_space(["learning_rate=0.05,1e-9"])
    states = {
        trial.state
        for seed in range(2)
        for trial in search(
            recipe, space, trials=14, sampler="random", study=f"{seed}"
        ).trials
    }
    assert "pruned" in states


def test_two_processes_work_on_one_study(recipe: Recipe) -> None:
    del recipe
    code = (
        "from pellucid.search import Range, search\n"
        "from pellucid.recipes import read\n"
        "search('r.toml', {'dense.units': Range(1, 6)}, trials=6,\n"
        "       study='both', storage='sqlite:///both.db')"
    )
    Path("r.toml").write_text(
        'network = "tiny.json"\nengine = "numpy"\nepochs = 2\n'
        '[data]\nsource = "tiny.npz"\n'
    )
    search("r.toml", {"dense.units": Range(1, 6)}, trials=1, study="both",
           storage="sqlite:///both.db")  # fmt: skip
    jobs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [job.wait(120) for job in jobs] == [0, 0]
    found = search("r.toml", {"dense.units": Range(1, 6)}, trials=6, study="both",
                   storage="sqlite:///both.db")  # fmt: skip
    assert len(found.trials) == 6
    assert all(trial.state in ("complete", "pruned") for trial in found.trials)


def test_bad_searches_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(pl.RunError, match="must be a range or a list"):
        search(recipe, {})
    with pytest.raises(pl.RunError, match="trials must be at least 1; got 0"):
        search(recipe, SPACE, trials=0)
    for metric in ("val_beauty", "accuracy", "loss", "seconds", "learning_rate"):
        with pytest.raises(pl.RunError, match="held-out images, val_accuracy, val_lo"):
            search(recipe, SPACE, metric=metric, study="odd")
    for name in ("../odd", "", "..", "/odd", "a/b"):
        with pytest.raises(pl.RunError, match="a study's name must be one of a fol"):
            search(recipe, SPACE, study=name)
    with pytest.raises(pl.NetworkError, match="setting must be one of units, "):
        search(recipe, {"dense.unit": Range(4, 8)}, study="odd")
    with pytest.raises(pl.NetworkError, match="nothing"):
        search(recipe, {"nothing.units": Range(4, 8)}, study="odd")
    with pytest.raises(pl.RunError, match="'beauty' in"):
        search(recipe, {"beauty": Range(4, 8)}, study="odd")
    assert not Path("searches").exists()
    nowhere = f"sqlite:///{tmp_path}/no/such/folder.db"
    with pytest.raises(pl.RunError, match="must be a database that can be reached"):
        search(recipe, SPACE, storage=nowhere)
    with pytest.raises(pl.RunError, match="must be a database that can be reached"):
        search(recipe, SPACE, storage="nonsense")


@pytest.mark.parametrize(
    ("metric", "chosen"),
    [(None, "val_loss"), ("val_kind_accuracy", "val_kind_accuracy")],
)
def test_a_network_of_several_outputs_is_searched(
    metric: str | None, chosen: str
) -> None:
    from pellucid import recipes

    random = np.random.default_rng(1)
    one, two = pl.Input(2, name="one"), pl.Input(2, name="two")
    x = pl.Dense(3, name="both", activation="tanh")(pl.Concat()(one, two))
    outputs = [pl.Dense(2, name="kind")(x), pl.Dense(1, name="size")(x)]
    network = pl.Network(inputs=[one, two], outputs=outputs, name="pairs")
    points = random.standard_normal((2, 40, 2)).astype(np.float32)
    kind, size = (points[0, :, 0] > 0).astype(np.int64), points[1, :, :1]
    np.savez("pairs.npz", one=points[0], two=points[1], kind=kind, size=size)
    document = {
        "network": to_json(network),
        "data": {"source": "pairs.npz"},
        "engine": "numpy",
        "epochs": 2,
        "validation_split": 0.3,
        "loss": {"kind": {"name": "cross_entropy"}, "size": {"name": "mse"}},
    }
    recipe = Recipe.parse(document, origin="the test")
    space = {"both.units": Choice((2, 4))}
    found = search(recipe, space, trials=2, metric=metric, study="several")
    assert found.metric == chosen
    best = found.best
    assert best is not None
    outcome = recipes.train(recipes.override(recipe, best.values), progress=False)
    assert outcome.history[chosen][-1] == pytest.approx(best.score)
