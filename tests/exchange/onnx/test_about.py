"""What ONNX files say of their pictures and classes."""

from __future__ import annotations

import pytest

import pellucid as pl

pytest.importorskip("onnx", reason="onnx is not installed")

from pellucid.exchange.onnx.about import read_about


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, pl.Preprocessing.unknown()),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, pl.Preprocessing.raw()),
        ({"Image.NominalPixelRange": "Normalized_0_1"}, pl.Preprocessing.unit()),
        ({"Image.NominalPixelRange": "Normalized_1_1"}, pl.Preprocessing.signed()),
        ({"Image.NominalPixelRange": "NominalRange_16_235"}, None),
        ({"author": "Ultralytics"}, pl.Preprocessing.unit()),
    ],
)
def test_the_range_of_pixels_is_read(properties, expected):
    found = read_about(properties, dtype="float32").preprocessing
    assert found == (expected or pl.Preprocessing.unknown())


def test_bgr_is_kept():
    properties = {
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.BitmapPixelFormat": "Bgr8",
    }
    found = read_about(properties, dtype="float32").preprocessing
    assert found == pl.Preprocessing(scale=(1.0,), channel_order="bgr")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("{0: 'cat', 1: 'dog'}", ("cat", "dog")),
        ("{1: 'cat'}", ()),
        ("__import__('os').getcwd()", ()),
        ("[", ()),
    ],
)
def test_names_are_literals(names, classes):
    properties = {"author": "Ultralytics", "names": names}
    assert read_about(properties, dtype="float32").classes == classes
