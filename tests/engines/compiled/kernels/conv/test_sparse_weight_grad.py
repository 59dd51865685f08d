from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import LANES, convolutions, laid, numbers
from oracles.maps import aligned, distance, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_pool_weight_grad import (
    conv_pool_weight_grad,
)
from pellucid.engines.compiled.kernels.conv.sparse_input_grad import (
    input_scratch_size,
    sparse_grad_input,
)
from pellucid.engines.compiled.kernels.conv.sparse_weight_grad import (
    BITS,
    Sparse,
    sparse_fits,
    sparse_grad_weight,
    sparse_lives,
)
from pellucid.engines.compiled.kernels.conv.sparse_window_grad import (
    pack_windows,
    window_grad_input,
    windows_of,
)

SIZES = convolutions(
    kernels=st.integers(1, 5),
    channels=st.sampled_from([1, 3, 8, 20, 32]),
    outputs=st.sampled_from([3, 16, 20, 48]),
    steps=st.sampled_from([1, 1, 2]),
    smallest=2,
    size=12,
)


class Case:
    """A pooled convolution, the derivative by its output, and what it means."""

    def __init__(self, lanes, conv, alive=0.5):
        c = conv.y
        self.machine, self.conv = target(lanes), conv
        shape = (c.height // 2, c.width // 2, c.channels)
        self.spec = Sparse(conv, laid(*shape, lanes, ((1, 0), (0, 2))), conv.x)
        chance = np.random.default_rng(5)
        alive = chance.random(shape) < alive
        self.code = np.where(alive, chance.integers(0, 4, shape), 4)
        self.grad = numbers(shape, 6)
        self.x = numbers((conv.x.height, conv.x.width, conv.x.channels))
        self.w = numbers((*conv.kernel, conv.x.channels, c.channels), 1)

    @property
    def dense(self):
        """The derivative by the convolution's output."""
        whole = np.zeros((self.conv.y.height, self.conv.y.width, self.grad.shape[2]))
        height, width = self.grad.shape[:2]
        for cell in range(4):
            part = whole[cell >> 1 : 2 * height : 2, cell & 1 : 2 * width : 2]
            part[...] = np.where(self.code == cell, self.grad, 0)
        return whole

    @property
    def codes(self):
        """The codes in memory."""
        memory = aligned((*self.code.shape[:2], self.conv.y.padded_channels), np.uint8)
        memory[..., : self.code.shape[2]] = self.code
        return memory

    def weights(self):
        """The weights in memory, output by output."""
        memory = aligned(self.spec.weight_shape)
        memory[: self.w.shape[3], ..., : self.w.shape[2]] = self.w.transpose(3, 0, 1, 2)
        return memory

    def run(self, kernel, *arguments):
        compiled(kernel, self.spec, on=self.machine)(*arguments)

    def lives(self):
        """Return which windows of each output are alive, and the bias' derivative."""
        made = (
            aligned((self.spec.lives,), np.int64),
            aligned((self.conv.y.padded_channels,)),
        )
        self.run(sparse_lives, put(self.spec.grad_y, self.grad), self.codes, *made)
        return made

    def grad_input(self):
        """Return the derivative by x, over memory that held something else."""
        grad, scratch = aligned((self.conv.x.size,)), input_scratch_size(self.spec)
        grad[:] = 3.0
        y = put(self.spec.grad_y, self.grad)
        self.run(
            sparse_grad_input, y, self.codes, self.weights(), grad, aligned((scratch,))
        )
        return get(self.conv.x, grad)

    @property
    def windows(self):
        """Return how to go window by window, with room for patches of any size."""
        return windows_of(self.spec, self.machine.lanes, registers=64)

    def windowed(self):
        """Return the derivative by x as `grad_input`, made window by window."""
        spec, on = self.windows, self.machine
        packed = aligned((spec.parts * spec.part_size,))
        compiled(pack_windows, spec, on=on)(self.weights(), packed)
        grad, masks = aligned((self.conv.x.size,)), aligned((spec.masks,), np.int64)
        grad[:] = 3.0
        y = put(self.spec.grad_y, self.grad)
        compiled(window_grad_input, spec, on=on)(y, self.codes, packed, grad, masks)
        return get(self.conv.x, grad)


@settings(max_examples=examples(15), deadline=None, derandomize=True)
@given(SIZES, st.sampled_from([0.0, 0.5, 1.0]))
def test_bits_say_where_an_output_is_alive_and_its_bias_sums_it(sizes, alive):
    case = Case(*sizes, alive)
    lives, bias = case.lives()
    words = lives.view(np.uint64).reshape(case.spec.groups, -1)
    for o in range(case.conv.y.channels):
        bits = [int(word) >> n & 1 for word in words[:, o] for n in range(BITS)]
        assert bits[: case.spec.windows] == list((case.code[..., o] < 4).flat)
        assert not any(bits[case.spec.windows :])
    assert np.allclose(bias[: case.grad.shape[2]], case.dense.sum((0, 1)), atol=1e-5)


def wide(windows):
    """Return a convolution with more windows than one integer has bits."""
    x = laid(2 * windows, 6, 8, 4, ((1, 1), (1, 1)))
    y = laid(2 * windows, 6, 16, 4, ((0, 0), (0, 0)))
    return 4, Conv(x, y, (3, 3), top_left=(1, 1))


@settings(max_examples=examples(15), deadline=None, derandomize=True)
@given(SIZES)
@example(wide(22))
@example(wide(50))
def test_the_weights_derivative_is_the_definitions(sizes):
    case = Case(*sizes)
    lives, _ = case.lives()
    grad = aligned(case.spec.weight_shape)
    grad[: case.w.shape[3], ..., : case.w.shape[2]] = 1.0
    x, y = put(case.conv.x, case.x), put(case.spec.grad_y, case.grad)
    patches = aligned((case.spec.windows,), np.int32)
    case.run(sparse_grad_weight, x, y, case.codes, lives, grad, patches)
    expected = 1.0 + maps.grad_weight(case.x, case.dense, case.conv)
    outputs, channels = case.w.shape[3], case.w.shape[2]
    found = grad[:outputs, ..., :channels].transpose(1, 2, 3, 0)
    assert distance(found, expected) < 2e-6
    grad[:outputs, ..., :channels] = 0
    assert not grad.any()


@settings(max_examples=examples(15), deadline=None, derandomize=True)
@given(SIZES)
def test_the_inputs_derivative_is_the_definitions(sizes):
    case = Case(*sizes)
    expected = maps.grad_input(case.w, case.dense, case.conv)
    assert np.abs(case.grad_input() - expected).max() < 2e-6 * max(
        1.0, np.abs(expected).max()
    )


@settings(max_examples=examples(15), deadline=None, derandomize=True)
@given(SIZES)
def test_the_inputs_derivative_window_by_window_is_the_definitions(sizes):
    case = Case(*sizes)
    assume(case.windows is not None)
    expected = maps.grad_input(case.w, case.dense, case.conv)
    assert np.abs(case.windowed() - expected).max() < 2e-6 * max(
        1.0, np.abs(expected).max()
    )


def test_windows_whose_patch_no_registers_hold_do_not_fit():
    x = laid(8, 8, 32, 16, ((1, 1), (1, 1)))
    conv = Conv(x, laid(8, 8, 16, 16, ((0, 0), (0, 0))), (3, 3), top_left=(1, 1))
    spec = Sparse(conv, laid(4, 4, 16, 16, ((0, 0), (0, 0))), x)
    assert windows_of(spec, 16, 32).patch == (4, 4)
    assert windows_of(spec, 8, 16) is None
    for unlike in ({"dilation": (2, 2)}, {"stride": (4, 4)}, {"kernel": (5, 5)}):
        other = replace(spec, conv=replace(conv, **unlike))
        assert windows_of(other, 16, 32) is None


@settings(max_examples=examples(15), deadline=None, derandomize=True)
@given(SIZES)
def test_codes_alone_give_the_weights_derivative(sizes):
    case = Case(*sizes)
    grad, bias = (
        aligned(case.conv.weight_shape),
        aligned((case.conv.y.padded_channels,)),
    )
    bias[: case.grad.shape[2]] = 1.0
    x, y = put(case.conv.x, case.x), put(case.spec.grad_y, case.grad)
    case.run(conv_pool_weight_grad, x, y, case.codes, grad, bias)
    expected = maps.grad_weight(case.x, case.dense, case.conv)
    found = grad[:, :, : case.w.shape[2], : case.w.shape[3]]
    assert np.abs(found - expected).max() < 2e-6 * max(1.0, np.abs(expected).max())
    total = 1.0 + case.dense.sum((0, 1))
    assert np.allclose(bias[: case.grad.shape[2]], total, atol=1e-5)


@pytest.mark.parametrize("lanes", LANES)
def test_nan_is_no_zero(lanes):
    x = laid(6, 6, 8, lanes, ((1, 1), (1, 1)))
    conv = Conv(x, laid(6, 6, 16, lanes, ((0, 0), (0, 0))), (3, 3), top_left=(1, 1))
    case = Case(lanes, conv, alive=1.0)
    case.grad[1, 1, 0] = np.nan
    lives, bias = case.lives()
    assert lives[0] == (1 << 9) - 1
    assert np.isnan(bias[0])
    assert np.isnan(case.grad_input()[3, 3]).any()
    assert np.isnan(case.windowed()[3, 3]).any()


def test_patches_of_few_numbers_do_not_fit():
    x = laid(6, 6, 8, 4, ((1, 1), (1, 1)))
    conv = Conv(x, laid(6, 6, 16, 4, ((0, 0), (0, 0))), (3, 3), top_left=(1, 1))
    assert sparse_fits(conv)
    assert not sparse_fits(replace(conv, groups=8))
    assert not sparse_fits(replace(conv, x=laid(6, 6, 1, 4, x.halo)))
    assert not sparse_fits(replace(conv, kernel=(1, 1)))
