"""Examples of several inputs and outputs are changed alike by augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.data import Augment, Batches, Dataset
from pellucid.data.mixing import draw_mixes, mix_batch, mix_input
from pellucid.data.randomness import MIXING, generator
from pellucid.data.several import (
    SeveralBatches,
    SeveralDataset,
    check_several_augment,
)
from pellucid.errors import DataError

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
    with pytest.raises(pl.DataError, match=r"one size to change.*; got 6 × 9, 8 × 9"):
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


@pytest.mark.parametrize(
    ("how", "inputs"),
    [
        ({"mixup": 0.7}, ("image", "depth", "facts")),
        ({"cutmix": 1.0}, ("image", "depth")),
    ],
)
def test_all_inputs_and_labels_are_mixed_alike(
    how: dict[str, float], inputs: tuple[str, ...]
) -> None:
    arrays, augment = examples(), Augment(**how)
    images = tuple(arrays[name] for name in inputs)
    data: Any = SeveralDataset(images, (arrays["kind"], arrays["facts"], None))
    options = {"batch_size": 4, "seed": 3, "ahead": 0}
    plain, mixed = (
        list(SeveralBatches(data, **options, **given).epoch(0))
        for given in ({}, {"augment": augment, "columns": (3, None, None)})
    )
    rng = generator(3, 0, MIXING)
    mixes = draw_mixes(rng, 3, mixup=augment.mixup, cutmix=augment.cutmix)
    for before, after, mix in zip(plain, mixed, mixes, strict=True):
        kinds, facts, none = before.labels
        assert none is after.labels[2] is None
        soft = np.eye(3, dtype=np.float32)[kinds]
        for x, y in zip(before.images, after.images, strict=True):
            wanted, kind = mix_batch(x, soft, mix)
            np.testing.assert_allclose(y, wanted, rtol=1e-6)
        np.testing.assert_allclose(after.labels[0], kind, rtol=1e-6)
        _, share = mix_input(before.images[0], mix)
        wanted = share * facts + (1 - share) * np.roll(facts, 1, axis=0)
        np.testing.assert_allclose(after.labels[1], wanted, rtol=1e-5)


def test_processes_share_a_mixed_batch() -> None:
    arrays = examples()
    data: Any = SeveralDataset((arrays["image"], arrays["facts"]), (arrays["kind"],))
    options: Any = {"batch_size": 5, "seed": 3, "ahead": 0, "columns": (3,)}
    options["augment"] = Augment(mixup=0.7)
    whole = list(SeveralBatches(data, **options).epoch(0))
    parts = [
        list(SeveralBatches(data, **options, shard=(rank, 2)).epoch(0))
        for rank in (0, 1)
    ]
    for batch, *halves in zip(whole, *parts, strict=True):
        for i in range(2):
            found = np.concatenate([half.images[i] for half in halves])
            np.testing.assert_array_equal(found, batch.images[i])


@pytest.mark.parametrize(
    ("inputs", "label", "how", "message"),
    [
        (("image", "facts"), "kind", {"cutmix": 1.0}, "cutmix must be left out where"),
        (("image",), "mask", {"mixup": 1.0}, "must have one label, or one row, for"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    inputs: tuple[str, ...], label: str, how: dict[str, float], message: str
) -> None:
    arrays = examples()
    images = tuple(arrays[name] for name in inputs)
    data = SeveralDataset(images, (arrays[label], None))
    with pytest.raises(DataError, match=message):
        check_several_augment(Augment(**how), data)
