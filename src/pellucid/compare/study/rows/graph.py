"""Criterion "Static or dynamic graph?"."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from pellucid.compare.study.control_flow import control_flow
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.modes import Array, Call, modes, sizeless
from pellucid.compare.study.row import OURS, Aspect, Chart, Row
from pellucid.compare.study.scripts import quietly
from pellucid.compare.study.subject import data_of, model_of
from pellucid.compare.study.task import Task

_BATCH = 32
NOT_SAID = "A network is a fixed graph of layers: such a program cannot be said in it."


def measure(task: Task) -> list[Figure]:
    """Time every mode, then other sizes, then run the battery of programs."""
    figures = [*_speeds(task), *_sizes(task)]
    if task.engine in OURS:
        return [*figures, *_not_said()]
    programs = list(control_flow(task.engine, task.folder))
    counts = [f.number or 0 for f in programs if f.name.startswith("programs that")]
    return [*figures, *_shares(max(counts), min(counts)), *programs]


def _shares(best: float, worst: float) -> Iterator[Figure]:
    note = "Of 8 whose course depends on their data: in the mode that takes"
    yield Figure(
        name="programs in the freest mode", value=int(best), note=f"{note} most."
    )
    yield Figure(
        name="programs in the strictest mode", value=int(worst), note=f"{note} least."
    )


def _not_said() -> Iterator[Figure]:
    note = NOT_SAID
    yield Figure(name="programs in the freest mode", value=0, note=note)
    yield Figure(name="programs in the strictest mode", value=0, note=note)


def _speeds(task: Task) -> Iterator[Figure]:
    model = model_of(task)
    train, _ = data_of(task)
    chosen = np.asarray(train.images[: _BATCH + 1])
    chosen = np.resize(chosen, (_BATCH + 1, *chosen.shape[1:]))
    images = model.preprocessing.apply(chosen, np.float32)
    for name, call in modes(model):
        try:
            yield from _mode(task, name, call, images)
        except Exception as error:  # noqa: BLE001 - a mode that fails is an answer
            words = str(error).strip().splitlines() or [""]
            note = f"{type(error).__name__}: {words[0][:200]}"
            yield Figure(name=f"step, {name}", value=None, unit="ms", note=note)


def _mode(task: Task, name: str, call: Call, images: Array) -> Iterator[Figure]:
    with quietly():
        first = _once(call, images[:_BATCH])
        times = _repeated(call, images[:_BATCH], 1.0 if task.is_quick else 5.0)
        other = _once(call, images)
    low, middle, high = map(float, np.percentile(times, [25, 50, 75]) * 1000)
    yield Figure(
        name=f"step, {name}",
        value=middle,
        unit="ms",
        low=low,
        high=high,
        runs=len(times),
        note=f"Forward pass of {_BATCH} images: median and quartiles.",
    )
    yield Figure(
        name=f"first call, {name}",
        of=f"step, {name}",
        value=first,
        unit="s",
        note="Tracing and compiling, where the mode does, and one forward pass.",
    )
    yield Figure(
        name=f"another batch size, {name}",
        of=f"step, {name}",
        value=other * 1000,
        unit="ms",
        note=f"First call with {_BATCH + 1} images instead of {_BATCH}.",
    )


def _sizes(task: Task) -> Iterator[Figure]:
    """Time a network without a fixed size, at first and with other images."""
    rng = np.random.default_rng(task.seed)
    shapes = ((16, "16×16, first"), (20, "20×20, then"), (24, "24×24, then"))
    for name, call in sizeless(task.engine, 3):
        for size, label in shapes:
            images = rng.random((8, size, size, 3), np.float32)
            try:
                with quietly():
                    took, again = _once(call, images), _once(call, images)
            except Exception as error:  # noqa: BLE001 - as above
                words = str(error).strip().splitlines() or [""]
                note = f"{type(error).__name__}: {words[0][:200]}"
                yield Figure(name=f"images {label}, {name}", value=None, note=note)
                break
            yield Figure(
                name=f"images {label}, {name}",
                value=took * 1000,
                unit="ms",
                note="First call of a small convolutional network with 8 images of "
                f"this size; the next took {again * 1000:.2f} ms.",
            )


def _once(call: Call, images: Array) -> float:
    begin = time.perf_counter()
    call(images)
    return time.perf_counter() - begin


def _repeated(call: Call, images: Array, budget_s: float) -> list[float]:
    call(images)
    times: list[float] = []
    while len(times) < 5 or (sum(times) < budget_s and len(times) < 200):
        times.append(_once(call, images))
    return times


ROW = Row(
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
        Aspect(
            priority="flexibility",
            figure="programs in the freest mode",
            lower_is_better=False,
        ),
        Aspect(
            priority="flexibility",
            figure="programs in the strictest mode",
            lower_is_better=False,
        ),
    ),
)
