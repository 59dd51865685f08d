"""Arrays of a network's inputs and outputs, as sessions take and return them.

With one input (output) it is an array, with several a tuple in the network's order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pellucid.engines.protocol import Array, Arrays, StepResult
from pellucid.errors import DataError
from pellucid.network import Network
from pellucid.objectives import Loss
from pellucid.objectives.losses import HalfSquaredErrorSum
from pellucid.objectives.output_losses import OutputLosses

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One output's share of the loss.

    ``index`` is the output's place among the network's; ``node`` the node whose value
    the loss takes: the output, or what stands before a Softmax that it absorbs.
    """

    output: str
    index: int
    node: str
    loss: Loss
    weight: float = 1.0


def split(what: str, names: Sequence[str], given: Arrays) -> tuple[Any, ...]:
    """Return what was given for inputs or outputs as a tuple, one for each name.

    Raises
    ------
    DataError
        If there are several names and not as many arrays.
    """
    if len(names) == 1:
        return (given,)
    if not isinstance(given, tuple | list) or len(given) != len(names):
        got = f"{len(given)}" if isinstance(given, tuple | list) else "one array"
        raise DataError(
            f"{what}: must be a tuple of {len(names)} arrays, for {', '.join(names)}; "
            f"got {got}."
        )
    return tuple(given)


def join(values: Sequence[T]) -> Any:
    """Return the only value, or a tuple of all."""
    return values[0] if len(values) == 1 else tuple(values)


def port_name(what: str, names: Sequence[str], name: str) -> str:
    """Return what the only input (output) is called, or one of several."""
    return what if len(names) == 1 else f"{what} {name}"


def inputs_of(network: Network, images: Arrays) -> tuple[Array, ...]:
    """Return the arrays of all inputs.

    Raises
    ------
    DataError
        If there are not as many, or they are not of equally many examples.
    """
    arrays = split("images", network.inputs, images)
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        came = ", ".join(
            f"{len(a)} of {name}"
            for name, a in zip(network.inputs, arrays, strict=True)
        )
        raise DataError(
            f"images: all inputs must have equally many examples; got {came}."
        )
    return arrays


def count_of(network: Network, images: Arrays) -> int:
    """Return the number of examples."""
    return len(images if len(network.inputs) == 1 else images[0])


def loss_terms(network: Network, loss: Loss | None) -> tuple[LossTerm, ...]:
    """Return the terms of a loss: one, or those of several outputs; none of none."""
    if loss is None:
        return ()
    if not isinstance(loss, OutputLosses):
        output = network.outputs[0]
        return (LossTerm(output, 0, _loss_node(network, output, loss), loss),)
    return tuple(
        LossTerm(
            term.output,
            network.outputs.index(term.output),
            _loss_node(network, term.output, term.loss),
            term.loss,
            term.weight,
        )
        for term in loss.terms
    )


def _loss_node(network: Network, output: str, loss: Loss) -> str:
    node = network.node(output)
    return node.inputs[0] if type(node.layer).__name__ == loss.absorbs else output


def is_sum(loss: Loss) -> bool:
    """Whether a loss is a sum over the batch, not a mean."""
    return isinstance(loss, HalfSquaredErrorSum)


def labels_of(network: Network, labels: Arrays) -> tuple[Any, ...]:
    """Return the labels of all outputs; None for those without a loss."""
    return split("labels", network.outputs, labels)


def sample_weights_of(network: Network, sample_weight: Any) -> tuple[Any, ...]:
    """Return the examples' weights for all outputs; one array goes for all."""
    if isinstance(sample_weight, tuple | list) and len(network.outputs) > 1:
        return split("sample_weight", network.outputs, sample_weight)
    return (sample_weight,) * len(network.outputs)


def step_result(
    loss: Loss | None,
    terms: Sequence[LossTerm],
    losses: Mapping[str, float],
    output: Arrays,
) -> StepResult:
    """Return the result of a step: the weighted sum of the outputs' losses."""
    total = sum(term.weight * losses[term.output] for term in terms)
    if not isinstance(loss, OutputLosses):
        return StepResult(total, output)
    return StepResult(total, output, dict(losses))
