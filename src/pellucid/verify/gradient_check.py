"""Gradient check against central differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.engines.dropout import masks_for
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.numpy import NumpySession
from pellucid.engines.numpy.layers import Mode, run
from pellucid.engines.ports import inputs_of, labels_of, loss_terms
from pellucid.engines.protocol import Arrays
from pellucid.errors import UnsupportedLayerError
from pellucid.explain.values import Array, Position
from pellucid.network import Network, Weight
from pellucid.network.fake_quantization import rounds
from pellucid.network.layers import Input
from pellucid.objectives import Loss
from pellucid.verify.examples import LossChoice, choose_loss, draw_examples
from pellucid.verify.nonsmooth import Branches, count_differences, find_branches

#: of each array's error, relative to its largest derivative: rounding of the loss
#: (1e-16 · loss / h) and the third derivative (h² / 6) leave about 1e-9 of it
TOLERANCE = 1e-6
_STEPS = (1e-5, 1e-6)  # h; the second where the first crosses a kink
_SMALL = 2_000  # parameters up to which every entry is checked
_SAMPLES, _FEW_SAMPLES = 200, 5  # entries of each larger array
_HEAVY = 10_000_000  # multiply-adds per image from which few samples do
_FLOOR = 1e-4  # of the network's largest derivative: below it, an array's is zero
_IMAGES = 2  # batch norm needs more than one

OnWeight = Callable[["WeightCheck"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCheck:
    """How one array's derivatives compare.

    Parameters
    ----------
    name : str
        As in ``conv2d.weight``.
    entries, checked, skipped : int
        Of the array; those compared; those left out because the smallest step still
        crosses a kink (a ReLU's corner, a max-pool's change of winner), where there
        is no derivative to compare with.
    error : float
        Largest difference, relative to the array's largest derivative.
    """

    name: str
    entries: int
    checked: int
    skipped: int
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientCheck:
    """What `check_gradients` found.

    Parameters
    ----------
    network, loss : str
        What was differentiated.
    weights : tuple of WeightCheck
        One for each parameter array, in the network's order.
    tolerance : float
        Largest error that passes.
    """

    network: str
    loss: str
    weights: tuple[WeightCheck, ...]
    tolerance: float

    @property
    def passes(self) -> bool:
        """True where something was checked and every error is within tolerance."""
        return any(w.checked for w in self.weights) and all(
            w.error <= self.tolerance for w in self.weights
        )


def check_gradients(
    network: Network,
    *,
    weights: Mapping[str, Array] | None = None,
    loss: LossChoice = None,
    samples: int | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    on_weight: OnWeight | None = None,
) -> GradientCheck:
    """Compare the numpy engine's derivatives with central differences, in float64.

    Parameters
    ----------
    network : Network
        In training mode: batch statistics, dropout with fixed masks.
    weights : mapping of weight name to ndarray, optional
        Where to differentiate; freshly drawn ones, if left out.
    loss : Loss or mapping of str to Loss, optional
        Of several outputs one for each that is trained. Cross entropy, or half the
        squared error for one column, of every output, if left out.
    samples : int, optional
        Entries of each array, drawn by the seed. All of a network of up to 2,000
        parameters, else 200, or 5 from 10 million multiply-adds per image on.
    seed : int
        Of weights, images, labels and samples.
    tolerance : float
        Largest relative error that passes.
    on_weight : callable, optional
        Called after each array.

    Returns
    -------
    GradientCheck
        Relative errors of each array, and whether all pass.

    Notes
    -----
    ``∂L/∂w ≈ (L(w + h) − L(w − h)) / 2h`` with h = 1e-5. Where a ReLU's sign or a
    max-pool's winner differs between both, h = 1e-6 is tried, then the entry is
    skipped and counted.

    Examples
    --------
    >>> from pellucid.network import zoo
    >>> check_gradients(zoo("xor-one-hidden")).passes
    True
    """
    refuse_integers("verify", network)
    for node in network.nodes:
        if rounds(node.layer):
            raise UnsupportedLayerError(
                "verify: gradients must be those of what is computed; got "
                f"{node.layer.who}, where they pass straight through rounding. Check "
                "the network without it."
            )
    chosen = choose_loss(network, loss)
    start = network.initial_weights(seed, "float64")
    if weights is not None:
        start = {n: np.array(weights[n], np.float64) for n in start}
    random = np.random.default_rng(seed)
    images, labels = draw_examples(network, chosen, _IMAGES, random)
    session = NumpySession(
        network,
        state={f"weights/{name}": array for name, array in start.items()},
        loss=chosen,
        optimizer=None,
        dtype="float64",
    )
    _, grads = session.gradients(images, labels)
    largest = max((float(np.abs(g).max()) for g in grads.values()), default=0.0)
    probe = _Probe(network, start, chosen, images, labels)
    checks = []
    for weight in network.parameters:
        places = _sample_entries(network, weight, samples, seed)
        check = _check_weight(
            weight, places, grads[weight.name], probe, _FLOOR * largest
        )
        checks.append(check)
        if on_weight is not None:
            on_weight(check)
    return GradientCheck(
        network=network.name,
        loss=chosen.name,
        weights=tuple(checks),
        tolerance=tolerance,
    )


def _sample_entries(
    network: Network, weight: Weight, samples: int | None, seed: int
) -> list[Position]:
    size = int(np.prod(weight.shape))
    few = _FEW_SAMPLES if network.multiply_adds >= _HEAVY else _SAMPLES
    wanted = few if samples is None else samples
    if size <= wanted or (samples is None and network.parameter_count <= _SMALL):
        return list(np.ndindex(*weight.shape))
    chosen = np.random.default_rng(seed).choice(size, wanted, replace=False)
    return [tuple(int(n) for n in np.unravel_index(k, weight.shape)) for k in chosen]


class _Probe:
    """The loss as a function of one entry; only what stands behind it runs again."""

    def __init__(
        self,
        network: Network,
        weights: dict[str, Array],
        loss: Loss,
        images: Arrays,
        labels: Arrays,
    ) -> None:
        self._network, self._weights = network, weights
        self._terms = loss_terms(network, loss)
        self._labels = labels_of(network, labels)
        self._masks = masks_for(
            network, seed=0, step=0, indices=np.arange(_IMAGES), dtype=np.float64
        )
        inputs = inputs_of(network, images)
        self._found = dict(zip(network.inputs, inputs, strict=True))
        self._found = self._outputs(set(network.inputs))

    def _outputs(self, changed: set[str]) -> dict[str, Array]:
        """Return every node's output, after something in some nodes has changed."""
        found, stale = dict(self._found), set(changed)
        for node in self._network.nodes:
            if isinstance(node.layer, Input):
                continue
            if node.name not in changed and not stale.intersection(node.inputs):
                continue
            stale.add(node.name)
            inputs = tuple(found[source] for source in node.inputs)
            specs = node.layer.weights(*self._network.input_shapes(node))
            mine = {s.role: self._weights[f"{node.owner}.{s.role}"] for s in specs}
            mode = Mode(True, self._masks.get(node.name))
            found[node.name] = run(node.layer, inputs, mine, mode).output
        return found

    def difference(self, weight: Weight, at: Position, h: float) -> float | None:
        """Return the central difference, or None where a kink lies between."""
        array: Any = self._weights[weight.name]
        kept = array[at]
        places = {n.name for n in self._network.nodes if n.owner == weight.node}
        sides: list[tuple[float, Branches]] = []
        for value in (kept + h, kept - h):
            array[at] = value
            found = self._outputs(places)
            sides.append((self._loss(found), find_branches(self._network, found)))
        array[at] = kept
        (above, one), (below, other) = sides
        return None if count_differences(one, other) else (above - below) / (2 * h)

    def _loss(self, found: Mapping[str, Array]) -> float:
        """Return the loss, the weighted sum of the outputs' losses."""
        return sum(
            term.weight
            * term.loss.value_and_grad(found[term.node], self._labels[term.index])[0]
            for term in self._terms
        )


def _check_weight(
    weight: Weight, places: list[Position], grad: Array, probe: _Probe, floor: float
) -> WeightCheck:
    worst = scale = 0.0
    checked = 0
    for at in places:
        numeric: float | None = None
        for h in _STEPS:
            numeric = probe.difference(weight, at, h)
            if numeric is not None:
                break
        if numeric is None:
            continue
        analytic = float(grad[at])
        checked += 1
        worst = max(worst, abs(analytic - numeric))
        scale = max(scale, abs(analytic), abs(numeric))
    return WeightCheck(
        name=weight.name,
        entries=grad.size,
        checked=checked,
        skipped=len(places) - checked,
        error=worst / max(scale, floor, np.finfo(np.float64).tiny),
    )
