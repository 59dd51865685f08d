"""Program IR: buffers, kernel calls and parallel regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid.engines.compiled.codegen import SIZES, Kernel
from pellucid.engines.compiled.kernels.layout import ImageLayout, padded

#: how many of a buffer there are: one per image of the batch, per worker, per chunk of
#: images, one for the plan, one for the session, or the caller's own array
Scope = Literal["image", "worker", "chunk", "shared", "session", "user"]
Grain = Literal["fine", "coarse", "tasks"]

#: titles of the phases that prepare weights, in their order
PREPARING = ("fold", "prepare")

BYTES = SIZES


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory of a plan.

    ``size`` counts elements of one item, ``stride`` from item to item. There are whole
    ``groups`` of items, so that a kernel may write a group's last ones where a batch
    ends within it. ``slot`` is where the context keeps its address.
    """

    name: str
    size: int
    scope: Scope
    element: str = "f32"
    is_pinned: bool = False
    slot: int = -1
    groups: int = 1
    is_local: bool = False  # an image's, which lies once per worker

    @property
    def stride(self) -> int:
        """Elements from one item to the next: whole cache lines, one to spare."""
        if self.scope == "user":
            return self.size
        line = 64 // BYTES[self.element]
        length = padded(self.size + line, line)
        # lengths that are multiples of 4 KiB would put all items in the same sets
        return length + line if length * BYTES[self.element] % 1024 == 0 else length


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A node's output, or a derivative by it: a buffer and how it lies there."""

    buffer: Buffer
    map: ImageLayout


@dataclass(frozen=True, eq=False, slots=True)
class CodedValue:
    """An output as codes, bytes; ``zero`` is the code of 0."""

    buffer: Buffer
    map: ImageLayout
    zero: int


@dataclass(frozen=True, slots=True)
class BufferRef:
    """The address of a buffer's item, ``offset`` elements on.

    ``per_block`` elements further for each block of a task that has several.
    """

    buffer: Buffer
    offset: int = 0
    per_block: int = 0
    is_first: bool = False  # item 0, whatever image or chunk it is


@dataclass(frozen=True, slots=True)
class Number:
    """A number known when the plan runs.

    ``images`` (of the chunk), ``count`` (of the batch), ``index`` (of the image),
    ``first part`` and ``last part`` (of a step's parts),
    ``global index`` (where the batch is a part of one), or a slot of the context;
    ``is_float`` where it is one.
    """

    name: str
    is_float: bool = False


Argument = BufferRef | Number | int | float


@dataclass(eq=False, slots=True)
class KernelCall:
    """One call of a kernel.

    Where an image is worth several workers, ``parts`` says into how many pieces a call
    may be cut; the kernel's last two arguments say which of them it makes.
    """

    kernel: Kernel
    spec: Any
    arguments: tuple[Argument, ...]
    per: Literal["image", "chunk", "task"] = "image"
    node: str = ""
    why: str = ""
    when: str = ""
    is_first_only: bool = False
    multiply_adds: int = 0
    parts: int = 1


@dataclass(eq=False, slots=True)
class Task:
    """Steps that run once for each of ``blocks`` blocks, by whoever is free."""

    steps: list[KernelCall]
    blocks: int = 1


@dataclass(eq=False, slots=True)
class ParallelRegion:
    """What workers do between two waits."""

    grain: Grain
    title: str = ""
    prologue: list[KernelCall] = field(default_factory=list)
    body: list[KernelCall] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    is_backward: bool = False  # in a plan that runs in two halves

    @property
    def prepares(self) -> bool:
        """Whether it makes what depends on the weights alone, once for each change."""
        return self.title in PREPARING

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.prologue or self.body or self.tasks)

    @property
    def task_count(self) -> int:
        """Tasks of a phase of tasks."""
        return sum(task.blocks for task in self.tasks)

    def steps(self) -> list[KernelCall]:
        """Return all steps, in order."""
        return [*self.prologue, *self.body, *(s for t in self.tasks for s in t.steps)]

    def segments(self) -> list[list[KernelCall]]:
        """Cut the body where steps per image and steps per chunk meet."""
        found: list[list[KernelCall]] = []
        for step in self.body:
            if found and found[-1][-1].per == step.per:
                found[-1].append(step)
            else:
                found.append([step])
        return found
