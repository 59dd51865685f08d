"""The engine on PyTorch: a real nn.Module, autograd and torch.optim."""

from pellucid.engines.torch.engine import TorchEngine, make

__all__ = ["TorchEngine", "make"]
