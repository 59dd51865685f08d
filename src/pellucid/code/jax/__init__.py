"""A network as a stand-alone JAX script."""

from pellucid.code.jax.script import script
from pellucid.code.jax.weights import weights

__all__ = ["script", "weights"]
