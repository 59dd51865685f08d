"""A network as a stand-alone PyTorch script."""

from pellucid.code.torch.script import script
from pellucid.code.torch.weights import weights

__all__ = ["script", "weights"]
