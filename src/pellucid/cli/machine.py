"""The machine: CPU model, SIMD features, usable CPUs."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

#: the CPU features that matter for the speed of a convolution
_TELLING = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "asimddp",
    "bf16",
    "sve",
)


def machine() -> dict[str, Any]:
    """Return CPU, system, features and CPU counts as plain values."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "features": _features(),
        "cpus": os.cpu_count() or 1,
        "usable_cpus": _usable(),
    }


def _cpuinfo(*keys: str) -> str:
    """Return the first value of one of those keys in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _features() -> list[str]:
    names = set(_cpuinfo("flags", "Features").split()) or _features_by_llvm()
    return [name for name in _TELLING if name in names]


def _features_by_llvm() -> set[str]:
    """Return features reported by LLVM, for systems without /proc."""
    try:
        from llvmlite import binding
    except ImportError:
        return set()
    try:
        features: dict[str, bool] = binding.get_host_cpu_features()
    except RuntimeError:
        return set()
    return {
        name.replace(".", "_")
        for name, is_available in features.items()
        if is_available
    }


def _usable() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
