"""Expressions: traced, differentiated, written, stored and kept within limits."""

from __future__ import annotations

import copy
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pl
from pellucid.network.expression import (
    differentiate,
    from_json,
    to_json,
    trace,
    variable,
    write,
)
from pellucid.network.expression.evaluate import NUMPY, compute, compute_number
from pellucid.network.expression.expand import expand
from pellucid.network.expression.nodes import ARITY, Expression, build, constant
from pellucid.network.expression.text import FORMULA, PYTHON, write_lines

X = variable()
#: of one argument, smooth on all real numbers
SMOOTH = ("erf", "expm1", "normal_cdf", "normal_pdf", "sigmoid", "softplus", "tanh")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> Expression:
    """Expressions that are smooth almost everywhere and do not overflow."""
    if depth == 0:
        number = draw(st.floats(-2, 2).map(lambda v: round(v, 3)))
        return draw(st.sampled_from([X, constant(number)]))
    parts = expressions(depth=depth - 1)
    kind = draw(st.sampled_from(["one", "two", "power", "clip", "where"]))
    first = draw(parts)
    if kind == "one":
        return build(draw(st.sampled_from([*SMOOTH, "abs", "relu"])), first)
    if kind == "power":
        return first ** draw(st.sampled_from([1, 2, 3]))
    if kind == "clip":
        return pl.math.clip(first, -1.25, 1.75)
    second = draw(parts)
    if kind == "where":
        return pl.math.where(first > second, first, second * 0.5)
    names = ["add", "subtract", "multiply", "maximum", "minimum"]
    return build(draw(st.sampled_from(names)), first, second)


@given(expressions())
def test_the_derivative_is_that_of_central_differences(f: Expression) -> None:
    x = np.linspace(-1.9, 2.1, 23)
    step = 1e-6
    with np.errstate(all="ignore"):
        wanted = (compute(f, x=x + step) - compute(f, x=x - step)) / (2 * step)
        sides = (compute(f, x=x + step) + compute(f, x=x - step)) / 2
    found = np.broadcast_to(compute(differentiate(f), x=x), x.shape)
    at = compute(f, x=x)
    is_smooth = np.abs(sides - at) < 1e-9 * (1 + np.abs(at))  # no corner within a step
    error = np.abs(found - wanted) / (1 + np.abs(wanted) + np.abs(at))
    assert np.all((error < 1e-6) | ~is_smooth)


@given(expressions())
def test_an_expression_comes_back_from_json_text_and_pickle(f: Expression) -> None:
    assert from_json(to_json(f)) is f
    assert pickle.loads(pickle.dumps(f)) is f
    assert copy.deepcopy(f) is f
    if f.operator != "constant":
        assert eval(f"(lambda x: {f!r})(X)", {"pl": pl, "X": X}) is f


@given(expressions())
def test_short_lines_and_expansion_compute_the_same(f: Expression) -> None:
    if f.operator == "constant":
        return
    x = np.linspace(-2, 2, 9)
    parts, result = write_lines(f, PYTHON, width=30)
    names = {"pl": _NUMPY, "x": x}
    for name, text in parts:
        names[name] = eval(text, dict(names))
    np.testing.assert_allclose(
        eval(result, dict(names)), compute(f, x=x), rtol=1e-12, atol=1e-12
    )
    known = {*ARITY} - {"clip", "expm1", "softplus", "normal_cdf", "normal_pdf"}
    small = expand(f, known)
    np.testing.assert_allclose(compute(small, x=x), compute(f, x=x), 1e-9, 1e-9)


#: stands for pellucid in text that is evaluated with arrays
_NUMPY = SimpleNamespace(math=SimpleNamespace(**NUMPY))


def test_halves_are_rounded_to_the_even_integer_and_the_slope_is_1() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6, 1e18, np.nan])
    wanted = [-2, -2, 0, 0, 2, 2, 3, 1e18, np.nan]
    np.testing.assert_array_equal(compute(pl.math.round(X), x=x), wanted)
    assert repr(differentiate(pl.math.round(3 * X))) == "3"


def test_equal_expressions_are_one_object() -> None:
    assert X * 2 + 1 is X * 2 + 1
    assert X * 2 is not 2 * X
    with pytest.raises(AttributeError, match="must not be changed"):
        X.value = "y"


def test_formulas_are_written_as_people_do() -> None:
    f = X * pl.math.sigmoid(1.5 * X)
    assert write(f, FORMULA) == "x · (1 / (1 + e^−(1.5 · x)))"
    assert write(f, FORMULA, {"x": "-2"}) == "-2 · (1 / (1 + e^−(1.5 · -2)))"
    assert repr(2 - (X - (1 - X)) / X**2) == "2 - (x - (1 - x)) / x**2"
    assert repr(pl.math.where(X < 3, X, 3)) == "pl.math.where(x < 3, x, 3)"


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (pl.math.sigmoid, (0.0, 1.0)),
        (pl.math.softplus, (0.0, 1e4)),
        (pl.math.tanh, (-1.0, 1.0)),
        (pl.math.expm1, (-1.0, math.inf)),
        (pl.math.normal_cdf, (0.0, 1.0)),
        (pl.math.erf, (-1.0, 1.0)),
    ],
)
def test_functions_are_stable_far_out(function, value) -> None:
    found = tuple(compute_number(function(X), x) for x in (-1e4, 1e4))
    assert found == value
    assert math.isnan(compute_number(function(X), math.nan))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.exp(x), "must use operators and pl.math alone"),
        (lambda x: math.exp(x), "must use operators and pl.math alone"),
        (lambda x, y: x + y, "without an error of its own when it is called with x; "),
        (lambda x: x * (1 / 0), "got ZeroDivisionError: division by zero"),
        (lambda x: 3.0, "must return an expression; got 3.0"),
        (lambda x: x > 0, "must return an expression; got x > 0"),
        (lambda x: x if x > 0 else -x, "a choice must be written as math.where"),
        (lambda x: x + math.inf, "finite numbers; got inf"),
        (lambda x: x**x, "an exponent must be a number"),
        (lambda x: (-2) ** x, "base of a power must be above 0; got -2"),
        (lambda x: pl.math.where(x, x, 1), "argument 1 of where must be a comparison"),
        (lambda x: (x > 0) + 1, "argument 1 of add must be a number"),
        (lambda x: pl.math.clip(x), "must have a minimum or a maximum"),
        (lambda x: pl.math.clip(x, 2, 1), "must have minimum ≤ maximum"),
        (lambda x: _nested(x, 200), "nest at most 100 deep"),
        (lambda x: _doubled(x, 20), "at most 5000 operations"),
        (lambda x: pl.math.exp(2), "must depend on its input"),
    ],
)
def test_what_is_no_function_of_x_is_refused(function, said) -> None:
    with pytest.raises(pl.NetworkError, match=said) as caught:
        trace(function, "Elementwise 'own'")
    assert str(caught.value).startswith("Elementwise 'own': ")


def _nested(x: Expression, times: int) -> Expression:
    for _ in range(times):
        x = pl.math.tanh(x)
    return x


def _doubled(x: Expression, times: int) -> Expression:
    for _ in range(times):
        x = x + x
    return x


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [["variable", "x"]] * 501,
        [["variable", "z"]],
        [["constant", "1"]],
        [["constant", math.nan]],
        [["constant", True]],
        [["exp", 0]],
        [["variable", "x"], ["exp", 1]],
        [["variable", "x"], ["exp", True]],
        [["variable", "x"], ["exp", -1]],
        [["variable", "x"], ["exp", 0, 0]],
        [["variable", "x"], ["system", 0]],
        [["variable", "x"], [["exp"], 0]],
        [["variable", "x"], ["where", 0, 0, 0]],
        [["variable", "x"], ["clip", 0, 0, 0]],
        [["variable", "x"], *(["add", i, i] for i in range(50))],
    ],
)
def test_damaged_rows_are_refused(rows) -> None:
    with pytest.raises(pl.NetworkError, match="expression: "):
        from_json(rows)


def test_a_layer_s_expression_must_depend_on_its_input() -> None:
    rows = {"expression": [["constant", 2.0]]}
    node = {"name": "own", "layer": "Elementwise", "inputs": ["x"], "function": rows}
    entry = {"name": "x", "layer": "Input", "shape": [3]}
    from pellucid.network.codec import from_json as network_from_json

    with pytest.raises(pl.NetworkError, match="must depend on its input"):
        network_from_json({"schema_version": 1, "nodes": [entry, node]})
