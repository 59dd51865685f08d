"""A module compiled for one shape of input: session, tensors, layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pellucid.drop_in.torch.objectives import is_loss
from pellucid.drop_in.torch.trace import Trace
from pellucid.drop_in.torch.weight_copies import WeightCopies
from pellucid.engines import make
from pellucid.engines.compiled.session import CompiledSession, Vector
from pellucid.engines.state import initial_state
from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Array
from pellucid.network.layers import BatchNorm
from pellucid.objectives import Loss, Optimizer


class CompiledShape:
    """The passes of a traced module, tensors in and out.

    Parameters
    ----------
    traced : Trace
        The module.
    tensors : mapping of str to Tensor
        Its parameters and buffers, as `named_parameters` calls them.
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
        self.traced = traced
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
        self._seen: dict[tuple[str, str], tuple[Any, int, int]] = {}
        self._names = [n for n, p in tensors.items() if n in self.copies.tensors]
        self.buffers = [
            n for n in self._names if not isinstance(tensors[n], torch.nn.Parameter)
        ]
        self._has_one_value = any(
            isinstance(node.layer, BatchNorm)
            and np.prod(traced.network.shapes[node.name][:-1], dtype=int) == 1
            for node in traced.network.nodes
        )

    # tensors and weights
    def take(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> bool:
        """Copy the tensors that have changed to the engine; return if any had."""
        changed = {
            name: tensor
            for name, tensor in tensors.items()
            if self._is_new(vector, name, tensor)
        }
        if not changed:
            return False
        self.copies.read(changed, vector)
        self.session.weights_written()
        self.note(changed, vector)
        return True

    def note(self, tensors: Mapping[str, Any], vector: Vector = "weights") -> None:
        """Take note that tensors are as the engine's weights."""
        for name, tensor in tensors.items():
            self._seen[vector, name] = tensor, tensor._version, tensor.data_ptr()

    def _is_new(self, vector: Vector, name: str, tensor: Any) -> bool:
        seen, version, address = self._seen.get((vector, name), (None, 0, 0))
        return (
            seen is not tensor
            or version != tensor._version
            or address != tensor.data_ptr()
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

    # passes
    def predict(self, x: Any) -> Any:
        """Return the output in evaluation."""
        return self._out(self.session.predict(self.images(x)))

    def forward(self, x: Any, *, input_gradient: bool) -> tuple[Any, Any]:
        """Return the output in training, and what `backward` needs."""
        self.check_batch(x)
        output, saved = self.session.forward(
            self.images(x), True, input_gradient=input_gradient
        )
        return self._out(output), saved

    def check_batch(self, x: Any) -> None:
        """Refuse what batch norm cannot take the variance of, as PyTorch does."""
        if len(x) == 1 and self._has_one_value:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{list(x.shape)}"
            )

    def backward(
        self,
        saved: Any,
        grad_output: Any,
        parameters: Sequence[Any],
        needed: Sequence[bool],
    ) -> list[Any]:
        """Return the gradients with respect to the input and the parameters."""
        grad_x = self.session.backward_in_place(saved, self.grads(grad_output))
        found = (
            None if grad_x is None else _tensor(self.traced.entry.to_foreign(grad_x))
        )
        return [found, *self._gradients(parameters, needed)]

    def pull_back(
        self,
        x: Any,
        grad_output: Any,
        parameters: Sequence[Any],
        needed: Sequence[bool],
    ) -> list[Any]:
        """Return gradients in evaluation; the forward pass is run for them."""
        _, saved = self.session.forward(self.images(x), False)
        return self.backward(saved, grad_output, parameters, needed)

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
    def images(self, x: Any) -> Array:
        """Return a batch in the network's layout."""
        return self.traced.entry.from_foreign(x.detach().numpy())

    def grads(self, grad_output: Any) -> Array:
        """Return gradients by the output in the network's layout."""
        return self.traced.output.from_foreign(grad_output.detach().numpy())

    def targets(self, y: Any, count: int, loss: Any) -> Array:
        """Return targets of a loss of PyTorch in the network's layout.

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
        output = self.traced.output
        shape = (count, *output.foreign_shape[1:])
        if y.is_floating_point() or is_loss(loss, nn.MSELoss):
            _check_shape(y, shape)
            return output.from_foreign(y.detach().to(torch.float32).numpy())
        classes = self.traced.network.output_shape[-1]
        axis = output.axes.index(len(output.shape))
        _check_shape(y, tuple(n for i, n in enumerate(shape) if i != axis))
        found: Array = y.detach().to(torch.int64).numpy()
        if found.size and not 0 <= found.min() <= found.max() < classes:
            raise ExchangeError(
                f"compile: classes must lie in 0 … {classes - 1}; got "
                f"{int(found.min())} to {int(found.max())}."
            )
        return found

    def _out(self, output: Array) -> Any:
        return _tensor(self.traced.output.to_foreign(output))

    def out(self, output: Array) -> Any:
        """Return an output of the network as the module's, its log-softmax included."""
        return self.finish(self._out(output))

    def finish(self, output: Any) -> Any:
        """Return the log-softmax of logits where the module ends in one."""
        axis = self.traced.log_axis
        return output if axis is None else torch.log_softmax(output, axis)


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
