"""The memory that compiled files need, as they say themselves."""

from __future__ import annotations

import re
from pathlib import Path


def memory_of(path: Path, format_name: str) -> int:
    """Return the bytes that native code or WebAssembly is given at run time."""
    if format_name.startswith("wasm"):
        text, pattern = (
            path.read_text(encoding="utf-8"),
            r"const memory = take\((\d+)\)",
        )
    else:
        text = path.with_suffix(".h").read_text(encoding="utf-8")
        pattern = r"_MEMORY (\d+) "
    return int(re.findall(pattern, text)[0])
