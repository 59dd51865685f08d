"""Resize: every mode against onnx.reference, and what does not fit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.layers.resize import COORDINATES, ROUNDINGS

#: of each axis, n to m: enlarged, shrunk, to one, from one, as it was
SIZES = (((4, 5), (7, 3)), ((5, 1), (1, 4)), ((6, 3), (3, 3)), ((2, 3), (9, 8)))
SCALES = ((1.5, 0.5), (2.0, 3.0), (0.75, 1.25))


def reference(x: np.ndarray, layer: pl.Resize) -> np.ndarray:
    """Resize (N, H, W, C) by ONNX's reference, in the type of x."""
    helper = pytest.importorskip("onnx.helper", reason="onnx is not installed")
    from onnx import TensorProto, numpy_helper
    from onnx.reference import ReferenceEvaluator

    by_size = layer.size is not None
    numbers = np.asarray((len(x), x.shape[3], *(layer.size or ())), np.int64)
    if not by_size:
        numbers = np.asarray((1, 1, *layer.scale), np.float32)
    node = helper.make_node(
        "Resize",
        ["x", "", "", "given"] if by_size else ["x", "", "given"],
        ["y"],
        mode={"bilinear": "linear", "bicubic": "cubic"}.get(layer.mode, "nearest"),
        cubic_coeff_a=layer.cubic,
        coordinate_transformation_mode=layer.coordinates,
        nearest_mode=layer.rounding,
    )
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, None)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(numbers, "given")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    first = x.transpose(0, 3, 1, 2)
    (y,) = ReferenceEvaluator(model).run(None, {"x": first})
    return y.transpose(0, 2, 3, 1)


def resized(x: np.ndarray, layer: pl.Resize) -> np.ndarray:
    network = pl.Sequential(pl.Input(*x.shape[1:]), layer)
    return pl.Model(network, engine="numpy", dtype="float64").predict(x)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nearest_pixels_are_those_of_onnx(coordinates: str, rounding: str) -> None:
    for sizes in (*SIZES, *SCALES):
        check(sizes, coordinates=coordinates, rounding=rounding)


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_interpolated_pixels_are_those_of_onnx(coordinates: str) -> None:
    for sizes in (*SIZES, *SCALES):
        check(sizes, mode="bilinear", coordinates=coordinates)


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_cubic_pixels_are_those_of_onnx(coordinates: str) -> None:
    for sizes in (*SIZES, *SCALES):
        if coordinates == "pytorch_half_pixel" and 1 in np.ravel(sizes):
            continue  # there the reference is not as the specification says
        check(sizes, mode="bicubic", coordinates=coordinates)
        check(sizes, mode="bicubic", coordinates=coordinates, cubic=-0.5)


def check(sizes: Any, **how: Any) -> None:
    is_scale = isinstance(sizes[0], float)
    size = (4, 6) if is_scale else sizes[0]
    layer = pl.Resize(scale=sizes, **how) if is_scale else pl.Resize(sizes[1], **how)
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    wanted = reference(x, layer)
    # the reference's cubic polynomials are not exact; PyTorch's are, below
    atol = 1e-4 if layer.mode == "bicubic" else 1e-12
    np.testing.assert_allclose(resized(x, layer), wanted, rtol=1e-6, atol=atol)


@pytest.mark.parametrize(
    ("size", "to", "corners"),
    list(itertools.product([3, 4, 7], [2, 5, 9], [False, True])),
)
def test_interpolation_is_pytorch_s(size: int, to: int, corners: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = np.random.default_rng(1).normal(size=(2, size, size + 1, 3))
    first = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    wanted = torch.nn.functional.interpolate(
        first, (to, to + 2), mode="bilinear", align_corners=corners
    )
    coordinates = "align_corners" if corners else "half_pixel"
    cubic = torch.nn.functional.interpolate(
        first, (to, to + 2), mode="bicubic", align_corners=corners
    )
    layer = pl.Resize((to, to + 2), mode="bicubic", coordinates=coordinates)
    y = resized(x, layer)
    np.testing.assert_allclose(y, cubic.numpy().transpose(0, 2, 3, 1), rtol=1e-9)
    layer = pl.Resize((to, to + 2), mode="bilinear", coordinates=coordinates)
    y = resized(x, layer)
    np.testing.assert_allclose(y, wanted.numpy().transpose(0, 2, 3, 1), rtol=1e-9)
    exact = torch.nn.functional.interpolate(first, (to, to + 2), mode="nearest-exact")
    y = resized(x, pl.Resize((to, to + 2), rounding="round_prefer_ceil"))
    np.testing.assert_array_equal(y, exact.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pl.Resize(), "either size or scale must be given"),
        (lambda: pl.Resize((2, 2), scale=2), "either size or scale must be given"),
        (lambda: pl.Resize((0, 2)), "size must be an int of at least 1"),
        (lambda: pl.Resize(scale=-1), "scale must be a number above 0"),
        (lambda: pl.Resize(scale=(1, 2, 3)), "scale must be a number above 0"),
        (lambda: pl.Resize((2, 2), mode="cubic"), "mode must be one of nearest, bil"),
        (lambda: pl.Resize((2, 2), coordinates="tf"), "coordinates must be one of"),
        (lambda: pl.Resize((2, 2), rounding="up"), "rounding must be one of"),
        (lambda: pl.Resize(scale=0.1).output_shape((4, 4, 1)), "at least one pixel"),
        (lambda: pl.Resize((2, 2)).output_shape((4, 4)), "must be of shape"),
    ],
)
def test_a_resize_names_what_does_not_fit(make: Any, said: str) -> None:
    with pytest.raises(pl.NetworkError, match=said):
        make()
