"""Lower products of two values, and arrays of weights as values, to kernel calls."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.kernels.dense import matmul as kernels
from pellucid.engines.compiled.kernels.dense.matmul import Matrices, Product
from pellucid.engines.compiled.kernels.elementwise.arithmetic import view
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import MatMul, Shape
from pellucid.network.layers.merge import broadcast
from pellucid.network.node import Node


@dataclass(frozen=True, slots=True)
class _Operand:
    """A value with its shape, and whether its matrices are multiplied transposed."""

    value: Value
    shape: Shape
    is_transposed: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns, as they are multiplied."""
        rows, columns = self.shape[-2:]
        return (columns, rows) if self.is_transposed else (rows, columns)


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of MatMul; its gradients are products of the same kernel."""
    layer = node.layer_as(MatMul)
    shapes, shape = low.network.input_shapes(node), low.network.shapes[node.name]
    flags = layer.transpose_a, layer.transpose_b
    a, b = (
        _Operand(low.values[source], own, flag)
        for source, own, flag in zip(node.inputs, shapes, flags, strict=True)
    )
    y = _Operand(low.output(node.name), shape)
    _add_product(low, node, (a, b, y), layer.scale)

    def back() -> None:
        grad = _Operand(low.grads[node.name], shape)
        ways = (
            ((b, _turned(grad)) if flags[0] else (grad, _turned(b))),
            ((_turned(grad), a) if flags[1] else (_turned(a), grad)),
        )
        for source, own, (first, second) in zip(node.inputs, shapes, ways, strict=True):
            if source in low.learners:
                to, accumulate = low.grad_target(source)
                operands = first, second, _Operand(to, own)
                _add_product(
                    low,
                    node,
                    operands,
                    layer.scale,
                    accumulate=accumulate,
                    is_back=True,
                )

    low.on_back(node.name, back)


def _turned(operand: _Operand) -> _Operand:
    return _Operand(operand.value, operand.shape, not operand.is_transposed)


def _add_product(
    low: LoweringContext,
    node: Node,
    operands: tuple[_Operand, _Operand, _Operand],
    scale: float,
    *,
    accumulate: bool = False,
    is_back: bool = False,
) -> None:
    """Add the step of y = or += scale · a · b, summed where y has fewer matrices."""
    a, b, y = operands
    lead = broadcast(node.layer.who, *(operand.shape[:-2] for operand in operands))
    is_summed = lead != (1,) * (len(lead) + 2 - len(y.shape)) + y.shape[:-2]
    if is_summed and not accumulate:
        low.clear(y.value, node.name)
    (rows, inner), (_, columns) = a.size, b.size
    spec = Product(
        lead,
        rows,
        inner,
        columns,
        a=_matrices(a, lead),
        b=_matrices(b, lead),
        y=_matrices(y, lead),
        transpose_a=a.is_transposed,
        transpose_b=b.is_transposed,
        scale=scale,
        accumulate=accumulate or is_summed,
    )
    scratch = low.workspace(max(kernels.scratch_size(spec, low.target.lanes), 1))
    low.step(
        kernels.matmul,
        spec,
        *(BufferRef(operand.value.buffer) for operand in operands),
        BufferRef(scratch),
        node=node.name,
        multiply_adds=spec.count * spec.rows * spec.inner * spec.columns,
        parts=1 if is_back else spec.count,
    )


def _matrices(operand: _Operand, lead: Shape) -> Matrices:
    m, shape = operand.value.map, operand.shape
    seen = view(m, shape, (*lead, *shape[-2:]))
    return Matrices(seen.start, seen.steps[:-1], m.padded_channels)


def parameter_layout(y: ImageLayout, shape: Shape) -> Layout:
    """Return the layout of an array that lies as the value that it becomes."""
    rows = y.height * y.width
    return Layout((rows, y.padded_channels), (rows, shape[-1]), (0, 1))


def lower_parameter(low: LoweringContext, node: Node) -> None:
    """Add the copy of the array to every example."""
    (source,), y = node.inputs, low.output(node.name)
    plain = low.plain_map(node.name)
    low.copy_whole(low.weight(node, "value"), y, (plain, y.map), node.name)

    def back() -> None:
        grad = low.grads[node.name]
        if low.trains(node):
            low.clear_chunk_grad(node, "value")
            to = low.chunk_grad(node, "value")
            maps = grad.map, plain
            low.copy_whole(grad, to, maps, node.name, accumulate=True)
        if source in low.learners:
            value, accumulate = low.grad_target(source)
            if not accumulate:
                low.clear(value, node.name)

    low.on_back(node.name, back)
