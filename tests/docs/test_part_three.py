"""Part III's table and answers are those of the committed comparison."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "site"))

import part_three


def test_part_three_quotes_the_committed_comparison() -> None:
    text = part_three.PAGE.read_text(encoding="utf-8")
    assert part_three.BEGIN in text
    assert text == part_three.quoted(text)
