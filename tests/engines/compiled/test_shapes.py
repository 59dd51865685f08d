"""Odd sizes of every kind, against the numpy engine."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracles.examples import examples

from pellucid.errors import ShapeError
from pellucid.network import Network, layers

CONFIG = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
#: for networks of several layers, of which one takes a second to compile
FEW = settings(CONFIG, max_examples=examples(25, least=4, of=9))
#: networks of these layers compute the same in training and in inference mode
ONE = (True,)
side = st.integers(1, 11)
pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.one_of(
    st.sampled_from(["valid", "same"]),
    st.tuples(
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
    ),
)


def network_of(size, *parts):
    """Return a chain, or tell hypothesis that its sizes do not fit."""
    x = image = layers.Input(*size)
    try:
        for part in parts:
            x = part(x)
        return Network(inputs=image, outputs=x)
    except ShapeError:
        assume(False)
        raise


@CONFIG
@given(
    size=st.tuples(side, side, st.integers(1, 20)),
    out=st.integers(1, 40),
    kernel=pair,
    stride=pair,
    dilation=pair,
    padding=pads,
    count=st.integers(1, 9),
)
def test_convolutions(twins, size, out, kernel, stride, dilation, padding, count):
    network = network_of(
        size,
        layers.Conv2D(
            out, kernel_size=kernel, stride=stride, dilation=dilation, padding=padding
        ),
    )
    twins(network).check_vjp(count, modes=ONE)


@CONFIG
@given(
    size=st.tuples(side, side),
    groups=st.integers(1, 5),
    inside=st.integers(1, 9),
    outside=st.integers(1, 9),
    kernel=pair,
    stride=pair,
    padding=pads,
)
def test_grouped_convolutions(
    twins, size, groups, inside, outside, kernel, stride, padding
):
    network = network_of(
        (*size, inside * groups),
        layers.Conv2D(
            outside * groups,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            groups=groups,
            activation="relu",
        ),
    )
    twins(network).check_vjp(2, modes=ONE)


@CONFIG
@given(
    size=st.tuples(side, side, st.integers(1, 6)),
    out=st.integers(1, 18),
    kernel=pair,
    stride=pair,
    dilation=pair,
    padding=pads,
    extra=st.integers(0, 1),
)
def test_transposed_convolutions(
    twins, size, out, kernel, stride, dilation, padding, extra
):
    network = network_of(
        size,
        layers.ConvTranspose2D(
            out,
            kernel_size=kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
            output_padding=extra,
        ),
    )
    twins(network).check_vjp(3, modes=ONE)


@CONFIG
@given(
    size=st.tuples(side, side, st.integers(1, 20)),
    kernel=pair,
    stride=pair,
    padding=pads,
    kind=st.sampled_from([layers.MaxPool2D, layers.AvgPool2D]),
)
def test_pools(twins, size, kernel, stride, padding, kind):
    network = network_of(size, kind(kernel_size=kernel, stride=stride, padding=padding))
    pair = twins(network)
    pair.check_predict(2)
    pair.check_vjp(2, modes=ONE)


@FEW
@given(
    size=st.tuples(st.integers(4, 13), st.integers(4, 13), st.integers(1, 20)),
    first=st.integers(1, 40),
    second=st.integers(1, 40),
    kernel=st.integers(1, 4),
    padding=st.integers(0, 2),
    count=st.integers(1, 20),
)
def test_convolutions_with_relu_and_pool(
    twins, size, first, second, kernel, padding, count
):
    network = network_of(
        size,
        layers.Conv2D(first, kernel_size=3, padding=1, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(second, kernel_size=kernel, padding=padding, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(3),
    )
    pair = twins(network)
    pair.check_predict(count)
    pair.check_vjp(count, modes=ONE)


@FEW
@given(
    features=st.integers(1, 90),
    units=st.integers(1, 70),
    count=st.integers(1, 40),
    bias=st.booleans(),
)
def test_dense_layers(twins, features, units, count, bias):
    network = network_of(
        (features,), layers.Dense(units, bias=bias, activation="relu"), layers.Dense(5)
    )
    pair = twins(network)
    pair.check_predict(count)
    pair.check_vjp(count, modes=ONE)
