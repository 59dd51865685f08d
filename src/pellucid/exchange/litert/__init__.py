"""LiteRT's .tflite, without TensorFlow."""

from pellucid.exchange.litert.read import read
from pellucid.exchange.litert.write import contents

__all__ = ["contents", "read"]
