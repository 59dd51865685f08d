"""Peak memory of this process."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def forget_peak() -> None:
    """Begin to measure anew, where the system can (Linux); else the peak is for all.

    What was freed goes back to the system first.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Return the largest resident memory of this process, in bytes."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
        if found:
            return int(found[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
