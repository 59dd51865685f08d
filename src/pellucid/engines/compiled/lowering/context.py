"""Lowering context: buffers, kernel calls and regions of a network.

Layers ask this object for buffers and add their steps. What a layer needs on the way
back it leaves as a function on the tape, which runs in reverse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pellucid.engines.compiled.codegen import Kernel, in_parts
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.callback import callback
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise.activation import Function
from pellucid.engines.compiled.kernels.elementwise.optimizer import (
    Update,
    square_sum,
    update,
    update_in_groups,
)
from pellucid.engines.compiled.kernels.layout import (
    NO_HALO,
    Halo,
    ImageLayout,
    pad_channels,
    widest,
)
from pellucid.engines.compiled.lowering.early_updates import EarlyUpdates
from pellucid.engines.compiled.lowering.late_preparations import LatePreparations
from pellucid.engines.compiled.lowering.parameters import (
    BLOCK,
    Parameter,
    Parameters,
)
from pellucid.engines.compiled.program.program_ir import (
    Argument,
    Buffer,
    BufferRef,
    CodedValue,
    Grain,
    KernelCall,
    Number,
    ParallelRegion,
    Scope,
    Task,
    Value,
)
from pellucid.engines.ports import loss_terms
from pellucid.network import Network
from pellucid.network.layers import Input
from pellucid.network.node import Node
from pellucid.objectives import Loss, Optimizer

if TYPE_CHECKING:
    from pellucid.engines.compiled.lowering.grown import Grown

#: multiply-adds of an image from which several workers share it: a fifth of a
#: millisecond, beside which waking and meeting a worker is little
SHARED_WORK = 20_000_000
#: most tasks of the closing phase whose sums of squares are kept
MOST_TASKS = 65536

Precision = Literal["float32", "bfloat16"]


class NormBefore(NamedTuple):
    """A batch norm that is applied to what is loaded.

    Its statistics, scale and offset, and the activation behind it.
    """

    places: tuple[BufferRef, BufferRef, BufferRef]
    function: Function | None


@dataclass(frozen=True, slots=True)
class Options:
    """Ideas that can be switched off, and other frameworks' conventions of training.

    ``unbiased_variance``: batch norm's running variance is the unbiased one, that is
    n / (n − 1) times what normalizes. ``decays_all``: weight decay on every parameter.
    ``keras_rules``: optimizers add ε where Keras does, see `Update`, and weighted
    losses are divided by the number of examples. ``precision``: where tiles multiply,
    their operands are as exact as float32, or rounded to bfloat16.
    """

    fuse: bool = True
    winograd: bool = True
    sparse: bool = True
    amx: bool = True
    tiny: bool = True
    profile: bool = False
    unbiased_variance: bool = False
    decays_all: bool = False
    keras_rules: bool = False
    precision: Precision = "float32"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a program is for.

    ``predict``: the output only. ``activations``: every node's output. ``train``: loss,
    derivatives of the parameters, update. ``vjp``: derivatives from a given one by
    the output, the images' included. ``halves``: the same, cut in two, the forward
    pass and the backward pass. ``update``: weights from derivatives that are there,
    their norm clipped already.
    """

    kind: Literal["predict", "activations", "train", "vjp", "halves", "update"]
    is_training: bool
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    spares_input_gradient: bool = False

    @property
    def goes_back(self) -> bool:
        """Whether there is a backward pass."""
        return self.kind in ("train", "vjp", "halves")

    @property
    def wants_input_gradient(self) -> bool:
        """Whether the backward pass goes on to the images."""
        return self.kind in ("vjp", "halves") and not self.spares_input_gradient


def shape_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (height, width, channels) of any shape: leading axes are joined."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return 1, prod(shape[:-1]), shape[-1]


@dataclass(eq=False)
class LoweringContext:
    """A network on its way to a program."""

    network: Network
    parameters: Parameters
    target: Target
    options: Options
    purpose: Purpose
    #: the zeros that a node wants around its input: (context, node) → halo
    wanted_halo: Callable[[LoweringContext, Node], Halo]
    phases: list[ParallelRegion] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    #: outputs of integer layers that lie as codes; some are among the values as well
    codes: dict[str, CodedValue] = field(default_factory=dict)
    grads: dict[str, Value] = field(default_factory=dict)
    tape: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    folding: list[Task] = field(default_factory=list)
    #: by level: what reads a result of one level comes in the next
    preparing: list[list[Task]] = field(default_factory=list)
    #: the level at whose end a buffer is ready, by its name
    prepared: dict[str, int] = field(default_factory=dict)
    closing: list[Task] = field(default_factory=list)
    squaring: list[Task] = field(default_factory=list)
    fused: dict[str, Node] = field(default_factory=dict)
    folded: dict[str, Node] = field(default_factory=dict)
    pooled: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    #: the sum that a convolution makes in place, and the operand to which it adds
    added: dict[str, tuple[Node, str]] = field(default_factory=dict)
    #: the operand that a product with one pixel, a gate, is written over
    gated: dict[str, str] = field(default_factory=dict)
    #: batch norms that the one convolution behind them applies to what it loads
    loaded: dict[str, Node] = field(default_factory=dict)
    #: what such a convolution applies, by its name
    before: dict[str, NormBefore] = field(default_factory=dict)
    #: concatenations that lie in the memory of a larger one
    grown: dict[str, Grown] = field(default_factory=dict)
    replaced: dict[tuple[str, str], BufferRef] = field(default_factory=dict)
    masks: dict[str, Value] = field(default_factory=dict)
    areas: set[int] = field(default_factory=set)
    #: numbers of the run that this network needs beside those of all
    flags: list[str] = field(default_factory=list)
    #: Python functions that the program calls, by the number that is their address
    callbacks: dict[str, Any] = field(default_factory=dict)
    joins_images: bool = False  # whether a kernel takes a chunk's images together

    def __post_init__(self) -> None:
        self.weights = self.buffer("weights", self.parameters.size, "session")
        self.grad_vector = self.buffer("grads", self.parameters.size, "session")
        self.early, self.late = EarlyUpdates(self), LatePreparations(self)
        size = max(self.early.size, 16)
        self.chunk_grads = self.buffer("chunk_grads", size, "chunk")
        self.learners = self._learners()
        self._halo = self._wanted_halo()
        self._grad_halo: dict[str, Halo] = {}

    @property
    def has_amx(self) -> bool:
        """Whether large products may be made on AMX tiles."""
        return self.options.amx and self.target.has_amx

    @property
    def has_amx_int8(self) -> bool:
        """Whether the tiles multiply bytes, too."""
        return self.has_amx and "+amx-int8" in self.target.features.split(",")

    @property
    def rounds(self) -> bool:
        """Whether what tiles multiply is rounded to bfloat16."""
        return self.options.precision == "bfloat16"

    @property
    def amx_parts(self) -> int:
        """Parts into which a number is cut for the tiles."""
        return 1 if self.rounds else amx.PARTS

    @property
    def on_amx(self) -> str:
        """What the plan says of kernels that use tiles."""
        return "on AMX in bfloat16" if self.rounds else "on AMX"

    @property
    def shares_images(self) -> bool:
        """Whether several workers may make one image together."""
        work = self.network.multiply_adds
        return self.purpose.kind == "predict" and work >= SHARED_WORK

    # what is needed where
    def _learners(self) -> set[str]:
        """Return the nodes whose output's derivative is needed."""
        trained = {p.node for p in self.network.parameters}
        found: set[str] = set()
        for node in self.network.nodes:
            is_input = isinstance(node.layer, Input)
            wants = self.purpose.wants_input_gradient and is_input
            if wants or node.owner in trained or found.intersection(node.inputs):
                found.add(node.name)
        return found

    def _wanted_halo(self) -> dict[str, Halo]:
        halo: dict[str, Halo] = {}
        for node in self.network.nodes:
            for source in node.inputs:
                wanted = self.wanted_halo(self, node)
                halo[source] = widest(halo.get(source, NO_HALO), wanted)
        return halo

    def unite_halos(self, names: list[str]) -> None:
        """Give outputs that lie in one place the zeros that any of them needs."""
        halo = NO_HALO
        for name in names:
            halo = widest(halo, self._halo.get(name, NO_HALO))
        self._halo |= dict.fromkeys(names, halo)

    def want_grad_halo(self, name: str, halo: Halo) -> None:
        """Say that the derivative by a node's output needs zeros around it."""
        self._grad_halo[name] = widest(self._grad_halo.get(name, NO_HALO), halo)

    def plain_map(self, name: str) -> ImageLayout:
        """Return how a node's output would lie without sides."""
        height, width, channels = shape_of(self.network.shapes[name])
        padded_channels = pad_channels(channels, self.target.lanes)
        return ImageLayout(height, width, channels, padded_channels)

    def map_of(self, name: str) -> ImageLayout:
        """Return how a node's output lies, with the zeros its readers want."""
        return self.plain_map(name).with_halo(self._halo.get(name, NO_HALO))

    def exact_map(self, name: str) -> ImageLayout:
        """Return how the caller's arrays lie: no sides, no padding."""
        height, width, channels = shape_of(self.network.shapes[name])
        return ImageLayout(height, width, channels, channels)

    def parameter(self, node: Node, role: str) -> Parameter:
        """Return a node's weight."""
        return self.parameters[f"{node.name}.{role}"]

    def weight(self, node: Node, role: str) -> BufferRef:
        """Return a weight's address, or that of what was folded into it."""
        if (node.name, role) in self.replaced:
            return self.replaced[node.name, role]
        return BufferRef(self.weights, self.parameter(node, role).offset)

    def chunk_grad(self, node: Node, role: str) -> BufferRef:
        """Return the address of a chunk's derivative by a weight."""
        place = self.early.place(self.parameter(node, role))
        return BufferRef(self.chunk_grads, place)

    @property
    def kept(self) -> set[str]:
        """The nodes whose output must be there: outputs, and what losses take."""
        terms = loss_terms(self.network, self.purpose.loss)
        return {*self.network.outputs, *(term.node for term in terms)}

    def end_of(self, node: Node) -> str:
        """Return the last of the nodes that became one step with this one."""
        after = self.fused.get(node.name) or self.folded.get(node.name)
        return after.name if after else node.name

    def has_bias(self, node: Node) -> bool:
        """Whether a layer adds something: its bias, or what was folded into it."""
        return (node.name, "bias") in self.replaced or bool(
            getattr(node.layer, "bias", False)
        )

    def trains(self, node: Node) -> bool:
        """Whether this program makes derivatives by a node's parameters."""
        return self.purpose.goes_back and getattr(node.layer, "trainable", True)

    # buffers
    def buffer(
        self,
        name: str,
        size: int,
        scope: Scope,
        element: str = "f32",
        *,
        is_pinned: bool = False,
    ) -> Buffer:
        """Make a buffer."""
        buffer = Buffer(name, size, scope, element, is_pinned)
        self.buffers.append(buffer)
        return buffer

    def workspace(self, size: int, *, is_local: bool = False) -> Buffer:
        """Return the scratch memory that all steps of a worker share.

        What a step leaves there the next one may overwrite; it stays in the cache.
        ``is_local`` has another one that lasts for the steps of one node, and belongs
        to an image where several workers make it.
        """
        name = "workspace of one" if is_local else "workspace"
        for buffer in self.buffers:
            if buffer.name == name:
                buffer.size = max(buffer.size, size)
                return buffer
        buffer = self.buffer(name, size, "worker")
        buffer.is_local = is_local
        return buffer

    def user(self, name: str, size: int, element: str = "f32") -> Buffer:
        """Return the caller's array of that name; ``size`` counts one example's."""
        for buffer in self.buffers:
            if buffer.scope == "user" and buffer.name == name:
                return buffer
        return self.buffer(name, size, "user", element)

    def output(self, name: str) -> Value:
        """Make the buffer of a node's output."""
        pinned = self.purpose.kind == "activations"
        m = self.map_of(name)
        value = Value(self.buffer(name, m.size, "image", is_pinned=pinned), m)
        self.values[name] = value
        return value

    def scratch(self, name: str, m: ImageLayout) -> Value:
        """Make a buffer for one image that no other node sees."""
        return Value(self.buffer(name, m.size, "image"), m)

    def grad_target(self, name: str) -> tuple[Value, bool]:
        """Return where a derivative by a node's output goes, and whether to add."""
        if name in self.grads:
            return self.grads[name], True
        halo = self._grad_halo.get(name, NO_HALO)
        m = self.plain_map(name).with_halo(halo)
        self.grads[name] = self.scratch(f"grad {name}", m)
        return self.grads[name], False

    # steps
    def phase(self, grain: Grain | None = None) -> ParallelRegion:
        """Return the phase that steps go to; another one where the grain differs."""
        last = self.phases[-1] if self.phases else None
        if last is None:
            self.phases.append(ParallelRegion(grain or "fine"))
        elif grain is not None and last.grain != grain:
            if self.purpose.kind == "predict":
                return last
            self.barrier(grain)
        return self.phases[-1]

    def barrier(self, grain: Grain = "fine") -> None:
        """Let what follows begin only when all images have come so far."""
        if self.phases and self.phases[-1].is_empty:
            self.phases[-1].grain = grain
        else:
            self.phases.append(ParallelRegion(grain))

    def step(
        self,
        kernel: Kernel,
        spec: Any,
        *given: Argument | Value | CodedValue,
        node: str,
        per: Literal["image", "chunk"] = "image",
        grain: Grain | None = None,
        why: str = "",
        when: str = "",
        multiply_adds: int = 0,
        parts: int = 1,
    ) -> None:
        """Add a step to the current phase; a value stands for its buffer.

        ``parts`` is how many units of work the kernel can make one without another.
        """
        arguments: tuple[Argument, ...] = tuple(
            BufferRef(a.buffer) if isinstance(a, Value | CodedValue) else a
            for a in given
        )
        if self.shares_images and parts > 1:
            kernel = in_parts(kernel)
            arguments = (*arguments, Number("first part"), Number("last part"))
        made = KernelCall(kernel, spec, arguments, per, node, why, when)
        made.multiply_adds = multiply_adds
        made.parts = parts if self.shares_images else 1
        self.phase(grain).body.append(made)

    def call_back(
        self, function: Any, *arguments: BufferRef, node: str, why: str
    ) -> None:
        """Add a step that calls a Python function for the images of a chunk."""
        name = f"callback {len(self.callbacks)}"
        self.callbacks[name] = function
        self.flags.append(name)
        numbers = Number(name), Number("index"), Number("images")
        made = callback(len(arguments))
        self.step(made, None, *numbers, *arguments, node=node, why=why, per="chunk")

    def prologue(
        self,
        kernel: Kernel,
        spec: Any,
        *arguments: Argument,
        node: str,
        is_first_only: bool = False,
        when: str = "",
    ) -> None:
        """Add a step that runs once for each chunk before its images."""
        made = KernelCall(
            kernel, spec, arguments, "chunk", node, "", when, is_first_only
        )
        self.phases[-1].prologue.append(made)

    def prepare(
        self,
        kernel: Kernel,
        spec: Any,
        *arguments: Argument,
        node: str,
        blocks: int = 1,
    ) -> None:
        """Add a step that runs after every change of the weights, for each block.

        What is large may run later, see `LatePreparations`. Tasks of one level run at
        once. The first step that names a shared buffer fills
        it, so a later one that names it waits for that step's level.
        """
        step = KernelCall(kernel, spec, arguments, "task", node)
        if self.late.takes(step):
            self.late.add(step, blocks)
            return
        names = [
            argument.buffer.name
            for argument in arguments
            if isinstance(argument, BufferRef) and argument.buffer.scope == "shared"
        ]
        known = (self.prepared[name] for name in names if name in self.prepared)
        level = max((before + 1 for before in known), default=0)
        for name in names:
            self.prepared.setdefault(name, level)
        while len(self.preparing) <= level:
            self.preparing.append([])
        self.preparing[level].append(Task([step], blocks))

    def clear_chunk_grad(self, node: Node, role: str) -> None:
        """Begin a chunk's derivative by a weight at zero."""
        size = self.parameter(node, role).layout.size
        place = self.chunk_grad(node, role)
        self.phase("fine")
        self.prologue(copies.zero, size, place, node=node.name)

    def clear(self, value: Value, node: str) -> None:
        """Write zeros to an image's buffer."""
        self.step(copies.zero, value.map.size, BufferRef(value.buffer), node=node)

    def copy_whole(
        self,
        x: Value | BufferRef,
        y: Value | BufferRef,
        maps: tuple[ImageLayout, ImageLayout],
        node: str,
        *,
        accumulate: bool = False,
    ) -> None:
        """Copy an image between two layouts."""
        a, b = maps
        spec = copies.Copy(
            a, b, a.height, a.width, a.channels, a.at(0, 0), b.at(0, 0), accumulate
        )
        self.step(copies.copy, spec, _at(x), _at(y), node=node, parts=a.height)

    def wants_grad_halo(self, name: str) -> bool:
        """Whether the derivative by a node's output needs zeros around it."""
        return self._grad_halo.get(name, NO_HALO) != NO_HALO

    def on_back(self, name: str, action: Callable[[], None]) -> None:
        """Leave what is to be done once the derivative by a node's output is whole."""
        self.tape.append((name, action))

    def on_input_grad(
        self, node: Node, action: Callable[[Value, Value, bool], None]
    ) -> None:
        """Leave what computes the gradient of a node's one input, if it is needed.

        It takes the output's gradient, where that of the input goes, and whether it is
        added to what is there.
        """

        def back() -> None:
            if node.inputs[0] in self.learners:
                action(self.grads[node.name], *self.grad_target(node.inputs[0]))

        self.on_back(node.name, back)

    def can_share_grad(self, name: str) -> bool:
        """Whether the derivative by a node's output comes from one reader only."""
        is_plain = self._grad_halo.get(name, NO_HALO) == NO_HALO
        return is_plain and len(self.network.consumers[name]) == 1

    def numbers(self, m: ImageLayout) -> str:
        """Return the name of how many numbers of one channel the batch holds."""
        self.areas.add(m.height * m.width)
        return f"numbers {m.height * m.width}"

    @property
    def updates_at_once(self) -> bool:
        """Whether weights change as soon as their derivatives are there."""
        optimizer = self.purpose.optimizer
        is_plain = optimizer is not None and optimizer.clip_norm is None
        return is_plain and not self.network.shared

    def close(
        self,
        steps: list[KernelCall],
        at: int,
        size: int,
        blocks: int,
        *,
        decays: bool,
        grads: BufferRef | None = None,
    ) -> None:
        """Add a task that makes derivatives and, at once, updates their weights.

        ``grads`` is where the steps leave them, if not among all the others.

        ``at`` is where the first block's weights lie, ``size`` how many a block has:
        whole vectors, but for the last block, behind which there is padding.
        """
        optimizer = self.purpose.optimizer
        if self.network.shared:
            pass  # the derivatives of shared weights are not yet added up
        elif optimizer is not None and optimizer.clip_norm is not None:
            first = sum(task.blocks for task in self.closing)
            place = BufferRef(self.grad_vector, at, size)
            square = BufferRef(self.squares, first, 1)
            steps.append(
                KernelCall(
                    square_sum, None, (place, size, square), "task", when="update"
                )
            )
        elif optimizer is not None:
            steps.append(self.update_step(at, size, decays=decays, grads=grads))
        if steps:
            self.closing.append(Task(steps, blocks))

    def update_step(
        self, at: int, size: int, *, decays: bool, grads: BufferRef | None = None
    ) -> KernelCall:
        """Return the optimizer's step on a block of weights."""
        optimizer = self.purpose.optimizer
        if optimizer is None:
            raise TypeError(optimizer)
        names: tuple[str, ...] = ("weights", "grads", "slot0", "slot1")
        names += ("factors", "decays") if optimizer.groups else ()
        places = [BufferRef(self.session(name), at, size) for name in names]
        if grads is not None:
            places[1] = grads
        floats = ("rate", "correction1", "correction2")
        numbers = (Number(name, is_float=True) for name in floats)
        return KernelCall(
            update_in_groups if optimizer.groups else update,
            Update(
                _without_rate(optimizer),
                decays or self.options.decays_all,
                self.options.keras_rules,
            ),
            (*places, BufferRef(self.clip), size, *numbers),
            "task",
            "update",
            type(optimizer).__name__,
            "update",
        )

    def session(self, name: str) -> Buffer:
        """Return one of the session's vectors."""
        for buffer in self.buffers:
            if buffer.scope == "session" and buffer.name == name:
                return buffer
        return self.buffer(name, self.parameters.size, "session")

    @property
    def joined_rows(self) -> Buffer:
        """Where a worker joins the derivatives of a block that it updates at once."""
        for buffer in self.buffers:
            if buffer.name == "joined rows":
                return buffer
        return self.buffer("joined rows", BLOCK, "worker")

    @property
    def clip(self) -> Buffer:
        """Where the factor on all derivatives stands."""
        for buffer in self.buffers:
            if buffer.name == "clip":
                return buffer
        return self.buffer("clip", 1, "shared")

    @property
    def squares(self) -> Buffer:
        """Where each closing task leaves its sum of squares."""
        for buffer in self.buffers:
            if buffer.name == "squares":
                return buffer
        return self.buffer("squares", MOST_TASKS, "shared", "f64")

    def source(self, node: Node) -> Value:
        """Return the output of a node's only input."""
        return self.values[node.inputs[0]]


def _without_rate(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer without the numbers that come with each step."""
    limit = None if optimizer.clip_norm is None else 1.0
    return replace(optimizer, learning_rate=0.0, clip_norm=limit, groups=())


def _at(place: Value | BufferRef) -> BufferRef:
    return place if isinstance(place, BufferRef) else BufferRef(place.buffer)
