"""Lower losses to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import loss as kernels
from pellucid.engines.compiled.kernels.elementwise.loss import LossSpec
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.engines.loss_input import loss_node
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
)


def lower(low: LoweringContext, loss: Loss) -> None:
    """Add the steps of a loss and of its derivative by the head's output."""
    head = loss_node(low.network, loss)
    z = low.values[head]
    grad, _ = low.grad_target(head)
    smoothing = getattr(loss, "label_smoothing", 0.0)
    exact = low.exact_map(head)
    weight, cost = low.user("example_weight", 1), low.user("losses", 1)

    def add(kernel: object, kind: str, labels: BufferRef, when: str) -> None:
        low.step(
            kernel,  # type: ignore[arg-type]
            LossSpec(kind, z.map, grad.map, smoothing),  # type: ignore[arg-type]
            BufferRef(z.buffer),
            labels,
            BufferRef(weight),
            BufferRef(cost),
            BufferRef(grad.buffer),
            node=f"loss {loss.name}",
            when=when,
        )

    if isinstance(loss, CrossEntropy):
        classes = low.user("classes", exact.height * exact.width, "i64")
        add(kernels.class_loss, "classes", BufferRef(classes), "has_classes")
        targets = low.user("targets", exact.size)
        add(kernels.soft_loss, "soft", BufferRef(targets), "has_targets")
        return
    kinds = {
        BinaryCrossEntropy: "binary",
        MeanSquaredError: "mse",
        HalfSquaredErrorSum: "half",
    }
    targets = low.user("targets", exact.size)
    add(kernels.element_loss, kinds[type(loss)], BufferRef(targets), "")
