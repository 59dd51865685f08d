"""Exp, log, tanh and erf against double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles.kernel_runner import aligned, compiled

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise import functions

COUNT = 4096


@kernel(x="f32*", y="f32*")
def run(b: Builder, x: Pointer, y: Pointer, *, spec: str) -> None:
    function = getattr(functions, spec)
    with b.loop(COUNT, step=b.lanes) as i:
        value: Value = function(b, x.vector(i))
        y.store(value, i)


def apply(name, numbers):
    x, y = aligned((COUNT,)), aligned((COUNT,))
    x[:] = np.resize(np.asarray(numbers, np.float32), COUNT)
    compiled(run, name)(x, y)
    return x, y


def _cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


EXACT = {
    "exp": (np.exp, np.linspace(-80, 88, COUNT), 3e-7),
    "log": (np.log, np.geomspace(1e-30, 1e30, COUNT), 3e-7),
    "log1p_small": (np.log1p, np.geomspace(1e-12, 1, COUNT), 4e-7),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), np.linspace(-80, 80, COUNT), 5e-7),
    "tanh": (np.tanh, np.linspace(-12, 12, COUNT), 5e-7),
    "normal_cdf": (np.vectorize(_cdf), np.linspace(-5, 9, COUNT), 2e-6),
}


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_exact_to_a_few_roundings(name):
    exact, numbers, tolerance = EXACT[name]
    x, y = apply(name, numbers)
    wanted = exact(x.astype(np.float64))
    error = np.abs(y - wanted) / np.maximum(np.abs(wanted), 1e-30)
    assert error.max() <= tolerance, x[error.argmax()]


def test_exp_at_its_ends():
    _, y = apply("exp", [0, -np.inf, np.inf, np.nan, -200, 200, 88.72, -87.3])
    assert y[0] == 1
    assert y[1] == y[4] == 0
    assert y[2] == y[5] == np.inf
    assert np.isnan(y[3])
    assert np.isfinite(y[6])
    assert y[7] > 0


def test_log_at_its_ends():
    _, y = apply("log", [1, 0, -1, np.inf, np.nan])
    assert y[0] == 0
    assert y[1] == -np.inf
    assert np.isnan(y[2])
    assert y[3] == np.inf
    assert np.isnan(y[4])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "normal_cdf"])
def test_not_a_number_stays_one(name):
    _, y = apply(name, [np.nan])
    assert np.isnan(y).all()


def test_exp_of_negative_numbers_is_exp_to_the_bit():
    numbers = [*np.linspace(-88, 0, COUNT - 6), 1e-7, -0.0, -87.33655, -200, -np.inf]
    _, y = apply("exp_of_negative", [*numbers, np.nan])
    _, wanted = apply("exp", [*numbers, np.nan])
    np.testing.assert_array_equal(y[:-1].view(np.int32), wanted[:-1].view(np.int32))
    assert np.isnan(y[-1])
