"""MixUp and CutMix: torchvision's formulas, in batches, parts and training."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.data import Batches, Dataset
from pellucid.data.mixing import Mix, draw_mixes, mix_batch

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((5, 6, 8, 2))
LABELS = np.eye(3)[[0, 1, 2, 1, 0]]


def test_mixup_is_torchvisions_formula() -> None:
    images, labels = mix_batch(IMAGES, LABELS, Mix(0.3, False, 0, 0))
    for i in range(5):
        expected = 0.3 * IMAGES[i] + 0.7 * IMAGES[i - 1]  # roll(1, 0)
        np.testing.assert_allclose(images[i], expected, atol=1e-6)
        expected = 0.3 * LABELS[i] + 0.7 * LABELS[i - 1]
        np.testing.assert_allclose(labels[i], expected, atol=1e-6)


def test_cutmix_is_torchvisions_formula() -> None:
    images, labels = mix_batch(IMAGES, LABELS, Mix(0.5, True, 0.1, 0.9))
    radius = 0.5 * 0.5**0.5
    y, x, half_height, half_width = 0, 7, int(radius * 6), int(radius * 8)
    box = slice(max(y - half_height, 0), y + half_height), slice(x - half_width, 8)
    expected = IMAGES.copy()
    expected[(slice(None), *box)] = np.roll(IMAGES, 1, 0)[(slice(None), *box)]
    np.testing.assert_array_equal(images, expected)
    share = 1 - (2 * 3) / 48
    np.testing.assert_allclose(
        labels, share * LABELS + (1 - share) * np.roll(LABELS, 1, 0)
    )


def test_shares_come_from_a_beta_distribution() -> None:
    mixes = draw_mixes(np.random.default_rng(0), 2000, mixup=0.2, cutmix=1.0)
    blends = [m.share for m in mixes if not m.cuts]
    cuts = [m.share for m in mixes if m.cuts]
    assert len(blends) == pytest.approx(1000, abs=100)
    assert np.var(cuts) == pytest.approx(1 / 12, rel=0.1)  # uniform
    assert np.var(blends) == pytest.approx(0.25 / 1.4, rel=0.1)


DATA = Dataset(
    RANDOM.integers(0, 256, (23, 4, 4, 1)).astype(np.uint8), np.arange(23) % 3
)


def batches(shard: tuple[int, int] = (0, 1)) -> Batches:
    augment = pl.Augment(mixup=0.4, cutmix=1.0, flip=True)
    return Batches(DATA, batch_size=6, seed=3, augment=augment, columns=3, shard=shard)


def test_batches_are_the_same_in_parts_and_from_the_middle() -> None:
    whole = list(batches().epoch(1))
    assert whole[0].labels.shape == (6, 3)
    np.testing.assert_allclose(whole[0].labels.sum(axis=1), 1, atol=1e-6)
    late = list(batches().epoch(1, start=2))
    for one, other in zip(whole[2:], late, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    parts = [list(batches((rank, 2)).epoch(1)) for rank in (0, 1)]
    for one, *shards in zip(whole, *parts, strict=True):
        for field in ("images", "labels", "indices"):
            joined = np.concatenate([getattr(shard, field) for shard in shards])
            np.testing.assert_array_equal(joined, getattr(one, field))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_network_learns_from_mixed_images(engine: str) -> None:
    labels = np.arange(60) % 3
    images = np.zeros((60, 6, 6, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 2 : label * 2 + 2] = 200
    network = pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(3))
    m = pl.Model(network, engine=engine, loss="cross_entropy", optimizer=pl.Adam(0.02))
    history = m.fit(
        (images, labels),
        epochs=12,
        batch_size=20,
        augment=pl.Augment(mixup=0.5),
        progress=False,
    )
    assert history["loss"][-1] < history["loss"][0]
    assert m.evaluate((images, labels))["accuracy"] == 1.0


def test_labels_of_pixels_move_but_are_not_mixed() -> None:
    images = RANDOM.integers(1, 256, (8, 5, 6, 1)).astype(np.uint8)
    masks = (images[..., 0] > 100).astype(np.int64)
    data = Dataset(images, masks)
    moved = Batches(data, batch_size=8, seed=1, augment=pl.Augment(flip=True, shift=1))
    for batch in moved.epoch(0):
        pixels = np.rint(batch.images[..., 0] * 255)
        np.testing.assert_array_equal(batch.labels, pixels > 100)
    mixed = Batches(data, batch_size=8, seed=1, augment=pl.Augment(mixup=1.0))
    with pytest.raises(pl.DataError, match="one label, or one row, for each image"):
        list(mixed.epoch(0))
    small = Batches(
        Dataset(images, masks[:, :4]), batch_size=8, seed=1, augment=pl.Augment(crop=1)
    )
    with pytest.raises(pl.DataError, match="must have one mask of its size"):
        list(small.epoch(0))
