"""A module compiled for one shape of input: session, tensors, layouts."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree
from torch import nn

from pellucid.drop_in.torch.objectives import is_loss
from pellucid.drop_in.torch.trace import Trace
from pellucid.drop_in.torch.weight_copies import WeightCopies
from pellucid.engines import make
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.compiled.session_weights import Vector
from pellucid.engines.ports import join, split
from pellucid.engines.state import initial_state
from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network.layers import BatchNorm
from pellucid.objectives import Loss, Optimizer

#: all of a module's inputs
Inputs = tuple[Any, ...]


class CompiledShape:
    """The passes of a traced module, tuples of tensors in and lists of them out.

    Parameters
    ----------
    traced : Trace
        The module.
    tensors : mapping of str to Tensor
        Its parameters and buffers, as `named_parameters` calls them. Those train that
        are parameters and require a gradient.
    loss, optimizer : optional
        For `train_step`.
    options
        Of the compiled engine.
    """

    def __init__(
        self,
        traced: Trace,
        tensors: Mapping[str, Any],
        *,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        **options: Any,
    ) -> None:
        self.base = traced
        self.trained = {n for n, tensor in tensors.items() if tensor.requires_grad}
        self.traced = traced = traced.frozen(self.trained)
        state = initial_state(traced.network, seed=0, dtype="float32")
        for name, array in traced.constants.items():
            state[f"weights/{name}"] = array.reshape(state[f"weights/{name}"].shape)
        if "seed" in state:
            state["seed"] = np.asarray(
                torch.initial_seed() % 2**63, state["seed"].dtype
            )
        self.session: CompiledSession = make(  # type: ignore[assignment]
            "compiled", unbiased_variance=True, **options
        ).build(traced.network, state=state, loss=loss, optimizer=optimizer)
        sizes = {name: tensor.numel() for name, tensor in tensors.items()}
        self.copies = WeightCopies(self.session, traced.sources, sizes)
        self._seen: dict[tuple[str, str], tuple[Any, int, Any]] = {}
        self._going_back = threading.Lock()
        #: the last of the runner's accesses, after which tensors were compared
        self.compared = -1
        #: whether its predictions were found to be the module's
        self.has_predicted = False
        self._names = [n for n, p in tensors.items() if n in self.copies.tensors]
        self.buffers = [n for n in self._names if n not in traced.parameters]
        self._has_one_value = any(
            isinstance(node.layer, BatchNorm)
            and node.layer.trainable
            and np.prod(traced.network.shapes[node.name][:-1], dtype=int) == 1
            for node in traced.network.nodes
        )

        parameters = [weight.name for weight in traced.network.parameters]
        #: what an update changes, but PyTorch does not
        self._held = {
            traced.sources[name].tensor
            for name in parameters
            if name in traced.sources
            and self.trained.isdisjoint(traced.sources[name].tensors)
        }
        self._held_constants = {
            name: traced.constants[name]
            for name in parameters
            if name in traced.constants
        }

    # tensors and weights
    def take(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Copy tensors to the engine, and let it notice what is other than it was."""
        if self.copies.read(tensors, vector):
            self.session.weights_written()
        self.note(tensors, vector)

    def note(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Take note that tensors are as the engine's weights."""
        for name, tensor in tensors.items():
            # holding the memory, too: no other can lie at its address then
            self._seen[vector, name] = tensor, tensor._version, tensor.detach()

    def _is_new(self, vector: Vector, name: str, tensor: Any) -> bool:
        seen, version, held = self._seen.get((vector, name), (None, 0, None))
        return (
            seen is not tensor
            or version != tensor._version
            or held.data_ptr() != tensor.data_ptr()
        )

    def has_changed(self, tensors: Mapping[str, Any]) -> bool:
        """Whether a tensor was changed since it was last copied."""
        return any(
            self._is_new("weights", name, tensor) for name, tensor in tensors.items()
        )

    def give(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Copy the engine's weights to tensors, in place."""
        with torch.no_grad():
            self.copies.write(tensors, vector)
        self.note(tensors, vector)

    def hold(self, tensors: Mapping[str, Any]) -> None:
        """Undo what an update has changed of what does not train in PyTorch."""
        if not self._held and not self._held_constants:
            return
        self.copies.read({name: tensors[name] for name in self._held})
        self.session.write("weights", self._held_constants)
        self.session.weights_written()

    # passes
    def predict(self, inputs: Inputs) -> list[Any]:
        """Return the outputs in evaluation."""
        return self._out(self.session.predict(self.images(inputs)))

    def forward(self, inputs: Inputs, *, input_gradient: bool) -> tuple[list[Any], Any]:
        """Return the outputs in training, and what `backward` needs."""
        self.check_batch(inputs)
        output, saved = self.session.forward(
            self.images(inputs), True, input_gradient=input_gradient
        )
        return self._out(output), saved

    def check_batch(self, inputs: Inputs) -> None:
        """Refuse what batch norm cannot take the variance of, as PyTorch does."""
        x = inputs[0]
        if len(x) == 1 and self._has_one_value:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{list(x.shape)}"
            )

    def backward(
        self,
        saved: Any,
        grad_outputs: Sequence[Any],
        parameters: Sequence[Any],
        needed: Sequence[bool],
    ) -> list[Any]:
        """Return the gradients with respect to the inputs and the parameters."""
        entries = self.traced.entries
        given = self.grads(grad_outputs)
        with self._going_back:  # another thread's gradients would come in between
            found = self.session.backward_in_place(saved, given)
            gradients = self._gradients(parameters, needed)
        grads: list[Any] = [None] * len(entries)
        if found is not None:
            arrays = split("gradients", self.traced.network.inputs, found)
            pairs = zip(entries, arrays, strict=True)
            grads = [_tensor(entry.to_foreign(grad)) for entry, grad in pairs]
        return [*grads, *gradients]

    def pull_back(
        self,
        inputs: Inputs,
        grad_outputs: Sequence[Any],
        parameters: Sequence[Any],
        needed: Sequence[bool],
    ) -> list[Any]:
        """Return gradients in evaluation; the forward pass is run for them."""
        _, saved = self.session.forward(self.images(inputs), False)
        return self.backward(saved, grad_outputs, parameters, needed)

    def _gradients(
        self, parameters: Sequence[Any], needed: Sequence[bool]
    ) -> list[Any]:
        wanted = (
            (name, parameter if is_needed else None)
            for name, parameter, is_needed in zip(
                self.parameter_names, parameters, needed, strict=True
            )
        )
        return self.copies.gradients(wanted)

    @property
    def parameter_names(self) -> list[str]:
        """The parameters that the network has weights of, in the module's order."""
        buffers = set(self.buffers)
        return [name for name in self._names if name not in buffers]

    # layouts
    def images(self, inputs: Inputs) -> Any:
        """Return a batch in the network's layout; a tuple of several inputs."""
        return join(_from_foreign(self.traced.entries, inputs))

    def grads(self, grad_outputs: Sequence[Any]) -> Any:
        """Return gradients by the outputs in the network's layout."""
        return join(_from_foreign(self.traced.outputs, grad_outputs))

    def targets(self, y: Any, count: int, loss: Any) -> Any:
        """Return targets of PyTorch's losses in the network's layout.

        Of several outputs a tuple; y and the losses come as the module returns its
        outputs.

        Raises
        ------
        ExchangeError
            As `_target`, or if there are not as many.
        """
        outputs, structure = self.traced.outputs, self.traced.structure
        if len(outputs) == 1:
            return self._target(outputs[0], y, count, loss)
        targets = flatten("targets", y, structure)
        losses = flatten("losses", loss, structure)
        rows = zip(outputs, targets, losses, strict=True)
        return tuple(
            None if one is None else self._target(output, target, count, one)
            for output, target, one in rows
        )

    def _target(self, output: Tensor, y: Any, count: int, loss: Any) -> Array:
        """Return one output's targets.

        Raises
        ------
        ExchangeError
            If they are of another type or shape, or classes are out of range.
        """
        if not isinstance(y, torch.Tensor) or y.device.type != "cpu":
            raise ExchangeError(
                "compile: targets must be a tensor on the CPU; got "
                f"{y.device if isinstance(y, torch.Tensor) else type(y).__name__}."
            )
        _check_type(y, loss)
        shape = (count, *output.foreign_shape[1:])
        if y.is_floating_point() or is_loss(loss, nn.MSELoss):
            _check_shape(y, shape)
            return output.from_foreign(y.detach().to(torch.float32).numpy())
        classes = self.traced.network.shapes[output.node][-1]
        axis = output.axes.index(len(output.shape))
        _check_shape(y, tuple(n for i, n in enumerate(shape) if i != axis))
        found: Array = y.detach().to(torch.int64).numpy()
        if found.size and not 0 <= found.min() <= found.max() < classes:
            raise ExchangeError(
                f"compile: classes must lie in 0 … {classes - 1}; got "
                f"{int(found.min())} to {int(found.max())}."
            )
        return found

    def _out(self, found: Any) -> list[Any]:
        traced = self.traced
        arrays = split("outputs", traced.network.outputs, found)
        pairs = zip(traced.outputs, arrays, strict=True)
        return [_tensor(output.to_foreign(array)) for output, array in pairs]

    def out(self, found: Any) -> Any:
        """Return the network's outputs as the module's, log-softmax included."""
        return self.finish(self._out(found))

    def finish(self, outputs: Sequence[Any]) -> Any:
        """Return the module's outputs, with the log-softmax where one ends in it."""
        done = [
            output if axis is None else torch.log_softmax(output, axis)
            for output, axis in zip(outputs, self.traced.log_axes, strict=True)
        ]
        return pytree.tree_unflatten(done, self.traced.structure)


def _from_foreign(tensors: Sequence[Tensor], given: Sequence[Any]) -> list[Array]:
    pairs = zip(tensors, given, strict=True)
    return [tensor.from_foreign(x.detach().numpy()) for tensor, x in pairs]


def flatten(what: str, given: Any, structure: Any) -> list[Any]:
    """Return what was given for the outputs, as the module returns them, as a list.

    Of a dict, a name may be left out; None stands for it.

    Raises
    ------
    ExchangeError
        If it has another structure.
    """
    names = structure.context if structure.type is dict else None
    count = structure.num_leaves
    if names is not None and isinstance(given, dict) and set(given) <= set(names):
        return [given.get(name) for name in names]
    if names is None and isinstance(given, tuple | list) and len(given) == count:
        return list(given)
    wanted = f"a dict of {', '.join(names)}" if names is not None else f"{count}"
    got = len(given) if isinstance(given, tuple | list) else type(given).__name__
    raise ExchangeError(
        f"compile: {what} must be {wanted}, one for each output of the module; got "
        f"{got}."
    )


def _check_type(y: Any, loss: Any) -> None:
    """Refuse targets of types that PyTorch's loss does not take."""
    takes_classes = is_loss(loss, nn.CrossEntropyLoss) or is_loss(loss, nn.NLLLoss)
    is_fit = y.is_floating_point() and not is_loss(loss, nn.NLLLoss)
    if takes_classes and not is_fit and y.dtype is not torch.int64:
        raise ExchangeError(
            f"compile: classes must be torch.int64; got {y.dtype}. Convert them by "
            "long()."
        )
    if not takes_classes and not is_fit and not is_loss(loss, nn.MSELoss):
        raise ExchangeError(
            f"compile: targets must be of floating point for this loss; got {y.dtype}."
        )


def _check_shape(y: Any, wanted: tuple[int, ...]) -> None:
    if tuple(y.shape) != wanted:
        raise ExchangeError(
            f"compile: targets must be of shape {wanted}; got {tuple(y.shape)}."
        )


def _tensor(array: Array) -> Any:
    return torch.from_numpy(np.ascontiguousarray(array))
