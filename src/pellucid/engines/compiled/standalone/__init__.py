"""Stand-alone code: the engine's kernels for a processor that is not this one.

A program of the engine reads where its buffers lie from a context; stand-alone code
has one memory, given by the caller, and every place in it is a constant. It allocates
nothing, starts no threads and calls nothing but what any toolchain's C library has.
"""

from pellucid.engines.compiled.standalone.build import Build, build
from pellucid.engines.compiled.standalone.machine import Machine

__all__ = ["Build", "Machine", "build"]
