"""Softmax and loss as the last nodes of a network's arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid.engines.ports import LossTerm, loss_terms
from pellucid.errors import NetworkError
from pellucid.explain.chosen_output import choose_output
from pellucid.explain.layers.sums import show, show_share
from pellucid.explain.ports import output_name
from pellucid.explain.values import Arithmetic, Array, Step, Term
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of
from pellucid.network import Node
from pellucid.network.layers import Layer, Sigmoid, Softmax
from pellucid.objectives import (
    LOSSES,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
)
from pellucid.objectives.output_losses import output_losses, rename_outputs

LOSS = "loss"  # the node's name

#: what the label's loss is where the model has none
_USUAL_LOSSES = {
    "classes": "cross_entropy",
    "binary": "binary_cross_entropy",
    "labels": "binary_cross_entropy",
    "regression": "mse",
}
_PROBABILITIES: dict[str, type[Layer]] = {
    "classes": Softmax,
    "binary": Sigmoid,
    "labels": Sigmoid,
}


def probability_node(model: Model, of_output: str | None = None) -> Node | None:
    """Return the softmax or sigmoid that an output of logits leaves to its loss.

    Of several outputs it is called by the output, as ``kind_softmax``.
    """
    output, network = output_name(model, of_output), model.network
    meaning = output_meaning_of(model, output)
    if meaning.kind not in _PROBABILITIES or not meaning.is_logits:
        return None
    layer = _PROBABILITIES[meaning.kind]
    taken = {node.name for node in network.nodes}
    name = layer.stem if len(network.outputs) == 1 else f"{output}_{layer.stem}"
    while name in taken:
        name += "_of_output"
    return Node(name, layer(), (output,))


def reaching(model: Model, node: str) -> Model:
    """Return a model that has a node: the same, or one that ends in probabilities.

    Parameters
    ----------
    model : Model
        On any engine.
    node : str
        One of the network's nodes, the softmax or sigmoid after its logits, or
        ``loss``.

    Raises
    ------
    NetworkError
        If there is no such node.
    """
    if any(known.name == node for known in model.network.nodes):
        return model
    outputs = model.network.outputs
    for output in outputs:
        last = probability_node(model, output)
        is_wanted = node == LOSS and len(outputs) == 1
        if last is not None and (is_wanted or last.name == node):
            return _extended(model, last)
        if is_wanted:
            return model
    model.network.node(node)  # refuses, with what there is
    return model


def _extended(model: Model, last: Node) -> Model:
    """Return the model with one more node, which has no weights, after an output."""
    (before,) = last.inputs
    nodes = (*model.network.nodes, last)
    other = Model(
        model.network.with_nodes(nodes, renamed={before: last.name}),
        engine=model.engine,
        loss=rename_outputs(model.loss, {before: last.name}),
        optimizer=model.optimizer,
        dtype=model.dtype,
        preprocessing=model.preprocessing,
        classes=model.classes,
    )
    other.load_weights(model.weights)
    return other


def usual_loss(model: Model, of_output: str | None = None) -> Loss:
    """Return an output's loss, or the usual one of what it means."""
    return _loss_term(model, output_name(model, of_output)).loss


def _loss_term(model: Model, output: str) -> LossTerm:
    """Return an output's loss, and the node whose output it takes."""
    for term in loss_terms(model.network, model.loss):
        if term.output == output:
            return term
    usual = LOSSES[_USUAL_LOSSES[output_meaning_of(model, output).kind]]()
    losses = output_losses(model.network.outputs, {output: usual})
    (term,) = loss_terms(model.network, losses)
    return term


@dataclass(frozen=True, slots=True)
class LabelledLoss:
    """A loss, and one example's label as it takes it.

    Parameters
    ----------
    loss : Loss
        The model's, or the usual one of what its output means.
    labels : ndarray
        Of a batch of one.
    head : str
        The node whose output the loss is computed from.
    """

    loss: Loss
    labels: Array
    head: str

    def value_and_grad(self, found: dict[str, Array]) -> tuple[float, Array]:
        """Return the loss, and its gradient with respect to the head's output."""
        value, grad = self.loss.value_and_grad(found[self.head], self.labels)
        return float(value), grad


def labelled_loss(
    model: Model, output: Array, label: float, *, of_output: str | None = None
) -> LabelledLoss:
    """Return the loss of one example with that label.

    Parameters
    ----------
    model : Model
        On any engine.
    output : ndarray, shape (1, …)
        Of the network's output node.
    label : int or float
        A class, one of several labels, or the value of a single output.
    of_output : str, optional
        The output's name, where the network has several.

    Raises
    ------
    NetworkError
        If there is no such label.
    """
    name = output_name(model, of_output)
    meaning, term = output_meaning_of(model, name), _loss_term(model, name)
    loss, head = term.loss, term.node
    if meaning.kind == "regression":
        if output.size != 1:
            raise NetworkError(
                "explain: a label must be a class, or the value of a single output; "
                f"got label {label} for {output.size} values."
            )
        return LabelledLoss(loss, np.full_like(output, label), head)
    chosen = choose_output(model, output[0], int(label), of_output=name)
    labels = np.maximum(chosen.gradient(output), 0)
    takes_columns = loss.name in LOSSES and not isinstance(loss, CrossEntropy)
    if meaning.kind == "classes" and not takes_columns:
        labels = np.array([chosen.index])
    return LabelledLoss(loss, labels, head)


def explain_loss(
    model: Model,
    found: dict[str, Array],
    label: float | None,
    *,
    of_output: str | None = None,
) -> Arithmetic:
    """Return the arithmetic of the loss with a label.

    Parameters
    ----------
    model : Model
        As `reaching` returns it.
    found : dict of str to ndarray
        Each node's output of a batch of one.
    label : int, float or None
        As in `labelled_loss`.
    of_output : str, optional
        As in `labelled_loss`.

    Returns
    -------
    Arithmetic
        In float64. ``activation`` is the loss by its own formula, from the logits
        where it absorbs the last layer.

    Raises
    ------
    NetworkError
        If there is no label, or the loss has another formula than a sum over outputs.
    """
    if label is None:
        raise NetworkError(
            "explain: node 'loss' must go with a label; got none. Give the right class "
            "by --label K."
        )
    exact = {name: array.astype(np.float64) for name, array in found.items()}
    output = output_name(model, of_output)
    of = labelled_loss(model, exact[output], label, of_output=output)
    if of.loss.absorbs and of.head == output:
        raise NetworkError(
            f"explain: node 'loss' must come after a {of.loss.absorbs} or its logits; "
            f"got {of.loss.name} of '{output}'. Look at that node."
        )
    y = _probabilities(of, exact[of.head], exact[output])
    terms, equation, formula = _terms(of, output, y)
    total = math.fsum(term.value for term in terms)
    return Arithmetic(
        node=LOSS,
        layer=type(of.loss).__name__,
        at=(),
        equation=equation,
        terms=terms,
        parameters=(),
        steps=(Step("loss", formula, total),),
        value=total,
        activation=of.value_and_grad(exact)[0],
    )


def _probabilities(of: LabelledLoss, logits: Array, output: Array) -> Array:
    """Return the output; in float64 from the logits where the loss takes those."""
    if logits is output:
        return np.asarray(output[0])
    if of.loss.absorbs == "Sigmoid":
        return np.asarray(1 / (1 + np.exp(-logits[0])))
    e = np.exp(logits[0] - logits[0].max())
    return np.asarray(e / e.sum())


def _terms(
    of: LabelledLoss, source: str, y: Array
) -> tuple[tuple[Term, ...], str, str]:
    """Return the loss's terms, its equation, and the equation with numbers."""
    loss, count = of.loss, y.size
    if isinstance(loss, CrossEntropy):
        t = loss.soft_labels(of.labels, (1, *y.shape), np.float64)[0]
        equation = "loss = −Σ t[k] · ln p[k]"
        k = int(t.argmax())
        is_one = t[k] == 1
        formula = f"−ln {show_share(y[k])}" if is_one else f"Σ of {count}"
        parts = [(-_times_log(t, p), -_over(t, p)) for t, p in zip(t, y, strict=True)]
    elif isinstance(loss, BinaryCrossEntropy):
        e = loss.label_smoothing
        t = of.labels.reshape(y.shape).astype(np.float64) * (1 - e) + e / 2
        equation = "loss = −Σ (t[k] · ln p[k] + (1 − t[k]) · ln(1 − p[k])) / K"
        formula = f"Σ of {count}"
        if count == 1 and t[0] in (0, 1):
            formula = f"−ln {show_share(y[0])}" if t[0] else f"−ln(1 − {show(y[0])})"
        parts = [
            (
                -(_times_log(t, p) + _times_log(1 - t, 1 - p)) / count,
                (_over(1 - t, 1 - p) - _over(t, p)) / count,
            )
            for t, p in zip(t, y, strict=True)
        ]
    elif isinstance(loss, MeanSquaredError | HalfSquaredErrorSum):
        t = of.labels.reshape(y.shape).astype(np.float64)
        is_mean = isinstance(loss, MeanSquaredError)
        share = 1 / count if is_mean else 0.5
        equation = (
            f"loss = {'Σ (y[k] − t[k])² / K' if is_mean else '½ Σ (y[k] − t[k])²'}"
        )
        formula = f"Σ of {count}"
        if count == 1:
            half = "" if is_mean else "½ · "
            formula = f"{half}({show(y[0])} − {show(t[0])})²"
        parts = [
            (share * (y - t) ** 2, 2 * share * (y - t))
            for y, t in zip(y, t, strict=True)
        ]
    else:
        raise NetworkError(
            "explain: node 'loss' must be cross_entropy, binary_cross_entropy, mse or "
            f"half_squared_error_sum; got {loss.name}. Look at the node before it."
        )
    label = int(t.argmax()) if count > 1 else -1
    terms = tuple(
        Term(
            source=source,
            at=(k,),
            x=float(y[k]),
            value=float(value) + 0.0,
            slope=float(slope) + 0.0,
            note="label" if k == label else "",
        )
        for k, (value, slope) in enumerate(parts)
    )
    return terms, equation, formula


def _times_log(t: float, p: float) -> float:
    """Return t · ln p, and 0 where t is 0."""
    if t == 0:
        return 0.0
    return t * math.log(p) if p > 0 else -math.inf


def _over(t: float, p: float) -> float:
    """Return t / p, and 0 where t is 0."""
    if t == 0:
        return 0.0
    return t / p if p > 0 else math.inf
