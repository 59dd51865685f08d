"""Programs with data-dependent control flow.

Every framework gets the same lines of Python. Where a mode refuses them, or gives
something else than NumPy, the framework's own form of the program is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import load_script, silence
from pellucid.renamed import former_names

_PROGRAMS = '''
seen = []


def branch(x):
    """Ask whether a sum is positive."""
    if total(x) > 0:
        return x * 2
    return x - 1


def until(x):
    """Halve until it is small."""
    while total(x * x) > 1:
        x = x / 2
    return x


def counted(x):
    """Go round as often as the first number says."""
    y = x * 0
    for _ in range(int(abs(x[0]))):
        y = y + x
    return y


def early(x):
    """Leave a loop early."""
    for _ in range(8):
        if total(x * x) < 1:
            break
        x = x / 2
    return x


def listed(x):
    """Collect in a list what is positive."""
    found = []
    for value in x:
        if value > 0:
            found.append(value * 2)
    return stack(found)


def masked(x):
    """Keep what is positive: the result's size is in the data."""
    return x[x > 0]


def recursive(x):
    """Call itself until it is small."""
    if total(x * x) <= 1:
        return x
    return recursive(x / 2)


def remembered(x):
    """Leave a trace outside, at every call."""
    seen.append(1)
    return x * 2 + len(seen)
'''

_NAMES = {
    "branch": "if on a value",
    "until": "while on a value",
    "counted": "for, as often as a value says",
    "early": "break on a value",
    "listed": "a list that grows",
    "masked": "a result whose size is in the data",
    "recursive": "recursion on a value",
    "remembered": "a trace left outside",
}

#: what comes before the programs where NumPy runs them: their right results
_NUMPY = """
import numpy as np
from numpy import stack
from numpy import sum as total

array = np.asarray
MODES = {"as it is": lambda f, x: f}
"""

_INPUTS = (
    np.array([3.0, -1.0, 2.0, 0.5], np.float32),
    np.array([-5.0, 4.0, -0.5, -8.0], np.float32),
    np.array([1.0, 0.25, -4.0, 7.0], np.float32),
)


def run_programs(engine: str, folder: Path) -> Iterator[Measurement]:
    """Run every program in every mode; a figure each, and the share of a mode."""
    programs = find_programs(engine)
    text = (programs.control_flow or _NUMPY) + _PROGRAMS + programs.own_forms
    truth = load_script(_NUMPY + _PROGRAMS, folder / "truth.py")
    with silence():
        module = load_script(text.lstrip(), folder / "programs.py")
    for mode in module.MODES:
        measurements = [_try_program(module, truth, mode, name) for name in _NAMES]
        works = sum(f.value == "works as it is" for f in measurements)
        yield Measurement(
            name=f"programs that work as they are, {mode}",
            value=works,
            note=f"Of {len(measurements)}.",
        )
        yield from (
            replace(f, of=f"programs that work as they are, {mode}")
            for f in measurements
        )


def _try_program(
    module: ModuleType, truth: ModuleType, mode: str, name: str
) -> Measurement:
    label = f"{_NAMES[name]}, {mode}"
    reason = _find_failure(module, truth, mode, (name, name))
    if reason is None:
        return Measurement(name=label, value="works as it is", runs=len(_INPUTS))
    is_wrong = reason.startswith("silently")
    if hasattr(module, f"other_{name}"):
        again = _find_failure(module, truth, mode, (f"other_{name}", name))
        if again is None:
            word = "silently wrong; needs another form"
            word = word if is_wrong else "needs another form"
            return Measurement(name=label, value=word, runs=len(_INPUTS), note=reason)
        reason = f"{reason} The framework's own form: {again}"
    word = "silently wrong" if is_wrong else "fails"
    return Measurement(name=label, value=word, runs=len(_INPUTS), note=reason)


def _find_failure(
    module: ModuleType, truth: ModuleType, mode: str, names: tuple[str, str]
) -> str | None:
    """Return why a program does not give what NumPy gives, or None."""
    mine: Callable[[Any], Any] = getattr(module, names[0])
    right: Callable[[Any], Any] = getattr(truth, names[1])
    module.seen.clear()
    truth.seen.clear()
    if hasattr(module, "count"):
        module.count.assign(0.0)
    try:
        with silence():
            function = module.MODES[mode](mine, module.array(_INPUTS[0]))
            module.seen.clear()
            found = [np.asarray(function(module.array(x))) for x in _INPUTS]
    except Exception as error:  # noqa: BLE001 - refusing is an answer
        return f"{type(error).__name__}: {_describe_error(error)[:200]}"
    for x, y in zip(_INPUTS, found, strict=True):
        expected = right(x)
        if y.shape != expected.shape or not np.allclose(y, expected, atol=1e-5):
            return f"silently another result: {y.tolist()}, not {expected.tolist()}."
    return None


def _describe_error(error: Exception) -> str:
    """Return an error's line that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines[:1] != ["in user code:"]:
        return lines[0] if lines else ""
    named = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    return named[-1] if named else lines[-1]


__getattr__ = former_names(__name__, {"control_flow": "run_programs"})
