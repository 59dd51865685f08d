"""Scripts read the library's arrays: each mode of picture, each shape of folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.code import FRAMEWORKS, reader, write_script
from pellucid.data import parts, stray
from pellucid.data.folder import _PICTURES
from pellucid.model import Model
from pellucid.recipes.builders import build_preprocessing
from pellucid.recipes.datasets import load_examples
from pellucid.runs.recipe import Recipe

HEIGHT, WIDTH = 6, 5
Save = Callable[[Path, np.random.Generator], Path]


def loader(
    source: Path, *, channels: int = 1, classes: int = 2, framework: str = "numpy",
    how: pl.Preprocessing | None = None, **changes: Any,
) -> tuple[dict[str, Any], Recipe, pl.Network]:  # fmt: skip
    """Return the functions of a script for a folder, and what it was written for."""
    network = pl.Sequential(
        pl.Input(HEIGHT, WIDTH, channels), pl.Flatten(), pl.Dense(classes)
    )
    network = pl.Network.from_nodes(network.nodes, preprocessing=how)
    recipe = Recipe.parse(
        {"network": "lenet5", "data": {"source": str(source)}} | changes, origin="test"
    )
    text = write_script(
        network,
        framework,
        recipe=recipe,
        data=str(source),
        preprocessing=build_preprocessing(recipe, network),
    ).text
    names: dict[str, Any] = {"__name__": "script", "__file__": "script.py"}
    exec(compile(text, "script.py", "exec"), names)
    return names, recipe, network


def library(
    recipe: Recipe, network: pl.Network
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what a run of the recipe trains and tests on, as the network takes it."""
    model = Model(
        network,
        engine="numpy",
        preprocessing=build_preprocessing(recipe, network),
        dtype=recipe.dtype,
    )
    train, test = load_examples(recipe.data, model)
    return {
        part: (model.preprocessing.apply(data.images[:], recipe.dtype), data.labels)
        for part, data in (("train", train), ("test", test))
    }


def check(source: Path, **how: Any) -> None:
    names, recipe, network = loader(source, **how)
    for part, (images, labels) in library(recipe, network).items():
        found, numbers = names["load"](source, part)
        np.testing.assert_array_equal(numbers, labels)
        assert found.dtype == images.dtype
        np.testing.assert_array_equal(found, images)


def grey(rng: np.random.Generator, shape: tuple[int, ...] = (9, 7)) -> np.ndarray:
    return rng.integers(0, 256, shape).astype(np.uint8)


def plain(path: Path, rng: np.random.Generator) -> Path:
    Image.fromarray(grey(rng, (9, 7, 3))).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def as_mode(mode: str, suffix: str = ".png", **more: Any) -> Save:
    def save(path: Path, rng: np.random.Generator) -> Path:
        path = path.with_suffix(suffix)
        picture = Image.fromarray(grey(rng, (9, 7, 4)), "RGBA")
        if mode in ("L", "1", "P", "RGB", "CMYK", "YCbCr"):
            picture = picture.convert("RGB")
        picture.convert(mode).save(path, **more)
        return path

    return save


def oriented(turn: int) -> Save:
    def save(path: Path, rng: np.random.Generator) -> Path:
        exif = Image.Exif()
        exif[0x0112] = turn
        path = path.with_suffix(".jpg")
        Image.fromarray(grey(rng, (9, 7, 3))).save(path, exif=exif)
        return path

    return save


def deep(dtype: Any, suffix: str, top: float) -> Save:
    def save(path: Path, rng: np.random.Generator) -> Path:
        path = path.with_suffix(suffix)
        Image.fromarray((rng.random((9, 7)) * top).astype(dtype)).save(path)
        return path

    return save


def transparent_key(mode: str, key: Any) -> Save:
    def save(path: Path, rng: np.random.Generator) -> Path:
        path = path.with_suffix(".png")
        pixels = rng.choice(np.array([0, 80, 255], np.uint8), (9, 7, 3))
        Image.fromarray(pixels).convert(mode).save(path, transparency=key)
        return path

    return save


def deep_key(path: Path, rng: np.random.Generator) -> Path:
    path = path.with_suffix(".png")
    values = rng.choice(np.array([0, 1000, 65535], np.uint16), (9, 7))
    Image.fromarray(values).save(path, transparency=1000)
    return path


def large(path: Path, rng: np.random.Generator) -> Path:
    path = path.with_suffix(".jpg")
    Image.fromarray(grey(rng, (120, 150, 3))).save(path)
    return path


def twelve_bits(path: Path, rng: np.random.Generator) -> Path:
    path = path.with_suffix(".pgm")
    values = rng.integers(0, 4096, (9, 7)).astype(">u2")
    path.write_bytes(b"P5 7 9 4095\n" + values.tobytes())
    return path


def inverted(path: Path, rng: np.random.Generator) -> Path:
    path = path.with_suffix(".tiff")
    values = rng.integers(0, 65536, (9, 7)).astype(np.uint16)
    Image.fromarray(values).save(path, tiffinfo={262: 0})
    return path


SAVES: dict[str, Save] = {
    "rgb": plain,
    **{f"png {m}": as_mode(m) for m in ("1", "L", "LA", "P", "RGB", "RGBA")},
    **{f"tiff {m}": as_mode(m, ".tif") for m in ("1", "L", "RGBA", "CMYK")},
    **{f"jpeg {m}": as_mode(m, ".jpeg") for m in ("L", "RGB", "CMYK", "YCbCr")},
    **{f"webp {m}": as_mode(m, ".webp", lossless=True) for m in ("RGB", "RGBA")},
    **{f"gif {m}": as_mode(m, ".gif") for m in ("L", "P")},
    "bmp": as_mode("RGB", ".bmp"),
    **{f"turned {n}": oriented(n) for n in range(1, 9)},
    "png 16": deep(np.uint16, ".png", 65535),
    "tiff 16": deep(np.uint16, ".tif", 65535),
    "tiff float": deep(np.float32, ".tif", 1),
    "tiff 16 inverted": inverted,
    "pgm 12": twelve_bits,
    "key grey": transparent_key("L", 80),
    "key bit": transparent_key("1", 1),
    "key rgb": transparent_key("RGB", (80, 80, 80)),
    "key palette": transparent_key("P", 0),
    "key 16": deep_key,
    "large jpeg": large,
}


def fill(root: Path, save: Save = plain, classes: Any = ("ant", "bee"), count: int = 3):
    rng = np.random.default_rng(len(root.parts))
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(count):
            save(root / name / f"{i}", rng)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", SAVES)
def test_each_mode_of_picture_gives_the_library_s_pixels(kind, channels, tmp_path):
    fill(tmp_path / "train", SAVES[kind])
    fill(tmp_path / "test", SAVES[kind], count=1)
    check(tmp_path, channels=channels)


def parted(*names: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for name in names:
            fill(root / name)

    return make


def classes(*names: str) -> Callable[[Path], None]:
    return lambda root: fill(root, classes=names)


def stray_files(root: Path) -> None:
    fill(root)
    for name in (".DS_Store", "Thumbs.db", "labels.csv", "README", "ant/.DS_Store",
                 "ant/Thumbs.db", "bee/notes.txt", "bee/desktop.ini", ".git/x.png",
                 "__MACOSX/ant/0.png", "bee/.hidden/0.png"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no picture")


def nested(root: Path) -> None:
    fill(root / "outer" / "pets")
    place = root / "outer" / "pets" / "ant"
    fill(place, classes=("2020", "2019/may"))


def linked(root: Path) -> None:
    fill(root)
    fill(root.parent / "elsewhere", classes=("cow",))
    (root / "cow").symlink_to(root.parent / "elsewhere" / "cow")
    (root / "ant" / "round").symlink_to(root / "ant")


def unequal(root: Path) -> None:
    fill(root, classes=("a", "b"), count=7)
    fill(root, classes=("c",), count=4)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "undivided": classes("bee", "ant", "Cow"),
    "unequal": unequal,
    "numbers": classes(*map(str, range(12))),
    "numbers with zeros": classes("1", "01", "10", "2"),
    "not all numbers": classes("1", "10", "2", "x"),
    "stray files": stray_files,
    "nested": nested,
    "linked": linked,
    "a class and its counterpart": classes("valid", "invalid"),
    "a class called like a part": classes("test strip", "bus", "contest"),
    **{
        " ".join(names): parted(*names)
        for names in (
            ("train", "test"),
            ("train", "val"),
            ("Train", "Test"),
            ("training", "testing"),
            ("train", "valid", "test"),
            ("training", "validation"),
            ("train_set", "test_set"),
            ("trainset", "ValidationSet"),
            ("pets-train", "pets-test"),
            ("train2017", "val2017"),
            ("outer/TRAIN/images", "outer/DEV"),
        )
    },
}


@pytest.mark.parametrize("shape", FOLDERS)
def test_each_shape_of_folder_gives_the_library_s_classes_and_parts(shape, tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    FOLDERS[shape](root)
    train, _ = pl.data.load(root, size=(2, 2), cache=False)
    check(root, classes=len(train.classes), data={"source": str(root), "seed": 3})


def other_classes(root: Path) -> None:
    fill(root / "train")
    fill(root / "test", classes="ab")


UNCLEAR: dict[str, Callable[[Path], None]] = {
    "a part beside a class": parted("train", "bus"),
    "only held-out parts": parted("val", "test"),
    "two parts of one kind": parted("train", "val", "valid"),
    "names that could be either": parted("train-cats", "train-dogs"),
    "parts inside of classes": parted("cats/train", "dogs/train"),
    "alike": parted("one", "two"),
    "one class": classes("ant"),
    "other classes": other_classes,
}


@pytest.mark.parametrize("shape", UNCLEAR)
def test_what_the_library_refuses_a_script_refuses(shape, tmp_path):
    UNCLEAR[shape](tmp_path)
    names, _, _ = loader(tmp_path)
    with pytest.raises(pl.DataError):
        pl.data.load(tmp_path, size=(2, 2), cache=False)
    with pytest.raises(ValueError, match="must"):
        names["load"](tmp_path, "train")


@pytest.mark.parametrize(
    "save",
    [
        deep(np.int32, ".tif", 2**20),
        deep(np.float32, ".tif", 255),
        lambda path, rng: (
            Image.fromarray(grey(rng, (9, 7, 3)))
            .convert("LAB")
            .save(path.with_suffix(".tif"))
        ),
    ],
    ids=["32 bits", "floats beyond 1", "lab"],
)
def test_pictures_without_a_known_range_are_refused_by_both(save, tmp_path):
    fill(tmp_path, save)
    names, _, _ = loader(tmp_path)
    with pytest.raises(pl.DataError):
        pl.data.load(tmp_path, size=(2, 2), cache=False)
    with pytest.raises(ValueError, match="must"):
        names["load"](tmp_path, "train")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "how",
    [
        pl.Preprocessing(),
        pl.Preprocessing.signed(),
        pl.Preprocessing.standardize((0.49, 0.48, 0.45), (0.247, 0.243, 0.261)),
        pl.Preprocessing.standardize((0.1307,), (0.3081,)),
        pl.Preprocessing(scale=(1.0,), offset=(0.0,)),
    ],
)
def test_pixels_are_prepared_to_the_last_bit(how, dtype, tmp_path):
    fill(tmp_path)
    check(tmp_path, channels=3, how=how, dtype=dtype)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_scripts_of_all_frameworks_hold_out_what_a_run_does(framework, tmp_path):
    pytest.importorskip(
        {"keras": "tensorflow", "jax": "optax"}.get(framework, framework)
    )
    fill(tmp_path, classes=("1", "10", "2"), count=9)
    names, recipe, network = loader(
        tmp_path,
        classes=3,
        framework=framework,
        validation_split=0.3,
        seed=7,
        data={"source": str(tmp_path), "seed": 5, "limit": 14},
    )
    data = library(recipe, network)
    test, test_labels = names["load"](tmp_path, "test")
    np.testing.assert_array_equal(test, data["test"][0])
    np.testing.assert_array_equal(test_labels, data["test"][1])
    images, labels = names["load"](tmp_path, "train")
    is_kept = names["held_out"](labels, 14 / len(images), 5)
    images, labels = images[is_kept], labels[is_kept]
    np.testing.assert_array_equal(images, data["train"][0])
    is_held = names["held_out"](labels, 0.3, 7)
    kept, held = pl.Dataset(images, labels).split(0.3, seed=7)
    np.testing.assert_array_equal(images[is_held], held.images)
    np.testing.assert_array_equal(images[~is_held], kept.images)


def test_scripts_know_the_words_that_the_library_knows():
    for word, role in parts._ROLES.items():
        assert (found := reader.PART.fullmatch(word))
        assert found.lastgroup == role
        for filler in parts._FILLERS:
            assert re.fullmatch(reader.FILLER, filler)
            assert reader.PART.fullmatch(word + filler)
    assert reader.WORD == parts._WORD
    assert len(re.findall(r"\w+", reader.FILLER)) == len(parts._FILLERS)
    assert len(re.findall(r"[a-z]{3,}", reader.PART.pattern)) == (
        len(parts._ROLES) + len(parts._FILLERS) + len(("train", "validation", "test"))
    )
    for name in stray._NAMES:
        assert reader.STRAY.fullmatch(name)
    for name in (*(f"x{suffix}" for suffix in stray._SUFFIXES), *stray._TEXTS):
        assert reader.TEXT.fullmatch(name)
        assert not stray.may_be_picture(name)
    for suffix in _PICTURES:
        assert reader.PICTURE.fullmatch(f"x{suffix}")
        assert not reader.TEXT.fullmatch(f"x{suffix}")


def test_idx_files_that_are_not_called_as_mnists_are_refused(tmp_path):
    for part in ("train", "test"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"emnist-letters-{part}-{kind}-ubyte.gz").write_bytes(b"")
    for source in (tmp_path, tmp_path / "emnist-letters"):
        with pytest.raises(pl.RunError, match=r"MNIST's names .*of 'emnist-letters'"):
            loader(source)
