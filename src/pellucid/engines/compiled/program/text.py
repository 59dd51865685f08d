"""Text of a program: kernel calls, memory and arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.engines.compiled.program.program_ir import (
    BYTES,
    KernelCall,
    ParallelRegion,
)

if TYPE_CHECKING:
    from pellucid.engines.compiled.program.program import Program


def text(program: Program) -> str:
    """Return a program as a table of steps."""
    low = program.low
    head = (
        f"{low.purpose.kind}: network '{low.network.name}', "
        f"{low.target.lanes} lanes, {program.threads} worker(s)"
    )
    lines = [head, ""]
    for number, phase in enumerate(low.phases):
        lines.append(f"phase {number}: {_title(phase)}")
        lines += [_line(program, step) for step in phase.prologue]
        lines += [_line(program, step) for step in phase.body]
        for task in phase.tasks:
            lines += [_line(program, step, task.blocks) for step in task.steps]
    work = sum(step.multiply_adds for phase in low.phases for step in phase.body)
    lines += ["", f"multiply-adds per image in phases of images: {work:,}"]
    for scope in ("image", "worker", "chunk", "shared"):
        size = sum(
            b.stride * BYTES[b.element]
            for b in low.buffers
            if b.scope == scope
            and b not in program.hosts
            and b not in program.late_places
        )
        size += program.late_bytes if scope == "shared" else 0
        lines.append(
            f"bytes per {scope}: {size:,}"
            if scope != "shared"
            else f"bytes shared: {size:,}"
        )
    if program.bytes:
        images, chunks = program.capacity
        many = f"{images} image(s), {chunks} chunk(s)"
        lines.append(f"peak bytes, {many}: {program.bytes:,}")
    return "\n".join(lines)


def _title(phase: ParallelRegion) -> str:
    if phase.grain == "tasks":
        return f"{phase.title}, {phase.task_count} task(s)"
    half = ", backward" if phase.is_backward else ""
    return f"images, {phase.grain} chunks{half}"


def _line(program: Program, step: KernelCall, blocks: int = 1) -> str:
    many = f" × {blocks}" if blocks > 1 else ""
    work = f"{step.multiply_adds:>12,}" if step.multiply_adds else " " * 12
    why = f"  ({step.why})" if step.why else ""
    cost = f" {program.cycles(step):>16,}" if program.low.options.profile else ""
    return f"  {step.node:<22} {step.kernel.name + many:<28}{work}{cost}{why}"
