"""Images that stay in their files until they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data.decode_worker import Wanted, decode
from pellucid.data.picture import Pixels


class PictureFiles:
    """Stand for an array of images that is larger than memory.

    Indexing decodes, in this process; `stream` decodes in worker processes.

    Parameters
    ----------
    wanted : Wanted
        The folder or zip, and what each picture becomes.
    names : sequence of str
        Paths inside the folder or zip, with "/"; one per image.

    Attributes
    ----------
    shape : tuple of int
        (N, H, W, C).
    dtype : numpy.dtype
        uint8.
    """

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, wanted: Wanted, names: Sequence[str]) -> None:
        self.wanted = wanted
        self.names = np.asarray(names, dtype=object)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array it stands for: (N, H, W, C)."""
        return (len(self.names), *self.wanted.shape)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def __repr__(self) -> str:
        """Say how many pictures of which shape lie where."""
        source = str(self.wanted.source)
        return f"PictureFiles({len(self)} of {self.wanted.shape} in {source!r})"

    def __getitem__(self, index: int | slice | npt.NDArray[Any]) -> Pixels:
        """Decode one picture (H, W, C), or several (n, H, W, C).

        Raises
        ------
        DataError
            If a file is no longer the picture it was.
        IndexError
            If an index lies outside.
        """
        chosen = self.names[index]
        if isinstance(chosen, np.ndarray):
            return decode(self.wanted, chosen.tolist())
        pixels: Pixels = decode(self.wanted, [str(chosen)])[0]
        return pixels

    def subset(self, indices: npt.NDArray[Any]) -> PictureFiles:
        """Return the pictures at some positions, still undecoded.

        Parameters
        ----------
        indices : ndarray of int, shape (M,)
            Positions.

        Returns
        -------
        PictureFiles
            Of M pictures.
        """
        return PictureFiles(self.wanted, self.names[indices])

    def stream(
        self, batches: Iterable[npt.NDArray[Any]], *, workers: int | None = None
    ) -> Iterator[Pixels]:
        """Decode batch after batch in worker processes, some of them ahead.

        Parameters
        ----------
        batches : iterable of integer arrays
            The positions of each batch.
        workers : int, optional
            Number of processes; one per processor unless given. They end with the
            iterator.

        Yields
        ------
        ndarray of uint8, shape (len(batch), H, W, C)

        Raises
        ------
        DataError
            If a file is not a picture, or has another size than the first.
        """
        from pellucid.data.workers import Workers

        with Workers(self.wanted, workers) as pool:
            names = (self.names[batch].tolist() for batch in batches)
            with closing(pool.stream(names)) as stream:  # type: ignore[type-var]
                yield from stream
