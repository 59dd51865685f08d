"""The model that all tabs and windows of the studio share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join
from pellucid.model import Model
from pellucid.renamed import former_names
from pellucid.serving.state import State
from pellucid.studio.examples import Examples, OpenedRun, examples_for
from pellucid.studio.studio import Studio

Array = npt.NDArray[Any]
T = TypeVar("T")


class Shown(NamedTuple):
    """A model, its name, and which one it is."""

    model: Model
    title: str
    version: int


class SharedModel:
    """A model under study; it may be exchanged, or learn, while people look.

    Parameters
    ----------
    model : Model
        What is shown at first.
    title : str
        What people read as its name.
    run : OpenedRun, optional
        Where it comes from.
    """

    def __init__(self, model: Model, title: str, run: OpenedRun | None = None) -> None:
        self._lock = threading.Lock()
        self.run = run
        self._examples = examples_for(model, run)
        self.shown = Shown(model, title, 0)  # exchanged whole, so that it fits together
        self.steps = 0  # updates that its weights have seen, as far as is known here
        self._aside = threading.Lock()
        self._twin: Model | None = None
        self._twin_of = (0, 0)  # version and steps

    def mount(self, state: State) -> Studio:
        """Return the studio of this model in a server."""
        return Studio(self, state)

    def show(self, model: Model, title: str, run: OpenedRun | None = None) -> None:
        """Put another model on the bench; ``run`` where it learns from its data."""
        with self._lock:
            self.shown = Shown(model, title, self.shown.version + 1)
            self.steps = 0
            self._examples = examples_for(model, run)

    @property
    def examples(self) -> Examples | None:
        """Test examples that the model takes."""
        return self._examples

    @property
    def model(self) -> Model:
        """The model that is shown."""
        return self.shown.model

    @property
    def title(self) -> str:
        """Its name."""
        return self.shown.title

    @property
    def version(self) -> int:
        """How often it was exchanged, so that pages notice."""
        return self.shown.version

    def learn(self, weights: Mapping[str, Array], steps: int) -> None:
        """Give the model the weights of a training that goes on."""
        with self._lock:
            self.model.load_weights(dict(weights))
            self.steps = steps

    def warm(self) -> None:
        """Let the engine compile what looking inside needs, before somebody looks."""
        work = (_look_once, ())
        threading.Thread(target=self._ask_aside, args=work, daemon=True).start()

    async def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Run ``question(model, …)`` in a thread, one at a time."""
        return await asyncio.to_thread(self._ask, question, arguments)

    async def ask_aside(self, question: Callable[..., T], *arguments: Any) -> T:
        """Run ``question(model, …)`` on a twin, so that `ask` need not wait for it.

        For questions that may let the engine compile something first, which takes
        seconds. They wait for one another.
        """
        return await asyncio.to_thread(self._ask_aside, question, arguments)

    def _ask_aside(self, question: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with self._aside, np.errstate(all="ignore"):
            return question(self._current_twin(), *arguments)

    def _current_twin(self) -> Model:
        """Return a model of its own session, with the weights of the one that is shown.

        What either compiles, both have.
        """
        with self._lock:
            if self._twin is None or self._twin_of[0] != self.version:
                self._twin = self.model.to(self.model.engine)
            elif self._twin_of[1] != self.steps:
                self._twin.load_weights(self.model.weights)
            self._twin_of = (self.version, self.steps)
        return self._twin

    def _ask(self, question: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with self._lock, np.errstate(all="ignore"):
            return question(self.model, *arguments)


def _look_once(model: Model) -> None:
    """Run every node on an empty image, there and back."""
    image, grad = (
        join([np.zeros((1, *model.network.shapes[n]), model.dtype) for n in names])
        for names in (model.network.inputs, model.network.outputs)
    )
    model.activations(image)
    model.vjp(image, grad, training=False)


__getattr__ = former_names(__name__, {"Workbench": "SharedModel"})
