"""Lower a network: forward pass, loss, backward pass, update."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.elementwise.optimizer import (
    clip_factor,
    join_chunks,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout, pad_channels
from pellucid.engines.compiled.lowering import codes
from pellucid.engines.compiled.lowering.context import (
    LoweringContext,
    Options,
    Purpose,
    shape_of,
)
from pellucid.engines.compiled.lowering.fuse import fuse
from pellucid.engines.compiled.lowering.grown import grow_in_place
from pellucid.engines.compiled.lowering.layers import (
    fake_quantized,
    find_lowering,
    loss,
    lower_node,
    reads_exact,
    wanted_halo,
    weight_layout,
)
from pellucid.engines.compiled.lowering.loaded_norms import load_normalized
from pellucid.engines.compiled.lowering.parameters import (
    Group,
    Layout,
    Parameters,
    blocks_of,
)
from pellucid.engines.compiled.lowering.residual import add_in_norms, work_in_place
from pellucid.engines.compiled.lowering.sharing import (
    add_up_shared,
    check_layouts,
    clear_unreached,
)
from pellucid.engines.compiled.program.program_ir import (
    PREPARING,
    BufferRef,
    KernelCall,
    Number,
    ParallelRegion,
    Task,
    Value,
)
from pellucid.engines.ports import loss_terms, port_name
from pellucid.engines.registry import unsupported_layer
from pellucid.network import Network
from pellucid.network.fake_quantization import plain_network, rounded_weights
from pellucid.network.layers import Input


def parameters_of(network: Network, target: Target, options: Options) -> Parameters:
    """Return where every weight of a network lies.

    Nodes that share a weight have a copy each, which all take the same updates; what
    training does not change by the gradient lies in one place.
    """
    wanted: dict[str, tuple[Layout, Group, bool]] = {}
    shapes, aliases = {}, {}
    network, options = plain_network(network), _options_of(network, options)
    for weight in network.weights:
        for node in network.shared.get(weight.node, (network.node(weight.node),)):
            name = f"{node.name}.{weight.spec.role}"
            x, y = (_map(network, n, target) for n in (node.inputs[0], node.name))
            layout, group = weight_layout(
                network, node, weight.spec.role, (x, y), target=target, options=options
            )
            mine: Group = group if weight.is_trainable else "fixed"
            if mine == "fixed" and name != weight.name:
                aliases[name] = weight.name
                continue
            wanted[name] = layout, mine, weight.decays
            shapes[name] = weight.shape
            check_layouts(node, wanted[weight.name][0], layout)
    parameters = Parameters(wanted, shapes)
    for name, other in aliases.items():
        parameters.alias(name, other)
    return parameters


def _options_of(network: Network, options: Options) -> Options:
    """Return the options of a network: weights that are rounded lie as channels."""
    return replace(options, sparse=False) if rounded_weights(network) else options


def _map(network: Network, name: str, target: Target) -> ImageLayout:
    height, width, channels = shape_of(network.shapes[name])
    return ImageLayout(height, width, channels, pad_channels(channels, target.lanes))


def lower_network(
    network: Network,
    parameters: Parameters,
    target: Target,
    *,
    options: Options,
    purpose: Purpose,
) -> LoweringContext:
    """Return a network's buffers, steps and phases for one purpose.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no compiled path.
    """
    options, most = _options_of(network, options), rounded_weights(network)
    network = plain_network(network)
    for node in network.nodes:
        if find_lowering(node.layer) is None and not isinstance(node.layer, Input):
            raise unsupported_layer(
                "compiled", node.layer.who, "it has no compiled path"
            )
    low = LoweringContext(network, parameters, target, options, purpose, wanted_halo)
    if purpose.kind == "update":
        _update(low)
        return low
    fake_quantized.lower(low, most)
    if low.options.fuse:
        fuse(low)
        work_in_place(low)
        grow_in_place(low)
        add_in_norms(low)
        load_normalized(low)
    _forward(low)
    if purpose.kind == "halves":
        low.barrier()
    start = low.phases[-1]
    if purpose.goes_back:
        _back(low)
        _close(low)
    if purpose.kind == "halves":
        for phase in low.phases[low.phases.index(start) :]:
            phase.is_backward = True
    fold, prepare = PREPARING
    before = [(fold, low.folding), *((prepare, level) for level in low.preparing)]
    first = [ParallelRegion("tasks", title, tasks=tasks) for title, tasks in before]
    low.phases = [phase for phase in first + low.phases if not phase.is_empty]
    return low


def _forward(low: LoweringContext) -> None:
    network = low.network
    is_taken = {node.name for node in low.fused.values()}
    is_taken |= {node.name for node in low.folded.values()}
    is_taken |= {node.name for chain in low.pooled.values() for node in chain}
    is_taken |= {node.name for node, _ in low.added.values()}
    low.phase("fine")
    for entry in network.inputs:
        exact = low.exact_map(entry)
        is_exact = _is_read_exactly(low, entry)
        x = None if is_exact else low.output(entry)
        images = low.user(port_name("images", network.inputs, entry), exact.size)
        if x is None:
            low.values[entry] = Value(images, exact)
        else:
            low.copy_whole(BufferRef(images), x, (exact, x.map), entry)
    for node in network.nodes:
        if not isinstance(node.layer, Input) and node.name not in is_taken:
            lower_node(low, node)
    if low.purpose.kind == "activations":
        _widen(low, list(low.codes))
        return
    _widen(low, network.outputs)
    for end in network.outputs:
        y, exact = low.values[end], low.exact_map(end)
        output = low.user(port_name("output", network.outputs, end), exact.size)
        low.copy_whole(y, BufferRef(output), (y.map, exact), end)


def _is_read_exactly(low: LoweringContext, entry: str) -> bool:
    """Return whether all readers of an input take the caller's array as it lies."""
    readers = [node for node in low.network.nodes if entry in node.inputs]
    is_kept = low.purpose.kind != "predict" or entry in low.network.outputs
    return bool(readers) and not is_kept and all(map(reads_exact, readers))


def _widen(low: LoweringContext, names: Iterable[str]) -> None:
    for name in names:
        codes.widen(low, name)


def _back(low: LoweringContext) -> None:
    network = low.network
    if low.purpose.loss is not None:
        for term in loss_terms(network, low.purpose.loss):
            loss.lower(low, term)
    else:
        for end in network.outputs:
            exact = low.exact_map(end)
            name = port_name("grad_output", network.outputs, end)
            given = low.user(name, exact.size)
            grad, accumulate = low.grad_target(end)
            low.copy_whole(
                BufferRef(given), grad, (exact, grad.map), end, accumulate=accumulate
            )
    for name, action in reversed(low.tape):
        if name in low.grads:
            action()
            low.early.after_layer()
    for entry in network.inputs:
        if low.purpose.wants_input_gradient and entry in low.grads:
            exact, grad = low.exact_map(entry), low.grads[entry]
            name = port_name("grad_input", network.inputs, entry)
            wanted = low.user(name, exact.size)
            low.copy_whole(grad, BufferRef(wanted), (grad.map, exact), entry)


def _close(low: LoweringContext) -> None:
    """Add the last phases: derivatives are joined, weights updated."""
    low.early.join()
    low.early.finish()
    for decays in (False,) if low.early.are_early else (True, False):
        start, size = low.parameters.range("chunk", decays=decays)
        for at, length, many in blocks_of(start, size):
            place = low.early.place_of(at)
            join = KernelCall(
                join_chunks,
                None,
                (
                    BufferRef(low.chunk_grads, place, length, is_first=True),
                    Number("chunks"),
                    low.chunk_grads.stride,
                    BufferRef(low.grad_vector, at, length),
                    length,
                ),
                "task",
                "join",
            )
            low.close([join], at, length, many, decays=decays)
    clear_unreached(low)
    start, size = low.parameters.range("norm", decays=False)
    for at, length, many in blocks_of(start, size):
        low.close([], at, length, many, decays=False)
    if low.closing:
        low.phases.append(ParallelRegion("tasks", "join and update", tasks=low.closing))
    optimizer = low.purpose.optimizer
    if low.network.shared:
        add_up_shared(low)
    if optimizer is not None and optimizer.clip_norm is not None:
        _clip(low)
    elif optimizer is not None and low.network.shared:
        _update(low)


def _clip(low: LoweringContext) -> None:
    """Update only when the norm of all derivatives is known."""
    count = sum(task.blocks for task in (low.squaring or low.closing))
    factor = KernelCall(
        clip_factor,
        None,
        (
            BufferRef(low.squares),
            count,
            Number("limit", is_float=True),
            BufferRef(low.clip),
        ),
        "task",
        "clip",
        when="update",
    )
    low.phases.append(ParallelRegion("tasks", "clip", tasks=[Task([factor])]))
    _update(low)


def _update(low: LoweringContext) -> None:
    """Update all weights."""
    tasks: list[Task] = []
    groups: tuple[Group, ...] = ("chunk", "norm", "dense")
    for group in groups:
        for decays in (True, False):
            start, size = low.parameters.range(group, decays=decays)
            tasks += [
                Task([low.update_step(at, length, decays=decays)], many)
                for at, length, many in blocks_of(start, size)
            ]
    low.phases.append(ParallelRegion("tasks", "update", tasks=tasks))
