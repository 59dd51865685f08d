"""Energy by the processor's own counters (RAPL, on Linux)."""

from __future__ import annotations

from pathlib import Path

from pellucid.benchmark.case import Case
from pellucid.benchmark.contender_process import ContenderFailure, ContenderProcess
from pellucid.benchmark.contenders import Contender

_COUNTERS = Path("/sys/class/powercap")
_WARM, _SECONDS = 5, 2.0


def read_microjoules(folder: Path = _COUNTERS) -> int | None:
    """Return the sum of all packages' counters, None where there is none to read."""
    try:
        counters = sorted(folder.glob("intel-rapl:[0-9]/energy_uj"))
        values = [int(path.read_text(encoding="ascii")) for path in counters]
    except (OSError, ValueError):
        return None
    return sum(values) if values else None


def measure_joules(
    contender: Contender, kind: str, case: Case, *, folder: Path = _COUNTERS
) -> float | None:
    """Return the energy of one call over about two seconds of them.

    None where the machine does not tell it, or its counter has begun anew meanwhile.
    """
    if read_microjoules(folder) is None:
        return None
    try:
        with ContenderProcess(contender) as process:
            process.prepare(kind, case)
            times = process.run(_WARM)["times_s"]
            count = max(1, round(_SECONDS / max(min(times), 1e-6)))
            before = read_microjoules(folder)
            process.run(count)
            after = read_microjoules(folder)
    except ContenderFailure:
        return None
    if before is None or after is None or after < before:
        return None
    joules: float = (after - before) / 1e6 / count
    return joules
