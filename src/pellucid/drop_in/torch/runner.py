"""Run a drop-in's passes: compiled shapes, and who has the latest weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from pellucid.drop_in.torch.changes import Seen
from pellucid.drop_in.torch.checks import (
    all_tensors,
    check_inputs,
    check_tensors,
    check_trainable,
    has_hooks,
    mode_of,
)
from pellucid.drop_in.torch.compiled_shape import CompiledShape, Inputs, flatten
from pellucid.drop_in.torch.function import PredictionPass, TrainingPass
from pellucid.drop_in.torch.objectives import (
    OptimizerKind,
    OptimizerState,
    read_loss,
    read_optimizer,
)
from pellucid.drop_in.torch.probe import check_prediction
from pellucid.drop_in.torch.shells import make_source
from pellucid.drop_in.torch.trace import Shapes, Trace, trace
from pellucid.errors import ExchangeError
from pellucid.objectives import Loss
from pellucid.objectives.output_losses import output_losses

_SLOTS = ("slot0", "slot1")


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
        self._traces: dict[tuple[Shapes, bool], Trace] = {}
        self._shapes: dict[Shapes, CompiledShape] = {}
        self._trainers: dict[tuple[Shapes, OptimizerKind], CompiledShape] = {}
        #: whose weights are newer than the module's tensors
        self._ahead: CompiledShape | None = None
        self._kind: OptimizerKind | None = None
        self._batches = 0  # that counters do not contain yet
        self._seen: Seen | None = None
        self._integers: dict[str, tuple[Any, int]] = {}  # and their versions

    @property
    def forward(self) -> Any:
        """The module's own forward pass."""
        return self._source.forward

    # passes
    def run(self, drop_in: Any, inputs: Inputs) -> Any:
        """Return the module's outputs in the drop-in's mode, as it returns them."""
        shape = self.shape_of(drop_in, inputs)
        is_training = bool(drop_in.training)
        tensors = self._tensors(drop_in, shape)
        shape.take(tensors)
        parameters = [tensors[name] for name in shape.parameter_names]
        if is_training:
            outputs = TrainingPass.apply(  # type: ignore[no-untyped-call]
                shape, *inputs, *parameters
            )
            buffers = {name: tensors[name] for name in shape.buffers}
            shape.give(buffers)
            self._count(drop_in, shape.traced, 1)
        elif torch.is_grad_enabled():
            outputs = PredictionPass.apply(  # type: ignore[no-untyped-call]
                shape, *inputs, *parameters
            )
        else:
            outputs = shape.predict(inputs)
        return shape.finish(outputs)

    def shape_of(self, drop_in: Any, inputs: Inputs) -> CompiledShape:
        """Return what runs inputs of those shapes; compile it where it is new.

        Raises
        ------
        ExchangeError
            If the input or the module is not what the engine can run.
        """
        check_inputs(inputs)
        self._follow(drop_in)
        key = tuple(tuple(x.shape[1:]) for x in inputs)
        is_training = mode_of(drop_in)
        traced = self._trace(key, is_training=is_training)
        if key not in self._shapes:
            made = CompiledShape(
                traced, all_tensors(self._source), threads=self.request.threads
            )
            check_prediction(self._source, made, self._tensors(drop_in, made), key)
            self._shapes[key] = made
        return self._shapes[key]

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
        self._integers.clear()
        self._seen = Seen(drop_in)

    def _have_integers_changed(self) -> bool:
        now = all_tensors(self._source) if self._integers else {}
        return any(
            tensor._version != version or now.get(name) is not tensor
            for name, (tensor, version) in self._integers.items()
        )

    def _forget_unlike(self, key: Shapes, traced: Trace) -> None:
        """Forget what was compiled for another trace."""
        if key in self._shapes and not traced.is_same(self._shapes[key].traced):
            del self._shapes[key]
            for whole in [whole for whole in self._trainers if whole[0] == key]:
                del self._trainers[whole]

    def _trace(self, key: Shapes, *, is_training: bool) -> Trace:
        if (key, is_training) not in self._traces:
            check_tensors(self._source)
            found = trace(self._source, key, is_training=is_training)
            other = self._traces.get((key, not is_training))
            if other is not None and not found.has_same_structure(other):
                raise ExchangeError(
                    "compile: the module must run the same operators in training and "
                    "in evaluation, batch norm and dropout aside; got others."
                )
            if other is not None:  # counters stand in training's trace alone
                counted = found if is_training else other
                other.counters.update(counted.counters)
                found.counters.update(counted.counters)
            self._forget_unlike(key, found)
            tensors: dict[str, Any] = all_tensors(self._source)
            for name in found.integers:
                self._integers[name] = tensors[name], tensors[name]._version
            self._traces[key, is_training] = found
        return self._traces[key, is_training]

    # the fused step
    def train_step(self, drop_in: Any, inputs: Inputs, y: Any) -> tuple[Any, Any]:
        """Return loss and outputs of one update."""
        if self.request.loss is None or self.request.optimizer is None:
            raise ExchangeError(
                "compile: train_step must have loss= and optimizer= given to compile; "
                f"got loss={self.request.loss}, optimizer={self.request.optimizer}."
            )
        if not mode_of(drop_in):
            raise ExchangeError(
                "compile: train_step must find the module in training mode; got "
                "evaluation. Call train() first."
            )
        if has_hooks(drop_in):
            raise ExchangeError(
                "compile: train_step must find no hooks on the module, as it runs "
                "none; got some."
            )
        shape, kind = self._trainer(drop_in, inputs)
        shape.check_batch(inputs)
        targets = shape.targets(y, len(inputs[0]), self.request.loss)
        state = OptimizerState(self.request.optimizer, kind.slots)
        tensors = self._tensors(drop_in, shape)
        trained = {name: tensors[name] for name in shape.parameter_names}
        if self._ahead is not shape:
            self.synchronize(drop_in)
            shape.take(tensors)
            for i, name, tensor in state.tensors(trained):
                shape.take({name: tensor}, _SLOTS[i])  # type: ignore[arg-type]
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
        self._ahead, self._kind = shape, kind
        self._batches += 1
        self.request.optimizer._opt_called = True  # schedulers warn without it
        return torch.tensor(result.loss), shape.out(result.output)

    def _trainer(
        self, drop_in: Any, inputs: Inputs
    ) -> tuple[CompiledShape, OptimizerKind]:
        shape = self.shape_of(drop_in, inputs)
        key = tuple(tuple(x.shape[1:]) for x in inputs)
        traced, tensors = shape.traced, self._tensors(drop_in, shape)
        trained = {
            name: tensors[name]
            for name in shape.parameter_names
            if tensors[name].requires_grad
        }
        check_trainable(shape, trained)
        decaying = {
            source.tensor
            for name, source in traced.sources.items()
            if name.endswith(".weight")
        }
        kind = read_optimizer(
            self.request.optimizer, trained, decaying, all_tensors(self._source)
        )
        whole = (key, kind)
        if whole not in self._trainers:
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
        tensors = self._tensors(drop_in, shape)
        if shape.has_changed(tensors):
            raise ExchangeError(
                "compile: parameters must be changed after synchronize(); got some "
                "that were changed while training steps had newer values."
            )
        shape.give(tensors)
        trained = {name: tensors[name] for name in shape.parameter_names}
        state = OptimizerState(self.request.optimizer, self._kind.slots)
        for i, name, tensor in state.tensors(trained):
            shape.give({name: tensor}, _SLOTS[i])  # type: ignore[arg-type]
        state.count(trained, shape.session.step)
        self._count(drop_in, shape.traced, self._batches)
        self._batches = 0

    def forget_versions(self) -> None:
        """Take all tensors as changed."""
        for shape in (*self._shapes.values(), *self._trainers.values()):
            shape._seen.clear()

    # tensors
    def _tensors(self, drop_in: Any, shape: CompiledShape) -> dict[str, Any]:
        """Return the tensors that the network has weights of, by name."""
        del drop_in
        every = all_tensors(self._source)
        return {name: every[name] for name in shape.copies.tensors}

    def _count(self, drop_in: Any, traced: Trace, batches: int) -> None:
        """Add to the buffers that count batches."""
        del drop_in
        buffers = dict(self._source.named_buffers(remove_duplicate=False))
        for name, by in traced.counters.items():
            buffers[name] += by * batches
