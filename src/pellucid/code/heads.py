"""Outputs that a script trains, and how it judges them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from pellucid.engines.ports import LossTerm, loss_terms
from pellucid.network import Network, Node
from pellucid.objectives import Loss
from pellucid.objectives.derived_meaning import output_meaning
from pellucid.objectives.output_meaning import OutputMeaning

#: what scores are called, and what their functions do
SCORES = {
    "accuracy": "Return the share that is classified rightly.",
    "mean_absolute_error": "Return the mean distance of an output from its target.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """An output of a network with its loss.

    Parameters
    ----------
    term : LossTerm
        Its share of the loss, and the node that the loss takes.
    output : Node
        The output.
    meaning : OutputMeaning
        What it means.
    classes : int
        Length of its last axis.
    """

    term: LossTerm
    output: Node
    meaning: OutputMeaning
    classes: int

    @property
    def name(self) -> str:
        """Name of the output."""
        return self.output.name

    @property
    def loss(self) -> Loss:
        """Its loss."""
        return self.term.loss

    @property
    def weight(self) -> float:
        """What its loss is multiplied by in the sum."""
        return self.term.weight

    @property
    def absorbed(self) -> Node | None:
        """The output's node, where the loss is computed from what stands before it."""
        return None if self.term.node == self.name else self.output

    @property
    def logits_node(self) -> str:
        """Name of the node that gives the logits."""
        return self.term.node

    @property
    def border(self) -> str:
        """What an output of class 1 is above, as the script computes outputs."""
        is_logit = self.absorbed is not None or self.meaning.is_logits
        return "0" if is_logit else "0.5"

    @property
    def score(self) -> str:
        """Name of the function that judges the output by its meaning."""
        is_regression = self.meaning.kind == "regression"
        return "mean_absolute_error" if is_regression else "accuracy"

    @property
    def smoothing(self) -> float:
        """Share of a label that goes to all classes."""
        return float(getattr(self.loss, "label_smoothing", 0.0))

    def score_text(self, z: str, labels: str, *, array: str) -> str:
        """Return the expression whose mean is the score.

        Parameters
        ----------
        z, labels : str
            Outputs and labels, as expressions.
        array : {"numpy", "torch"}
            Whose methods they have.
        """
        if self.meaning.kind == "classes":
            axis = "dim" if array == "torch" else "axis"
            return f"{z}.argmax({axis}=1) == {labels}"
        if self.meaning.kind == "regression":
            if array == "torch":
                return f"({z} - {labels}).abs()"
            return f"np.abs({z} - {labels})"
        return f"({z} > {self.border}) == ({labels} > 0.5)"


def heads_of(
    network: Network, loss: Loss, labels: npt.ArrayLike | None = None
) -> tuple[Head, ...]:
    """Return the outputs with a loss; ``labels`` may tell what the only one means."""
    return tuple(
        Head(
            term=term,
            output=network.node(term.output),
            meaning=output_meaning(network, term.loss, labels, output=term.output),
            classes=network.shapes[term.output][-1],
        )
        for term in loss_terms(network, loss)
    )
