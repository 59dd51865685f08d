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


def build_example(network: Network, *, batch: int) -> Any:
    """Return a batch of zeros as the module takes it, images channels first."""
    import torch

    shape = network.input_shape
    first = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    return torch.zeros(batch, *first)
