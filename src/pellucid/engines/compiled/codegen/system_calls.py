"""What compiled code calls of the operating system: to sleep, to wake, to yield."""

from __future__ import annotations

import ctypes
import sys

import llvmlite.binding as llvm

#: the calls by their names on POSIX, and what Windows has in their place: a library
#: and its function. All take the same arguments in the same registers, and pellucid
#: reads none of the results.
WINDOWS = {
    "read": ("ucrtbase", "_read"),
    "write": ("ucrtbase", "_write"),
    "sched_yield": ("kernel32", "SwitchToThread"),
}


def provide() -> None:
    """Tell LLVM where Windows has them; elsewhere the C library has these names."""
    if sys.platform == "win32":
        for name, (library, function) in WINDOWS.items():
            found = getattr(ctypes.CDLL(library), function)
            place = ctypes.cast(found, ctypes.c_void_p).value
            llvm.add_symbol(name, place)
