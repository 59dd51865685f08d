"""The engine on JAX: pure functions and optax under jax.jit."""

from pellucid.engines.jax.engine import JaxEngine, make

__all__ = ["JaxEngine", "make"]
