"""Criterion "Static or dynamic graph?"."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from pellucid.benchmark.statistics import quartiles
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.control_flow import run_programs
from pellucid.compare.methods.failure import first_line
from pellucid.compare.methods.modes import Array, Call, list_modes, list_sizeless_modes
from pellucid.compare.methods.scripts import silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import OURS

_BATCH = 32
NOT_EXPRESSIBLE = (
    "A network is a fixed graph of layers: such a program cannot be said in it."
)


def measure(task: Task) -> list[Measurement]:
    """Time every mode, then other sizes, then run the battery of programs."""
    measurements = [*_time_modes(task), *_time_sizes(task)]
    if task.engine in OURS:
        return [*measurements, *_describe_not_expressible()]
    programs = list(run_programs(task.engine, task.folder))
    counts = [f.number or 0 for f in programs if f.name.startswith("programs that")]
    return [*measurements, *_count_programs(max(counts), min(counts)), *programs]


def _count_programs(best: float, worst: float) -> Iterator[Measurement]:
    note = "Of 8 whose course depends on their data: in the mode that takes"
    yield Measurement(
        name="programs in the freest mode", value=int(best), note=f"{note} most."
    )
    yield Measurement(
        name="programs in the strictest mode", value=int(worst), note=f"{note} least."
    )


def _describe_not_expressible() -> Iterator[Measurement]:
    note = NOT_EXPRESSIBLE
    yield Measurement(name="programs in the freest mode", value=0, note=note)
    yield Measurement(name="programs in the strictest mode", value=0, note=note)


def _time_modes(task: Task) -> Iterator[Measurement]:
    model = build_model(task)
    train, _ = load_data(task)
    chosen = np.asarray(train.images[: _BATCH + 1])
    chosen = np.resize(chosen, (_BATCH + 1, *chosen.shape[1:]))
    images = model.preprocessing.apply(chosen, np.float32)
    for name, call in list_modes(model):
        try:
            yield from _time_mode(task, name, call, images)
        except Exception as error:  # noqa: BLE001 - a mode that fails is an answer
            note = first_line(error)
            yield Measurement(name=f"step, {name}", value=None, unit="ms", note=note)


def _time_mode(
    task: Task, name: str, call: Call, images: Array
) -> Iterator[Measurement]:
    with silence():
        first = _time_once(call, images[:_BATCH])
        times = _time_repeatedly(call, images[:_BATCH], 1.0 if task.is_quick else 5.0)
        other = _time_once(call, images)
    spread = quartiles([1000 * seconds for seconds in times])
    yield Measurement.from_spread(
        f"step, {name}",
        spread,
        unit="ms",
        runs=len(times),
        note=f"Forward pass of {_BATCH} images: median and quartiles.",
    )
    yield Measurement(
        name=f"first call, {name}",
        of=f"step, {name}",
        value=first,
        unit="s",
        note="Tracing and compiling, where the mode does, and one forward pass.",
    )
    yield Measurement(
        name=f"another batch size, {name}",
        of=f"step, {name}",
        value=other * 1000,
        unit="ms",
        note=f"First call with {_BATCH + 1} images instead of {_BATCH}.",
    )


def _time_sizes(task: Task) -> Iterator[Measurement]:
    """Time a network without a fixed size, at first and with other images."""
    rng = np.random.default_rng(task.seed)
    shapes = ((16, "16×16, first"), (20, "20×20, then"), (24, "24×24, then"))
    for name, call in list_sizeless_modes(task.engine, 3):
        for size, label in shapes:
            images = rng.random((8, size, size, 3), np.float32)
            try:
                with silence():
                    took, again = _time_once(call, images), _time_once(call, images)
            except Exception as error:  # noqa: BLE001 - as above
                note = first_line(error)
                yield Measurement(name=f"images {label}, {name}", value=None, note=note)
                break
            yield Measurement(
                name=f"images {label}, {name}",
                value=took * 1000,
                unit="ms",
                note="First call of a small convolutional network with 8 images of "
                f"this size; the next took {again * 1000:.2f} ms.",
            )


def _time_once(call: Call, images: Array) -> float:
    begin = time.perf_counter()
    call(images)
    return time.perf_counter() - begin


def _time_repeatedly(call: Call, images: Array, budget_s: float) -> list[float]:
    call(images)
    times: list[float] = []
    while len(times) < 5 or (sum(times) < budget_s and len(times) < 200):
        times.append(_time_once(call, images))
    return times


ROW = Criterion(
    name="graph",
    question="Static or dynamic graph?",
    how="The same native network is run in every mode of its framework: the first call "
    "(tracing, compiling), the forward pass of 32 images afterwards, the first call "
    "with 33. A small convolutional network then meets images of three sizes. Last, "
    "eight small programs whose course depends on their data run in every mode, on "
    "three inputs that take different ways, against NumPy's result: they work as they "
    "are, need the framework's own form, fail with a message, or are silently wrong. "
    "(torch.compile captures them with its eager backend: what is asked is whether "
    "they can be captured, not how fast they are.) Our own engines run networks, not "
    "programs: none can be said in one.",
    measure=measure,
    is_fresh=True,
    limit_s=240.0,
    charts=(
        Chart(
            title="Forward pass of 32 images, by mode",
            figures=(
                "step, as it is",
                "step, compiled",
                "step, eager",
                "step, torch.compile",
                "step, tf.function",
                "step, XLA",
                "step, jit",
            ),
            is_log=True,
        ),
        Chart(
            title="Programs that work as they are",
            figures=("programs in the freest mode", "programs in the strictest mode"),
        ),
    ),
    aspects=(
        ScoredMetric.higher("flexibility", "programs in the freest mode"),
        ScoredMetric.higher("flexibility", "programs in the strictest mode"),
    ),
)
