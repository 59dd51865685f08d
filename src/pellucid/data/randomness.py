"""Random number generators of the data package."""

from __future__ import annotations

from typing import Final

import numpy as np

from pellucid.errors import DataError

ORDER: Final = 0
AUGMENTATION: Final = 1
SPLIT: Final = 2
MIXING: Final = 3


def generator(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    """Return the generator of one purpose in one epoch.

    Parameters
    ----------
    seed, epoch : int
        The key of NumPy's Philox4x64, each in 0 … 2⁶⁴ − 1.
    purpose : int
        The highest word of the counter, so that no two purposes overlap.

    Raises
    ------
    DataError
        If seed or epoch lies outside 0 … 2⁶⁴ − 1.

    References
    ----------
    J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC 2011.

    Examples
    --------
    >>> int(generator(0, 1, ORDER).integers(100)) == int(
    ...     generator(0, 1, ORDER).integers(100)
    ... )
    True
    """
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not 0 <= value < 2**64:
            raise DataError(
                f"Batches: {name} must lie in 0 … 2**64 - 1; got {name}={value}."
            )
    key = np.array([seed, epoch], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, purpose]))
