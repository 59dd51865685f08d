"""Named datasets and their locations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data import cifar10, fashion_mnist, mnist
from pellucid.data.dataset import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Describe one dataset that `load` knows by name.

    Parameters
    ----------
    name : str
        What `load` takes.
    location : str
        Where it lies, or "not on this machine".
    available : bool
        Whether `load` needs no network for it.
    size_bytes : int
        Bytes on disk; 0 where there is nothing.
    train, test : int
        Number of images.
    shape : tuple of int
        Shape of one image.
    classes : tuple of str
        Names of the labels.
    licence : str
        Terms under which it may be used.
    origin : str
        Where it comes from.
    how_to_get : str
        What to do where it is not available; else empty.
    """

    name: str
    location: str
    available: bool
    size_bytes: int
    train: int
    test: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    licence: str
    origin: str
    how_to_get: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        document = asdict(self)
        return document | {"shape": list(self.shape), "classes": list(self.classes)}


def sources() -> tuple[Source, ...]:
    """List the datasets that have a name; nothing is read or downloaded.

    Returns
    -------
    tuple of Source
        In a fixed order, available or not.

    Examples
    --------
    >>> [source.name for source in sources()]
    ['mnist', 'fashion-mnist', 'cifar10', 'xor']
    >>> sources()[0].available
    True
    """
    return (
        Source(
            name="mnist",
            **_place(mnist.FOLDER, ""),
            train=60_000,
            test=10_000,
            shape=(28, 28, 1),
            classes=mnist.CLASSES,
            licence="CC BY-SA 3.0",
            origin="http://yann.lecun.com/exdb/mnist/",
        ),
        Source(
            name=fashion_mnist.NAME,
            **_place(fashion_mnist.find_fashion_mnist(), fashion_mnist.how_to_get()),
            train=60_000,
            test=10_000,
            shape=(28, 28, 1),
            classes=fashion_mnist.CLASSES,
            licence="MIT",
            origin="https://github.com/zalandoresearch/fashion-mnist",
        ),
        Source(
            name=cifar10.NAME,
            **_place(cifar10.find_cifar10(), cifar10.how_to_get()),
            train=50_000,
            test=10_000,
            shape=(32, 32, 3),
            classes=cifar10.CLASSES,
            licence="none stated; cite Krizhevsky 2009",
            origin="https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        Source(
            name="xor",
            location="built in",
            available=True,
            size_bytes=0,
            train=4,
            test=4,
            shape=(2,),
            classes=(),
            licence="none needed",
            origin="the truth table of exclusive or",
        ),
    )


def xor() -> tuple[Dataset, Dataset]:
    """Return the truth table of exclusive or, as train and as test."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    outputs = np.array([[0], [1], [1], [0]], np.float32)
    return Dataset(inputs, outputs), Dataset(inputs, outputs)


def _place(path: Path | None, how_to_get: str) -> dict[str, Any]:
    """Say where a dataset lies and how big it is there."""
    if path is None:
        return {
            "location": "not on this machine",
            "available": False,
            "size_bytes": 0,
            "how_to_get": how_to_get,
        }
    files = [path] if path.is_file() else [f for f in path.iterdir() if f.is_file()]
    size_bytes = sum(file.stat().st_size for file in files)
    return {"location": str(path), "available": True, "size_bytes": size_bytes}
