"""Which sums a convolution makes in place, and that they are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples

import pellucid as pl
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.lowering.context import Options, Purpose
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.network import Network, layers


def conv(x, channels, kernel=3, stride=1, **how):
    y = layers.Conv2D(
        channels, kernel_size=kernel, stride=stride, padding=kernel // 2, **how
    )(x)
    return layers.BatchNorm()(y)


def block(x, pair, stride=1, *, relu=True, kernel=3):
    """Return a residual block; ``pair`` are its channels before and after.

    The shortcut is a convolution where sizes differ.
    """
    into, channels = pair
    y = layers.ReLU()(conv(x, channels, kernel, stride, bias=False))
    y = conv(y, channels, kernel)
    is_same = stride == 1 and channels == into
    y = layers.Add()(y, x if is_same else conv(x, channels, 1, stride))
    return layers.ReLU()(y) if relu else y


def blocks(size, channels, kernel, stride, relu):
    x = entry = layers.Input(*size)
    x = layers.ReLU()(conv(x, channels, 3))
    x = block(x, (channels, channels), relu=relu, kernel=kernel)
    x = block(x, (channels, 2 * channels), stride, relu=relu, kernel=kernel)
    x = block(x, (2 * channels, 2 * channels), relu=relu, kernel=kernel)
    return classifier(entry, x)


def classifier(entry, x):
    return Network(inputs=entry, outputs=layers.Dense(3)(layers.GlobalAvgPool2D()(x)))


def sums(pair):
    """Return how many sums are made in place, and how many in steps of their own."""
    low = pair.fast._predictor.low
    names = [s.kernel.name for phase in low.phases for s in phase.steps()]
    return len(low.added), sum(name.startswith("add") for name in names)


def kernels(network, **options):
    """Return the kernels of a training step, which is not compiled."""
    how = target(), Options(**options)
    loss, optimizer = pl.CrossEntropy(), pl.SGD(1e-2)
    purpose = Purpose("train", is_training=True, loss=loss, optimizer=optimizer)
    parameters = parameters_of(network, *how)
    low = lower_network(network, parameters, how[0], options=how[1], purpose=purpose)
    return [step.kernel.name for phase in low.phases for step in phase.steps()]


@pytest.mark.parametrize(
    ("size", "channels", "stride", "relu"),
    [((7, 6, 3), 5, 2, True), ((4, 4, 2), 16, 1, False)],
)
def test_batch_norms_make_sums_in_training(twins, size, channels, stride, relu):
    network = blocks(size, channels, 3, stride, relu)
    made, whole = kernels(network), kernels(network, fuse=False)
    assert (made.count("norm_sum_forward"), made.count("add")) == (3, 0)
    assert (whole.count("norm_sum_forward"), whole.count("add")) == (0, 3)
    # two blocks have a shortcut whose gradient is the sum's; others add to it later
    assert whole.count("copy") - made.count("copy") == (2 if relu else 0)
    pair = twins(network, loss=pl.CrossEntropy(), optimizer=pl.SGD(1e-2), threads=2)
    pair.check_learning(np.arange(5) % 3)


@settings(max_examples=examples(3), deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(3, 14), st.integers(3, 14), st.integers(1, 3)),
    st.sampled_from([5, 16, 32]),
    st.sampled_from([1, 3]),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from([{}, {"winograd": False, "amx": False}, {"tiny": False}]),
)
def test_all_sums_of_residual_blocks_are_made_in_place(
    twins, size, channels, kernel, stride, relu, options
):
    pair = twins(blocks(size, channels, kernel, stride, relu), **options)
    for count in (1, 3):
        pair.check_predict(count)
    assert sums(pair) == (3, 0)


def later(x):
    """Read the shortcut once more, behind the sum."""
    y = layers.ReLU()(layers.Add()(x, conv(x, 16)))
    return layers.Concat()(y, x)


def twice(x):
    """Add to the shortcut in two sums; the last one alone may do so in place."""
    y = layers.Add()(x, conv(x, 16))
    z = layers.Add()(x, conv(y, 16))
    return layers.Add()(y, z)


def alias(x):
    """Read the shortcut by another name, behind the sum."""
    flat = layers.Dropout(0.5)(x)
    y = layers.Add()(x, conv(x, 16))
    return layers.Concat()(y, flat)


def active(x):
    """Add what an activation comes before."""
    return layers.Add()(x, layers.ReLU()(conv(x, 16)))


@pytest.mark.parametrize(
    ("build", "wanted"),
    [(later, (0, 1)), (twice, (1, 2)), (alias, (0, 1)), (active, (0, 1))],
)
def test_what_is_read_again_is_not_added_to(twins, build, wanted):
    entry = layers.Input(6, 5, 3)
    pair = twins(classifier(entry, build(layers.ReLU()(conv(entry, 16)))))
    for count in (1, 3):
        pair.check_predict(count)
    assert sums(pair) == wanted


@pytest.mark.parametrize(("channels", "is_first"), [(16, True), (5, False)])
def test_a_gate_is_multiplied_with_its_image_in_place(twins, channels, is_first):
    entry = layers.Input(6, 5, 3)
    x = layers.ReLU()(conv(entry, channels))
    gate = layers.Reshape((1, 1, channels))(layers.GlobalAvgPool2D()(x))
    gate = layers.Sigmoid()(layers.Conv2D(channels, kernel_size=1)(gate))
    y = layers.Multiply()(*((gate, x) if is_first else (x, gate)))
    pair = twins(classifier(entry, conv(y, 16)))
    for count in (1, 3):
        pair.check_predict(count)
    assert len(pair.fast._predictor.low.gated) == 1


def test_an_image_that_is_read_behind_its_gate_is_not_written_over(twins):
    entry = layers.Input(6, 5, 3)
    x = layers.ReLU()(conv(entry, 16))
    gate = layers.Reshape((1, 1, 16))(layers.GlobalAvgPool2D()(x))
    y = layers.Concat()(layers.Multiply()(x, gate), x)
    pair = twins(classifier(entry, y))
    pair.check_predict(3)
    assert not pair.fast._predictor.low.gated


def doubled(entry):
    x = layers.ReLU()(conv(entry, 16))
    return classifier(entry, layers.Add()(x, x))


def of_the_image(entry):
    x = conv(entry, 3)
    return classifier(entry, conv(layers.Add()(x, entry), 16))


@pytest.mark.parametrize("build", [doubled, of_the_image])
def test_gradients_of_a_sum_reach_both_operands(twins, build):
    twins(build(layers.Input(6, 5, 3))).check_vjp(3)


def test_the_gradient_of_a_sum_is_not_copied_for_one_that_alone_reads_it(twins):
    pair = twins(blocks((6, 5, 3), 16, 3, 2, True))
    pair.check_vjp(3)
    low = next(p.low for p in pair.fast._programs.values() if p.low.purpose.goes_back)
    copied = [
        step.node
        for phase in low.phases
        for step in phase.steps()
        if step.kernel.name == "copy" and step.node.startswith("add")
    ]
    assert copied == []  # not for the shortcuts either, which share the sum's memory


def test_an_output_of_the_network_is_not_added_to(twins):
    entry = layers.Input(6, 5, 3)
    x = layers.ReLU()(conv(entry, 16))
    y = layers.Add()(x, conv(x, 16))
    network = Network(inputs=entry, outputs=(x, y))
    pair = twins(network)
    images = pair.images(2)
    wanted = pair.slow.predict(images.astype(np.float64))
    for made, expected in zip(pair.fast.predict(images), wanted, strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
    assert sums(pair) == (0, 1)


def test_nan_and_infinity_come_as_from_numpy(twins):
    entry = layers.Input(6, 5, 3)
    x = layers.ReLU()(conv(entry, 16))
    pair = twins(classifier(entry, layers.ReLU()(layers.Add()(x, conv(x, 16, 1)))))
    images = pair.images(3)
    images[0, 2, 2, 1], images[1, 3, 3, 0] = np.nan, np.inf
    with np.errstate(all="ignore"):
        wanted = pair.rough.predict(images)
    found = pair.fast.predict(images)
    assert np.array_equal(np.isfinite(found), np.isfinite(wanted))
    np.testing.assert_allclose(found[2], wanted[2], rtol=1e-5, atol=1e-6)
