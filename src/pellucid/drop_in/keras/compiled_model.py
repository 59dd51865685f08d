"""A model compiled for one shape of input: session, variables, labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.drop_in.keras.measures import Ends, Measures
from pellucid.drop_in.keras.objectives import (
    LossKind,
    NoCounterpartError,
    OptimizerKind,
)
from pellucid.drop_in.keras.trace import Trace
from pellucid.drop_in.keras.weight_copies import Array, WeightCopies
from pellucid.engines import make
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.ports import join, split
from pellucid.engines.state import initial_state
from pellucid.errors import ExchangeError
from pellucid.network import Network
from pellucid.network.layers import Shape

_SLOTS = ("slot0", "slot1")


class CompiledModel:
    """The passes of a traced model, arrays in and out.

    Parameters
    ----------
    traced : Trace
        The model.
    trained : set of str
        The variables that train, by the trace's names.
    seed : int
        Of dropout.
    loss, optimizer : optional
        For the fused step.
    threads : int, optional
        Workers.
    """

    def __init__(
        self,
        traced: Trace,
        trained: set[str],
        *,
        seed: int,
        loss: LossKind | None = None,
        optimizer: OptimizerKind | None = None,
        threads: int | None = None,
    ) -> None:
        self.traced, self.loss, self.optimizer = traced, loss, optimizer
        self.trained = trained
        #: whether outputs are what stands before the model's own end
        self.gives_logits = any(traced.ends) and (loss is None or loss.takes_logits)
        network = traced.logits if self.gives_logits else traced.network
        self.network = _freeze(network, traced, trained)
        state = initial_state(self.network, seed=seed, dtype="float32")
        for name, array in traced.constants.items():
            state[f"weights/{name}"] = array.reshape(state[f"weights/{name}"].shape)
        self.session: CompiledSession = make(  # type: ignore[assignment]
            "compiled",
            threads=threads,
            keras_rules=True,
            decays_all=optimizer is not None and optimizer.decays_all,
        ).build(
            self.network,
            state=state,
            loss=None if loss is None else loss.ours,
            optimizer=None if optimizer is None else optimizer.ours,
        )
        shapes = {name: tuple(v.shape) for name, v in traced.variables.items()}
        self.copies = WeightCopies(self.session, traced.sources, shapes)
        #: parameters that are constants in the model, which no update may change
        self._held = {
            weight.name: traced.constants[weight.name]
            for weight in self.network.parameters
            if weight.name in traced.constants
        }
        if optimizer is not None and self._held and optimizer.ours.clip_norm:
            raise NoCounterpartError(
                "compile: global_clipnorm must be left out where layers have no scale "
                f"or offset of their own; got {', '.join(self._held)}."
            )
        self._seen: dict[str, Array] = {}

    @property
    def ends(self) -> Ends:
        """The activations that stand behind the session's outputs."""
        ends = self.traced.ends
        return ends if self.gives_logits else (None,) * len(ends)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """The shapes of an example's inputs."""
        return tuple(self.network.shapes[name] for name in self.network.inputs)

    # weights and slots
    def take(self) -> None:
        """Copy the variables that have changed to the engine."""
        changed = {}
        for name in self.copies.variables:
            array = self.traced.variables[name].numpy()
            seen = self._seen.get(name)
            if seen is None or not np.array_equal(seen, array, equal_nan=True):
                changed[name] = array.copy()
        if changed:
            self._seen |= changed
            self.copies.read(changed)
            self.session.weights_written()

    def has_changed(self) -> bool:
        """Whether somebody has changed a variable since it was last copied."""
        return any(
            not np.array_equal(
                seen, self.traced.variables[name].numpy(), equal_nan=True
            )
            for name, seen in self._seen.items()
        )

    def give(self) -> None:
        """Copy the engine's weights to the variables."""
        for name in self.copies.variables:
            self._give_one(name)

    def _give_one(self, name: str) -> None:
        array = self.copies.write(name)
        if not np.array_equal(array, self._seen[name], equal_nan=True):
            self.traced.variables[name].assign(array)
            self._seen[name] = array

    def take_slots(self, slots: Mapping[int, Mapping[str, Any]], scale: float) -> None:
        """Copy an optimizer's variables, by slot and variable, times a factor."""
        for i, variables in slots.items():
            arrays = {n: v.numpy() * np.float32(scale) for n, v in variables.items()}
            self.copies.read(arrays, _SLOTS[i])  # type: ignore[arg-type]

    def give_slots(self, slots: Mapping[int, Mapping[str, Any]], scale: float) -> None:
        """Copy the session's slots to an optimizer's variables, times a factor."""
        for i, variables in slots.items():
            for name, variable in variables.items():
                array = self.copies.write(name, _SLOTS[i])  # type: ignore[arg-type]
                variable.assign(array * np.float32(scale))

    def scale_slots(self, factor: float) -> None:
        """Multiply the first slot by a factor."""
        for views in self.session.views("slot0").values():
            for view in views:
                view *= np.float32(factor)

    # passes
    def predict(self, inputs: list[Any]) -> list[Array]:
        """Return the outputs in evaluation: logits where `gives_logits`."""
        return self._outputs(self.session.predict(self.images(inputs)))

    def _outputs(self, found: Any) -> list[Array]:
        return list(split("outputs", self.network.outputs, found))

    def train_step(
        self, inputs: list[Any], y: Any, weights: Any, *, rate: float
    ) -> tuple[float, list[Array]]:
        """Return loss and outputs of one update."""
        count = len(inputs[0])
        result = self.session.train_step(
            self.images(inputs),
            self.labels(y, count),
            learning_rate=rate,
            sample_weight=self.weights(weights, count),
        )
        self.hold_constants()
        return result.loss, self._outputs(result.output)

    def train_with(
        self,
        measures: Measures,
        variables: list[Any],
        inputs: list[Any],
        y: Any,
        weights: Any,
    ) -> Any:
        """Take a step whose loss and update are Keras's own; return the figures.

        The newest weights must have been taken over.
        """
        output, saved = self.session.forward(
            self.images(inputs), True, input_gradient=False
        )
        outputs = self._outputs(output)
        figures, found, own = measures.pull_back(
            variables, y, outputs, weights, self.ends
        )
        grad_outputs = join(
            [
                np.zeros_like(array) if grad is None else _numpy(grad)
                for array, grad in zip(outputs, found, strict=True)
            ]
        )
        self.session.backward_in_place(saved, grad_outputs)
        names = {id(v): name for name, v in self.traced.variables.items()}
        known = set(self.copies.variables)
        grads: list[Any] = []
        for variable, more in zip(variables, own, strict=True):
            name = names[id(variable)]
            mine = self.copies.write(name, "grads") if name in known else None
            added = None if more is None else _numpy(more)
            both = [grad for grad in (mine, added) if grad is not None]
            grads.append(both[0] if len(both) == 1 else both[0] + both[1])
        self._give_buffers()
        measures.update(variables, grads)
        return figures

    def _give_buffers(self) -> None:
        """Copy running statistics to the model's variables."""
        for name in self.copies.variables:
            if name not in self.trained:
                self._give_one(name)

    def hold_constants(self) -> None:
        """Undo what an update has changed of what the model keeps constant."""
        if not self._held:
            return
        self.session.write("weights", self._held)
        self.session.weights_written()

    # arrays
    def images(self, inputs: list[Any]) -> Any:
        """Return a batch as the session takes it."""
        return join([np.asarray(x, np.float32) for x in inputs])

    def weights(self, weights: Any, count: int) -> Array | None:
        """Return the examples' weights as the session takes them."""
        if weights is None:
            return None
        found = np.asarray(weights, np.float32)
        if found.size != count:
            raise NoCounterpartError(
                "compile: sample_weight must be one number for each example; got "
                f"shape={found.shape} for {count} examples."
            )
        return found.reshape(count)

    def labels(self, y: Any, count: int) -> Any:
        """Return labels of a loss of Keras as the session takes them.

        Raises
        ------
        ExchangeError
            If they are of another shape, or classes are out of range.
        """
        if y is None:
            raise ExchangeError("compile: y must be given in training; got None.")
        given, shape = np.asarray(y), (count, *self.network.output_shape)
        if self.loss is None or not self.loss.takes_classes:
            if given.size != np.prod(shape):
                raise ExchangeError(
                    f"compile: y must be of the output's shape {shape}; got "
                    f"{given.shape}."
                )
            return given.astype(np.float32, copy=False).reshape(shape)
        if given.size != np.prod(shape[:-1]):
            raise ExchangeError(
                f"compile: y must hold one class for each of {shape[:-1]}; got "
                f"{given.shape}."
            )
        classes = given.reshape(shape[:-1]).astype(np.int64, copy=False)
        if classes.size and not 0 <= classes.min() <= classes.max() < shape[-1]:
            raise ExchangeError(
                f"compile: classes must lie in 0 … {shape[-1] - 1}; got "
                f"{int(classes.min())} to {int(classes.max())}."
            )
        return classes


def _numpy(tensor: Any) -> Array:
    """Return a tensor of Keras's backend as an array."""
    return np.asarray(tensor, np.float32)


def _freeze(network: Network, traced: Trace, trained: set[str]) -> Network:
    """Return the network with the layers frozen whose variables do not train.

    Raises
    ------
    NoCounterpartError
        If a layer has some that train and some that do not.
    """
    frozen = {}
    for node in network.nodes:
        if not hasattr(node.layer, "trainable"):
            continue
        mine = [w for w in network.weights if w.node == node.owner]
        known = [(w, traced.sources[w.name]) for w in mine if w.name in traced.sources]
        trains = {s.tensor in trained for w, s in known if w.spec.is_parameter}
        if len(trains) > 1:
            raise NoCounterpartError(
                "compile: all variables of a layer must train, or none; got some of "
                f"'{node.name}' frozen."
            )
        if not trains:  # a batch norm of neither scale nor offset, or constants alone
            trains = {any(s.tensor in traced.live for _, s in known)}
        frozen[f"{node.name}.trainable"] = True in trains
    return network.with_settings(frozen)
