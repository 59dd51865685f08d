"""Examples of several inputs and outputs are changed alike by augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.data import Augment, Batches, Dataset
from pellucid.data.several import (
    SeveralBatches,
    SeveralDataset,
    check_several_augment,
)

MOVES = Augment(flip=True, shift=2, rotate=20, brightness=0.3, cutout=3)


def examples(count: int = 10) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {
        "image": random.integers(0, 256, (count, 8, 9, 3), dtype=np.uint8),
        "depth": random.random((count, 8, 9, 1), "f"),
        "facts": random.random((count, 4), "f"),
        "mask": random.integers(0, 3, (count, 8, 9)),
        "kind": random.integers(0, 3, count),
    }


def several(*inputs: str, **options: Any) -> SeveralBatches:
    arrays = examples()
    images = tuple(arrays[name] for name in inputs)
    data: Any = SeveralDataset(images, (arrays["mask"], arrays["kind"]))
    return SeveralBatches(data, batch_size=4, seed=3, ahead=0, **options)


def test_image_and_mask_move_as_those_of_one_input_do() -> None:
    arrays = examples()
    given = {"batch_size": 4, "seed": 3, "ahead": 0, "augment": MOVES}
    alone = Batches(Dataset(arrays["image"], arrays["mask"]), **given)
    pairs = several("image", augment=MOVES)
    for epoch in (0, 1):
        both = zip(alone.epoch(epoch), pairs.epoch(epoch), strict=True)
        for wanted, found in both:
            np.testing.assert_array_equal(found.images, wanted.images)
            mask, kind = found.labels
            np.testing.assert_array_equal(mask, wanted.labels)
            np.testing.assert_array_equal(kind, arrays["kind"][found.indices])
            assert not np.array_equal(mask, arrays["mask"][found.indices])


def test_all_images_change_alike_and_vectors_stay() -> None:
    arrays = examples()
    batch = next(several("image", "depth", "facts", augment=MOVES).epoch(1))
    image, depth, facts = batch.images
    draws = MOVES.draw_epoch(3, 1, 10)[batch.indices]
    moved = MOVES.transform(arrays["image"][batch.indices], draws)
    np.testing.assert_allclose(image, moved / np.float32(255), rtol=1e-6)
    wanted = MOVES.transform(arrays["depth"][batch.indices], draws)
    np.testing.assert_array_equal(depth, wanted)
    np.testing.assert_array_equal(facts, arrays["facts"][batch.indices])


def test_what_cannot_be_changed_alike_is_refused() -> None:
    arrays = examples()
    small, labels = arrays["image"][:, :6], (arrays["kind"],)
    pair = SeveralDataset((arrays["depth"], small), labels)
    with pytest.raises(pl.DataError, match=r"one size to move.*; got 6 × 9, 8 × 9"):
        check_several_augment(MOVES, pair)
    check_several_augment(Augment(brightness=0.2), pair)  # no pixel moves
    with pytest.raises(pl.DataError, match="one input must be images; got no image"):
        check_several_augment(MOVES, SeveralDataset((arrays["facts"],), labels))
    with pytest.raises(pl.DataError, match=r"shift must be less than .*shift=8"):
        check_several_augment(
            Augment(shift=8), SeveralDataset((arrays["depth"],), labels)
        )


def test_fit_trains_on_changed_images() -> None:
    left, facts = pl.Input(8, 9, 1, name="left"), pl.Input(4, name="facts")
    x = pl.Concat()(pl.GlobalAvgPool2D()(pl.Conv2D(2, kernel_size=3)(left)), facts)
    network = pl.Network(inputs=[left, facts], outputs=pl.Dense(3)(x))
    arrays = examples()
    data = ((arrays["depth"], arrays["facts"]), arrays["kind"])

    def losses(**options: Any) -> list[float]:
        model = pl.Model(
            network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD(0.1)
        )
        fit = {"epochs": 2, "batch_size": 4, "progress": False, **options}
        return model.fit(data, **fit)["loss"]

    changed = losses(augment=Augment(flip=True, cutout=4))
    assert changed == losses(augment=Augment(flip=True, cutout=4))
    assert changed != losses()
