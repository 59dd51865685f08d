"""How many examples hypothesis draws: a third in everyday tests, all on request."""

from __future__ import annotations

import os


def examples(count: int, *, of: int = 3, least: int = 4) -> int:
    """Return ``count`` where PELLUCID_THOROUGH is set, else one ``of`` so many."""
    return count if os.environ.get("PELLUCID_THOROUGH") else max(count // of, least)
