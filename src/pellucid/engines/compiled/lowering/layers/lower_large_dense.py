"""Lower large fully connected layers to tasks over all images.

Where weights do not fit into the second cache, reading them takes longer than what is
done with them. So no worker reads all: the forward pass is cut into panels of outputs,
the input's gradient into blocks of inputs, each over all images of the batch.
"""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.codegen import Kernel
from pellucid.engines.compiled.kernels.amx import dense_amx as amx
from pellucid.engines.compiled.kernels.dense.dense import Dense
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import (
    BufferRef,
    KernelCall,
    Number,
    ParallelRegion,
    Task,
    Value,
)
from pellucid.network.node import Node

#: weights from which they are read by no worker as a whole
LARGE = 1 << 20
#: outputs of a task forward, and fewest inputs and most tasks of the gradient
PANEL, LEAST, TASKS = 512, 128, 8


def pays(low: LoweringContext, spec: Dense) -> bool:
    """Return whether a layer's products are tasks of their own."""
    is_large = spec.inputs * spec.outputs >= LARGE
    is_whole = spec.outputs % PANEL == 0 == spec.inputs % LEAST
    fits = amx.dense_amx_fits(spec) and is_whole
    return low.purpose.goes_back and low.has_amx and fits and is_large


def forward(
    low: LoweringContext,
    node: Node,
    spec: Dense,
    places: tuple[Value, BufferRef, BufferRef, Value],
) -> None:
    """Add the phase of the outputs, a panel a task."""
    x, w, bias, y = places
    tiled = amx.DenseAmx(replace(spec, part=PANEL), low.amx_parts)
    size = amx.forward_scratch_size(tiled)
    arguments = (
        BufferRef(x.buffer, is_first=True),
        replace(w, per_block=PANEL),
        replace(bias, per_block=PANEL),
        BufferRef(y.buffer, per_block=PANEL, is_first=True),
        BufferRef(low.workspace(size)),
        Number("count"),
    )
    why = f"a panel of outputs of all images, {low.on_amx}"
    blocks = spec.outputs // PANEL
    _add(low, node, (amx.dense_amx_forward, tiled), arguments, why, blocks)


def input_grad(
    low: LoweringContext,
    node: Node,
    spec: Dense,
    places: tuple[Value, BufferRef, Value],
) -> None:
    """Add the phase of the input's gradient, a block of inputs a task."""
    grad, w, to = places
    blocks = min(TASKS, spec.inputs // LEAST)
    while spec.inputs % (blocks * amx.IMAGES):
        blocks -= 1
    rows = spec.inputs // blocks
    tiled = amx.DenseAmx(replace(spec, inputs=rows), low.amx_parts)
    size = amx.input_scratch_size(tiled)
    arguments = (
        BufferRef(grad.buffer, is_first=True),
        replace(w, per_block=rows * spec.outputs),
        BufferRef(to.buffer, per_block=rows, is_first=True),
        BufferRef(low.workspace(size)),
        Number("count"),
    )
    why = f"a block of inputs of all images, {low.on_amx}"
    _add(low, node, (amx.dense_amx_grad_input, tiled), arguments, why, blocks)


def _add(
    low: LoweringContext,
    node: Node,
    what: tuple[Kernel, amx.DenseAmx],
    arguments: tuple[BufferRef | Number, ...],
    why: str,
    blocks: int,
) -> None:
    """Add a phase of tasks; what follows is a phase of images again."""
    step = KernelCall(*what, arguments, "task", node.name, why)
    layer = what[1].dense
    step.multiply_adds = layer.inputs * layer.made
    region = ParallelRegion("tasks", "all images", tasks=[Task([step], blocks)])
    low.phases += [region, ParallelRegion("coarse")]
