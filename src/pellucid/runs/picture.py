"""Write a figure to disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pellucid.runs.tensor_file import write_bytes


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(path, buffer.getvalue())
