from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles.bfloat16 import operands
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import RELU, numbers
from oracles.maps import aligned, distance

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import dense_amx as kernels
from pellucid.engines.compiled.kernels.dense.dense import Dense

pytestmark = pytest.mark.skipif(
    not target().has_amx, reason="this processor has no AMX tiles for bfloat16"
)
SIZES = st.tuples(
    st.sampled_from([32, 96, 160]),  # inputs
    st.sampled_from([32, 64, 160]),  # outputs
    st.sampled_from([1, 19, 20, 31, 32, 33, 64, 65, 100]),  # images
)
CUTS = st.sampled_from([1, 3])


class Case:
    """A fully connected layer whose arrays lie as kernels want them."""

    def __init__(self, inputs, outputs, images, *, cuts=3, **how):
        self.images = images
        self.cuts = cuts if images >= kernels.FEW else 3  # few go by vectors
        self.spec = Dense(inputs, outputs, inputs + 16, outputs + 32, **how)
        self.tiled = kernels.DenseAmx(self.spec, cuts)
        self.x, self.w = aligned((images, inputs + 16)), aligned((inputs, outputs))
        self.y, self.bias = aligned((images, outputs + 32)), aligned((outputs,))
        self.x[:, :inputs] = numbers((images, inputs))
        self.w[:] = numbers((inputs, outputs), 1)
        self.y[:, :outputs] = numbers((images, outputs), 2)
        self.bias[:] = numbers((outputs,), 3)

    def forward(self):
        scratch = aligned((kernels.forward_scratch_size(self.tiled),))
        given_ = self.x, self.w, self.bias, self.y, scratch, self.images
        compiled(kernels.dense_amx_forward, self.tiled)(*given_)
        return self.exact("y")

    def grad_input(self):
        scratch = aligned((kernels.input_scratch_size(self.tiled),))
        given_ = self.y, self.w, self.x, scratch, self.images
        compiled(kernels.dense_amx_grad_input, self.tiled)(*given_)
        return self.exact("x")

    def grad_weight(self, rows, chunk):
        """Return the derivative of the first rows, images cut chunk by chunk."""
        stride = kernels.cut_size(self.tiled) + 16
        spec = kernels.AmxRows(self.spec, rows, stride, 3, self.tiled.cuts)
        cut = aligned((-(-self.images // 32) * 32, stride), np.int32)
        cut[:] = -1  # what is left there is not a number
        call = compiled(kernels.dense_amx_cut, spec)
        for first in range(0, self.images, chunk):
            count = min(chunk, self.images - first)
            call(self.y[first:], cut, first, count, self.images)
        grad = aligned((rows, self.spec.outputs))
        scratch = aligned((kernels.weight_scratch_size(spec),))
        others = (aligned(grad.shape) for _ in range(3))
        call = compiled(kernels.dense_amx_grad_weight, spec)
        call(self.x, self.y, grad, cut, scratch, *others, self.images)
        return grad

    def exact(self, name):
        """Return an array without what lies between rows, in double precision."""
        width = {"x": self.spec.inputs, "y": self.spec.outputs}[name]
        return getattr(self, name)[:, :width].astype(float)

    def operand(self, name):
        """Return an array as products take it, in double precision."""
        array = self.w if name == "w" else self.exact(name)
        return operands(self.cuts, array)[0].astype(float)


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES, st.booleans(), st.booleans(), CUTS)
@example((128, 1056, 33), True, True, 3)  # outputs in two panels
@example((64, 144, 70), True, True, 3)  # an odd tile of outputs
def test_outputs_are_the_product(sizes, has_bias, has_relu, cuts):
    function = RELU if has_relu else None
    case = Case(*sizes, cuts=cuts, has_bias=has_bias, function=function)
    expected = case.operand("x") @ case.operand("w")
    expected = expected + (case.bias if has_bias else 0.0)
    expected = np.maximum(expected, 0.0) if has_relu else expected
    assert distance(case.forward(), expected) < 1e-6


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES, st.booleans(), CUTS)
@example((64, 2080, 70), True, 3)  # outputs in two panels
def test_the_inputs_derivative_is_the_product(sizes, accumulate, cuts):
    case = Case(*sizes, cuts=cuts, accumulate=accumulate)
    expected = case.operand("y") @ case.operand("w").T
    expected = expected + (case.exact("x") if accumulate else 0.0)
    assert distance(case.grad_input(), expected) < 1e-6


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES, st.sampled_from([16, 32, 48]), st.sampled_from([16, 32]), CUTS)
@example((64, 144, 70), 32, 32, 3)  # an odd tile of outputs
def test_the_weights_derivative_is_the_product(sizes, rows, chunk, cuts):
    case = Case(*sizes, cuts=cuts)
    rows = min(rows, case.spec.inputs)
    expected = (case.operand("x").T @ case.operand("y"))[:rows]
    assert distance(case.grad_weight(rows, chunk), expected) < 1e-6


@pytest.mark.parametrize(
    ("bad", "cuts"), [(np.inf, 3), (-np.inf, 3), (np.nan, 3), (np.inf, 1)]
)
def test_what_is_not_finite_stays_as_it_is_on_vectors(bad, cuts):
    case = Case(64, 64, 40, cuts=cuts)
    case.x[3, 5] = bad
    case.w[5] = 1.0
    found = case.forward()
    assert np.array_equal(found[3], np.full(64, bad), equal_nan=True)
    assert np.isfinite(np.delete(found, 3, axis=0)).all()

    case = Case(64, 64, 40, cuts=cuts, accumulate=True)
    case.y[3, 5] = bad
    case.w[:, 5] = 1.0
    with np.errstate(invalid="ignore"):
        expected = case.operand("y") @ case.operand("w").T + case.exact("x")
    expected = np.delete(expected, 3, axis=0)
    found = case.grad_input()
    assert np.array_equal(found[3], np.full(64, bad), equal_nan=True)
    assert distance(np.delete(found, 3, axis=0), expected) < 1e-6

    case = Case(64, 64, 40, cuts=cuts)
    case.y[3, 5] = bad
    case.x[3] = 1.0
    found = case.grad_weight(32, 32)
    assert np.array_equal(found[:, 5], np.full(32, bad), equal_nan=True)
    assert np.isfinite(np.delete(found, 5, axis=1)).all()


def test_only_what_fills_tiles_and_is_large_goes_there():
    large = Dense(3136, 128, 3136, 128)
    assert kernels.dense_amx_fits(large)
    for other in ({"inputs": 3120}, {"outputs": 16}, {"inputs": 32, "outputs": 32}):
        assert not kernels.dense_amx_fits(replace(large, **other))
    odd = replace(large, outputs=144)
    assert kernels.dense_amx_fits(odd)
    assert not kernels.input_grad_fits(odd)
