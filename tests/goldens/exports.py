"""Hashes of what the exporters write for the zoo.

Run as a program, it records them anew: after a change that is meant to change files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import pellucid as pl

FILE = Path(__file__).with_name("exports.json")
ZOO = ("mnist-torch", "mnist-keras", "lenet5", "resnet20", "xor-two-hidden")
#: formats whose bytes follow from the model alone
NAMES = {
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "c": "model.c",
    "javascript": "model.mjs",
    "tensorflow.js": "model.tfjs",
    "npz": "model.npz",
}


def digest(path: Path) -> str:
    """Return a hash of a file, or of a folder's files with their names."""
    found = hashlib.blake2b(digest_size=12)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    for file in files or [path]:
        found.update(file.name.encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def model(name: str) -> pl.Model:
    """Return a network of the zoo with weights that no machine rounds otherwise."""
    made = pl.Model(pl.zoo(name), engine="numpy", seed=0)
    rng = np.random.default_rng(0)
    made.load_weights(
        {
            key: (rng.integers(1, 128, array.shape) / 1024).astype(array.dtype)
            for key, array in made.weights.items()
        }
    )
    return made


def digests(zoo: tuple[str, ...] = ZOO) -> Iterator[tuple[str, str]]:
    """Give (network and format, hash)."""
    for name in zoo:
        for title, file in NAMES.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / file
                try:
                    pl.exchange.write(model(name), path)
                except pl.ExchangeError as error:
                    yield f"{name} {title}", f"refused: {error}"
                    continue
                listed = sorted(Path(folder).iterdir())
                yield f"{name} {title}", " ".join(digest(p) for p in listed)


if __name__ == "__main__":
    FILE.write_text(json.dumps(dict(digests()), indent=1) + "\n")
