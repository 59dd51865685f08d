"""Load a dataset by name or path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.data.cifar10 import read_cifar10
from pellucid.data.damage import damage_of
from pellucid.data.dataset import Dataset
from pellucid.data.download import Progress
from pellucid.data.fashion_mnist import read_fashion_mnist
from pellucid.data.idx_folder import find_idx, read_idx_files
from pellucid.data.mnist import read_mnist
from pellucid.data.picture import refit
from pellucid.data.picture_files import PictureFiles
from pellucid.data.sources import xor
from pellucid.data.streams import is_frame
from pellucid.errors import DataError
from pellucid.network.preprocessing import Colour

if TYPE_CHECKING:
    from pellucid.data.pictures import PictureOptions

#: the datasets that have a name
NAMES = ("mnist", "fashion-mnist", "cifar10", "xor")


def load(
    source: str | Path | Any,
    *,
    size: tuple[int, int] | None = None,
    colour: Colour | None = None,
    seed: int = 0,
    cache: bool = True,
    test_fraction: float = 0.2,
    memory_limit_bytes: int | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> tuple[Dataset, Dataset]:
    """Load a dataset by its name or from a path.

    Parameters
    ----------
    source : str or Path or pandas.DataFrame
        "mnist", "fashion-mnist", "cifar10" or "xor"; or the path of a folder or zip
        of pictures with one subfolder per class (perhaps below ``train``, ``val``
        and ``test``), of a ``.csv`` of pictures' paths and labels, of a ``.npz`` file,
        or of a folder with four IDX files, those of EMNIST included; or a frame of
        paths and labels. A folder that has one of the names is "./mnist".
    size : (int, int), optional
        Height and width in pixels that images are resized to.
    colour : {"grey", "rgb"}, optional
        What images are converted to.
    seed : int
        Of the split, where the source has no test set of its own.
    cache : bool
        Whether decoded pictures are kept in the user's cache for the next time.
    test_fraction : float
        Part of each class that becomes the test set, in (0, 1), where the source has
        none of its own.
    memory_limit_bytes : int, optional
        Pictures that would take more than this when decoded stay in their files;
        half of the available memory unless given.
    skip_broken : bool
        Whether pictures that cannot be read are left out, and named in a warning.
    progress : callable, optional
        Called as progress(done, total, what) while something takes its time.

    Returns
    -------
    tuple of Dataset
        (train, test). Validation data of its own is ``train.validation``, which
        `Model.fit` takes; where the source has no test data, it is the test data as
        well.

    Raises
    ------
    DataError
        If the source is not there, is damaged, or is nothing of the above.

    Examples
    --------
    >>> train, test = load("mnist")
    >>> train.images.shape, len(test)
    ((60000, 28, 28, 1), 10000)
    """
    if colour not in (None, "grey", "rgb"):
        raise DataError(f"load: colour must be 'grey' or 'rgb'; got colour={colour!r}.")
    if not 0 < test_fraction < 1:
        raise DataError(
            "load: test_fraction must lie between 0 and 1; "
            f"got test_fraction={test_fraction}."
        )
    from pellucid.data.pictures import PictureOptions

    options = PictureOptions(
        size=size,
        colour=colour,
        cache=cache,
        memory_limit_bytes=memory_limit_bytes,
        skip_broken=skip_broken,
        progress=progress,
    )
    with damage_of("a frame" if is_frame(source) else source):
        train, test = _read(source, options, test_fraction, seed)
    if train.validation is not None:
        validation = _refitted(train.validation, size, colour)
        train = replace(_refitted(train, size, colour), validation=validation)
        return train, validation if test is None else _refitted(test, size, colour)
    if test is None:
        train, test = train.split(test_fraction, seed=seed)
    return _refitted(train, size, colour), _refitted(test, size, colour)


def _read(
    source: str | Path | Any, options: PictureOptions, test_fraction: float, seed: int
) -> tuple[Dataset, Dataset | None]:
    """Choose the reader of a source."""
    if is_frame(source):
        from pellucid.data.table import read_table

        return read_table(source, options)
    if source == "xor":
        return xor()
    if source == "mnist":
        return read_mnist()
    if source == "fashion-mnist":
        return read_fashion_mnist(progress=options.progress)
    if source == "cifar10":
        return read_cifar10(progress=options.progress)
    path = Path(source).expanduser()
    idx = find_idx(path)
    if idx is not None:
        return read_idx_files(idx)
    if not path.exists():
        raise DataError(
            f"load: source must be {', '.join(map(repr, NAMES))}, or the path of a "
            f"folder, .zip, .csv or .npz; got {str(source)!r}, where nothing is."
        )
    if path.suffix == ".npz":
        from pellucid.data.npz import read_npz

        return read_npz(path, test_fraction=test_fraction, seed=seed)
    if path.suffix.lower() in (".csv", ".tsv"):
        from pellucid.data.table import read_table

        return read_table(path, options)
    if path.is_dir() or path.suffix.lower() == ".zip":
        from pellucid.data.mask_folder import MaskLayout
        from pellucid.data.masks import read_masks

        masks = MaskLayout.find(path)
        if masks is not None:
            return read_masks(path, masks, options)
        from pellucid.data.pictures import read_pictures

        return read_pictures(path, options)
    raise DataError(
        "load: source must be a folder, a .zip, a .csv or a .npz; "
        f"got the file {str(source)!r}."
    )


def _refitted(
    data: Dataset, size: tuple[int, int] | None, colour: Colour | None
) -> Dataset:
    """Bring images that are in memory to the wanted size and colour."""
    if (size is None and colour is None) or isinstance(data.images, PictureFiles):
        return data
    images = data.images
    if images.dtype != "uint8" or images.shape[3] not in (1, 3):
        raise DataError(
            "load: images must be uint8, grey or rgb, to be brought to a size or "
            f"colour; got {images.dtype} of shape {images.shape}."
        )
    return replace(data, images=refit(images, size=size, colour=colour))
