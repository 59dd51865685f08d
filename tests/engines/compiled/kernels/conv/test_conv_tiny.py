"""Convolutions of tiny maps, forward and back, against the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.maps import distance

from pellucid import engines
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_tiny import tiny_fits
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.state import initial_state
from pellucid.errors import ShapeError
from pellucid.network import Network, layers

side = st.integers(1, 5)


def network_of(size, convolution):
    image = layers.Input(*size)
    x = layers.Conv2D(16, kernel_size=1)(image)
    try:
        y = convolution(layers.Add()(x, layers.Conv2D(16, kernel_size=1)(x)))
        return Network(inputs=image, outputs=y)
    except ShapeError:
        assume(False)
        raise


def kernels_of(session, kind):
    program = session._programs[next(p for p in session._programs if p.kind == kind)]
    return {s.kernel.name for phase in program.low.phases for s in phase.steps()}


@settings(
    max_examples=examples(30, of=5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    size=st.tuples(side, side),
    out=st.sampled_from([16, 33, 80]),
    kernel=st.tuples(st.integers(2, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.sampled_from(["same", 1, ((1, 3), (2, 0))]),
    count=st.integers(1, 21),
)
def test_any_tiny_map_agrees(twins, size, out, kernel, stride, padding, count):
    layer = layers.Conv2D(out, kernel_size=kernel, stride=stride, padding=padding)
    network = network_of((*size, 3), layer)
    (height, width, _), lanes = network.output_shape, target().lanes
    (top, _), (left, _) = layer.pads(size)
    x, y = ImageLayout(*size, 16, 16), ImageLayout(height, width, out, out + -out % 16)
    conv = Conv(x, y, kernel, stride, (1, 1), (top, left))
    assume(tiny_fits(conv, lanes))
    pair = twins(network)
    pair.check_predict(count)
    pair.check_vjp(count, modes=(True,))
    assert {"conv_tiny", "conv_tiny_grad_weight"} <= kernels_of(pair.fast, "vjp")


def deep(activation="relu"):
    image = layers.Input(4, 4, 32)
    x = layers.Conv2D(48, kernel_size=3, stride=2, padding=1, activation=activation)
    y = layers.Conv2D(48, kernel_size=3, padding=1, activation=activation)(x(image))
    return Network(inputs=image, outputs=y)


def test_a_batch_gives_the_bits_of_its_images():
    network = deep()
    state = initial_state(network, seed=0, dtype="float32")
    session = engines.make("compiled", threads=1).build(network, state=state)
    x = np.random.default_rng(0).normal(size=(13, 4, 4, 32)).astype(np.float32)
    together = session.predict(x)
    for first, last in ((0, 1), (1, 4), (4, 13)):
        assert np.array_equal(session.predict(x[first:last]), together[first:last])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_spreads_as_in_numpy(bad):
    network = deep("leaky_relu")
    state = initial_state(network, seed=0, dtype="float32")
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 32)).astype(np.float32)
    x[1, 3, 3, 5] = bad
    with np.errstate(invalid="ignore"):
        made = [
            engines.make(name).build(network, state=state).predict(x)
            for name in ("numpy", "compiled")
        ]
    np.testing.assert_array_equal(np.isfinite(made[0]), np.isfinite(made[1]))
    assert distance(made[1][[0, 2]], made[0][[0, 2]]) < 1e-5


def test_it_can_be_switched_off():
    network = deep()
    state = initial_state(network, seed=0, dtype="float32")
    session = engines.make("compiled", tiny=False).build(network, state=state)
    session.predict(np.zeros((2, 4, 4, 32), np.float32))
    assert "conv_tiny" not in kernels_of(session, "predict")


def test_only_maps_whose_windows_reach_far_out_fit():
    def conv(size, **more):
        m = ImageLayout(size, size, 16, 16)
        return Conv(m, m, **{"kernel": (3, 3), "top_left": (1, 1)} | more)

    assert tiny_fits(conv(2), 16)
    assert tiny_fits(conv(3), 16)
    assert not tiny_fits(conv(4), 16)
    assert not tiny_fits(conv(2, kernel=(1, 1), top_left=(0, 0)), 16)
    assert not tiny_fits(conv(2, groups=16), 16)
    assert not tiny_fits(conv(2, dilation=(2, 2)), 16)
