"""`pellucid search`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna")


def test_a_search_shows_a_table_and_the_command_that_trains_the_best(pellucid) -> None:
    arguments = ("search", "tiny.json", "--data", "tiny.npz", "--set", "epochs=1")
    space = ("--set", "learning_rate=1e-3,1e-2", "--set", "engine=numpy")
    answer = pellucid(*arguments, *space, "--trials", "2", "--sampler", "grid")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("2 trials: 2 complete, 0 pruned, 0 failed\n")
    assert "trial 2/2" in answer.err
    assert answer.out.splitlines()[-1].startswith("pellucid train searches/tiny/best")
    folder = Path("searches/tiny")
    assert (folder / "search.png").read_bytes().startswith(b"\x89PNG")
    trained = pellucid("train", "searches/tiny/best.toml", "--quiet")
    assert trained.code == 0, trained.err
    lines = pellucid(*arguments, *space, "--trials", "2", "--json", "-q").lines
    assert lines[-1]["trials"] == 2
    assert lines[-1]["best"]["state"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "at least one setting must be a range or a list"),
        (("--set", "learning_rate=2..1"), "a range must rise"),
        (("--set", "a=1..2", "--sampler", "magic"), "--sampler must be tpe"),
        (("--set", "dense.out=1..2"), "setting must be one of units"),
        (
            ("--set", "epochs=1..2", "--metric", "seconds"),
            "one of the held-out",
        ),
        (("--set", "epochs=1..2", "--study", "../j"), "a study's name must be"),
        (
            ("--set", "epochs=1..2", "--storage", "x://y"),
            "must be a database that can be",
        ),
    ],
)
def test_bad_searches_end_in_one_sentence(pellucid, arguments, says) -> None:
    answer = pellucid("search", "tiny.json", "--data", "tiny.npz", *arguments)
    assert answer.code == 2
    assert says in answer.err
    assert answer.err.count("\n") == 1


def test_a_search_without_a_complete_trial_ends_with_1(pellucid) -> None:
    answer = pellucid(
        *("search", "tiny.json", "--data", "tiny.npz", "--set", "engine=numpy"),
        *("--set", "dense.units=0,-1", "--trials", "1", "--study", "none"),
    )
    assert answer.code == 1
    assert "No trial was complete" in answer.out


def test_the_study_of_a_run_s_recipe_has_the_run_s_name(pellucid) -> None:
    from pellucid.search.searching import study_name

    assert study_name("runs/mine-2/recipe.toml") == "mine-2"
    assert study_name("mine.toml") == "mine"
    assert "pellucid[search]" in " ".join(pellucid("search", "--help").out.split())
    answer = pellucid("search", "nonsense", "--set", "epochs=1..2")
    assert answer.err.startswith("error: recipe: what to train must be one of")
