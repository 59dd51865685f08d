"""Live training: engines on one recipe, pause control, snapshots."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pellucid.data import sources
from pellucid.engines.ports import join
from pellucid.errors import PellucidError
from pellucid.model import Model
from pellucid.model.fit import FitRequest, fit
from pellucid.model.whitening import whiten
from pellucid.network import Network
from pellucid.network.ports import has_several
from pellucid.network.zoo import ZOO
from pellucid.objectives import ConstantRate, Loss
from pellucid.objectives.output_losses import OutputLosses
from pellucid.recipes import names, override, read
from pellucid.recipes.builders import build_fit_config, build_model, build_network
from pellucid.recipes.datasets import load_examples
from pellucid.renamed import former_names
from pellucid.runs.recipe import DataSection, Recipe
from pellucid.serving.errors import RequestError
from pellucid.studio.examples import OpenedRun
from pellucid.studio.pause_control import PauseControl
from pellucid.studio.snapshots import Accuracy, accuracy_in, take_snapshot
from pellucid.studio.variations import VARIATIONS, Variation
from pellucid.training import Callback
from pellucid.training.trainer import Trainer

if TYPE_CHECKING:
    from pellucid.studio.shared_model import SharedModel

_LOOKED_AT = 500  # test images of a snapshot
_SECONDS_BETWEEN_SNAPSHOTS = 0.7
_MOST_POINTS = 1500  # of a curve; beyond it every other one is dropped
_MOST_TESTS = 400  # points of the test's curve
_MOST_PARAMETERS, _MOST_ACTIVATIONS = 1 << 27, 1 << 30
_UNITS = {"cross_entropy": "nats", "binary_cross_entropy": "nats"}


#: what a request calls network and data of the run that the studio was opened with
OF_RUN = "run"

#: step, loss, accuracy
Point = tuple[int, float, Accuracy]
EngineName = Literal["numpy", "compiled", "torch", "tensorflow", "jax"]


class TrainingRequest(BaseModel):
    """What a training is asked for."""

    model_config = ConfigDict(extra="forbid")

    network: str | dict[str, Any] = "mnist-torch"
    data: Annotated[str, Field(max_length=40)] = "mnist"
    engines: Annotated[list[EngineName], Field(min_length=1, max_length=2)] = [
        "compiled"
    ]
    optimizer: str = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 64
    epochs: Annotated[int, Field(ge=1, le=1000)] = 1
    images: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    seed: Annotated[int, Field(ge=0)] = 0
    #: names of `VARIATIONS`: runs on the first engine, beside the others
    beside: Annotated[list[str], Field(max_length=3)] = []

    def recipe(self, run: OpenedRun | None = None) -> Recipe:
        """Return the recipe; PellucidError if it does not fit.

        Networks and data are named, written out, or ``run``, those of the opened run:
        a recipe's own could be paths, and no path from a request may reach the disk.
        """
        own_data = [OF_RUN] if run is not None and run.has_data else []
        _check_known("data", self.data, [*(s.name for s in sources()), *own_data])
        for name in self.beside:
            _check_known("beside", name, list(VARIATIONS))
        base = self._base(run)
        section = DataSection(source=self.data)
        if run is not None and self.data == OF_RUN:
            section = run.recipe.data
        recipe = override(
            base.model_copy(update={"data": section}),
            {
                "data.limit": self.images,
                "optimizer.name": self.optimizer,
                "optimizer.learning_rate": self.learning_rate,
                "batch_size": self.batch_size,
                "epochs": self.epochs,
                "seed": self.seed,
            },
        )
        for one in [recipe, *(VARIATIONS[name].recipe(recipe) for name in self.beside)]:
            _check_size(build_network(one), one.batch_size)
        return recipe

    def _base(self, run: OpenedRun | None) -> Recipe:
        """Return the recipe of the network before it is changed."""
        network = self.network
        if run is not None and network == OF_RUN:
            return run.recipe
        if isinstance(network, str):
            _check_known("network", network, [*sorted(ZOO), *([OF_RUN] if run else [])])
            if network in names():
                return read(network)
        recipe = Recipe.parse({"network": network}, origin="the studio")
        outputs = build_network(recipe).outputs
        if len(outputs) == 1:
            return recipe
        if run is None or build_network(run.recipe).outputs != outputs:
            raise RequestError(
                "studio: a network with several outputs must have those of the run "
                "that was opened, whose losses it takes; got outputs "
                f"{', '.join(outputs)}. Train it with pellucid train."
            )
        return recipe.model_copy(update={"loss": run.recipe.loss})


def _check_size(network: Network, batch_size: int) -> None:
    """Refuse a network that would take all memory: a few bytes can describe it."""
    numbers = batch_size * sum(prod(shape) for shape in network.shapes.values())
    if network.parameter_count > _MOST_PARAMETERS or numbers > _MOST_ACTIVATIONS:
        raise RequestError(
            f"studio: a network must have at most {_MOST_PARAMETERS:,} parameters and "
            f"{_MOST_ACTIVATIONS:,} activations of a batch; got "
            f"{network.parameter_count:,} and {numbers:,}. Use pellucid train."
        )


def _check_known(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise RequestError(
            f"studio: {what} must be one of {', '.join(known)}; got {name[:80]!r}."
        )


def describe_run(run: OpenedRun) -> dict[str, Any]:
    """Return what the page's form offers of the run that was opened."""
    wish = {**usual(run.recipe), "data": OF_RUN}
    data = run.recipe.data.source if run.has_data else None
    return {"title": run.title, "data": data, "wish": wish}


def usual(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe trains with, as the page's form has it."""
    return {
        "data": recipe.data.source,
        "engine": recipe.engine,
        "optimizer": recipe.optimizer["name"],
        "learning_rate": recipe.optimizer.get("learning_rate", 1e-3),
        "batch_size": recipe.batch_size,
        "epochs": min(recipe.epochs, 1000) if recipe.epochs > 100 else 1,
    }


def describe_loss(loss: Loss | None) -> str:
    """Return what a loss is called; of several outputs the sum with its weights."""
    if not isinstance(loss, OutputLosses):
        return "" if loss is None else loss.name
    return " + ".join(
        f"{'' if term.weight == 1 else f'{term.weight:g} × '}{term.loss.name} of "
        f"{term.output}"
        for term in loss.terms
    )


class EngineTraining(Callback):
    """One training, in a thread of its own: of an engine, or of a variation."""

    def __init__(
        self,
        recipe: Recipe,
        engine: str,
        gate: PauseControl,
        bench: SharedModel | None,
        variation: Variation | None = None,
    ) -> None:
        self.engine = engine
        self.name = engine if variation is None else variation.label
        self._variation = variation
        self.status = "loading"
        self.error = ""
        self.points: list[Point] = []
        self.tested: list[tuple[int, Accuracy]] = []  # step, accuracy on test data
        self.stride = 1
        self.generation = 0  # counts thinnings, so that pages read all anew
        self.steps = 0  # in all
        self.step = 0
        self.seconds = 0.0
        #: the last step's learning rate, where a schedule changes it
        self.rate: float | None = None
        self.snapshot: dict[str, Any] = {}
        self.snapshots = 0
        self.loss = self.unit = ""  # until the model is there
        self._recipe = recipe if variation is None else variation.recipe(recipe)
        self._gate = gate
        self._bench = bench
        self._test: Any = None
        self._model: Model | None = None
        self._last_look = -np.inf
        self.thread = threading.Thread(target=self._run, name="lesson", daemon=True)

    def _run(self) -> None:
        try:
            self._train()
            self.status = "ended" if self.step < self.steps else "finished"
        except PellucidError as error:
            self.status, self.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - shown to who watches
            self.status = "failed"
            self.error = (
                f"studio: training must not fail; got a bug of ours: {error!r}."
            )

    def _train(self) -> None:
        recipe = self._recipe
        self._model = model = build_model(recipe, self.engine)
        self.loss = describe_loss(model.loss)
        self.unit = _UNITS.get(self.loss, "")
        train, test = load_examples(recipe.data, model)
        is_one = not has_several(model.network)
        if recipe.whiten is not None:
            whiten(model, train.images if is_one else join(train.images), recipe.whiten)
        if self._variation is not None:
            self._variation.begin(model)
        self._test = test.subset(range(min(_LOOKED_AT, len(test))))
        if is_one and model.settle_meaning(train.labels).can_be_named(train.classes):
            model.classes = train.classes
        if self._bench is not None:
            # a second model shows what the first one learns: sessions are not shared
            shown = model.to("numpy" if recipe.dtype == "float64" else self.engine)
            run = self._bench.run
            is_own = run is not None and run.recipe.data.source == recipe.data.source
            self._bench.show(shown, model.network.name, run if is_own else None)
        config = build_fit_config(recipe)
        if not is_one:
            config = replace(config, metrics=recipe.metrics or None)
        fit(
            model,
            FitRequest(
                data=train,
                config=config,
                callbacks=(self,),
                shows_progress=False,
                recipe=recipe,
            ),
        )

    def on_begin(self, trainer: Trainer) -> None:
        """Show the network before it has learned anything."""
        self.steps = trainer.progress.steps
        self.status = "training"
        self._look()
        if not self._gate.passes():
            trainer.stop("stopped")

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Keep the point, look if it is time, and wait at the gate."""
        self.step = trainer.progress.step
        self.seconds = trainer.position.seconds
        if self._recipe.schedule["name"] != ConstantRate.name:
            self.rate = trainer.position.learning_rate
        if self.step % self.stride == 0:
            accuracy = self._accuracy(trainer.position.means())
            self._keep((self.step, loss, accuracy))
        is_due = time.monotonic() - self._last_look > _SECONDS_BETWEEN_SNAPSHOTS
        if is_due or self._gate.is_paused:
            self._look()
        if not self._gate.passes():
            trainer.stop("stopped")

    def on_end(self, trainer: Trainer) -> None:
        """Show the end."""
        del trainer
        self._look()

    def _keep(self, point: Point) -> None:
        self.points.append(point)
        if len(self.points) > _MOST_POINTS:
            self.stride *= 2
            self.points = [p for p in self.points if p[0] % self.stride == 0]
            self.generation += 1

    def _look(self) -> None:
        """Take a snapshot: kernels, confusion matrix, surest mistakes."""
        if self._model is None or self._test is None:
            return
        found = take_snapshot(self._model, self._test)
        if self._bench is not None:
            self._bench.learn(self._model.weights, self.step)
        self.snapshot = {"step": self.step, **found}
        accuracy = self._accuracy(found["metrics"])
        if accuracy is not None:
            tested = [*self.tested, (self.step, accuracy)]
            self.tested = tested if len(tested) <= _MOST_TESTS else tested[::2]
        self.snapshots += 1
        self._last_look = time.monotonic()

    def _accuracy(self, figures: Mapping[str, float]) -> Accuracy:
        outputs = () if self._model is None else self._model.network.outputs
        return accuracy_in(figures, outputs)

    def file(self, path: str) -> None:
        """Save the model as it is shown."""
        if self._model is not None:
            self._model.save(path)


class LiveTraining:
    """A training on one engine or two, and variations of it, side by side.

    Parameters
    ----------
    wish : TrainingRequest
        What is trained.
    bench : SharedModel
        Shows what the first engine learns.
    recipe : Recipe
        The wish's.
    """

    def __init__(
        self, wish: TrainingRequest, bench: SharedModel, recipe: Recipe
    ) -> None:
        self.wish = wish
        self.gate = PauseControl()
        self.lanes = [
            EngineTraining(recipe, engine, self.gate, bench if i == 0 else None)
            for i, engine in enumerate(wish.engines)
        ]
        self.lanes += [
            EngineTraining(recipe, wish.engines[0], self.gate, None, VARIATIONS[name])
            for name in wish.beside
        ]
        try:
            for lane in self.lanes:
                lane.thread.start()
        except RuntimeError:  # no more threads: those that run are not left behind
            self.end()
            raise

    @property
    def is_running(self) -> bool:
        """True where a lane is not at its end."""
        return any(lane.thread.is_alive() for lane in self.lanes)

    @property
    def is_held(self) -> bool:
        """True where every lane that is not at its end stands still."""
        return self.gate.holds(sum(lane.thread.is_alive() for lane in self.lanes))

    def end(self) -> None:
        """End it, and wait until that has happened."""
        self.gate.end()
        for lane in self.lanes:
            if lane.thread.ident is not None:
                lane.thread.join()


__getattr__ = former_names(
    __name__,
    {"Lane": "EngineTraining", "Lesson": "LiveTraining", "Wish": "TrainingRequest"},
)
