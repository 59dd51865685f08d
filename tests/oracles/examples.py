"""How many examples hypothesis draws: a third in everyday tests, all on request."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """Return ``count`` where PELLUCID_THOROUGH is set, else a third, four at least."""
    return count if os.environ.get("PELLUCID_THOROUGH") else max(count // 3, 4)
