"""The normal form of arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import graph_of

from pellucid.exchange.graph.polynomial import equals, expand, term

CONSTANTS = {"two": 2.0, "half": 0.5, "three": 3.0, "minus": -0.5}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["multiply x two a", "add a x y"], {term("x"): 3.0}),
        (["add x two a", "multiply a a y"], {(): 4, term("x"): 4, term(("x", 2.0)): 1}),
        (["subtract two x y"], {(): 2, term("x"): -1}),
        (["squared_difference x two y"], {(): 4, term("x"): -4, term(("x", 2.0)): 1}),
        (["divide x half y"], {term("x"): 2}),
        (["power x three y"], {term(("x", 3.0)): 1}),
        (["sqrt x r", "reciprocal r y"], {term(("x", -0.5)): 1}),
        (["power x minus y"], {term(("x", -0.5)): 1}),
        (["rsqrt x r", "multiply r x y"], {term(("x", 0.5)): 1}),
        (["negate x n", "add x n y"], {}),
        (["relu x r", "multiply r r y"], {term(("r", 2.0)): 1}),
    ],
)
def test_arithmetic_has_one_form(lines, expected):
    polynomial = expand(graph_of(lines, constants=CONSTANTS), "y")
    assert equals(polynomial, expected)


def test_a_root_of_a_square_stays_as_it_is():
    graph = graph_of(["multiply x x s", "sqrt s y"])
    assert equals(expand(graph, "y"), {term("y"): 1})


def test_a_root_of_a_product_stays_as_it_is():
    graph = graph_of(["relu x r", "multiply x r s", "sqrt s y"])
    assert equals(expand(graph, "y"), {term("y"): 1})


def test_an_atom_is_not_expanded():
    graph = graph_of(["add x two a", "multiply a a y"], constants=CONSTANTS)
    assert equals(expand(graph, "y", {"a"}), {term(("a", 2.0)): 1})


def test_coefficients_may_be_one_per_channel():
    scale = np.arange(6.0)
    graph = graph_of(["multiply x s y"], constants={"s": scale})
    np.testing.assert_array_equal(expand(graph, "y")[term("x")], scale)


def test_constants_that_cannot_be_broadcast_are_left_alone():
    lines = ["multiply x a m", "multiply m b y"]
    graph = graph_of(lines, constants={"a": np.ones(4), "b": np.ones(5)})
    assert term("y") in expand(graph, "y")


def test_many_terms_are_not_expanded():
    lines = ["add x c0 a0"]
    lines += [f"multiply a{i} a{i} a{i + 1}" for i in range(6)]
    lines += ["identity a6 y"]
    assert len(expand(graph_of(lines, constants={"c0": 1.0}), "a6")) <= 12
