"""Element types of images: one rule for training, prediction, explaining and serving.

uint8 elements are pixels in 0 … 255 and go through preprocessing. Floats are inputs as
they are. Other integers and booleans are neither: for images they are refused, for it
cannot be known whether they are pixels. Examples that are plain vectors, as for XOR,
are no pictures: there they are cast to floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError


def check_element_type(images: npt.NDArray[Any], who: str) -> npt.NDArray[Any]:
    """Return images as uint8 or floats.

    Parameters
    ----------
    images : ndarray, shape (N, …)
        uint8, floats; or where an example has one axis, any integers or booleans.
    who : str
        Whose name the error begins with.

    Returns
    -------
    ndarray of uint8 or floats
        The array itself, or integers of plain vectors as float64.

    Raises
    ------
    DataError
        If the elements are of another type.
    """
    dtype = images.dtype
    if dtype == np.uint8 or dtype.kind == "f":
        return images
    if dtype.kind not in "biu":
        raise DataError(f"{who}: images must be uint8 or floats; got dtype={dtype}.")
    if images.ndim <= 2:
        return images.astype(np.float64)
    raise DataError(
        f"{who}: images must be uint8 or floats; got dtype={dtype}. Cast pixels in "
        "0 … 255, which go through preprocessing: images.astype(np.uint8). Cast what "
        "is ready for the network: images.astype(np.float32)."
    )
