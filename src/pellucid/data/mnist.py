"""MNIST, which comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pellucid.data.dataset import Dataset
from pellucid.data.idx import read_bytes
from pellucid.data.idx_folder import check_sha256, read_idx_folder

FOLDER: Final = Path(__file__).with_name("mnist")
CLASSES: Final = tuple("0123456789")

_SHA256: Final = {
    "train-images-idx3-ubyte.gz": (
        "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"
    ),
    "train-labels-idx1-ubyte.gz": (
        "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"
    ),
}


def read_mnist(folder: Path = FOLDER) -> tuple[Dataset, Dataset]:
    """Read MNIST's 60,000 training and 10,000 test images of digits.

    Parameters
    ----------
    folder : Path
        Where the four files lie; the package's own unless given.

    Returns
    -------
    tuple of Dataset
        (train, test); images uint8 of shape (N, 28, 28, 1), classes "0" … "9".

    Raises
    ------
    DataError
        If a file is missing or is not the original.
    """
    for name, sha256 in _SHA256.items():
        check_sha256(read_bytes(folder / name), sha256, str(folder / name))
    return read_idx_folder(folder, classes=CLASSES)
