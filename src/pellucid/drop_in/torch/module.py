"""Drop-in module: somebody's own nn.Module, its passes run by the compiled engine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from pellucid.drop_in.torch.checks import as_inputs
from pellucid.drop_in.torch.runner import Request, Runner
from pellucid.drop_in.torch.shells import make_shell, make_source
from pellucid.errors import ExchangeError

#: methods of containers that give parts without asking for an attribute
_GIVING = "__getitem__", "__iter__", "items", "values"


class TrainStep(NamedTuple):
    """What a training step returns.

    loss : Tensor
        Scalar, before the update.
    output : Tensor
        The module's output in training mode, before the update; several as it
        returns them.
    """

    loss: Any
    output: Any


class DropIn(nn.Module):
    """What a drop-in has beside what its module's class has."""

    _pellucid: Runner

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the module's output, from the compiled engine."""
        if named:
            bound = inspect.signature(self._pellucid.forward).bind(*inputs, **named)
            inputs = tuple(bound.arguments.values())
        if torch._C._functorch.peek_interpreter_stack() is not None:
            raise ExchangeError(
                "compile: a drop-in must be called outside of torch.func's transforms "
                "(grad, vmap, jvp and the like), which differentiate operators of "
                "PyTorch; got a call inside of one. Call the module itself there."
            )
        if not inputs or not all(isinstance(x, torch.Tensor) for x in inputs):
            raise ExchangeError(
                "compile: the module must be called with tensors; got "
                f"{', '.join(type(x).__name__ for x in inputs) or 'nothing'}."
            )
        self.synchronize()
        return self._pellucid.run(self, inputs)

    def train_step(self, x: Any, y: Any) -> TrainStep:
        """Run forward pass, loss, backward pass and update in one go.

        Parameters
        ----------
        x : Tensor, shape (N, …)
            A batch; of several inputs a tuple.
        y : Tensor
            Its targets, as the loss takes them; of several outputs as the module
            returns these, in a tuple or a dict.

        Returns
        -------
        TrainStep
            Loss and output.

        Raises
        ------
        ExchangeError
            If loss or optimizer were not given to `compile`, or one has no exact
            counterpart.
        """
        loss, output = self._pellucid.train_step(self, as_inputs(x), y)
        return TrainStep(loss, output)

    def synchronize(self) -> None:
        """Copy what training steps left in the engine to the module's tensors."""
        self._pellucid.synchronize(self)

    def refresh(self) -> None:
        """Compare all tensors with the engine's before the next call."""
        self._give_access()

    # whoever asks for tensors finds them up to date, and may write to their `data`
    def _give_access(self) -> None:
        if "_pellucid" in self.__dict__:  # not in the middle of a copy
            self._pellucid.note_access(self)

    def __getattr__(self, name: str) -> Any:
        """Return a part, parameter or buffer."""
        self._give_access()
        return super().__getattr__(name)

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Return the parameters by name, as they are now."""
        self._give_access()
        return super().named_parameters(*args, **options)

    def named_buffers(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Return the buffers by name, as they are now."""
        self._give_access()
        return super().named_buffers(*args, **options)

    def named_children(self) -> Iterator[Any]:
        """Return the parts by name."""
        self._give_access()
        return super().named_children()

    def named_modules(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Return the module and its parts, of all depths, by name."""
        self._give_access()
        found: Iterator[Any] = super().named_modules(*args, **options)
        return found

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """Return the state, as it is now."""
        self._give_access()
        return super().state_dict(*args, **options)

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        """Take over a state."""
        self._give_access()
        return super().load_state_dict(*args, **options)

    def train(self, mode: bool = True) -> Any:
        """Set the mode of the drop-in; the module that was given keeps its own."""
        self._give_access()
        return super().train(mode)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy or pickle the module; a copy has an engine of its own."""
        self.synchronize()
        request = self._pellucid.request
        plain = make_shell(self, type(self).__mro__[2])
        plain.__dict__.pop("_pellucid")
        return make_drop_in, (plain,), {"request": request.without_optimizer()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what a copy was made with, or what `nn.Module` keeps."""
        if "request" in state:
            self._pellucid.request = state["request"]
        else:
            super().__setstate__(state)  # type: ignore[no-untyped-call]


def make_drop_in(
    module: Any,
    *,
    example: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    threads: int | None = None,
) -> Any:
    """Return a drop-in for a module, as `pellucid.compile` describes it."""
    if isinstance(module, DropIn):
        raise ExchangeError("compile: model must not be a drop-in already; got one.")
    if isinstance(module, torch.jit.ScriptModule):
        raise ExchangeError(
            "compile: model must be a module of Python; got one of TorchScript. Give "
            "the module that it was made from."
        )
    if "forward" in vars(module):
        raise ExchangeError(
            "compile: model must have its forward in its class; got one set on the "
            "object, as torch.compile does. Give the module that it was made from."
        )
    if isinstance(module, nn.DataParallel):
        raise ExchangeError(
            "compile: model must not be in nn.DataParallel; got one. Give its .module."
        )
    if any(map(nn.parameter.is_lazy, module.parameters())):
        raise ExchangeError(
            "compile: model must have all its parameters; got lazy ones. Call it once."
        )
    base = type(module)
    methods = {
        name: _noticing(getattr(base, name), base)
        for name in _GIVING
        if hasattr(base, name)
    }
    drop_in = make_shell(module, type(base.__name__, (DropIn, base), methods))
    request = Request(loss=loss, optimizer=optimizer, threads=threads)
    drop_in.__dict__["_pellucid"] = Runner(make_source(module, base), request)
    if optimizer is not None:
        _keep_state_true(drop_in, optimizer)
    if example is not None:
        drop_in._pellucid.shape_of(drop_in, as_inputs(example))
    return drop_in


def _noticing(method: Callable[..., Any], base: type) -> Callable[..., Any]:
    """Return a container's method for its drop-in, whose slices are plain modules."""

    @functools.wraps(method)
    def notice(drop_in: Any, *args: Any, **options: Any) -> Any:
        drop_in._give_access()
        found = method(drop_in, *args, **options)
        if isinstance(found, DropIn) and "_pellucid" not in vars(found):
            plain: Any = object.__new__(base)
            plain.__dict__ = found.__dict__
            return plain
        return found

    return notice


def _keep_state_true(drop_in: Any, optimizer: Any) -> None:
    """Let an optimizer's state be asked for, loaded and used as if it had stepped."""

    def synchronize(*_: Any) -> None:
        drop_in.synchronize()

    optimizer.register_state_dict_pre_hook(synchronize)
    optimizer.register_load_state_dict_pre_hook(synchronize)
    optimizer.register_step_pre_hook(synchronize)
