"""Results of a parity check as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.verify.tolerance import limits

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How far apart all tensors of one kind are, for each step and pair.

    Parameters
    ----------
    name : {"activations", "gradients", "weights"}
    tensors : tuple of str
        Node or weight names, in the network's order.
    deviation : ndarray, shape (steps, pairs, tensors)
        ‖a − b‖∞ / ‖reference‖∞.
    floor : ndarray, shape (steps, tensors)
        The same of the reference in float32 against itself in float64: what rounding
        alone does. 0 where the check is made in float64.
    dtype : str
        The engines'.
    """

    name: str
    tensors: tuple[str, ...]
    deviation: Numbers
    floor: Numbers
    dtype: str

    @property
    def limit(self) -> Numbers:
        """The largest deviation that passes, shape (steps, tensors)."""
        return limits(self.name, self.floor, dtype=self.dtype)

    @property
    def share(self) -> Numbers:
        """Deviation as a share of its limit, shape (steps, pairs, tensors)."""
        shares: Numbers = self.deviation / self.limit[:, None, :]
        return shares

    @property
    def fails(self) -> npt.NDArray[np.bool_]:
        """Where the limit is exceeded, or something is no number; same shape."""
        is_within: npt.NDArray[np.bool_] = self.share <= 1
        return ~is_within


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Where two engines part first.

    In the order of computing: activations from the first node to the last, then
    gradients from the last weight to the first, then updated weights.

    Parameters
    ----------
    pair : pair of str
        The engines.
    step : int
        From 0.
    kind, tensor : str
        What parts.
    deviation, limit : float
        Relative difference, and what was allowed.
    """

    pair: Pair
    step: int
    kind: str
    tensor: str
    deviation: float
    limit: float

    def __str__(self) -> str:
        what = self.kind.removesuffix("s")
        return (
            f"{self.pair[0]} and {self.pair[1]} part in step {self.step} at "
            f"{what} '{self.tensor}': {self.deviation:.1e}, limit {self.limit:.1e}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """How often rounding could change a side, and how often it did.

    Parameters
    ----------
    kinks, ties : ndarray, shape (steps,)
        As in `corners.Count`.
    crossed : ndarray, shape (steps, engines)
        Corners on whose other side an engine was, against float64.
    """

    kinks: Counts
    ties: Counts
    crossed: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeRun:
    """How far engines drift when nothing holds them together.

    Parameters
    ----------
    deviation : ndarray, shape (steps, engines)
        Of the weights from the reference's in float64, the largest over all arrays.
    floor : ndarray, shape (steps,)
        The same of the reference in the engines' dtype.
    """

    deviation: Numbers
    floor: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """What `check_parity` found.

    Parameters
    ----------
    network, loss, optimizer, dtype, data : str
        What was run, and on what.
    engines : tuple of str
        In the order of the columns.
    pairs : tuple of (str, str)
        All pairs of engines, in the order of the columns.
    steps, batch_size : int
        How many updates, each of how many examples.
    activations, gradients, weights : Kind
        Deviations of these tensors and their limits.
    ties : Ties
        Elements at non-differentiable points.
    free : FreeRun
        The same training without taking over the reference's state.
    """

    network: str
    loss: str
    optimizer: str
    dtype: str
    data: str
    engines: tuple[str, ...]
    pairs: tuple[Pair, ...]
    steps: int
    batch_size: int
    activations: Kind
    gradients: Kind
    weights: Kind
    ties: Ties
    free: FreeRun

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Activations, gradients, weights."""
        return self.activations, self.gradients, self.weights

    @property
    def passes(self) -> bool:
        """True where every pair is within tolerance in every step."""
        return not any(kind.fails.any() for kind in self.kinds)

    def first_divergence(self, pair: Pair) -> Divergence | None:
        """Return where a pair of engines parts first; None where it does not.

        Parameters
        ----------
        pair : pair of str
            Two engines.

        Returns
        -------
        Divergence or None
            The first tensor beyond its limit.
        """
        column = self.pairs.index(pair)
        for step in range(self.steps):
            for kind in self.kinds:
                failing = np.flatnonzero(kind.fails[step, column])
                if len(failing):
                    is_backward = kind.name == "gradients"
                    which = failing[-1] if is_backward else failing[0]
                    return Divergence(
                        pair=pair,
                        step=step + 1,
                        kind=kind.name,
                        tensor=kind.tensors[which],
                        deviation=float(kind.deviation[step, column, which]),
                        limit=float(kind.limit[step, which]),
                    )
        return None

    def worst(self, kind: Kind, pair: Pair) -> tuple[float, float, str]:
        """Return deviation, floor and tensor where a pair comes nearest to its limit.

        Of all steps; the floor is that tensor's in that step.

        Parameters
        ----------
        kind : Kind
            Activations, gradients or updated weights.
        pair : pair of str
            Two engines.

        Returns
        -------
        tuple
            Deviation, floor, and the tensor's name.
        """
        column = self.pairs.index(pair)
        share = kind.share[:, column]
        step, tensor = np.unravel_index(np.argmax(share), share.shape)
        return (
            float(kind.deviation[step, column, tensor]),
            float(kind.floor[step, tensor]),
            kind.tensors[tensor],
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        partings = {pair: self.first_divergence(pair) for pair in self.pairs}
        return {
            "network": self.network,
            "loss": self.loss,
            "optimizer": self.optimizer,
            "dtype": self.dtype,
            "data": self.data,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "engines": list(self.engines),
            "passes": self.passes,
            "pairs": [
                {
                    "engines": list(pair),
                    "passes": partings[pair] is None,
                    "parting": str(partings[pair]) if partings[pair] else None,
                    **{kind.name: self._pair_json(kind, pair) for kind in self.kinds},
                }
                for pair in self.pairs
            ],
            "tensors": {kind.name: list(kind.tensors) for kind in self.kinds},
            "floor": {kind.name: kind.floor.tolist() for kind in self.kinds},
            "near_corners": {
                "kinks": self.ties.kinks.tolist(),
                "ties": self.ties.ties.tolist(),
                "crossed": self._by_engine(self.ties.crossed),
            },
            "free_running": {
                "deviation": self._by_engine(self.free.deviation),
                "floor": self.free.floor.tolist(),
            },
        }

    def _pair_json(self, kind: Kind, pair: Pair) -> dict[str, Any]:
        deviation, floor, tensor = self.worst(kind, pair)
        return {
            "worst": {"deviation": deviation, "floor": floor, "tensor": tensor},
            "deviation": kind.deviation[:, self.pairs.index(pair)].tolist(),
        }

    def _by_engine(self, columns: npt.NDArray[Any]) -> dict[str, list[float]]:
        rows: dict[str, list[float]] = {}
        for name, values in zip(self.engines, columns.T, strict=True):
            rows[name] = values.tolist()
        return rows
