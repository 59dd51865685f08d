"""Code on the pages of docs/formats, by its language."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs/formats"


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a language on a page."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def block(page: str, language: str) -> str:
    """Return all code of a language on a page, in order."""
    return "\n".join(blocks(page, language))
