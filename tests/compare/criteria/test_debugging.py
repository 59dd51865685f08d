"""A breakpoint inside the forward pass, and what it sees."""

from __future__ import annotations

import sys

import pytest


def test_our_readable_engine_stops_at_values_and_the_compiled_one_does_not(ask) -> None:
    readable, fast = ask("debugging", "numpy"), ask("debugging", "compiled")
    assert readable["traced by a debugger"].value == "stops, with values"
    assert fast["traced by a debugger"].value == "never stops"
    count, total = fast["Model.activations"].value.replace("nodes", "").split("of")
    assert int(count) == int(total) > 5


def test_jit_stops_once_at_a_symbol_and_eager_every_step(ask) -> None:
    pytest.importorskip("jax")
    before = sys.breakpointhook
    measurements = ask("debugging", "jax")
    assert sys.breakpointhook is before
    assert measurements["eager"].value == "stops, with values"
    assert measurements["jit"].value == "first step only, no numbers to look at"
    assert measurements["jit, debug.callback"].value == "stops, with values"
