"""Data section of a script: read images and labels in a few plain lines."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np

from pellucid.code import named_arrays
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number
from pellucid.data import dataset
from pellucid.data.idx_folder import find_idx
from pellucid.data.randomness import SPLIT
from pellucid.errors import RunError

_IDX = '''def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file: 0, 0, type, number of axes, their sizes, then the numbers."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        content = file.read()
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images {shape} and labels of "train" or "t10k"."""
    images = read_idx(next(folder.glob(f"{{part}}-images*")))
    labels = read_idx(next(folder.glob(f"{{part}}-labels*")))
    return prepare(images[..., None]), labels.astype(np.int64)
'''

_CIFAR = '''def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images {shape} and labels of "train" or "test".

    A record of CIFAR-10's binary files is a label and the red, green and blue plane.
    """
    paths = sorted(folder.glob("data_batch_*.bin" if part == "train" else "test*.bin"))
    records = np.concatenate([np.fromfile(path, np.uint8) for path in paths])
    records = records.reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return prepare(images), records[:, 0].astype(np.int64)
'''

_XOR = '''def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth table of exclusive or; there is nothing to read."""
    del folder, part
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.{dtype})
    return inputs, np.array([[0], [1], [1], [0]], np.{dtype})
'''

_PICTURE = "pictures"
_VERBATIM = "# scripts have it word for word from here on\n"
_READERS = {
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "cifar10": _CIFAR,
    "xor": _XOR,
    _PICTURE: "",
}
#: what a folder must hold, as a pattern and in words
_NEEDS = {
    "mnist": ("*-images*", "IDX files, train-images… and t10k-images…"),
    "fashion-mnist": ("*-images*", "IDX files, train-images… and t10k-images…"),
    "cifar10": ("data_batch_*.bin", "CIFAR-10's binary files, data_batch_1.bin…"),
    _PICTURE: ("*/*", "a subfolder of pictures for each class"),
}
_TEST_PART = {"cifar10": "test", _PICTURE: "test"}


def kind(spec: ScriptSpec) -> str:
    """Return the source that the script reads.

    Raises
    ------
    RunError
        If scripts cannot read the recipe's data, or its images have another shape.
    """
    shape, source = spec.network.input_shape, spec.recipe.data.source
    is_named = source in _READERS
    if not is_named:
        source = _folder_kind(Path(source), shape)
    fits = {
        "cifar10": shape == (32, 32, 3),
        "xor": shape == (2,),
        _PICTURE: len(shape) == 3 and shape[2] in (1, 3),
    }.get(source, shape == (28, 28, 1) if is_named else shape[2:] == (1,))
    if not fits:
        raise RunError(
            "code: the network must take images as they lie in the data, or the two "
            f"inputs of xor; got input shape {shape} for the data {source!r}. "
            "Name a folder of images of that size."
        )
    return source


def _folder_kind(place: Path, shape: tuple[int, ...]) -> str:
    """Return how the files of a place are read that has no name of its own."""
    if place.is_file():
        raise RunError(
            "code: data must be what a few lines can read: IDX files, CIFAR-10's "
            f"binary files or folders of pictures; got '{place}'."
        )
    files = find_idx(place)
    if files is not None and files.prefix:
        raise RunError(
            "code: IDX files must have MNIST's names for a script to read; got those "
            f"of '{files.prefix}'. Save what pellucid.data.load returns as IDX files "
            "or pictures."
        )
    if _has_pictures(place):
        return _PICTURE
    if shape[2:] == (3,):  # no IDX file has colours
        return "cifar10" if shape == (32, 32, 3) else _PICTURE
    return "mnist"


def _has_pictures(folder: Path) -> bool:
    """Return whether a folder has subfolders, one for each class, and no IDX files."""
    if not folder.is_dir() or any(folder.glob("*-images*")):
        return False
    return any(path.is_dir() for path in folder.iterdir())


def test_part(spec: ScriptSpec) -> str:
    """Return what `load` calls the test data."""
    return _TEST_PART.get(kind(spec), "t10k")


def check(spec: ScriptSpec) -> list[str]:
    """Return the lines that refuse a folder without data, given ``options``."""
    if spec.is_several:
        return named_arrays.check(spec)
    source = kind(spec)
    if source not in _NEEDS:
        return []
    pattern, words = _NEEDS[source]
    return [
        f'    if not any(options.data.glob("{pattern}")):',
        f'        wanted = "{words}"',
        '        parser.error(f"--data must hold {wanted}; got {options.data}")',
    ]


def imports(spec: ScriptSpec) -> list[str]:
    """Return the imports that reading needs."""
    if spec.is_several:
        return []
    source = kind(spec)
    if source == _PICTURE:
        return ["import os", "import re"]
    return ["import gzip"] if _READERS[source] is _IDX else []


def packages(spec: ScriptSpec) -> list[str]:
    """Return the imports beside the framework's that reading needs."""
    has_pictures = not spec.is_several and kind(spec) == _PICTURE
    return ["from PIL import Image, ImageOps"] if has_pictures else []


def holds_out(spec: ScriptSpec) -> bool:
    """Return whether the script divides its data."""
    recipe = spec.recipe
    is_divided = recipe.validation_split or recipe.data.limit is not None
    return bool(is_divided) or spec.is_several or kind(spec) != "xor"


def reader(spec: ScriptSpec) -> str:
    """Return the functions ``held_out``, ``prepare`` and ``load``."""
    if spec.is_several:
        texts = (_held_out(), _prepare(spec), named_arrays.functions(spec))
        return "\n\n".join(texts)
    source = kind(spec)
    axes = ", ".join(map(str, spec.network.input_shape))
    parts = [_held_out()] if holds_out(spec) else []
    if source == _PICTURE:
        return "\n\n".join([_of_pictures(spec), *parts, _prepare(spec), _load()])
    load = _READERS[source].format(shape=f"(N, {axes})", dtype=spec.recipe.dtype)
    return "\n\n".join([*parts, *([] if source == "xor" else [_prepare(spec)]), load])


def _held_out() -> str:
    """Return the function by which the library divides data, as the script has it."""
    text = inspect.getsource(dataset._stratified)
    for ours, theirs in _AS_SCRIPTS.items():
        if ours not in text:
            raise RunError(f"code: the split must have {ours!r}; got another text.")
        text = text.replace(ours, theirs)
    return text


#: the library's words for what a script has not
_AS_SCRIPTS = {
    "def _stratified(labels: Labels, fraction: float, seed: int) "
    "-> npt.NDArray[np.bool_]:": (
        "def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:"
    ),
    "    order = generator(seed, 0, SPLIT).permutation(len(labels))\n": (
        "    key = np.array([seed, 0], np.uint64)\n"
        f"    philox = np.random.Philox(key=key, counter=[0, 0, 0, {SPLIT}])\n"
        "    order = np.random.Generator(philox).permutation(len(labels))\n"
    ),
}


def _of_pictures(spec: ScriptSpec) -> str:
    """Return what a script says of its pictures, before its functions."""
    height, width, channels = spec.network.input_shape
    mode = "L" if channels == 1 else "RGB"
    return (
        f'HEIGHT, WIDTH, MODE = {height}, {width}, "{mode}"\n'
        f"SPLIT_SEED = {spec.recipe.data.seed}\n"
        f"{_verbatim().partition('def ')[0].rstrip()}\n"
    )


def _load() -> str:
    """Return the functions that read folders of pictures."""
    _, first, rest = _verbatim().partition("def ")
    return first + rest


def _verbatim() -> str:
    from pellucid.code import reader as functions

    return inspect.getsource(functions).split(_VERBATIM)[1]


def _prepare(spec: ScriptSpec) -> str:
    """Return ``prepare``: pixels to floats, in the words people use."""
    how, dtype = spec.preprocessing, spec.recipe.dtype
    pixels = f"images.astype(np.{dtype})"
    if how.scale == (1 / 255,) and how.offset == (0.0,):
        words, expression = "in [0, 1]", f"{pixels} * (1 / 255)"
    elif how.scale == (2 / 255,) and how.offset == (-1.0,):
        words, expression = "in [-1, 1]", f"{pixels} * (2 / 255) - 1"
    else:
        words = "as the network was trained on them"
        scale, offset = (
            f"np.{dtype}({_row(values, dtype)})"
            if len(values) == 1
            else f"np.array({_row(values, dtype)}, np.{dtype})"
            for values in (how.scale, how.offset)
        )
        lines = f"    scale = {scale}\n    offset = {offset}\n"
        return (
            f"def prepare(images: np.ndarray) -> np.ndarray:\n"
            f'    """Return pixels {words}."""\n{lines}'
            f"    return {pixels} * scale + offset\n"
        )
    return (
        f"def prepare(images: np.ndarray) -> np.ndarray:\n"
        f'    """Return pixels {words}."""\n    return {expression}\n'
    )


def _row(values: tuple[float, ...], dtype: str) -> str:
    """Return numbers with as many digits as the type tells apart."""
    digits = 9 if dtype == "float32" else 17
    kind = np.dtype(dtype).type
    cells = [number(float(f"{kind(value):.{digits}g}")) for value in values]
    return cells[0] if len(cells) == 1 else f"[{', '.join(cells)}]"


def augmentation(spec: ScriptSpec) -> str:
    """Return the function ``augment`` for (N, H, W, C), or nothing."""
    given = {k: v for k, v in (spec.recipe.augment or {}).items() if v}
    if not given:
        return ""
    reach = int(given.get("crop", 0)) + int(given.get("shift", 0))
    mode = ', mode="reflect"' if given.get("reflect") else ""
    lines = [
        "def augment(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:",
        f'    """Return the images {_how(given)}."""',
    ]
    if given.get("flip"):
        lines += [
            "    is_flipped = rng.random(len(images)) < 0.5",
            "    images = np.where("
            "is_flipped[:, None, None, None], images[:, :, ::-1], images)",
        ]
    if reach:
        lines += [
            "    height, width = images.shape[1:3]",
            f"    sides = ((0, 0), ({reach}, {reach}), ({reach}, {reach}), (0, 0))",
            f"    padded = np.pad(images, sides{mode})",
            f"    places = rng.integers(0, {2 * reach + 1}, (len(images), 2))",
            "    windows = zip(padded, places, strict=True)",
            "    moved = [x[i : i + height, j : j + width] for x, (i, j) in windows]",
            "    images = np.stack(moved)",
        ]
    return "\n".join([*lines, "    return images", ""])


def _how(given: dict[str, object]) -> str:
    words = []
    if given.get("flip"):
        words.append("mirrored half of the time")
    if given.get("crop") or given.get("shift"):
        words.append("moved a little")
    return " and ".join(words)
