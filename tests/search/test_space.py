"""Ranges and lists of a search."""

from __future__ import annotations

import warnings

import pytest

import pellucid as pl
from pellucid.search import Choice, Range, parse_space


def test_ranges_lists_and_fixed_values_are_told_apart() -> None:
    space, fixed = parse_space(
        [
            "conv2d.out_channels=8..64",
            "learning_rate=1e-4..1e-2",
            "dropout.rate=0.1..0.5:0.1",
            "optimizer=adam,sgd",
            "batch_size=32,64",
            "epochs=3",
            "conv2d.kernel_size=[3, 5]",
        ]
    )
    assert space["conv2d.out_channels"] == Range(8, 64)
    assert space["conv2d.out_channels"].is_integer  # type: ignore[union-attr]
    assert space["optimizer.learning_rate"].is_logarithmic  # type: ignore[union-attr]
    assert space["dropout.rate"].values() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert space["optimizer.name"] == Choice(("adam", "sgd"))
    assert space["batch_size"] == Choice((32, 64))
    assert fixed == {"epochs": 3, "conv2d.kernel_size": [3, 5]}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["a=5..5"], "a range must rise"),
        (["a=9..1"], "a range must rise"),
        (["a=1..9:0"], "step must be more than 0"),
        (["a=1..9:20"], "step must be more than 0"),
        (["a=3,3"], "at least two values, each once"),
        (["a=1..2", "a=1..3"], "a must be given once"),
        (["learning_rate=1..2", "optimizer.learning_rate=1..3"], "given once"),
        (["a"], "must be key=value"),
        (["learning_rate=1e-4..x"], "must be low..high .* got learning_rate=1e-4..x"),
        (["a=x..5"], "a range must be low..high"),
        (["a=1..2,3"], "a range must be low..high"),
        (["a=1e999..2e999"], "must have finite ends"),
    ],
)
def test_what_makes_no_sense_is_refused(texts: list[str], says: str) -> None:
    with pytest.raises(pl.RunError, match=says):
        parse_space(texts)


def test_ranges_of_a_rate_are_of_floats_whatever_their_ends() -> None:
    space, fixed = parse_space(
        ["learning_rate=0..1", "dropout.rate=0..1", "data.source=../1.npz"]
    )
    for parameter in space.values():
        assert isinstance(parameter, Range)
        assert not parameter.is_integer
    assert fixed == {"data.source": "../1.npz"}


@pytest.mark.parametrize(
    ("given", "last"),
    [
        (Range(32, 64, 7), 60),
        (Range(32, 64, 8), 64),
        (Range(0.1, 0.7, 0.1), 0.7),
        (Range(0.1, 0.65, 0.1), 0.6),
    ],
)
def test_a_range_ends_where_its_steps_do(given: Range, last: float) -> None:
    optuna = pytest.importorskip("optuna")
    assert given.last == last
    assert given.values()[-1] == pytest.approx(last)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = given.suggest(optuna.trial.FixedTrial({"a": last}), "a")
    assert value == last


def test_a_grid_needs_steps() -> None:
    assert Range(1, 3).values() == [1, 2, 3]
    with pytest.raises(pl.RunError, match="a grid must have lists, or ranges with"):
        Range(0.1, 0.5).values()
