import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import LANES, numbers
from oracles.maps import aligned, distance

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.dense.dense import (
    Dense,
    Rows,
    dense_forward,
    dense_grad_input,
    dense_grad_weight,
    grad_input_scratch_size,
)
from pellucid.engines.compiled.kernels.layout import pad_channels

SIZES = st.tuples(
    st.sampled_from(LANES),
    st.sampled_from([1, 3, 16, 40, 80]),  # inputs
    st.sampled_from([1, 10, 24, 64]),  # outputs
    st.sampled_from([1, 5, 16, 33, 70]),  # images
)


class Case:
    """A fully connected layer whose arrays lie as kernels want them."""

    def __init__(self, lanes, inputs, outputs, images, **how):
        self.machine, self.images = target(lanes), images
        k, n = (pad_channels(size, lanes) for size in (inputs, outputs))
        self.spec = Dense(k, n, k + 16, n + 32, **how)
        self.x, self.w = aligned((images, k + 16)), aligned((k, n))
        self.y, self.bias = aligned((images, n + 32)), aligned((n,))
        self.x[:, :inputs] = numbers((images, inputs))
        self.w[:inputs, :outputs] = numbers((inputs, outputs), 1)
        self.y[:, :outputs] = numbers((images, outputs), 2)
        self.bias[:outputs] = numbers((outputs,), 3)

    def run(self, kernel, *arguments, spec=None):
        compiled(kernel, spec or self.spec, on=self.machine)(*arguments)

    def pull_back(self, images):
        """Run the input's derivative of so many images."""
        size = grad_input_scratch_size(self.spec, self.machine.lanes)
        scratch = aligned((size,))
        self.run(dense_grad_input, self.y, self.w, self.x, scratch, images)

    def exact(self, name):
        """Return an array without what lies between rows, in double precision."""
        width = {"x": self.spec.inputs, "y": self.spec.outputs}[name]
        return getattr(self, name)[:, :width].astype(float)


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES)
def test_outputs_are_the_product(sizes):
    case = Case(*sizes)
    expected = case.exact("x") @ case.w + case.bias
    case.run(dense_forward, case.x, case.w, case.bias, case.y, case.images)
    assert distance(case.exact("y"), expected) < 2e-6


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES, st.booleans())
def test_the_inputs_derivative_is_the_product(sizes, accumulate):
    case = Case(*sizes, accumulate=accumulate)
    expected = case.exact("y") @ case.w.T.astype(float)
    expected = expected + accumulate * case.exact("x")
    behind = case.x[:, case.spec.inputs :].copy()
    case.pull_back(case.images)
    assert distance(case.exact("x"), expected) < 2e-6
    assert (case.x[:, case.spec.inputs :] == behind).all()


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES)
def test_the_weights_derivative_is_the_product(sizes):
    case = Case(*sizes)
    rows = max(1, case.spec.inputs - 2)
    grad = aligned((rows, case.spec.outputs))
    how = Rows(case.spec, rows)
    case.run(dense_grad_weight, case.x, case.y, grad, case.images, spec=how)
    expected = case.exact("x")[:, :rows].T @ case.exact("y")
    assert distance(grad, expected) < 2e-6


@pytest.mark.parametrize("lanes", LANES)
def test_an_images_derivative_has_the_same_bits_in_any_company(lanes):
    many = Case(lanes, 40, 24, 3 * lanes)
    many.pull_back(3 * lanes)
    few = Case(lanes, 40, 24, 3 * lanes)
    few.pull_back(5)
    assert (few.x[:5] == many.x[:5]).all()
