"""Run a drop-in's passes: compiled shapes, and who has the latest weights."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from pellucid.drop_in.torch.changes import Seen
from pellucid.drop_in.torch.checks import (
    all_tensors,
    check_inputs,
    check_tensors,
    check_trainable,
    check_unhooked,
)
from pellucid.drop_in.torch.compiled_shape import CompiledShape, Inputs, flatten
from pellucid.drop_in.torch.function import PredictionPass, TrainingPass
from pellucid.drop_in.torch.modes import Modes, modes_of
from pellucid.drop_in.torch.objectives import (
    OptimizerKind,
    OptimizerState,
    check_settled,
    read_loss,
    read_optimizer,
)
from pellucid.drop_in.torch.probe import check_network, check_prediction
from pellucid.drop_in.torch.shells import make_source
from pellucid.drop_in.torch.trace import Shapes, Trace, find_averaging, trace
from pellucid.engines.compiled.session_weights import Vector
from pellucid.errors import ExchangeError
from pellucid.objectives import Loss
from pellucid.objectives.output_losses import output_losses

_SLOTS: tuple[Vector, ...] = ("slot0", "slot1")

#: `torch.export` serves one thread at a time
_COMPILING = threading.RLock()


class Variant(NamedTuple):
    """What a module is compiled for.

    ``modes`` are those of its parts where some train and some do not; ``frozen`` the
    parameters that require no gradient.
    """

    shapes: Shapes
    modes: Modes | None
    frozen: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """What `compile` was asked for."""

    loss: Any = None
    optimizer: Any = None
    threads: int | None = None

    def without_optimizer(self) -> Request:
        """Return the request of a copy, whose parameters no optimizer has."""
        return replace(self, optimizer=None)


class Runner:
    """Runs a module's passes on the compiled engine.

    Parameters
    ----------
    source : nn.Module
        The module itself, with the same tensors, for `torch.export`.
    request : Request
    """

    def __init__(self, source: Any, request: Request) -> None:
        self._source, self.request = source, request
        self._traces: dict[tuple[Shapes, Modes], Trace] = {}
        self._shapes: dict[Variant, CompiledShape] = {}
        self._latest: dict[tuple[Shapes, frozenset[str]], CompiledShape] = {}
        self._trainers: dict[tuple[Variant, OptimizerKind], CompiledShape] = {}
        #: whose weights are newer than the module's tensors
        self._ahead: CompiledShape | None = None
        self._kind: OptimizerKind | None = None
        self._batches = 0  # that counters do not contain yet
        self._accesses = 0  # how often somebody may have got hold of tensors
        self._seen: Seen | None = None
        self._averaging: list[Any] = []
        self._integers: dict[str, tuple[Any, int]] = {}  # and their versions

    @property
    def forward(self) -> Any:
        """The module's own forward pass."""
        return self._source.forward

    # passes
    def run(self, drop_in: Any, inputs: Inputs) -> Any:
        """Return the module's outputs in the drop-in's mode, as it returns them."""
        with _COMPILING:
            modes = self._modes(drop_in, inputs)
            shape = self._shape_in(modes, inputs)
        tensors = self._tensors(shape)
        # what is written to `tensor.data` has no version: only looking tells it
        if (
            modes.is_training
            or shape.compared != self._accesses
            or shape.has_changed(tensors)
        ):
            shape.take(tensors)
            shape.compared = self._accesses
        parameters = [tensors[name] for name in shape.parameter_names]
        if modes.is_training:
            means = self._means(shape.traced)
            outputs = TrainingPass.apply(  # type: ignore[no-untyped-call]
                shape, *inputs, *parameters
            )
            buffers = {name: tensors[name] for name in shape.buffers}
            shape.give(buffers)
            self._count(shape.traced, 1)
            _average(means)
        elif torch.is_grad_enabled():
            outputs = PredictionPass.apply(  # type: ignore[no-untyped-call]
                shape, self._note_gradients, *inputs, *parameters
            )
        else:
            outputs = shape.predict(inputs)
        return shape.finish(outputs)

    def _means(self, traced: Trace) -> list[tuple[Any, Any, Any]]:
        """Return batch norms that average over all batches, and their means so far."""
        parts = [part for part in self._averaging if part.training]
        if parts and any(by > 1 for by in traced.counters.values()):
            raise ExchangeError(
                "compile: batch norm must be called once in a pass where its momentum "
                "is None, the mean of all batches; got one that is called again."
            )
        return [(p, p.running_mean.clone(), p.running_var.clone()) for p in parts]

    def shape_of(self, drop_in: Any, inputs: Inputs) -> CompiledShape:
        """Return what runs inputs of those shapes; compile it where it is new.

        Raises
        ------
        ExchangeError
            If the input or the module is not what the engine can run.
        """
        return self._shape_in(self._modes(drop_in, inputs), inputs)

    def _modes(self, drop_in: Any, inputs: Inputs) -> Modes:
        """Return the modes of the drop-in's parts, as it is now."""
        check_inputs(inputs)
        self._follow(drop_in)
        return modes_of(drop_in)

    def _shape_in(self, modes: Modes, inputs: Inputs) -> CompiledShape:
        variant = self._variant(modes, inputs)
        traced = self._trace(variant.shapes, modes)
        latest = variant.shapes, variant.frozen
        if not modes.is_training:  # any does that was compiled for these weights
            if latest not in self._latest:
                self._latest[latest] = self._find(variant, traced)
            found = self._latest[latest]
            if not found.has_predicted:
                self._check(found, variant, is_new=False)
            return found
        if variant not in self._shapes:
            made = self._make(traced)
            check_network(self._source, made, self._tensors(made), variant.shapes)
            self._shapes[variant] = made
        self._latest[latest] = self._shapes[variant]
        return self._shapes[variant]

    def _variant(self, modes: Modes, inputs: Inputs) -> Variant:
        frozen = frozenset(
            name
            for name, parameter in self._source.named_parameters(remove_duplicate=False)
            if not parameter.requires_grad
        )
        key = tuple(tuple(x.shape[1:]) for x in inputs)
        return Variant(key, modes if modes.others else None, frozen)

    def _find(self, variant: Variant, traced: Trace) -> CompiledShape:
        """Return what evaluates a trace; compile it where nothing does."""
        for other, shape in self._shapes.items():
            is_like = variant == other._replace(modes=variant.modes)
            if is_like and traced.is_same(shape.base, in_evaluation=True):
                return shape
        made = self._make(traced)
        self._check(made, variant, is_new=True)
        self._shapes[variant] = made
        return made

    def _make(self, traced: Trace) -> CompiledShape:
        return CompiledShape(
            traced, all_tensors(self._source), threads=self.request.threads
        )

    def _check(self, shape: CompiledShape, variant: Variant, *, is_new: bool) -> None:
        """Compare a shape's predictions with the module's, before it is trusted."""
        tensors = self._tensors(shape)
        check_prediction(self._source, shape, tensors, variant.shapes, is_new=is_new)
        shape.has_predicted = True

    def _follow(self, drop_in: Any) -> None:
        """Trace anew what parts or attributes of the module were changed for."""
        if (
            self._seen is not None
            and self._seen.is_as_before(drop_in)
            and not self._have_integers_changed()
        ):
            return
        self.synchronize(drop_in)
        self._source = make_source(drop_in, type(self._source))
        self._traces.clear()
        self._latest.clear()
        self._integers.clear()
        self._seen, self._averaging = Seen(drop_in), find_averaging(drop_in)

    def _have_integers_changed(self) -> bool:
        now = all_tensors(self._source) if self._integers else {}
        return any(
            tensor._version != version or now.get(name) is not tensor
            for name, (tensor, version) in self._integers.items()
        )

    def _forget_unlike(self, key: Shapes, modes: Modes, traced: Trace) -> None:
        """Forget what was compiled for another trace."""
        mixed = modes if modes.others else None
        for variant, shape in list(self._shapes.items()):
            is_of_these = variant.shapes == key and variant.modes == mixed
            if not is_of_these or traced.is_same(shape.base):
                continue
            del self._shapes[variant]
            for whole in [whole for whole in self._trainers if whole[0] == variant]:
                del self._trainers[whole]

    def _trace(self, key: Shapes, modes: Modes) -> Trace:
        if (key, modes) not in self._traces:
            check_tensors(self._source)
            found = trace(self._source, key, modes)
            for others, other in self._traces.items():
                is_mixed = bool(modes.others or others[1].others)
                if others[0] == key and not found.has_same_structure(
                    other, in_evaluation=is_mixed
                ):
                    raise ExchangeError(
                        "compile: the module must run the same operators in training "
                        "and in evaluation, batch norm and dropout aside; got others."
                    )
            opposite = self._traces.get((key, Modes(not modes.whole)))
            if opposite is not None and not modes.others:
                # counters stand in training's trace alone
                counted = found if modes.whole else opposite
                opposite.counters.update(counted.counters)
                found.counters.update(counted.counters)
            self._forget_unlike(key, modes, found)
            tensors: dict[str, Any] = all_tensors(self._source)
            for name in found.integers:
                self._integers[name] = tensors[name], tensors[name]._version
            self._traces[key, modes] = found
        return self._traces[key, modes]

    # the fused step
    def train_step(self, drop_in: Any, inputs: Inputs, y: Any) -> tuple[Any, Any]:
        """Return loss and outputs of one update."""
        if self.request.loss is None or self.request.optimizer is None:
            raise ExchangeError(
                "compile: train_step must have loss= and optimizer= given to compile; "
                f"got loss={self.request.loss}, optimizer={self.request.optimizer}."
            )
        if not drop_in.training:
            raise ExchangeError(
                "compile: train_step must find the module in training mode; got "
                "evaluation. Call train() first."
            )
        check_unhooked(drop_in, self.request.optimizer)
        shape, kind = self._trainer(drop_in, inputs)
        if any(part.training for part in self._averaging):
            raise ExchangeError(
                "compile: batch norm must have a number as momentum in train_step; got "
                "None, the mean of all batches. Train by your own loop instead."
            )
        shape.check_batch(inputs)
        targets = shape.targets(y, len(inputs[0]), self.request.loss)
        state = OptimizerState(self.request.optimizer, kind.slots)
        tensors = self._tensors(shape)
        trained = _trained(shape, tensors)
        if self._ahead is not shape:
            self.synchronize(drop_in)
            shape.take(tensors)
            for slot, held in _by_slot(state, trained):
                shape.take(held, slot)
            steps = state.step(trained)
            shape.session.step = shape.session.step if steps is None else steps
        elif shape.has_changed(tensors):
            raise ExchangeError(
                "compile: parameters must be changed after synchronize(); got some "
                "that were changed while training steps had newer values."
            )
        result = shape.session.train_step(
            shape.images(inputs),
            targets,
            learning_rate=state.learning_rate,
        )
        shape.hold(tensors)
        self._ahead, self._kind = shape, kind
        self._batches += 1
        self.request.optimizer._opt_called = True  # schedulers warn without it
        return torch.tensor(result.loss), shape.out(result.output)

    def _trainer(
        self, drop_in: Any, inputs: Inputs
    ) -> tuple[CompiledShape, OptimizerKind]:
        modes = self._modes(drop_in, inputs)
        shape = self._shape_in(modes, inputs)
        traced, tensors = shape.base, self._tensors(shape)
        trained = _trained(shape, tensors)
        check_trainable(shape, trained)
        decaying = {
            source.tensor
            for name, source in traced.sources.items()
            if name.endswith(".weight")
        }
        kind = read_optimizer(
            self.request.optimizer, trained, decaying, all_tensors(self._source)
        )
        whole = self._variant(modes, inputs), kind
        if whole not in self._trainers:
            check_settled(kind, [k for v, k in self._trainers if v == whole[0]])
            self._trainers[whole] = CompiledShape(
                traced,
                all_tensors(self._source),
                loss=self._read_losses(traced),
                optimizer=kind.ours,
                threads=self.request.threads,
                decays_all=kind.decays_all,
            )
        return self._trainers[whole], kind

    def _read_losses(self, traced: Trace) -> Loss:
        """Return the loss, of several outputs the sum of theirs."""
        network, given = traced.network, self.request.loss
        losses = [given]
        if len(network.outputs) > 1:
            losses = flatten("losses", given, traced.structure)
        rows = zip(network.outputs, losses, traced.log_axes, strict=True)
        found = {
            output: read_loss(
                one, network, output, ends_in_log_softmax=axis is not None
            )
            for output, one, axis in rows
            if one is not None
        }
        loss = output_losses(network.outputs, found)
        if loss is None:
            raise TypeError(given)
        return loss

    def synchronize(self, drop_in: Any) -> None:
        """Copy weights and the optimizer's state to PyTorch where they are behind."""
        shape = self._ahead
        if shape is None or self._kind is None:
            return
        self._ahead = None
        tensors = self._tensors(shape)
        if shape.has_changed(tensors):
            raise ExchangeError(
                "compile: parameters must be changed after synchronize(); got some "
                "that were changed while training steps had newer values."
            )
        shape.give(tensors)
        trained = _trained(shape, tensors)
        state = OptimizerState(self.request.optimizer, self._kind.slots)
        for slot, held in _by_slot(state, trained):
            shape.give(held, slot)
        state.count(trained, shape.session.step)
        self._count(shape.traced, self._batches)
        self._batches = 0

    def _note_gradients(self) -> None:
        """Compare tensors before the next call: by gradients somebody may train.

        Loops that write ``p.data -= rate * p.grad`` leave no version behind.
        """
        self._accesses += 1

    def note_access(self, drop_in: Any) -> None:
        """Bring tensors up to date, and compare them before the next call."""
        self._accesses += 1
        self.synchronize(drop_in)

    # tensors
    def _tensors(self, shape: CompiledShape) -> dict[str, Any]:
        """Return the tensors that the network has weights of, by name."""
        every = all_tensors(self._source)
        return {name: every[name] for name in shape.copies.tensors}

    def _count(self, traced: Trace, batches: int) -> None:
        """Add to the buffers that count batches."""
        buffers = dict(self._source.named_buffers(remove_duplicate=False))
        for name, by in traced.counters.items():
            buffers[name] += by * batches


def _average(means: list[tuple[Any, Any, Any]]) -> None:
    """Make batch norms' statistics, now those of the batch, the mean of all batches."""
    for part, mean, variance in means:
        share = 1 / int(part.num_batches_tracked)
        part.running_mean.copy_(mean.lerp_(part.running_mean, share))
        part.running_var.copy_(variance.lerp_(part.running_var, share))


def _by_slot(
    state: OptimizerState, trained: dict[str, Any]
) -> list[tuple[Vector, dict[str, Any]]]:
    """Return the optimizer's tensors by the engine's vectors."""
    found: dict[Vector, dict[str, Any]] = {}
    for i, name, tensor in state.tensors(trained):
        found.setdefault(_SLOTS[i], {})[name] = tensor
    return list(found.items())


def _trained(shape: CompiledShape, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return those of the tensors that train."""
    return {name: tensors[name] for name in tensors if name in shape.trained}
