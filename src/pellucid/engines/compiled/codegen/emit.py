"""Text of a module to object code, in this process or in one that does nothing else.

As a program (`emit.py FOLDER CPU FEATURES`, with the folder of llvmlite) it compiles
what it reads until its input ends: efforts, lengths and texts in, lengths and object
files out. It imports neither this package nor NumPy, so it starts in 50 ms.
"""

from __future__ import annotations

import sys
from typing import BinaryIO, Literal

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

import llvmlite.binding as llvm

#: how much LLVM does for a module: its second level of passes; the few that kernels
#: need which are written out; none, and the quickest way to machine code
Effort = Literal["all", "few", "none"]
EFFORTS: tuple[Effort, ...] = ("all", "few", "none")
#: in their order; what comes of a tile is the same code
FEW = (
    "sroa",
    "simplify_cfg",
    "instruction_combine",
    "loop_rotate",
    "new_gvn",
    "instruction_combine",
    "simplify_cfg",
)
#: before a length: where compiling failed, the text that follows says why
FAILED, MADE = b"!", b"."
_LENGTH = 8


def run_all(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Run LLVM's second level of passes over a module."""
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def run_few(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Run the passes that written out kernels need."""
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    for name in FEW:
        getattr(passes, f"add_{name}_pass")()
    passes.run(module, builder)


class Emitter:
    """Makes object code for one processor, in the process where it is.

    Parameters
    ----------
    cpu, features : str
        As LLVM names them.
    """

    def __init__(self, cpu: str, features: str) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._cpu, self._features = cpu, features
        self._machines: dict[int, llvm.TargetMachine] = {}

    def machine(self, level: int = 3) -> llvm.TargetMachine:
        """Return LLVM's own object, of one level of optimization."""
        if level not in self._machines:
            triple = llvm.Target.from_triple(llvm.get_process_triple())
            self._machines[level] = triple.create_target_machine(
                cpu=self._cpu, features=self._features, opt=level, jit=True
            )
        return self._machines[level]

    def emit(self, text: str, effort: Effort) -> bytes:
        """Return the object file of a module.

        Raises
        ------
        RuntimeError
            If it is no module.
        """
        machine = self.machine(0 if effort == "none" else 3)
        module = llvm.parse_assembly(text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        if effort != "none":
            (run_all if effort == "all" else run_few)(module, machine)
        return bytes(machine.emit_object(module))


def write_task(to: BinaryIO, text: str, effort: Effort) -> None:
    """Ask a process for the object file of a module."""
    content = text.encode()
    head = bytes([EFFORTS.index(effort)]) + len(content).to_bytes(_LENGTH, "little")
    to.write(head + content)
    to.flush()


def read_object(source: BinaryIO) -> bytes:
    """Return what a process has made.

    Raises
    ------
    EOFError
        If it has ended.
    RuntimeError
        If it was given no module.
    """
    how = _whole(source, 1)
    content = _whole(source, int.from_bytes(_whole(source, _LENGTH), "little"))
    if how == FAILED:
        raise RuntimeError(content.decode())
    return content


def _whole(source: BinaryIO, length: int) -> bytes:
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return content


def main(source: BinaryIO, to: BinaryIO, emitter: Emitter) -> None:
    """Compile what is read until there is no more."""
    while head := source.read(1 + _LENGTH):
        text = _whole(source, int.from_bytes(head[1:], "little")).decode()
        try:
            made, how = emitter.emit(text, EFFORTS[head[0]]), MADE
        except RuntimeError as error:
            made, how = str(error).encode(), FAILED
        to.write(how + len(made).to_bytes(_LENGTH, "little") + made)
        to.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer, Emitter(*sys.argv[2:]))
