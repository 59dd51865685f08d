"""A module of which parts run on the compiled engine, and the rest on PyTorch."""

from __future__ import annotations

import sys
from typing import Any

import torch

from pellucid.drop_in.torch.modes import Modes
from pellucid.drop_in.torch.module import make_drop_in
from pellucid.drop_in.torch.shells import make_shell
from pellucid.drop_in.torch.trace import in_mode
from pellucid.errors import ExchangeError


def make_partial(module: Any, *, example: Any, threads: int | None) -> Any:
    """Return a drop-in, or a module in which the largest parts that can be are ones.

    Raises
    ------
    ExchangeError
        If no part with parameters can run.
    """
    if not isinstance(example, torch.Tensor):
        raise ExchangeError(
            "compile: partial=True must come with example, an input tensor; got "
            f"{type(example).__name__}."
        )
    try:
        whole = make_drop_in(module, example=example, threads=threads)
    except ExchangeError as error:
        refused = error
    else:
        _say("the whole module runs on the compiled engine")
        return whole
    shell = make_shell(module, type(module))
    inputs = _record_inputs(shell, example)
    done: list[str] = []

    def replace(part: Any, prefix: str) -> None:
        for name, child in part._modules.items():
            path = f"{prefix}{name}"
            if child is None or not any(True for _ in child.parameters()):
                continue
            if path in inputs:
                try:
                    part._modules[name] = make_drop_in(
                        child, example=inputs[path], threads=threads
                    )
                except ExchangeError:
                    pass
                else:
                    done.append(path)
                    continue
            replace(child, f"{path}.")

    replace(shell, "")
    if not done:
        raise refused
    _say(
        f"{', '.join(done)} run on the compiled engine, the rest on PyTorch: {refused}"
    )
    return shell


def _say(text: str) -> None:
    sys.stderr.write(f"compile: {text}\n")


def _record_inputs(shell: Any, example: Any) -> dict[str, Any]:
    """Return the inputs of the parts that are called once, with one tensor."""
    calls: dict[str, list[Any]] = {}
    handles = []
    for path, part in shell.named_modules():

        def record(
            _: Any, given: tuple[Any, ...], output: Any, path: str = path
        ) -> None:
            is_plain = len(given) == 1 and isinstance(output, torch.Tensor)
            calls.setdefault(path, []).append(given[0] if is_plain else None)

        if path:
            handles.append(part.register_forward_hook(record))
    try:
        with torch.no_grad(), in_mode(shell, Modes(False)):
            shell(example)
    finally:
        for handle in handles:
            handle.remove()
    return {
        path: given[0]
        for path, given in calls.items()
        if len(given) == 1 and isinstance(given[0], torch.Tensor)
    }
