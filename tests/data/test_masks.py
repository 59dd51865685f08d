"""Pictures with masks in folders and zips."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pellucid import data
from pellucid.data import Augment, Batches, Dataset
from pellucid.errors import DataError


def scene(seed: int, size: tuple[int, int] = (10, 12)) -> tuple[Any, Any]:
    """Return a picture (H, W, 3) and a mask (H, W) of classes 0, 1 and 2."""
    random = np.random.default_rng(seed)
    mask = random.integers(0, 3, size).astype(np.uint8)
    return (mask[..., None] * 80 + random.integers(0, 30, (*size, 3))).astype(
        np.uint8
    ), mask


def write(path: Path, pixels: Any, *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image = Image.fromarray(pixels, mode="P")
        image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(path)


def fill(folder: Path, count: int = 6, **how: Any) -> None:
    for k in range(count):
        image, mask = scene(k)
        write(folder / "images" / f"{k}.png", image)
        write(folder / "masks" / f"{k}.png", mask, **how)


@pytest.mark.parametrize("palette", [False, True])
def test_pairs_have_one_name_in_two_folders(tmp_path: Path, palette: bool) -> None:
    fill(tmp_path, palette=palette)
    train, test = data.load(tmp_path, test_fraction=0.5)
    assert (len(train), len(test)) == (3, 3)
    for part in (train, test):
        for image, mask, file in zip(part.images, part.labels, part.files, strict=True):
            expected = scene(int(Path(file).stem))
            np.testing.assert_array_equal(image, expected[0])
            np.testing.assert_array_equal(mask, expected[1])
    assert train.labels.dtype == np.uint8


def test_parts_lie_outside_or_inside(tmp_path: Path) -> None:
    fill(tmp_path / "a/train")
    fill(tmp_path / "a/val", 2)
    fill(tmp_path / "a/test", 3)
    for role, count in (("train", 6), ("val", 2), ("test", 3)):
        for kind in ("images", "masks"):
            shutil.copytree(tmp_path / "a" / role / kind, tmp_path / "b" / kind / role)
        assert count
    for folder in ("a", "b"):
        train, test = data.load(tmp_path / folder)
        assert train.validation is not None
        assert (len(train), len(train.validation), len(test)) == (6, 2, 3)
        np.testing.assert_array_equal(test.labels[1], scene(1)[1])


def test_masks_may_lie_beside_their_pictures(tmp_path: Path) -> None:
    for k in range(4):
        image, mask = scene(k)
        write(tmp_path / f"{k}.jpg", image)
        write(tmp_path / f"{k}_mask.png", mask)
    train, _ = data.load(tmp_path, test_fraction=0.25)
    assert len(train) == 3
    shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path)
    zipped, _ = data.load(tmp_path / "all.zip", test_fraction=0.25)
    np.testing.assert_array_equal(zipped.labels, train.labels)


def test_white_is_class_1_where_masks_are_black_and_white(tmp_path: Path) -> None:
    for k in range(3):
        image, mask = scene(k)
        write(tmp_path / "images" / f"{k}.png", image)
        write(tmp_path / "masks" / f"{k}_mask.png", (mask > 0).astype(np.uint8) * 255)
    train, _ = data.load(tmp_path, test_fraction=0.4)
    place = int(Path(train.files[0]).stem)
    np.testing.assert_array_equal(train.labels[0], scene(place)[1] > 0)


def test_masks_are_resized_by_the_nearest_pixel(tmp_path: Path) -> None:
    fill(tmp_path)
    train, _ = data.load(tmp_path, size=(20, 24), colour="grey")
    assert train.image_shape == (20, 24, 1)
    expected = scene(int(Path(train.files[0]).stem))[1]
    np.testing.assert_array_equal(
        train.labels[0], expected.repeat(2, axis=0).repeat(2, axis=1)
    )


def test_pictures_may_stay_in_their_files(tmp_path: Path) -> None:
    fill(tmp_path)
    train, _ = data.load(tmp_path, memory_limit_bytes=10)
    assert "in files" in repr(train)
    place = int(Path(train.files[2]).stem)
    np.testing.assert_array_equal(train.images[2], scene(place)[0])
    np.testing.assert_array_equal(train.labels[2], scene(place)[1])


def _drop(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _replace(name: str, pixels: Any) -> Any:
    return lambda folder: write(folder / name, pixels)


WRONG = {
    "no mask": (lambda f: _drop(f, "masks/2.png"), "every picture in .* must have a"),
    "no picture": (
        lambda f: _drop(f, "images/2.png"),
        "every mask in .* must have a",
    ),
    "another size": (
        _replace("masks/3.png", np.zeros((9, 12), np.uint8)),
        r"mask 'masks/3.png' must have the size of its picture, 12×10; got 12×9",
    ),
    "colours": (
        _replace("masks/3.png", scene(3)[0]),
        r"mask 'masks/3.png' must be grey or have a palette",
    ),
    "two of a name": (
        _replace("masks/3_mask.png", scene(3)[1]),
        r"one picture and one mask of each name; got 'masks/3",
    ),
    "wide values": (
        _replace("masks/3.png", np.full((10, 12), 300, np.uint16)),
        r"must have classes from 0 to 255; got values from 300 to 300",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_mask_is_named(tmp_path: Path, what: str) -> None:
    change, sentence = WRONG[what]
    fill(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=sentence):
        data.load(tmp_path)


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "masks/1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"'masks/1.png' must be a whole picture"):
        data.load(tmp_path)
    with pytest.raises(DataError, match="skip_broken must be False"):
        data.load(tmp_path, skip_broken=True)


def test_folders_of_classes_called_images_stay_classes(tmp_path: Path) -> None:
    for k in range(2):
        write(tmp_path / "images" / f"{k}.png", scene(k)[0])
        write(tmp_path / "other" / f"{k}.png", scene(k)[0])
    train, _ = data.load(tmp_path, test_fraction=0.5)
    assert train.classes == ("images", "other")


@pytest.mark.parametrize(
    "how",
    [{"flip": True}, {"shift": 2}, {"crop": 1, "flip": True}, {"cutout": 3}],
)
def test_masks_move_with_their_images(how: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    masks = random.integers(0, 3, (8, 9, 9)).astype(np.uint8)
    dataset = Dataset(masks[..., None].astype(np.float32), masks)
    batches = Batches(dataset, batch_size=8, seed=1, augment=Augment(**how))
    (batch,) = batches.epoch(0)
    assert batch.labels.dtype == np.int64
    is_covered = (batch.images[..., 0] == 0) & bool(how.get("cutout"))
    agrees = batch.images[..., 0] == batch.labels
    assert (agrees | is_covered).all()
    assert "cutout" in how or (batch.labels != masks[batch.indices]).any()


def test_turned_masks_have_the_nearest_class() -> None:
    mask = np.zeros((1, 21, 21), np.uint8)
    mask[0, 5:16, 5:16] = 7
    augment = Augment(rotate=40)
    draws = np.full_like(augment.draw(np.random.default_rng(3), 1), 0.9)
    turned = augment.transform_masks(mask, draws, (21, 21))
    picture = augment.transform((mask[..., None] * 20).astype(np.float32), draws)
    assert set(np.unique(turned)) == {0, 7}
    differs = (turned[0] == 7) != (picture[0, ..., 0] > 70)
    assert differs.sum() <= 4  # where an edge goes through a pixel's middle
    assert (turned != mask).sum() > 20


def test_labels_of_other_positions_are_not_moved() -> None:
    dataset = Dataset(np.zeros((4, 8, 8, 1)), np.zeros((4, 2, 2, 6)))
    batches = Batches(dataset, batch_size=2, seed=0, augment=Augment(flip=True))
    with pytest.raises(DataError, match="each picture must have one mask of its"):
        list(batches.epoch(0))
