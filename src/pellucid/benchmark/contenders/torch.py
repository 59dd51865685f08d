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
from pellucid.benchmark.inputs import Array, load_batches
from pellucid.engines.torch import modules


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
    data = [
        (_to_tensor(x).to(memory_format=layout), torch.from_numpy(y))
        for x, y in load_batches(case)
    ]

    def step(i: int) -> float:
        images, labels = data[i % len(data)]
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = nn.functional.cross_entropy(run(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def predictor(
    case: Case, *, compile: bool = False, threads: int | None = None
) -> Callable[[int], Array]:
    """Return the module's output for an array, as an array."""
    layout = _set_up(False, threads)
    module = build_module(case, layout).eval()
    net = torch.compile(module) if compile else module
    data = [x.transpose(0, 3, 1, 2).copy() for x, _ in load_batches(case)]

    @torch.inference_mode()
    def predict(i: int) -> Array:
        array: Array = net(torch.from_numpy(data[i % len(data)])).numpy()
        return array

    return predict


def _set_up(channels_last: bool, threads: int | None) -> torch.memory_format:
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.channels_last if channels_last else torch.contiguous_format


def _to_tensor(array: Array) -> Tensor:
    return torch.from_numpy(array.transpose(0, 3, 1, 2).copy())


def build_module(case: Case, layout: torch.memory_format) -> nn.Module:
    """Return the network as a module: nn.Sequential where it is a chain."""
    network = strip_softmax(case.network)
    native = build_model(case, engines.make("torch"), network).native
    for name, module in list(native.named_children()):
        if isinstance(module, modules.BatchNorm):
            native._modules[name] = _native_batch_norm(module)
    is_chain = all(
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
