"""Dropout masks: known answers, shares, and independence of the batch's cut."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.dropout import mask, masks_for, philox


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Known answers published with Random123 (Salmon et al. 2011), kat_vectors.
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        ),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected) -> None:  # type: ignore[no-untyped-def]
    words = philox(tuple(np.array([c], np.uint64) for c in counter), key)  # type: ignore[arg-type]
    assert tuple(int(w[0]) for w in words) == expected


def some_mask(rate: float = 0.3, **changes: object) -> np.ndarray:  # type: ignore[type-arg]
    given = {
        "seed": 1,
        "node": "dropout",
        "step": 0,
        "indices": np.arange(8),
        **changes,
    }
    return mask(rate, (5, 5, 10), **given)  # type: ignore[arg-type]


def test_a_share_of_the_numbers_is_dropped_and_the_rest_scaled() -> None:
    values = some_mask(indices=np.arange(200))
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (values == 0).mean() == pytest.approx(0.3, abs=0.01)


def test_a_mask_depends_on_index_not_on_the_batch() -> None:
    whole = some_mask()
    np.testing.assert_array_equal(whole[3:6], some_mask(indices=np.arange(3, 6)))


@pytest.mark.parametrize("change", [{"seed": 2}, {"node": "b"}, {"step": 1}])
def test_seed_node_and_step_each_change_it(change: dict[str, object]) -> None:
    assert not np.array_equal(some_mask(), some_mask(**change))


def test_only_dropout_nodes_have_masks() -> None:
    network = pl.Sequential(pl.Input(4), pl.Dropout(0.5), pl.Dense(3), pl.Dropout(0.0))
    masks = masks_for(network, seed=0, step=0, indices=np.arange(2))
    assert {name: m.shape for name, m in masks.items()} == {"dropout": (2, 4)}
