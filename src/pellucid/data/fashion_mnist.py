"""Fashion-MNIST: find it on the machine, or download it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pellucid.data.cache import cache_folder, data_folders
from pellucid.data.dataset import Dataset
from pellucid.data.download import Progress, fetch
from pellucid.data.idx_folder import holds_idx, read_idx_folder

NAME: Final = "fashion-mnist"
URL: Final = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
CLASSES: Final = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# of the unpacked content, so that Debian's compression is as good as the authors'
_CONTENT_SHA256: Final = {
    "train-images-idx3-ubyte.gz": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte.gz": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}

# of the files at the official address: size in bytes and SHA-256
_DOWNLOADS: Final = {
    "train-images-idx3-ubyte.gz": (
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte.gz": (
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte.gz": (
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


def find_fashion_mnist() -> Path | None:
    """Return the folder on this machine that holds the four files, if any."""
    return next((f for f in data_folders(NAME) if holds_idx(f)), None)


def read_fashion_mnist(
    *, url: str = URL, progress: Progress | None = None
) -> tuple[Dataset, Dataset]:
    """Read Fashion-MNIST's 60,000 training and 10,000 test images of clothes.

    Parameters
    ----------
    url : str
        Where the files are fetched from when they are not on this machine.
    progress : callable, optional
        Called as progress(bytes so far, bytes in all, what) while downloading.

    Returns
    -------
    tuple of Dataset
        (train, test); images uint8 of shape (N, 28, 28, 1).

    Raises
    ------
    DataError
        If the files are not on this machine and cannot be downloaded, or are not
        the official ones.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms. arXiv:1708.07747, 2017.
    """
    folder = find_fashion_mnist()
    if folder is None:
        folder = cache_folder() / NAME
        _fetch(folder, url, progress)
    return read_idx_folder(folder, classes=CLASSES, sha256=_CONTENT_SHA256)


def how_to_get() -> str:
    """Say what a person can do to have the files on this machine."""
    return (
        "Run: apt install dataset-fashion-mnist, or put the four files from "
        f"{URL} into {str(cache_folder() / NAME)!r}."
    )


def _fetch(folder: Path, url: str, progress: Progress | None) -> None:
    """Download the files that are missing."""
    for name, official in _DOWNLOADS.items():
        if not (folder / name).is_file():
            fetch(NAME, url + name, folder / name, official, progress, how_to_get())
