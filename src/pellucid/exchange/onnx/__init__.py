"""ONNX, in and out."""

from pellucid.exchange.onnx.read import read
from pellucid.exchange.onnx.write import contents

__all__ = ["contents", "read"]
