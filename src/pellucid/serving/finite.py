"""JSON without NaN and infinity, which JSON cannot express: null stands for them."""

from __future__ import annotations

import json
import math
from typing import Any


def finite(value: Any) -> Any:
    """Return a JSON document in which null stands where a number is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def dumps(document: Any) -> str:
    """Write JSON that every reader takes."""
    return json.dumps(finite(document), allow_nan=False)
