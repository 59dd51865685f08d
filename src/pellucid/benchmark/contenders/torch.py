"""PyTorch, idiomatic: nn modules, autograd, torch.optim."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pellucid import engines
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import (
    LEARNING_RATE,
    build_model,
    strip_softmax,
)
from pellucid.benchmark.inputs import Array, choose_losses, load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays
from pellucid.engines.torch import modules
from pellucid.network.ports import has_several

_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": nn.functional.cross_entropy,
    "mse": nn.functional.mse_loss,
}


def trainer(
    case: Case,
    *,
    channels_last: bool = False,
    fused: bool = False,
    compile: bool = False,
    autocast: bool = False,
    threads: int | None = None,
) -> Callable[[int], float]:
    """Return a training step: forward, backward, Adam; autocast is to bfloat16."""
    layout = _set_up(channels_last, threads)
    net = build_module(case, layout).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=fused)
    run = torch.compile(net) if compile else net
    losses = [_LOSSES[kind] for kind in choose_losses(case.network).values()]
    data = [
        (
            [_to_layout(_to_tensor(x), layout) for x in images],
            [_to_tensor(y) for y in labels],
        )
        for images, labels in load_batches(case)
    ]

    def step(i: int) -> float:
        images, labels = data[i % len(data)]
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            ends = zip(losses, _outputs(run(*images)), labels, strict=True)
            terms = [of(y, target) for of, y, target in ends]
            loss = terms[0] if len(terms) == 1 else torch.stack(terms).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def predictor(
    case: Case, *, compile: bool = False, threads: int | None = None
) -> Callable[[int], Arrays]:
    """Return the module's outputs for arrays, as arrays."""
    layout = _set_up(False, threads)
    module = build_module(case, layout).eval()
    net = torch.compile(module) if compile else module
    data = [[_to_tensor(x) for x in images] for images, _ in load_batches(case)]

    @torch.inference_mode()
    def predict(i: int) -> Arrays:
        found = [value.numpy() for value in _outputs(net(*data[i % len(data)]))]
        return join(found)

    return predict


def _set_up(channels_last: bool, threads: int | None) -> torch.memory_format:
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.channels_last if channels_last else torch.contiguous_format


def _to_tensor(array: Array) -> Tensor:
    """Return an array as the module takes it: maps with their channels first."""
    return torch.from_numpy(
        array.transpose(0, 3, 1, 2).copy() if array.ndim == 4 else array
    )


def _to_layout(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    return tensor.to(memory_format=layout) if tensor.ndim == 4 else tensor


def _outputs(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


def build_module(case: Case, layout: torch.memory_format) -> nn.Module:
    """Return the network as a module: nn.Sequential where it is a chain."""
    network = strip_softmax(case.network)
    native = build_model(case, engines.make("torch"), network).native
    for name, module in list(native.named_children()):
        if isinstance(module, modules.BatchNorm):
            native._modules[name] = _native_batch_norm(module)
    is_chain = not has_several(network) and all(
        inputs == (before,)
        for (before, *_), (_, _, inputs) in zip(
            [native.entries, *native.graph], native.graph, strict=False
        )
    )
    net: nn.Module = native
    if is_chain:
        net = nn.Sequential(*(native._modules[name] for _, name, _ in native.graph))
    return net.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _native_batch_norm(module: nn.Module) -> nn.BatchNorm2d:
    """Return PyTorch's own batch norm, whose kernel is one; ours is exact."""
    state = module.state_dict()
    plain = nn.BatchNorm2d(len(state["weight"]), eps=module.eps)  # type: ignore[arg-type]
    plain.load_state_dict(state, strict=False)
    return plain
