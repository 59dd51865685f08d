"""Colours of signed values, in pictures as on the studio's page."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pellucid.explain.values import Array

#: negative, zero, positive: orange, nearly white, blue
ENDS = ("#b04208", "#f6f8fa", "#104894")


@cache
def _signed() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pellucid", ENDS)


def signed_colors(values: Array) -> dict[str, Any]:
    """Return arguments for ``imshow``: orange below zero, blue above, to the furthest.

    Parameters
    ----------
    values : ndarray
        What is drawn; NaN where nothing is.
    """

    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return {"cmap": _signed(), "vmin": -most, "vmax": most}
