"""Arithmetic of one element as data: terms, steps, result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy.typing as npt

from pellucid.network import Node
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]
Position = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One number that enters.

    Parameters
    ----------
    source : str
        The node it comes from.
    at : tuple of int, optional
        Its place in that node's output; None for padding.
    x : float
        The number.
    weight : float, optional
        What it is multiplied with.
    weight_at : tuple of int, optional
        Place of that factor in the node's ``.weight``; None for a fixed factor.
    value : float
        What comes of it: the product, the exponential …
    slope : float
        Derivative of the node's output by this number.
    note : str
        "padding" or "largest", say.
    """

    source: str
    at: Position | None
    x: float
    weight: float | None = None
    weight_at: Position | None = None
    value: float
    slope: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One learned number that enters once: a bias, a scale, an offset.

    ``slope`` is the derivative of the node's output by it.

    Parameters
    ----------
    role : str
        Its role, as in ``bias``.
    at : tuple of int
        Its position in the array.
    value : float
        Its value.
    slope : float
        Derivative of the node's output with respect to it.
    """

    role: str
    at: Position
    value: float
    slope: float


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the calculation: what it is called, how it is made, its value.

    Parameters
    ----------
    name : str
        What it is called.
    formula : str
        How it is computed.
    value : float
        The result.
    """

    name: str
    formula: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """What a layer's rule gives for one place; the last step is the result."""

    equation: str
    terms: tuple[Term, ...]
    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementContext:
    """One number of one node, with all that its calculation reads.

    ``inputs`` are the outputs of the nodes that it reads, for one image;
    ``weights`` its arrays by role; all in float64.
    """

    node: Node
    at: Position
    inputs: tuple[Array, ...]
    weights: Mapping[str, Array]
    shape: Shape

    @property
    def x(self) -> Array:
        """The only input, or the first of several."""
        return self.inputs[0]

    @property
    def source(self) -> str:
        """The node that `x` comes from."""
        return self.node.inputs[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """The arithmetic behind one number of one node, in inference.

    Parameters
    ----------
    node, layer : str
        Where, and the kind of layer there.
    at : tuple of int
        Place in the node's output: (row, column, channel), or (unit,).
    equation : str
        The layer's rule.
    terms : tuple of Term
        Everything that enters from other nodes.
    parameters : tuple of Parameter
        Learned numbers besides the weights in the terms.
    steps : tuple of Step
        The calculation, line by line, in float64 from the numbers above.
    value : float
        The result of the last step.
    activation : float
        What the engine calculated there, in the model's own precision.
    then : tuple of Arithmetic
        The activation that follows the node, if one does.
    """

    node: str
    layer: str
    at: Position
    equation: str
    terms: tuple[Term, ...]
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    value: float
    activation: float
    then: tuple[Arithmetic, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)
