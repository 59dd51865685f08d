"""Tests of where random numbers come from."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data.randomness import AUGMENTATION, ORDER, SPLIT, generator
from pellucid.errors import DataError


def test_seed_epoch_and_purpose_each_give_other_numbers():
    keys = [
        (seed, epoch, purpose)
        for seed in (0, 1)
        for epoch in (0, 1)
        for purpose in (ORDER, AUGMENTATION, SPLIT)
    ]
    drawn = {tuple(generator(*key).integers(0, 2**60, 4)) for key in keys}
    assert len(drawn) == len(keys)


def test_the_first_rows_do_not_depend_on_how_many_are_drawn():
    few, many = (generator(5, 6, AUGMENTATION).random((n, 8)) for n in (3, 1000))
    np.testing.assert_array_equal(few, many[:3])


@pytest.mark.parametrize(("seed", "epoch"), [(-1, 0), (2**64, 0), (0, -1)])
def test_a_key_outside_of_64_bits_is_refused(seed, epoch):
    with pytest.raises(DataError, match=r"must lie in 0 … 2\*\*64 - 1; got"):
        generator(seed, epoch, ORDER)
