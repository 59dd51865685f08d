"""C99 in int8: one .c and one .h, calibrated on images."""

from pellucid.exchange.codegen.c_int8.write import contents

__all__ = ["contents"]
