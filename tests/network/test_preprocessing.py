"""How pixels become input."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl


def test_standardize_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    how = pl.Preprocessing.standardize((0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    pixels = np.full((1, 1, 1, 3), 255, np.uint8)
    np.testing.assert_allclose(how.apply(pixels).ravel(), [1, 3, 1], rtol=1e-6)
    assert pl.Preprocessing.from_json(how.to_json()) == how


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": (1.0, 2.0)}, "must have one length"),
        ({"scale": (float("nan"),)}, "must be finite"),
        ({"colour": "blue"}, "colour must be 'grey' or 'rgb'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(pl.NetworkError, match=message):
        pl.Preprocessing(**arguments)
    with pytest.raises(pl.NetworkError, match="std must be positive"):
        pl.Preprocessing.standardize((0.5,), (0.0,))


def test_bgr_turns_the_channels_before_scale_and_offset() -> None:
    how = pl.Preprocessing(
        scale=(1.0, 2.0, 3.0), offset=(0.0, 0.0, 1.0), channel_order="bgr"
    )
    pixels = np.array([[[[10, 20, 30]]]], np.uint8)
    np.testing.assert_array_equal(how.apply(pixels).ravel(), [30, 40, 31])
    assert pl.Preprocessing.from_json(how.to_json()) == how
    with pytest.raises(pl.NetworkError, match="channel_order must be 'rgb' or 'bgr'"):
        pl.Preprocessing(channel_order="gbr")  # type: ignore[arg-type]


def test_unknown_preprocessing_refuses_bytes_and_pictures() -> None:
    pixels = np.zeros((1, 2, 2, 1), np.uint8)
    unknown, cast = pl.Preprocessing.unknown(), pl.Preprocessing.unknown("cast")
    with pytest.raises(pl.DataError, match="must be known for uint8 images"):
        unknown.apply(pixels)
    assert cast.apply(pixels + 7).max() == 7
    for how in (unknown, cast):
        assert not how.is_known
        assert pl.Preprocessing.from_json(how.to_json()) == how
        with pytest.raises(pl.DataError, match="must be known for pictures"):
            how.check_pictures()
    pl.Preprocessing.raw().check_pictures()
    with pytest.raises(pl.NetworkError, match="uint8 must be"):
        pl.Preprocessing(uint8="guessed")  # type: ignore[arg-type]
