"""Readers of all PyTorch operators, where a layer computes exactly the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.exchange.pt2 import (
    arithmetic,
    choices,
    convolutions,
    normalization,
    pointwise,
    pools,
    recurrent,
    reductions,
    views,
)
from pellucid.exchange.pt2.operator_view import OperatorView

READERS: dict[str, Callable[[OperatorView], Any]] = {
    **arithmetic.READERS,
    **choices.READERS,
    **convolutions.READERS,
    **normalization.READERS,
    **pointwise.READERS,
    **pools.READERS,
    **recurrent.READERS,
    **reductions.READERS,
    **views.READERS,
}
