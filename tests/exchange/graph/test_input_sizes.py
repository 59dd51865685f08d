"""Sizes that a file leaves free."""

from __future__ import annotations

import pytest

import pellucid as pl
from pellucid.exchange.graph.input_sizes import close_sizes, fits_first


@pytest.mark.parametrize(
    ("sizes", "wanted", "is_first", "closed"),
    [
        ((4, 6, 3), None, False, (4, 6, 3)),
        ((None, None, 3), (4, 6), False, (4, 6, 3)),
        ((3, None, None), (4, 6), True, (3, 4, 6)),
        ((None, None, None), (4, 6, 3), True, (3, 4, 6)),
        ((None,), (16,), False, (16,)),
    ],
)
def test_free_sizes_are_those_that_are_wanted(sizes, wanted, is_first, closed):
    assert close_sizes("x", sizes, wanted, is_first=is_first) == closed


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((None,), r"--input-size LENGTH \(input_shape=\(length,\)\)"),
        ((None, None, 3), r"SIZE HEIGHT,WIDTH \(input_shape=\(height, width, 3\)\)"),
        ((None, 5, None), r"HEIGHT,WIDTH,CHANNELS \(input_shape=\(height, 5, channels"),
        ((None,) * 4, r"DEPTH,HEIGHT,WIDTH,CHANNELS"),
        ((None,) * 5, r"SIZE1,SIZE2,SIZE3,SIZE4,SIZE5"),
    ],
)
def test_the_question_names_the_sizes(sizes, message):
    with pytest.raises(pl.ExchangeError, match=message.replace("SIZE ", "size ")):
        close_sizes("x", sizes, None)


def test_the_layout_is_told_by_the_sizes_where_they_tell_it():
    assert fits_first((3, None, None), (4, 6, 3)) is True
    assert fits_first((None, None, 3), (4, 6)) is False
    assert fits_first((None, None, 3), (4, 6, 3)) is False
    assert fits_first((None, None, None), (4, 6, 3)) is None
