"""Ranges and lists of a search."""

from __future__ import annotations

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
        (["a=1e999..2e999"], "must have finite ends"),
    ],
)
def test_what_makes_no_sense_is_refused(texts: list[str], says: str) -> None:
    with pytest.raises(pl.RunError, match=says):
        parse_space(texts)


def test_a_grid_needs_steps() -> None:
    assert Range(1, 3).values() == [1, 2, 3]
    with pytest.raises(pl.RunError, match="a grid must have lists, or ranges with"):
        Range(0.1, 0.5).values()
