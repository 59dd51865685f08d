"""Build the nn.Module of a model."""

from __future__ import annotations

from typing import Any

from pellucid.engines.registry import make
from pellucid.network import Network
from pellucid.runs import ModelFile


def build_module(file: ModelFile) -> Any:
    """Return the PyTorch engine's module with the model's weights, in eval mode."""
    state = {f"weights/{name}": array for name, array in file.weights.items()}
    session = make("torch").build(file.network, state=state, dtype=file.dtype)
    module: Any = session.native  # type: ignore[attr-defined]
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone(memory_format=contiguous())  # not views
    return module.eval()


def contiguous() -> Any:
    """Return PyTorch's word for rows behind each other."""
    import torch

    return torch.contiguous_format


def build_examples(network: Network, *, batch: int) -> tuple[Any, ...]:
    """Return a batch of zeros for each input, images channels first."""
    import torch

    shapes = [network.shapes[name] for name in network.inputs]
    first = [(s[2], *s[:2]) if len(s) == 3 else s for s in shapes]
    return tuple(torch.zeros(batch, *shape) for shape in first)
