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
