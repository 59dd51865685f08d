"""int8 post-training quantization: once, for every format that has it."""

from pellucid.exchange.int8.quantize import quantized
from pellucid.exchange.int8.ranges import ranges

__all__ = ["quantized", "ranges"]
