"""A network as a stand-alone NumPy script."""

from pellucid.code.numpy.script import script
from pellucid.code.numpy.weights import weights

__all__ = ["script", "weights"]
