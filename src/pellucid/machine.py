"""The machine: CPU model, SIMD features, usable CPUs, load, installed versions."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable
from importlib import metadata
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


def describe_machine() -> dict[str, Any]:
    """Return CPU, system, features and CPU counts as plain values."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "features": _features(),
        "cpus": os.cpu_count() or 1,
        "usable_cpus": count_usable_cpus(),
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


def count_usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(list_usable_cpus()) or os.cpu_count() or 1


def list_usable_cpus() -> tuple[int, ...]:
    """Return the CPUs this process may use; none where it cannot be pinned to some."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def load_average() -> list[float] | None:
    """Return the system's load over 1, 5 and 15 minutes; None where it has none."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):
        return None


def list_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for name in dict.fromkeys(distributions):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
