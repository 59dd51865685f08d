"""TensorFlow's SavedModel, in and out, where TensorFlow is there."""

from pellucid.exchange.savedmodel.read import read
from pellucid.exchange.savedmodel.write import contents

__all__ = ["contents", "read"]
