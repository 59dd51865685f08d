"""Colours, crops and RandAugment's operations against PIL, PyTorch and colorsys."""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from pellucid.data import colour_ops, crop_ops, rand_augment
from pellucid.data.warp import warp

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (3, 13, 17, 3)).astype(np.uint8)
IMAGES[1] //= 3  # a dark one
FLOATS = IMAGES / 255.0
FACTORS = np.array([0.3, 1.0, 1.6])


def grey(rgb: Any) -> Any:
    return 0.2989 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]


def blend(image: Any, other: Any, factor: float) -> Any:
    return np.clip(factor * image + (1 - factor) * other, 0, 1)


def test_colours_are_torchvisions_formulas_on_floats() -> None:
    functions = {
        colour_ops.change_brightness: lambda x: np.zeros_like(x),
        colour_ops.change_contrast: lambda x: np.full_like(x, grey(x).mean()),
        colour_ops.change_saturation: lambda x: grey(x)[..., None],
    }
    for change, other in functions.items():
        ours = change(FLOATS, FACTORS)
        for i, image in enumerate(FLOATS):
            theirs = blend(image, other(image), FACTORS[i])
            np.testing.assert_allclose(ours[i], theirs, atol=1e-6)


def test_hue_is_that_of_colorsys() -> None:
    turns = np.array([-0.4, 0.0, 0.25])
    ours = colour_ops.change_hue(FLOATS, turns)
    for i, image in enumerate(FLOATS):
        for ours_rgb, rgb in zip(
            ours[i].reshape(-1, 3), image.reshape(-1, 3), strict=True
        ):
            hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
            theirs = colorsys.hsv_to_rgb((hue + turns[i]) % 1, saturation, value)
            np.testing.assert_allclose(ours_rgb, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "enhance"),
    [
        (colour_ops.change_brightness, ImageEnhance.Brightness),
        (colour_ops.change_contrast, ImageEnhance.Contrast),
        (colour_ops.change_saturation, ImageEnhance.Color),
        (colour_ops.change_sharpness, ImageEnhance.Sharpness),
    ],
)
def test_enhancements_of_bytes_are_pils_to_a_level(change: Any, enhance: Any) -> None:
    ours = change(IMAGES, FACTORS).astype(int)
    for i, image in enumerate(IMAGES):
        theirs = np.asarray(enhance(Image.fromarray(image)).enhance(FACTORS[i]))
        # PIL rounds grey values, torchvision cuts them off
        assert np.abs(ours[i] - theirs).max() <= 1 + (FACTORS[i] > 1)


@pytest.mark.parametrize(
    ("name", "level", "operate"),
    [
        ("posterize", 0.5, lambda image: ImageOps.posterize(image, 6)),
        ("solarize", 0.6, lambda image: ImageOps.solarize(image, 102)),
        ("autocontrast", 0.0, ImageOps.autocontrast),
        ("equalize", 0.0, ImageOps.equalize),
    ],
)
def test_operations_on_values_are_pils(name: str, level: float, operate: Any) -> None:
    change = rand_augment.OPERATIONS[name].changes
    assert change is not None
    large = RANDOM.integers(0, 200, (2, 40, 40, 3)).astype(np.uint8)
    ours = change(large, np.full(2, level)).astype(int)
    for mine, image in zip(ours, large, strict=True):
        theirs = np.asarray(operate(Image.fromarray(image))).astype(int)
        assert np.abs(mine - theirs).max() <= (name == "autocontrast")


@pytest.mark.parametrize("level", [-0.3, 0.17])
@pytest.mark.parametrize("name", ["shear_x", "shear_y"])
def test_shears_are_pils(name: str, level: float) -> None:
    moves = rand_augment.OPERATIONS[name].moves
    assert moves is not None
    ours = warp(IMAGES, [moves(np.full(3, level), (13, 17))])
    data = (1, level, 0, 0, 1, 0) if name == "shear_x" else (1, 0, 0, level, 1, 0)
    for mine, image in zip(ours, IMAGES, strict=True):
        theirs = Image.fromarray(image).transform(
            (17, 13), Image.Transform.AFFINE, data, Image.Resampling.NEAREST
        )
        np.testing.assert_array_equal(mine, np.asarray(theirs))


@pytest.mark.parametrize("angle", [-30.0, 11.0])
def test_rotation_is_pils(angle: float) -> None:
    ours = warp(IMAGES, [rand_augment.rotate(np.full(3, angle), (13, 17))])
    for mine, image in zip(ours, IMAGES, strict=True):
        theirs = np.asarray(Image.fromarray(image).rotate(angle))
        assert (mine != theirs).mean() < 0.01  # PIL computes in fixed point


def test_translation_is_by_whole_pixels() -> None:
    ours = warp(IMAGES, [rand_augment.translate_x(np.full(3, 0.5), (13, 17))])
    by = int(0.5 * 150 / 331 * 17)
    assert by == 3
    np.testing.assert_array_equal(ours[:, :, by:], IMAGES[:, :, :-by])
    assert not ours[:, :, :by].any()


def test_every_operation_is_chosen_and_its_level_grows_with_the_magnitude() -> None:
    draws = RANDOM.random((400, 2))
    chosen = rand_augment.choose(draws, 15)
    assert len(chosen) == len(rand_augment.OPERATIONS) == 14
    levels = dict(zip(rand_augment.OPERATIONS, chosen, strict=True))
    assert set(np.abs(levels["rotate"][2])) == {15.0}
    assert len(set(levels["rotate"][2])) == 2  # both signs
    assert set(levels["solarize"][2]) == {0.5}


def test_a_resized_window_is_pytorchs_interpolation() -> None:
    torch = pytest.importorskip("torch")
    windows = crop_ops.Windows(
        *(np.array(x) for x in ([0, 3, 2], [1, 0, 6], [5, 10, 7], [9, 4, 11]))
    )
    ours = crop_ops.resize_windows(FLOATS, windows)
    for i, image in enumerate(FLOATS):
        top, left, height, width = (int(part[i]) for part in windows)
        window = image[top : top + height, left : left + width].transpose(2, 0, 1)
        theirs = torch.nn.functional.interpolate(
            torch.tensor(window[None]), size=(13, 17), mode="bilinear"
        )
        np.testing.assert_allclose(
            ours[i], theirs[0].numpy().transpose(1, 2, 0), atol=1e-6
        )


def resized_crop_by_loops(draws: Any, rows: int, columns: int, least: float) -> Any:
    """Return what RandomResizedCrop.get_params does with these numbers."""
    low, high = math.log(3 / 4), math.log(4 / 3)
    for k in range(10):
        area = rows * columns * (least + (1 - least) * draws[2 * k])
        ratio = math.exp(low + (high - low) * draws[2 * k + 1])
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= columns and 0 < height <= rows:
            top = int(draws[20] * (rows - height + 1))
            return top, int(draws[21] * (columns - width + 1)), height, width
    ratio = columns / rows
    if ratio < 3 / 4:
        width, height = columns, round(columns / (3 / 4))
    elif ratio > 4 / 3:
        width, height = round(rows * (4 / 3)), rows
    else:
        width, height = columns, rows
    return (rows - height) // 2, (columns - width) // 2, height, width


@pytest.mark.parametrize("size", [(13, 17), (8, 30), (20, 6)])
def test_windows_are_those_of_torchvisions_loop(size: tuple[int, int]) -> None:
    draws = RANDOM.random((200, crop_ops.WINDOW_DRAWS))
    windows = crop_ops.crop_windows(draws, size, 0.5)
    for i, row in enumerate(draws):
        expected = resized_crop_by_loops(row.tolist(), *size, 0.5)
        assert tuple(int(part[i]) for part in windows) == expected


def test_erased_windows_are_those_of_torchvisions_loop() -> None:
    draws = RANDOM.random((200, crop_ops.WINDOW_DRAWS))
    windows = crop_ops.erase_windows(draws, (13, 17))
    images = np.ones((200, 13, 17, 1), np.uint8)
    crop_ops.erase(images, windows, np.arange(200) % 2 == 0, 0)
    assert images[1::2].all()
    for i in range(0, 200, 2):
        low, high = math.log(0.3), math.log(3.3)
        for k in range(10):
            area = 13 * 17 * (0.02 + 0.31 * draws[i, 2 * k])
            ratio = math.exp(low + (high - low) * draws[i, 2 * k + 1])
            height = round(math.sqrt(area * ratio))
            width = round(math.sqrt(area / ratio))
            if height < 13 and width < 17:
                assert (images[i] == 0).sum() == height * width
                break
