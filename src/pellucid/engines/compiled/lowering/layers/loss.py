"""Lower losses to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import loss as kernels
from pellucid.engines.compiled.kernels.elementwise.formula_loss import formula_loss
from pellucid.engines.compiled.kernels.elementwise.formula_spec import FormulaSpec
from pellucid.engines.compiled.kernels.elementwise.loss import LossSpec
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers.loss_callback import LossCallback
from pellucid.engines.compiled.program.callbacks import Images
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.engines.ports import LossTerm, port_name
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    FormulaLoss,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    NumpyLoss,
)


def lower(low: LoweringContext, term: LossTerm) -> None:
    """Add the steps of a loss and of its derivative by the head's output."""
    loss, head = term.loss, term.node
    z = low.values[head]
    target, accumulate = low.grad_target(head)
    grad = low.scratch(f"grad {term.output}", target.map) if accumulate else target
    smoothing = getattr(loss, "label_smoothing", 0.0)
    exact, outputs = low.exact_map(head), low.network.outputs

    def name(what: str) -> str:
        return port_name(what, outputs, term.output)

    weight, cost = low.user(name("example_weight"), 1), low.user(name("losses"), 1)

    def add(kernel: object, kind: str, labels: BufferRef, when: str) -> None:
        low.step(
            kernel,  # type: ignore[arg-type]
            LossSpec(kind, z.map, grad.map, smoothing),  # type: ignore[arg-type]
            z,
            labels,
            BufferRef(weight),
            BufferRef(cost),
            grad,
            node=f"loss {loss.name}",
            when=when,
        )

    targets = name("targets")
    if isinstance(loss, FormulaLoss):
        shape = low.network.shapes[head]
        columns = loss.channels_of_labels(shape)
        spec = FormulaSpec(loss.program(shape), z.map, grad.map, columns)
        given = low.user(targets, exact.height * exact.width * columns)
        _, size = spec.places()
        sums = low.buffer(f"sums {term.output}", size, "image")
        whole = z.buffer, given, weight, cost, grad.buffer, sums
        low.step(formula_loss, spec, *map(BufferRef, whole), node=f"loss {loss.name}")
    elif isinstance(loss, NumpyLoss):
        shape = low.network.shapes[head]
        function = LossCallback(loss, Images.of(z), Images.of(grad), shape)
        places = z.buffer, cost, weight, grad.buffer
        why = "called back: NumPy functions"
        low.call_back(
            function, *map(BufferRef, places), node=f"loss {loss.name}", why=why
        )
    elif isinstance(loss, CrossEntropy):
        flags = name("has_classes"), name("has_targets")
        if len(outputs) > 1:
            low.flags.extend(flags)
        size = exact.height * exact.width
        classes = low.user(name("classes"), size, "i64")
        add(kernels.class_loss, "classes", BufferRef(classes), flags[0])
        soft = low.user(targets, exact.size)
        add(kernels.soft_loss, "soft", BufferRef(soft), flags[1])
    else:
        given = low.user(targets, exact.size)
        add(kernels.element_loss, _KINDS[type(loss)], BufferRef(given), "")
    if accumulate:
        maps = grad.map, target.map
        low.copy_whole(grad, target, maps, f"loss {loss.name}", accumulate=True)


_KINDS: dict[type[Loss], str] = {
    BinaryCrossEntropy: "binary",
    MeanSquaredError: "mse",
    HalfSquaredErrorSum: "half",
}
