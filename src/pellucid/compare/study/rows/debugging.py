"""Criterion "Can I debug it?": a breakpoint inside the forward pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import Aspect, Row
from pellucid.compare.study.scripts import load_text, quietly
from pellucid.compare.study.subject import data_of, model_of
from pellucid.compare.study.task import Task

_STEPS = 3

#: the same two lines inside every forward pass, and the modes it is run in
_PROGRAMS = {
    "torch": """
import torch


class Watched(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        y = self.network(x)
        breakpoint()
        return y


def modes(native):
    watched = Watched(native).eval()
    yield "eager", watched
    yield "torch.compile", torch.compile(watched)
    example = torch.zeros(SHAPE)
    yield "torch.jit.trace", torch.jit.trace(watched, example)
    yield "torch.export", torch.export.export(watched, (example,)).module()


def step(function, images):
    with torch.no_grad():
        function(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
""",
    "tensorflow": """
import tensorflow as tf


def modes(native):
    def forward(x):
        y = native(x)
        breakpoint()
        return y

    def model():
        x = tf.keras.Input(native.input_shape[1:])

        class Watched(tf.keras.layers.Layer):
            def call(self, x):
                breakpoint()
                return x

        return tf.keras.Model(x, Watched()(native(x)))

    yield "eager", forward
    yield "tf.function", tf.function(forward)
    yield "XLA", tf.function(forward, jit_compile=True)
    predicted = model()
    predicted.compile()
    yield "Keras predict", lambda x: predicted.predict(x, verbose=0)
    eager = model()
    eager.compile(run_eagerly=True)
    yield "Keras run_eagerly", lambda x: eager.predict(x, verbose=0)


def step(function, images):
    function(tf.constant(images))
""",
    "jax": """
import jax
import jax.numpy as jnp


def modes(native):
    def forward(x):
        y = native.apply(native.weights, x)
        breakpoint()
        return y

    def without_jit(x):
        with jax.disable_jit():
            return forward(x)

    def called_back(x):
        y = native.apply(native.weights, x)
        jax.debug.callback(lambda y: breakpoint(), y)
        return y

    yield "eager", forward
    yield "jit", jax.jit(forward)
    yield "jit, disable_jit", without_jit
    yield "jit, debug.callback", jax.jit(called_back)


def step(function, images):
    jax.block_until_ready(function(jnp.asarray(images)))
    jax.effects_barrier()
""",
}


@dataclass
class Stops:
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
    def how_often(self) -> str:
        """The word: every step, first step only, before the first step, never."""
        seen = {step for step in self.steps if step > 0}
        if len(seen) == _STEPS:
            return "every step"
        if seen:
            return "first step only"
        return "before the first step only" if self.steps else "never"


def measure(task: Task) -> list[Figure]:
    """Stop in every mode, through three steps."""
    images = _images(task)
    native = model_of(task).native
    if task.engine in _PROGRAMS:
        return _counted(list(_stopped(task, native, images)))
    place = "layers" if task.engine == "numpy" else "kernels"
    return [
        *_counted([_traced(task, images, "traced by a debugger", place)]),
        _shown(task, images),
    ]


def _shown(task: Task, images: Any) -> Figure:
    values = model_of(task).activations(images)
    count = sum(_has_numbers(value) for value in values.values())
    return Figure(
        name="Model.activations",
        value=f"{count} of {len(values)} nodes",
        note="Without a debugger: the nodes whose values it gives.",
    )


def _images(task: Task) -> Any:
    model = model_of(task, "numpy")
    return model.preprocessing.apply(data_of(task)[0].images[:2], np.float32)


def _stopped(task: Task, native: Any, images: Any) -> Iterator[Figure]:
    """Run the framework's program with our hook in the debugger's place."""
    height, width, channels = images.shape[1:]
    text = _PROGRAMS[task.engine].replace("SHAPE", f"2, {channels}, {height}, {width}")
    program = load_text(text.lstrip(), task.folder / "watched.py")
    stops = Stops()
    before, sys.breakpointhook = sys.breakpointhook, stops
    try:
        modes = program.modes(native)
        while True:
            stops.__init__()  # type: ignore[misc]
            try:
                with quietly():
                    name, function = next(modes)
                yield _run(name, stops, lambda f=function: program.step(f, images))  # type: ignore[misc]
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - a mode that refuses is an answer
                yield _refused(_name_of_failed(task.engine, stops), error)
                return
    finally:
        sys.breakpointhook = before


def _run(name: str, stops: Stops, step: Callable[[], None]) -> Figure:
    try:
        with quietly():
            for stops.step in range(1, _STEPS + 1):
                step()
    except Exception as error:  # noqa: BLE001 - as above
        return _refused(name, error)
    return _figure(name, stops)


def _figure(name: str, stops: Stops) -> Figure:
    values = "numbers to look at" if any(stops.values) else "no numbers to look at"
    kinds = ", ".join(sorted(set(stops.kinds)))
    is_useful = stops.how_often == "every step" and any(stops.values)
    return Figure(
        name=name,
        value="stops, with values" if is_useful else (
            f"{stops.how_often}, {values}" if stops.steps else "never stops"
        ),
        runs=_STEPS,
        note=f"Stopped {stops.how_often}, {len(stops.steps)} times in {_STEPS} steps; "
        f"it saw {kinds or 'nothing'}: {values}.",
    )  # fmt: skip


def _refused(name: str, error: Exception) -> Figure:
    first = str(error).strip().splitlines() or [""]
    return Figure(
        name=name,
        value="refused",
        note=f"{type(error).__name__}: {first[0][:200]}",
        detail=str(error)[:4000],
    )


def _name_of_failed(engine: str, stops: Stops) -> str:
    """Return the name of the mode that could not even be made."""
    return {"torch": "torch.export"}.get(engine, "a mode")


def _traced(task: Task, images: Any, name: str, place: str) -> Figure:
    """Trace our own engine's frames, as a debugger does, in the files that compute."""
    model, stops = model_of(task), Stops()
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
    return _figure(name, stops)


def _counted(modes: list[Figure]) -> list[Figure]:
    good = [f.value == "stops, with values" for f in modes]
    return [
        Figure(
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


ROW = Row(
    name="debugging",
    question="Can I debug it?",
    how="A breakpoint() stands inside the forward pass, after the network, and a hook "
    "takes the debugger's place, in every mode of the framework, through three "
    "steps: does it stop, how often, and is what it sees an array of numbers or a "
    "symbol without values? Our own engines, in which a user has no line of forward "
    "pass, are traced as a debugger traces, in the files that compute.",
    measure=measure,
    is_timed=False,
    aspects=(
        Aspect(
            priority="debugging", figure="modes one can stop in", lower_is_better=False
        ),
    ),
)
