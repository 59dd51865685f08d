"""Which parts of a module train."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from pellucid.errors import ExchangeError


class Modes(NamedTuple):
    """Whether a module trains, and the names of its parts in the other mode."""

    whole: bool
    others: frozenset[str] = frozenset()

    @property
    def is_training(self) -> bool:
        """Whether anything of the module trains."""
        return self.whole or bool(self.others)


def modes_of(drop_in: Any) -> Modes:
    """Return which parts of the module train; they must have no hooks."""
    others = []
    for name, part in nn.Module.named_modules(drop_in):
        if part.training is not drop_in.training:
            others.append(name)
        if name and has_hooks(part):
            raise ExchangeError(
                "compile: parts of the module must have no hooks; got some on "
                f"'{name}'."
            )
    return Modes(bool(drop_in.training), frozenset(others))


def has_hooks(part: Any) -> bool:
    """Whether a part has hooks on its passes."""
    return bool(
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
    )
