"""Keras, in and out, by its zip, HDF5 and JSON: without Keras or TensorFlow."""

from pellucid.exchange.keras.read import read
from pellucid.exchange.keras.weights import match
from pellucid.exchange.keras.write import contents

__all__ = ["contents", "match", "read"]
