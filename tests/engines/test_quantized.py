"""Integer layers: the compiled engine gives the bits of the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernels import LANES

import pellucid as pl
from pellucid.network import layers as nl

IMAGE = pl.Quantization(0.05, 3)
WIDE = pl.Quantization(0.4, -7)


def quantized(operation, *, output=WIDE, arithmetic="fixed_point", operands=1, **more):
    given = (IMAGE,) * operands
    return pl.Quantized(operation, given, output, arithmetic=arithmetic, **more)


def images(arithmetic):
    """A network of images with every integer layer of one value, as outputs."""
    entry = pl.Input(7, 6, 3)
    x = pl.Quantize(IMAGE, rounding="even" if arithmetic == "real" else "away")(entry)
    how = {"arithmetic": arithmetic}
    gate = quantized(pl.GlobalAvgPool2D(), output=IMAGE, **how)(x)
    gate = nl.Reshape((1, 1, 3))(gate)
    ends = [
        quantized(pl.Conv2D(5, 3, padding="same", stride=2), clamp="relu6", **how)(x),
        quantized(pl.Conv2D(6, (2, 3), dilation=2, groups=3, bias=False), **how)(x),
        quantized(pl.Conv2D(3, 3, groups=3, padding=1), weight_dtype="int16", **how)(x),
        quantized(pl.ConvTranspose2D(4, 3, stride=2, padding="same"), **how)(x),
        quantized(pl.Dense(20), **how)(pl.Flatten()(x)),
        quantized(pl.AvgPool2D(3, stride=2, padding="same"), output=IMAGE, **how)(x),
        quantized(pl.Add(), operands=2, **how)(x, gate),
        quantized(pl.Subtract(), operands=2, clamp="relu", **how)(gate, x),
        quantized(pl.Multiply(), operands=2, output=IMAGE, **how)(x, gate),
        quantized(pl.Sigmoid(), output=pl.Quantization(1 / 256, -128), **how)(x),
        quantized(pl.Rescale((1.0, 2.0, 3.0)), **how)(x),
        quantized(pl.Softmax(), output=pl.Quantization(1 / 256, 0, "uint8"), **how)(x),
        pl.Dequantize(IMAGE)(x),
    ]
    return pl.Network(inputs=entry, outputs=ends)


def sequences():
    entry = pl.Input(11, 4)
    x = pl.Quantize(IMAGE)(entry)
    ends = [
        quantized(pl.Conv1D(5, 3, padding="same"), clamp="relu")(x),
        quantized(pl.AvgPool1D(2), output=IMAGE)(x),
        quantized(pl.GlobalAvgPool1D(), output=IMAGE)(x),
    ]
    return pl.Network(inputs=entry, outputs=ends)


def random_weights(network):
    random = np.random.default_rng(3)
    found = {}
    for weight in network.weights:
        most = {"weight": 127, "bias": 4000, "table": 120}.get(weight.spec.role)
        if most is None:
            found[weight.name] = random.uniform(1e-3, 2e-2, weight.shape)
        else:
            values = random.integers(-most, most + 1, weight.shape)
            found[weight.name] = values.astype(weight.dtype)
    return found


def sessions(network, weights):
    state = {f"weights/{name}": array for name, array in weights.items()}
    return [
        pl.engines.make(name).build(network, state=state)
        for name in ("numpy", "compiled")
    ]


@pytest.mark.parametrize(
    "network",
    [images("fixed_point"), images("real"), sequences()],
    ids=["fixed point", "real", "sequences"],
)
def test_the_engines_agree_in_every_bit(network):
    weights = random_weights(network)
    numpy, compiled = sessions(network, weights)
    x = np.random.default_rng(0).normal(0, 3, (5, *network.input_shape))
    x = x.astype(np.float32)
    expected = numpy.predict(x)
    for got, wanted in zip(compiled.predict(x), expected, strict=True):
        assert len(np.unique(wanted)) > 5
        np.testing.assert_array_equal(got, wanted)
    inside = compiled.activations(x)
    for name, wanted in numpy.activations(x).items():
        np.testing.assert_array_equal(inside[name], wanted)
    for name, array in compiled.state().items():
        if name.startswith("weights/"):
            wanted = weights[name.removeprefix("weights/")]
            assert array.dtype == wanted.dtype
            np.testing.assert_array_equal(array, wanted)


STEPS = st.builds(
    lambda dtype, point, scale: pl.Quantization(
        scale, point + pl.network.quantization.RANGES[dtype][0], dtype
    ),
    st.sampled_from(["int8", "uint8"]),
    st.integers(0, 255),
    st.sampled_from([0.02, 0.3, 3.0]),
)


@st.composite
def drawn_sums(draw):
    """A convolution or dense layer of any form, on a small image."""
    height, width, channels = (draw(st.integers(1, most)) for most in (9, 20, 37))
    low, high = draw(STEPS), draw(STEPS)
    if draw(st.integers(0, 4)):
        is_alone = draw(st.booleans())
        window = [draw(st.integers(1, min(3, n))) for n in (height, width)]
        layer = pl.Conv2D(
            channels if is_alone else draw(st.integers(1, 70)),
            tuple(window),
            stride=draw(st.integers(1, 3)),
            dilation=tuple(
                draw(st.integers(1, (n - 1) // (k - 1))) if k > 1 else 1
                for k, n in zip(window, (height, width), strict=True)
            ),
            padding=draw(st.sampled_from(["same", "valid"])),
            groups=channels if is_alone else 1,
            bias=draw(st.booleans()),
        )
    else:
        layer = pl.Dense(draw(st.integers(1, 200)))
    return pl.Sequential(
        pl.Input(height, width, channels),
        pl.Quantize(low),
        pl.Quantized(
            layer,
            (low,),
            high,
            clamp=draw(st.sampled_from([None, "relu", "relu6"])),
            arithmetic=draw(st.sampled_from(["fixed_point", "real"])),
        ),
        pl.Dequantize(high),
    )


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(drawn_sums(), st.sampled_from(LANES), st.sampled_from([1e-3, 1.0, 3.0]))
def test_sums_of_any_shape_are_the_definition_s(network, lanes, factor):
    weights = random_weights(network)
    for name, array in weights.items():
        if name.endswith("factor"):
            array *= factor
    state = {f"weights/{name}": array for name, array in weights.items()}
    x = np.random.default_rng(0).normal(0, 3, (3, *network.input_shape))
    x = x.astype(np.float32)
    expected = pl.engines.make("numpy").build(network, state=state).predict(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PELLUCID_LANES", str(lanes))
        session = pl.engines.make("compiled").build(network, state=state)
        np.testing.assert_array_equal(session.predict(x), expected)


@pytest.mark.parametrize("weight_dtype", ["int8", "int16"])
def test_sums_beyond_what_float32_holds_are_exact(weight_dtype):
    low = pl.Quantization(0.1, -128)
    big = pl.Quantization(1000.0)
    layer = pl.Quantized(
        pl.Conv2D(3, 3, bias=False), (low,), big, weight_dtype=weight_dtype
    )
    network = pl.Sequential(pl.Input(3, 3, 300), pl.Quantize(low), layer)
    most = 127 if weight_dtype == "int8" else 255
    weight = np.full((3, 3, 300, 3), most, weight_dtype)
    weight[0, 0, 0] = [most - 1, most - 2, most - 3]
    factor = np.full(3, 2.0**-20)
    weights = {"quantized.weight": weight, "quantized.factor": factor}
    x = np.full((1, 3, 3, 300), 25.5, np.float32)
    x[0, 1, 1, 1] = 25.4
    expected = (np.rint(x * 10).astype(np.int64)[..., None] * weight).sum((0, 1, 2, 3))
    assert (expected > 2**24).all()
    factor[:] = 1 / expected[0]  # to one, where one more or less does not show …
    for session in sessions(network, weights):
        np.testing.assert_array_equal(session.predict(x).ravel(), [1, 1, 1])
    exact = pl.Quantized(
        pl.Conv2D(3, 3), (low,), big, weight_dtype=weight_dtype, name="quantized"
    )
    network = pl.Sequential(pl.Input(3, 3, 300), pl.Quantize(low), exact)
    bias = (-expected + [5, -6, 7]).astype(np.int32)  # … and without all but a few
    weights = {**weights, "quantized.bias": bias, "quantized.factor": np.ones(3)}
    for session in sessions(network, weights):
        np.testing.assert_array_equal(session.predict(x).ravel(), [5, -6, 7])


def test_bad_quantizations_are_refused():
    with pytest.raises(pl.NetworkError, match="scale must be positive; got scale=0"):
        pl.Quantization(0)
    with pytest.raises(pl.NetworkError, match="zero_point must be an int from 0 to"):
        pl.Quantization(1.0, -1, "uint8")
    with pytest.raises(pl.NetworkError, match="dtype must be one of int8, uint8"):
        pl.Quantization(1.0, 0, "int4")
    with pytest.raises(pl.NetworkError, match=r"operation must be one of.*MaxPool2D"):
        quantized(pl.MaxPool2D(2))
    with pytest.raises(pl.NetworkError, match="output must be a Quantization"):
        quantized(pl.ReLU(), output=0.5)
    with pytest.raises(pl.NetworkError, match="clamp must be one of relu, relu6"):
        quantized(pl.ReLU(), clamp="tanh")
    with pytest.raises(pl.NetworkError, match="scale and zero point of the input"):
        quantized(pl.AvgPool2D(2))
    with pytest.raises(pl.NetworkError, match="must be a bilinear Resize in fixed"):
        quantized(pl.Resize((4, 4), mode="nearest"), output=IMAGE)
    entry = pl.Input(3)
    added = quantized(pl.Add())(entry, entry)
    with pytest.raises(pl.NetworkError, match="one Quantization for each input"):
        pl.Network(inputs=entry, outputs=added)
