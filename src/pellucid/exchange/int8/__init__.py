"""int8 post-training quantization: once, for every format that has it."""

from pellucid.exchange.int8.calibration import calibrate
from pellucid.exchange.int8.quantization import quantize

__all__ = ["calibrate", "quantize"]
