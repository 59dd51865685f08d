import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import LANES, RELU, numbers
from oracles.maps import aligned, distance

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.dense.dense import Dense
from pellucid.engines.compiled.kernels.dense.gemv import (
    all_finite,
    gemv_forward,
    gemv_scratch_size,
)
from pellucid.engines.compiled.kernels.layout import pad_channels


def run(lanes, x, w, bias, function=None):
    """Return y and whether the weights were found finite."""
    machine, (inputs, outputs) = target(lanes), w.shape
    padded_channels = pad_channels(outputs, lanes)
    spec = Dense(inputs, padded_channels, inputs, padded_channels, function=function)
    memory, shift = aligned((inputs, padded_channels)), aligned((padded_channels,))
    memory[:, :outputs], shift[:outputs] = w, bias
    given, y, flag = (
        aligned((inputs,)),
        aligned((padded_channels,)),
        aligned((1,), np.int64),
    )
    given[:] = x
    compiled(all_finite, memory.size, on=machine)(memory, flag)
    call = compiled(gemv_forward, spec, on=machine)
    call(given, memory, shift, y, flag, aligned((gemv_scratch_size(spec),)))
    return y[:outputs], flag[0]


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(
    st.sampled_from(LANES),
    st.integers(1, 70),
    st.sampled_from([1, 3, 10, 16, 84, 200]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_one_image_is_multiplied_without_its_zeros(lanes, inputs, outputs, alive):
    chance = np.random.default_rng(3)
    x = numbers((inputs,)) * (chance.random(inputs) < alive)
    w, bias = numbers((inputs, outputs), 1), numbers((outputs,), 2)
    y, flag = run(lanes, x, w, bias, RELU)
    expected = np.maximum(x.astype(float) @ w + bias, 0)
    assert flag == 1
    assert np.abs(y - expected).max() < 2e-6 * max(1, expected.max())


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_zero_times_what_is_not_finite_is_nan(lanes, bad):
    x, w = np.zeros(40, np.float32), numbers((40, 20), 1)
    w[33, 7] = bad
    y, flag = run(lanes, x, w, 0.0)
    assert flag == 0
    assert np.isnan(y[7])
    assert distance(np.delete(y, 7), np.zeros(19)) == 0


@pytest.mark.parametrize("lanes", LANES)
def test_nan_is_no_zero(lanes):
    x, w = np.zeros(40, np.float32), numbers((40, 20), 1)
    x[35] = np.nan
    assert np.isnan(run(lanes, x, w, 0.0)[0]).all()
