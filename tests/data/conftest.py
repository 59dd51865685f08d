"""What the tests of data share: a cache of their own, small files."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """Keep the user's cache and data out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    return folder / "pellucid"


def idx_bytes(array: np.ndarray) -> bytes:
    """Write uint8 values as the format's definition says."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def idx_folder(tmp_path) -> Path:
    """Four small IDX files: 6 training and 3 test images of 4×5."""
    folder = tmp_path / "idx"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 3)):
        images = rng.integers(0, 256, (n, 4, 5))
        labels = np.arange(n) % 3
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{part}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx_bytes(array)))
    return folder


def _png(value: int | tuple[int, int, int], size: tuple[int, int] = (6, 8)) -> bytes:
    """Return a PNG of one colour, size (height, width)."""
    mode = "L" if isinstance(value, int) else "RGB"
    stream = io.BytesIO()
    Image.new(mode, size[::-1], value).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Return a function: a grey value or (r, g, b), and (height, width), to a PNG."""
    return _png


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder with ten pictures of each of two classes; dogs are red."""
    folder = tmp_path / "pets"
    for name, colour in (("cat", (0, 10, 200)), ("dog", (255, 0, 0))):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            content = _png((colour[0], colour[1], colour[2] + number))
            (folder / name / f"{number}.png").write_bytes(content)
    return folder


@pytest.fixture
def zipped() -> Callable[[Path], Path]:
    """Return a function that zips a folder beside it."""

    def make(folder: Path) -> Path:
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder).as_posix())
        return path

    return make
