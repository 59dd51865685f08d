"""Criterion "Can I debug it?": a breakpoint inside the forward pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.failure import first_line
from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import load_script, silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import ENGINES, REFERENCE

_STEPS = 3


@dataclass
class BreakpointHook:
    """What a breakpoint saw: in which steps it stopped, and whether at numbers."""

    step: int = 0
    steps: list[int] = field(default_factory=list)
    values: list[bool] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def __call__(self, *args: Any, **options: Any) -> None:
        """Take the debugger's place, and look at ``y`` (or ``x``) of the caller."""
        self.see(sys._getframe(1))

    def see(self, frame: FrameType) -> None:
        """Look at one stopped frame."""
        self.steps.append(self.step)
        value = frame.f_locals.get("y", frame.f_locals.get("x"))
        self.kinds.append(type(value).__name__)
        self.values.append(_has_numbers(value))

    @property
    def frequency(self) -> str:
        """The word: every step, first step only, before the first step, never."""
        seen = {step for step in self.steps if step > 0}
        if len(seen) == _STEPS:
            return "every step"
        if seen:
            return "first step only"
        return "before the first step only" if self.steps else "never"


def measure(task: Task) -> list[Measurement]:
    """Stop in every mode, through three steps."""
    images = _prepare_images(task)
    native = build_model(task).native
    if find_programs(task.engine).breakpoints:
        return _count_modes(list(_run_modes(task, native, images)))
    place = ENGINES[task.engine].source_folder
    return [
        *_count_modes([_trace_engine(task, images, "traced by a debugger", place)]),
        _measure_activations(task, images),
    ]


def _measure_activations(task: Task, images: Any) -> Measurement:
    values = build_model(task).activations(images)
    count = sum(_has_numbers(value) for value in values.values())
    return Measurement(
        name="Model.activations",
        value=f"{count} of {len(values)} nodes",
        note="Without a debugger: the nodes whose values it gives.",
    )


def _prepare_images(task: Task) -> Any:
    model = build_model(task, REFERENCE)
    return model.preprocessing.apply(load_data(task)[0].images[:2], np.float32)


def _run_modes(task: Task, native: Any, images: Any) -> Iterator[Measurement]:
    """Run the framework's program with our hook in the debugger's place."""
    height, width, channels = images.shape[1:]
    programs = find_programs(task.engine)
    shape = f"2, {channels}, {height}, {width}"
    text = programs.breakpoints.replace("SHAPE", shape)
    program = load_script(text.lstrip(), task.folder / "watched.py")
    stops = BreakpointHook()
    before, sys.breakpointhook = sys.breakpointhook, stops
    try:
        modes = program.modes(native)
        while True:
            stops.__init__()  # type: ignore[misc]
            try:
                with silence():
                    name, function = next(modes)
                yield _run_mode(name, stops, lambda f=function: program.step(f, images))  # type: ignore[misc]
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - a mode that refuses is an answer
                yield _describe_refusal(programs.refused_mode, error)
                return
    finally:
        sys.breakpointhook = before


def _run_mode(
    name: str, stops: BreakpointHook, step: Callable[[], None]
) -> Measurement:
    try:
        with silence():
            for stops.step in range(1, _STEPS + 1):
                step()
    except Exception as error:  # noqa: BLE001 - as above
        return _describe_refusal(name, error)
    return _describe_stops(name, stops)


def _describe_stops(name: str, stops: BreakpointHook) -> Measurement:
    values = "numbers to look at" if any(stops.values) else "no numbers to look at"
    kinds = ", ".join(sorted(set(stops.kinds)))
    is_useful = stops.frequency == "every step" and any(stops.values)
    return Measurement(
        name=name,
        value="stops, with values" if is_useful else (
            f"{stops.frequency}, {values}" if stops.steps else "never stops"
        ),
        runs=_STEPS,
        note=f"Stopped {stops.frequency}, {len(stops.steps)} times in {_STEPS} steps; "
        f"it saw {kinds or 'nothing'}: {values}.",
    )  # fmt: skip


def _describe_refusal(name: str, error: Exception) -> Measurement:
    note, detail = first_line(error), str(error)[:4000]
    return Measurement(name=name, value="refused", note=note, detail=detail)


def _trace_engine(task: Task, images: Any, name: str, place: str) -> Measurement:
    """Trace our own engine's frames, as a debugger does, in the files that compute."""
    model, stops = build_model(task), BreakpointHook()
    part = os.path.join("engines", task.engine, place) + os.sep

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if part not in frame.f_code.co_filename:
            return None
        if event == "return":
            stops.steps.append(stops.step)
            stops.kinds.append(type(arg).__name__)
            stops.values.append(_has_numbers(getattr(arg, "output", arg)))
        return trace

    model.predict(images)  # compiles, where it compiles
    for stops.step in range(1, _STEPS + 1):
        sys.settrace(trace)
        try:
            model.predict(images)
        finally:
            sys.settrace(None)
    return _describe_stops(name, stops)


def _count_modes(modes: list[Measurement]) -> list[Measurement]:
    good = [f.value == "stops, with values" for f in modes]
    return [
        Measurement(
            name="modes one can stop in",
            value=round(100 * sum(good) / len(good)),
            unit="%",
            note=f"{sum(good)} of {len(good)} modes stop at every step with values.",
        ),
        *modes,
    ]


def _has_numbers(value: Any) -> bool:
    try:
        return bool(np.isfinite(np.asarray(value, np.float64)).any())
    except Exception:  # noqa: BLE001 - a symbol raises whatever it likes
        return False


ROW = Criterion(
    name="debugging",
    question="Can I debug it?",
    how="A breakpoint() stands inside the forward pass, after the network, and a hook "
    "takes the debugger's place, in every mode of the framework, through three "
    "steps: does it stop, how often, and is what it sees an array of numbers or a "
    "symbol without values? Our own engines, in which a user has no line of forward "
    "pass, are traced as a debugger traces, in the files that compute.",
    measure=measure,
    is_timed=False,
    aspects=(ScoredMetric.higher("debugging", "modes one can stop in"),),
)
