"""TensorFlow.js's layers-model, in and out, without TensorFlow.js."""

from pellucid.exchange.tfjs.read import read
from pellucid.exchange.tfjs.write import contents

__all__ = ["contents", "read"]
