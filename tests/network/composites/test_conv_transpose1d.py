"""Transposed convolution of sequences, against its definition and other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)


def paint(x, weight, stride, dilation, groups):
    """Return the whole output, uncropped, by the definition."""
    k, per_group, outputs = weight.shape
    length = (x.shape[1] - 1) * stride + dilation * (k - 1) + 1
    y = np.zeros((len(x), length, outputs))
    part = outputs // groups
    for g in range(groups):
        inputs, made = slice(g * per_group, (g + 1) * per_group), slice(g * part, None)
        for i in range(x.shape[1]):
            for u in range(k):
                row = x[:, i, inputs] @ weight[u, :, made][:, :part]
                y[:, i * stride + u * dilation, g * part : (g + 1) * part] += row
    return y


@pytest.mark.parametrize(
    ("stride", "dilation", "groups", "padding", "extra"),
    [(1, 1, 1, 0, 0), (2, 1, 2, 1, 1), (3, 2, 1, (1, 2), 0)],
)
def test_it_paints_kernels_along_the_sequence(
    stride, dilation, groups, padding, extra
) -> None:
    layer = pl.ConvTranspose1D(
        6, 3, stride, padding, dilation, groups, output_padding=extra, name="up"
    )
    network = pl.Sequential(pl.Input(5, 4), layer)
    assert network.nodes[-1].name == "up_sequence"
    model = pl.Model(network, engine="numpy", seed=0)
    model.load_weights({**model.weights, "up.bias": np.arange(6, dtype=np.float32)})
    whole = paint(X, model.weights["up.weight"][0], stride, dilation, groups)
    before, after = (padding, padding) if isinstance(padding, int) else padding
    whole = np.pad(whole, ((0, 0), (0, extra), (0, 0)))
    expected = whole[:, before : whole.shape[1] - after] + np.arange(6)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_sizes_are_checked_as_the_convolution_s() -> None:
    with pytest.raises(pl.NetworkError, match=r"kernel_size must be an int"):
        pl.ConvTranspose1D(4, 0)
    with pytest.raises(pl.NetworkError, match="ConvTranspose1D"):
        pl.Sequential(pl.Input(5, 5, 4), pl.ConvTranspose1D(4, 2))


def test_pytorchs_and_onnxs_come_in(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    torch.manual_seed(0)
    module = torch.nn.ConvTranspose1d(
        4, 6, 3, stride=2, padding=1, output_padding=1, groups=2
    )
    turned = X.transpose(0, 2, 1).copy()
    expected = module(torch.from_numpy(turned)).detach().numpy().transpose(0, 2, 1)
    model = pl.exchange.read(module, engine="numpy", input_shape=(5, 4))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    arrays = {"w": module.weight, "b": module.bias}
    constants = [
        onnx.numpy_helper.from_array(a.detach().numpy(), name)
        for name, a in arrays.items()
    ]
    node = onnx.helper.make_node(
        "ConvTranspose",
        ["x", "w", "b"],
        ["y"],
        strides=[2],
        pads=[1, 1],
        output_padding=[1],
        group=2,
    )
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [value("x", 1, ("N", 4, 5))], [value("y", 1, None)], constants
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    made = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.save(made, tmp_path / "m.onnx")
    model = pl.exchange.read(tmp_path / "m.onnx", engine="numpy")
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_keras_s_comes_in(padding) -> None:
    keras = pytest.importorskip("keras", reason="keras is not installed")
    layer = keras.layers.Conv1DTranspose(6, 2, strides=3, padding=padding)
    source = keras.Sequential([keras.Input((5, 4)), layer])
    model = pl.exchange.read(source, engine="numpy")
    expected = np.asarray(source(X))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
