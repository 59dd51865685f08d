"""Preprocess images of an export to what a network takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data.elements import check_element_type
from pellucid.model import Model


def preprocess_images(model: Model, images: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return images of floats as they are, bytes through the model's preprocessing."""
    x = check_element_type(np.asarray(images), "export")
    return model.preprocessing.apply(x, np.float32) if x.dtype == np.uint8 else x
