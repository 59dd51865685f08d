"""Memories of forward passes: kept until their backward pass, then used again."""

from __future__ import annotations

import weakref
from typing import Any

from pellucid.engines.compiled.program.program import Memory, Program

#: memories that wait for the next forward pass; the others are freed
MOST_SPARE = 2


class HeldMemory:
    """What stands in a memory between the two halves of a run."""

    __slots__ = ("__weakref__", "memory")

    def __init__(self, memory: Memory) -> None:
        self.memory = memory


class SpareMemories:
    """The memories of one program that no backward pass waits for."""

    def __init__(self) -> None:
        self._spare: list[tuple[Memory, int]] = []

    def attach(self, program: Program, version: int) -> None:
        """Let a program work in the memory used last, if one is there."""
        if self._spare:
            memory, made_with = self._spare.pop()
            program.attach_memory(memory, is_fresh=made_with == version)

    def detach(self, program: Program, version: int) -> HeldMemory:
        """Take a program's memory away until nothing refers to what is returned."""
        memory = program.detach_memory()
        held = HeldMemory(memory)
        weakref.finalize(held, self._give_back, memory, version).atexit = False
        return held

    def _give_back(self, memory: Any, version: int) -> None:
        if len(self._spare) < MOST_SPARE:
            self._spare.append((memory, version))
