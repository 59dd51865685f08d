"""Parity check: lockstep, then the same steps running free."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from pellucid.engines import Engine, Session, as_engine
from pellucid.engines.numpy import NumpySession
from pellucid.engines.ports import count_of, inputs_of, join
from pellucid.engines.protocol import Array, State
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Adam, Optimizer
from pellucid.verify import lockstep, updates
from pellucid.verify.examples import Examples, LossChoice, choose_loss, load_examples
from pellucid.verify.lockstep import (
    KINDS,
    Batch,
    Outcome,
    Reference,
    Residual,
)
from pellucid.verify.nonsmooth import BranchSession
from pellucid.verify.results import (
    FreeRun,
    Kind,
    Pair,
    ParityReport,
    Ties,
)
from pellucid.verify.tolerance import limits

OnStep = Callable[[int, int, str], None]


def check_parity(
    network: Network,
    engines: Sequence[str | Engine],
    *,
    weights: Mapping[str, Array] | None = None,
    loss: LossChoice = None,
    optimizer: Optimizer | None = None,
    examples: Examples | None = None,
    steps: int = 50,
    batch_size: int = 32,
    seed: int = 0,
    dtype: str = "float32",
    on_step: OnStep | None = None,
) -> ParityReport:
    """Run the same training on several engines, and measure how far they are apart.

    Parameters
    ----------
    network : Network
        In training mode: batch statistics, dropout by masks that all engines share.
    engines : sequence of str or Engine
        Two at least, each once.
    weights : mapping of weight name to ndarray, optional
        Where to begin; drawn from the seed if left out.
    loss : Loss or mapping of str to Loss, optional
        Of several outputs one for each that is trained. Cross-entropy, or half the
        squared error for one column, of every output, if left out.
    optimizer : Optimizer, optional
        ``Adam(1e-3)`` if left out.
    examples : Examples, optional
        Real pictures wherever they fit, if left out; see `load_examples`.
    steps, batch_size : int
        How many updates, each of how many examples.
    seed : int
        Of weights, order and dropout.
    dtype : {"float32", "float64"}
        The engines'.
    on_step : callable, optional
        Called as on_step(done, total, what) after each step.

    Returns
    -------
    ParityReport
        Deviations and their limits, for each step and pair of engines.

    Raises
    ------
    EngineError
        If fewer than two engines are named, or one twice, or one lacks the dtype.

    Notes
    -----
    Before every step all engines take over the state of the reference, the NumPy
    engine in the same dtype, so that nothing accumulates. Every tensor is compared
    with the reference's in float64, its derivatives on the side of each corner where
    the engine was (`branches`); two engines are apart by the difference of these
    residuals, ``‖(a − A) − (b − B)‖∞ / ‖reference‖∞``, which is ``‖a − b‖∞`` where no
    side differs. Of updated weights only that counts which the gradients' tolerance
    does not explain (`updates`). The noise floor is the reference's residual.

    Examples
    --------
    >>> from pellucid.network import zoo
    >>> report = check_parity(zoo("xor-one-hidden"), ["numpy", "compiled"], steps=2)
    >>> report.passes
    True
    """
    chosen = _select_engines(engines)
    how = choose_loss(network, loss)
    update = optimizer or Adam(1e-3)
    state = initial_state(network, seed=seed, dtype="float32")
    state |= {f"weights/{name}": array for name, array in (weights or {}).items()}
    data = examples or load_examples(network, how, seed=seed)
    batches = [
        Batch(
            join([x.astype(dtype) for x in inputs_of(network, images)]),
            labels,
            update.learning_rate,
        )
        for images, labels in data.batches(steps, batch_size, seed)
    ]
    made: dict[str, Any] = {"state": state, "loss": how, "optimizer": update}
    lab = _ParityRun(
        network=network,
        exact=BranchSession(network, **made, dtype="float64"),
        reference=NumpySession(network, **made, dtype=dtype),
        optimizer=update,
        sessions={
            name: engine.build(network, **made, dtype=dtype)
            for name, engine in chosen.items()
        },
        dtype=dtype,
    )
    for number, batch in enumerate(batches, start=1):
        lab.step(batch)
        if on_step:
            on_step(number, steps, "lockstep")
    kinds = lab.kinds()
    return ParityReport(
        network=network.name,
        loss=how.name,
        optimizer=update.name,
        dtype=dtype,
        data=data.description,
        engines=tuple(chosen),
        pairs=lab.pairs,
        steps=steps,
        batch_size=count_of(network, batches[0].images),
        activations=kinds["activations"],
        gradients=kinds["gradients"],
        weights=kinds["weights"],
        ties=lab.ties(),
        free=lab.run_free(state, batches, on_step),
    )


def _select_engines(engines: Sequence[str | Engine]) -> dict[str, Engine]:
    chosen = {}
    for engine in map(as_engine, engines):
        chosen[engine.name] = engine
    if len(chosen) < 2 or len(chosen) < len(engines):
        names = ", ".join(e if isinstance(e, str) else e.name for e in engines)
        raise EngineError(
            f"verify: engines must be two or more, each once; got {names or 'none'}."
        )
    return chosen


@dataclass(kw_only=True)
class _ParityRun:
    """All sessions of a check, and what was measured on them so far."""

    network: Network
    exact: BranchSession
    reference: NumpySession
    optimizer: Optimizer
    sessions: dict[str, Session]
    dtype: str
    deviations: dict[str, list[Any]] = field(default_factory=dict)
    floors: dict[str, list[Any]] = field(default_factory=dict)
    branches: list[tuple[int, int, list[int]]] = field(default_factory=list)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(combinations(self.sessions, 2))

    def step(self, batch: Batch) -> None:
        """Take one step on every engine from the reference's state."""
        state = self.reference.state()
        exact = Reference(self.network, self.exact, self.optimizer, state, batch)
        noise = exact.residual(lockstep.take_step(self.reference, state, batch))
        tolerance = self._gradient_tolerance(exact, noise)
        residuals = {
            name: self._residual(
                exact, lockstep.take_step(session, state, batch), tolerance
            )
            for name, session in self.sessions.items()
        }
        for kind in KINDS:
            slacks = {
                name: self._slack(state, residual, tolerance, batch)
                for name, residual in (("", noise), *residuals.items())
                if kind == "weights"
            }
            scales = exact.scales(kind)
            gaps = [
                lockstep.distance(
                    lockstep.subtract(
                        residuals[a].tensors[kind], residuals[b].tensors[kind]
                    ),
                    scales,
                    lockstep.larger_slack(slacks, a, b),
                )
                for a, b in self.pairs
            ]
            self.deviations.setdefault(kind, []).append(gaps)
            floor = lockstep.distance(noise.tensors[kind], scales, slacks.get(""))
            self.floors.setdefault(kind, []).append(floor)
        crossed = [residual.crossed for residual in residuals.values()]
        self.branches.append((*exact.near, crossed))

    def _residual(
        self, exact: Reference, outcome: Outcome, tolerance: Mapping[str, float]
    ) -> Residual:
        """Compare on the sides that were shown; if that is off, on hidden ones."""
        residual = exact.residual(outcome)
        off = residual.tensors["gradients"]
        is_off = any(
            np.max(np.abs(array), initial=0.0) > tolerance[name]
            for name, array in off.items()
        )
        return exact.on_unobserved_branches(outcome, residual) if is_off else residual

    def _gradient_tolerance(
        self, exact: Reference, noise: Residual
    ) -> dict[str, float]:
        """Return how far each gradient may be off in this step."""
        scales = exact.scales("gradients")
        floor = np.array([lockstep.distance(noise.tensors["gradients"], scales)])
        shares = limits("gradients", floor, dtype=self.dtype)[0]
        return {
            name: share * scales[name]
            for name, share in zip(scales, shares, strict=True)
        }

    def _slack(
        self,
        state: State,
        residual: Residual,
        tolerance: Mapping[str, float],
        batch: Batch,
    ) -> dict[str, Array]:
        return updates.bound_updates(
            self.network,
            self.optimizer,
            state,
            residual.exact_gradients,
            tolerance=tolerance,
            learning_rate=batch.learning_rate,
        )

    def kinds(self) -> dict[str, Kind]:
        """Return what was measured, by kind."""
        learning = [weight.name for weight in self.network.parameters]
        names = {
            "activations": [node.name for node in self.network.nodes],
            "gradients": learning,
            "weights": [weight.name for weight in self.network.weights],
        }
        return {
            kind: Kind(
                name=kind,
                tensors=tuple(names[kind]),
                deviation=np.array(self.deviations[kind]),
                floor=np.array(self.floors[kind]),
                dtype=self.dtype,
            )
            for kind in KINDS
        }

    def ties(self) -> Ties:
        """Return what was counted near corners."""
        kinks, ties, crossed = zip(*self.branches, strict=True)
        return Ties(
            kinks=np.array(kinks), ties=np.array(ties), crossed=np.array(crossed)
        )

    def run_free(
        self, state: State, batches: Sequence[Batch], on_step: OnStep | None
    ) -> FreeRun:
        """Take all steps from one state without setting any engine back."""
        sessions = {"": self.reference, **self.sessions}
        self.exact.branches = {}
        for session in (self.exact, *sessions.values()):
            session.load_state(state)
        drift = []
        for number, batch in enumerate(batches, start=1):
            for session in (self.exact, *sessions.values()):
                session.train_step(
                    batch.images, batch.labels, learning_rate=batch.learning_rate
                )
            truth = lockstep.get_weights(self.exact)
            scales = {n: float(np.max(np.abs(a))) or 1.0 for n, a in truth.items()}
            drift.append(
                [
                    max(
                        lockstep.distance(
                            lockstep.subtract(lockstep.get_weights(session), truth),
                            scales,
                        )
                    )
                    for session in sessions.values()
                ]
            )
            if on_step:
                on_step(number, len(batches), "running free")
        whole = np.array(drift)
        return FreeRun(deviation=whole[:, 1:], floor=whole[:, 0])
