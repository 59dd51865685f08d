"""Preprocessing by a preset's name, or by scale, mean and deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.preprocessing_presets import PRESETS, as_preprocessing

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)


def test_presets_do_what_keras_does() -> None:
    pytest.importorskip("keras", reason="keras is not installed")
    from keras.src.applications.imagenet_utils import preprocess_input

    for mode in ("caffe", "tf", "torch"):
        right = preprocess_input(
            PIXELS.astype(np.float32), data_format="channels_last", mode=mode
        )
        got = PRESETS[f"keras-{mode}"].apply(PIXELS)
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-4)


def test_imagenet_is_torchvisions_normalization() -> None:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    right = (PIXELS / 255 - mean) / std
    for name in ("imagenet", "torchvision"):
        np.testing.assert_allclose(PRESETS[name].apply(PIXELS), right, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"scale": 1}, PIXELS * 1.0),
        ({"mean": 0.5, "std": 0.25}, (PIXELS / 255 - 0.5) / 0.25),
        ({"scale": 1 / 127.5, "mean": 1}, PIXELS / 127.5 - 1),
        (
            {"scale": 1, "mean": (104, 117, 123), "channel_order": "bgr"},
            PIXELS[..., ::-1] - [104.0, 117, 123],
        ),
    ],
)
def test_scale_mean_and_std_make_preprocessing(
    given: dict[str, Any], right: Any
) -> None:
    how = as_preprocessing(**given)
    assert how is not None
    np.testing.assert_allclose(how.apply(PIXELS), right, rtol=1e-5, atol=1e-4)


def test_nothing_given_is_nothing() -> None:
    assert as_preprocessing() is None
    raw = pl.Preprocessing.raw()
    assert as_preprocessing(raw) == raw
    assert as_preprocessing("raw") == raw


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"given": "alexnet"}, "preset must be one of imagenet, .*; got 'alexnet'"),
        ({"given": "raw", "scale": 1}, "got both"),
        ({"channel_order": "bgr"}, "channel_order must come with a preset"),
        ({"mean": 123.7}, "must be of pixels in .0, 1. where no scale is given"),
        ({"std": (0.2, -1)}, "std must be positive"),
        ({"scale": (1, 2), "mean": (1, 2, 3)}, "one number, or one for each channel"),
        ({"scale": 1, "channel_order": "red"}, "channel_order must be 'rgb' or 'bgr'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    given = arguments.pop("given", None)
    with pytest.raises(pl.NetworkError, match=message):
        as_preprocessing(given, **arguments)
