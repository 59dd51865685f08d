"""A small language for writing kernels: values, pointers, loops.

It wraps llvmlite's IR builder so that a kernel reads like the loop nest it is. Python
loops unroll; ``b.loop`` makes a loop of the machine. Everything is float32 unless it
says otherwise; a vector holds ``lanes`` numbers side by side.
"""

from pellucid.engines.compiled.codegen.builder import Builder as Builder
from pellucid.engines.compiled.codegen.module import Kernel as Kernel
from pellucid.engines.compiled.codegen.module import KernelModule as KernelModule
from pellucid.engines.compiled.codegen.module import in_parts as in_parts
from pellucid.engines.compiled.codegen.module import kernel as kernel
from pellucid.engines.compiled.codegen.module import sized as sized
from pellucid.engines.compiled.codegen.module import written_out as written_out
from pellucid.engines.compiled.codegen.types import ELEMENTS as ELEMENTS
from pellucid.engines.compiled.codegen.types import F32 as F32
from pellucid.engines.compiled.codegen.types import I1 as I1
from pellucid.engines.compiled.codegen.types import I8 as I8
from pellucid.engines.compiled.codegen.types import I16 as I16
from pellucid.engines.compiled.codegen.types import I32 as I32
from pellucid.engines.compiled.codegen.types import I64 as I64
from pellucid.engines.compiled.codegen.types import PTR as PTR
from pellucid.engines.compiled.codegen.types import SIZES as SIZES
from pellucid.engines.compiled.codegen.types import VOID as VOID
from pellucid.engines.compiled.codegen.types import vector_of as vector_of
from pellucid.engines.compiled.codegen.values import Number as Number
from pellucid.engines.compiled.codegen.values import Pointer as Pointer
from pellucid.engines.compiled.codegen.values import Value as Value
from pellucid.engines.compiled.codegen.values import Var as Var
