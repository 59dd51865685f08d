"""A network as a stand-alone Keras script."""

from pellucid.code.keras.script import script
from pellucid.code.keras.weights import weights

__all__ = ["script", "weights"]
