"""CIFAR-10: find or download its official binary archive."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from pellucid.data.cache import cache_folder, data_folders
from pellucid.data.checks import Labels
from pellucid.data.dataset import Dataset
from pellucid.data.download import Progress, fetch
from pellucid.data.idx import read_bytes
from pellucid.data.idx_folder import check_sha256
from pellucid.data.picture import Pixels
from pellucid.errors import DataError

NAME: Final = "cifar10"
ARCHIVE: Final = "cifar-10-binary.tar.gz"
URL: Final = "https://www.cs.toronto.edu/~kriz/"
# SHA-256 of the archive whose published MD5 is c32a1d4ab5d03f1284b67883e8d87530
SHA256: Final = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
SIZE_BYTES: Final = 170_052_171
CLASSES: Final = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_RECORD_BYTES = 1 + 3 * 32 * 32
_MEMBER_LIMIT_BYTES = 1 << 26
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)


def find_cifar10() -> Path | None:
    """Return the archive on this machine, if there is one."""
    folders = (*data_folders(NAME), cache_folder())
    return next((f / ARCHIVE for f in folders if (f / ARCHIVE).is_file()), None)


def read_cifar10(
    *, url: str = URL, progress: Progress | None = None
) -> tuple[Dataset, Dataset]:
    """Read CIFAR-10's 50,000 training and 10,000 test pictures.

    Parameters
    ----------
    url : str
        Where the archive is fetched from when it is not on this machine.
    progress : callable, optional
        Called as progress(bytes so far, bytes in all, what) while downloading.

    Returns
    -------
    tuple of Dataset
        (train, test); images uint8 of shape (N, 32, 32, 3).

    Raises
    ------
    DataError
        If the archive is not on this machine and cannot be downloaded, or is not
        the official one.

    References
    ----------
    A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    path = find_cifar10()
    if path is None:
        path = cache_folder() / NAME / ARCHIVE
        official = (SIZE_BYTES, SHA256)
        fetch(NAME, url + ARCHIVE, path, official, progress, how_to_get())
    return read_archive(path, sha256=SHA256)


def read_archive(path: Path, *, sha256: str | None) -> tuple[Dataset, Dataset]:
    """Read an archive in CIFAR-10's binary format, member by member.

    Parameters
    ----------
    path : Path
        A ``.tar.gz`` with five ``data_batch_<n>.bin`` and one ``test_batch.bin``.
    sha256 : str or None
        The checksum it must have, if any.

    Returns
    -------
    tuple of Dataset
        (train, test).

    Raises
    ------
    DataError
        If the archive or one of its members is damaged, missing or another one.

    Notes
    -----
    A record is one byte of label and 3072 bytes of pixels: the red, green and blue
    planes, each row by row.
    """
    content = read_bytes(path)
    check_sha256(content, sha256, str(path))
    members = _members(content, path)
    parts = []
    for names in (_TRAIN, _TEST):
        records = [_records(members, name, path) for name in names]
        images = np.concatenate([pixels for pixels, _ in records])
        labels = np.concatenate([label for _, label in records])
        parts.append(Dataset(images, labels, CLASSES))
    train, test = parts
    return train, test


def how_to_get() -> str:
    """Say what a person can do to have the archive on this machine."""
    return f"Put {URL}{ARCHIVE} into {str(cache_folder() / NAME)!r}."


def _members(content: bytes, path: Path) -> dict[str, bytes]:
    """Return the batches by name; nothing is unpacked to the disk."""
    import tarfile

    wanted = {*_TRAIN, *_TEST}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if not member.isfile() or name not in wanted:
                    continue
                if member.size > _MEMBER_LIMIT_BYTES:
                    raise DataError(
                        f"load: {name!r} in {str(path)!r} must have at most "
                        f"{_MEMBER_LIMIT_BYTES} bytes; got {member.size}."
                    )
                file = archive.extractfile(member)
                found[name] = file.read() if file else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"load: {str(path)!r} must be a whole .tar.gz archive; got {error}."
        ) from error
    return found


def _records(members: dict[str, bytes], name: str, path: Path) -> tuple[Pixels, Labels]:
    """Return the images and labels of one batch."""
    if name not in members:
        raise DataError(f"load: {str(path)!r} must hold {name!r}; got none.")
    content = members[name]
    if not content or len(content) % _RECORD_BYTES:
        raise DataError(
            f"load: {name!r} in {str(path)!r} must be records of {_RECORD_BYTES} "
            f"bytes; got {len(content)} bytes. It is cut off."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]
