"""Run a drop-in's passes: compiled shapes, and who has the latest weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from pellucid.drop_in.torch.compiled_shape import CompiledShape
from pellucid.drop_in.torch.function import PredictionPass, TrainingPass
from pellucid.drop_in.torch.objectives import (
    OptimizerKind,
    OptimizerState,
    read_loss,
    read_optimizer,
)
from pellucid.drop_in.torch.probe import check_prediction
from pellucid.drop_in.torch.trace import Trace, trace
from pellucid.errors import ExchangeError

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
        self._traces: dict[tuple[tuple[int, ...], bool], Trace] = {}
        self._shapes: dict[tuple[int, ...], CompiledShape] = {}
        self._trainers: dict[tuple[Any, ...], CompiledShape] = {}
        #: whose weights are newer than the module's tensors
        self._ahead: CompiledShape | None = None
        self._kind: OptimizerKind | None = None
        self._batches = 0  # that counters do not contain yet

    @property
    def forward(self) -> Any:
        """The module's own forward pass."""
        return self._source.forward

    # passes
    def run(self, drop_in: Any, x: Any) -> Any:
        """Return the module's output in the drop-in's mode."""
        is_training = _mode(drop_in)
        shape = self.shape_of(drop_in, x)
        tensors = self._tensors(drop_in, shape)
        shape.take(tensors)
        parameters = [tensors[name] for name in shape.parameter_names]
        if is_training:
            output = TrainingPass.apply(  # type: ignore[no-untyped-call]
                shape, x, *parameters
            )
            buffers = {name: tensors[name] for name in shape.buffers}
            shape.give(buffers)
            self._count(drop_in, shape.traced, 1)
        elif torch.is_grad_enabled():
            output = PredictionPass.apply(  # type: ignore[no-untyped-call]
                shape, x, *parameters
            )
        else:
            output = shape.predict(x)
        return shape.finish(output)

    def shape_of(self, drop_in: Any, x: Any) -> CompiledShape:
        """Return what runs inputs of that shape; compile it where it is new.

        Raises
        ------
        ExchangeError
            If the input or the module is not what the engine can run.
        """
        _check_input(x)
        key = tuple(x.shape[1:])
        is_training = _mode(drop_in)
        traced = self._trace(key, is_training=is_training)
        if key not in self._shapes:
            made = CompiledShape(
                traced, _all_tensors(self._source), threads=self.request.threads
            )
            check_prediction(self._source, made, self._tensors(drop_in, made), x)
            self._shapes[key] = made
        return self._shapes[key]

    def _trace(self, key: tuple[int, ...], *, is_training: bool) -> Trace:
        if (key, is_training) not in self._traces:
            _check_tensors(self._source)
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
            self._traces[key, is_training] = found
        return self._traces[key, is_training]

    # the fused step
    def train_step(self, drop_in: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """Return loss and output of one update."""
        if self.request.loss is None or self.request.optimizer is None:
            raise ExchangeError(
                "compile: train_step must have loss= and optimizer= given to compile; "
                f"got loss={self.request.loss}, optimizer={self.request.optimizer}."
            )
        if not _mode(drop_in):
            raise ExchangeError(
                "compile: train_step must find the module in training mode; got "
                "evaluation. Call train() first."
            )
        shape, kind = self._trainer(drop_in, x)
        shape.check_batch(x)
        targets = shape.targets(y, len(x), self.request.loss)
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
            shape.images(x),
            targets,
            learning_rate=state.learning_rate,
        )
        self._ahead, self._kind = shape, kind
        self._batches += 1
        self.request.optimizer._opt_called = True  # schedulers warn without it
        return torch.tensor(result.loss), shape.out(result.output)

    def _trainer(self, drop_in: Any, x: Any) -> tuple[CompiledShape, OptimizerKind]:
        shape = self.shape_of(drop_in, x)
        key = tuple(x.shape[1:])
        traced, tensors = shape.traced, self._tensors(drop_in, shape)
        trained = {
            name: tensors[name]
            for name in shape.parameter_names
            if tensors[name].requires_grad
        }
        _check_trainable(shape, trained)
        decaying = {
            source.tensor
            for name, source in traced.sources.items()
            if name.endswith(".weight")
        }
        kind = read_optimizer(
            self.request.optimizer, trained, decaying, _all_tensors(self._source)
        )
        whole = (*key, kind)
        if whole not in self._trainers:
            loss = read_loss(
                self.request.loss,
                traced.network,
                ends_in_log_softmax=traced.log_axis is not None,
            )
            self._trainers[whole] = CompiledShape(
                traced,
                _all_tensors(self._source),
                loss=loss,
                optimizer=kind.ours,
                threads=self.request.threads,
                decays_all=kind.decays_all,
            )
        return self._trainers[whole], kind

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
        every = _all_tensors(self._source)
        return {name: every[name] for name in shape.copies.tensors}

    def _count(self, drop_in: Any, traced: Trace, batches: int) -> None:
        """Add to the buffers that count batches."""
        del drop_in
        buffers = dict(self._source.named_buffers(remove_duplicate=False))
        for name, by in traced.counters.items():
            buffers[name] += by * batches


def _mode(drop_in: Any) -> bool:
    """Return whether the module trains; all its parts must agree."""
    is_training = bool(drop_in.training)
    for name, part in drop_in.named_modules():
        if part.training is not is_training:
            raise ExchangeError(
                "compile: all parts of the module must be in one mode; got "
                f"'{name}' in {'training' if part.training else 'evaluation'}."
            )
    return is_training


def _all_tensors(module: Any) -> dict[str, Any]:
    """Return parameters and buffers; a tensor of several names by each of them."""
    parameters = module.named_parameters(remove_duplicate=False)
    return dict((*parameters, *module.named_buffers(remove_duplicate=False)))


def _check_tensors(module: Any) -> None:
    for name, tensor in _all_tensors(module).items():
        is_float = tensor.is_floating_point()
        if tensor.device.type != "cpu" or (is_float and tensor.dtype != torch.float32):
            raise ExchangeError(
                f"compile: tensor '{name}' must be float32 on the CPU; got "
                f"{tensor.dtype} on {tensor.device}."
            )
    for name, part in module.named_modules():
        hooks = part._forward_hooks or part._forward_pre_hooks or part._backward_hooks
        if name and hooks:
            raise ExchangeError(
                "compile: parts of the module must have no hooks; got some on "
                f"'{name}'."
            )


def _check_input(x: Any) -> None:
    if not isinstance(x, torch.Tensor):
        raise ExchangeError(
            f"compile: the input must be a tensor of PyTorch; got {type(x).__name__}."
        )
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() < 2:
        raise ExchangeError(
            "compile: the input must be a batch of float32 on the CPU; got "
            f"{x.dtype} of shape {tuple(x.shape)} on {x.device}."
        )


def _check_trainable(shape: CompiledShape, trained: dict[str, Any]) -> None:
    """Refuse to train parameters that stay as they are in PyTorch."""
    shared = shape.copies.shared
    if shared:
        raise ExchangeError(
            "compile: layers that share a weight must share all of theirs in "
            f"train_step; got '{shared[0]}' shared. Train by your own loop instead."
        )
    frozen = [name for name in shape.parameter_names if name not in trained]
    constant = [
        name
        for name in shape.traced.constants
        if name in {w.name for w in shape.traced.network.parameters}
    ]
    if frozen or constant:
        raise ExchangeError(
            "compile: all parameters must train in train_step; got "
            f"{', '.join(frozen or constant)} frozen. Train by your own loop instead."
        )
