"""State that travels between engines: make, check, pack and unpack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from pellucid.engines.memory import require_memory
from pellucid.engines.protocol import Array, State
from pellucid.errors import EngineError, ShapeError
from pellucid.network import Network
from pellucid.network.layers import Dropout
from pellucid.objectives import Optimizer


@dataclass(slots=True)
class UnpackedState:
    """A state taken apart: what a session keeps between steps."""

    weights: dict[str, Array]
    slots: dict[str, dict[str, Array]] = field(default_factory=dict)
    step: int = 0
    seed: int = 0


def initial_state(network: Network, *, seed: int, dtype: str) -> dict[str, Array]:
    """Return the state before the first step: drawn weights and step 0.

    Raises
    ------
    EngineError
        If the weights do not fit into memory; nothing is drawn then.
    """
    count = sum(prod(weight.shape) for weight in network.weights)
    require_memory(
        f"Model: the weights of network '{network.name}'",
        count * np.dtype(dtype).itemsize,
        got=f"{count:,} weights of {dtype}: ",
        advice="Take smaller layers.",
    )
    drawn = network.initial_weights(seed, dtype)
    state = {f"weights/{name}": array for name, array in drawn.items()}
    return {**state, **_counters(network, step=0, seed=seed)}


def has_dropout(network: Network) -> bool:
    """True where training draws masks."""
    return any(isinstance(n.layer, Dropout) and n.layer.rate > 0 for n in network.nodes)


def _counters(network: Network, *, step: int, seed: int) -> dict[str, Array]:
    counters: dict[str, Array] = {"step": np.asarray(step, np.int64)}
    if has_dropout(network):
        counters["seed"] = np.asarray(seed, np.uint64)
    return counters


def unpack_state(
    network: Network, state: State, *, optimizer: Optimizer | None, dtype: str
) -> UnpackedState:
    """Check a state against a network and return copies of its arrays.

    Slots that the state does not have begin at zero, so that a state without an
    optimizer, or of another one, starts a new optimizer.

    Raises
    ------
    EngineError
        If a weight is missing or not the network's.
    ShapeError
        If an array has another shape.
    """
    expected = {weight.name: weight.shape for weight in network.weights}
    given = {
        key.removeprefix("weights/"): array
        for key, array in state.items()
        if key.startswith("weights/")
    }
    weights = checked_weights(network, given, dtype=dtype)
    slots: dict[str, dict[str, Array]] = {}
    for slot in optimizer.slots if optimizer else ():
        slots[slot] = {}
        for parameter in network.parameters:
            name = parameter.name
            array = state.get(f"optimizer/{slot}/{name}")
            zero = np.zeros(expected[name], dtype)
            slots[slot][name] = zero if array is None else np.array(array, dtype)
            if slots[slot][name].shape != expected[name]:
                raise ShapeError(
                    f"state: '{slot}' of '{name}' must have shape {expected[name]}; "
                    f"got shape={slots[slot][name].shape}."
                )
    step = int(state.get("step", np.int64(0)))
    return UnpackedState(weights, slots, step, int(state.get("seed", np.uint64(0))))


def checked_weights(
    network: Network, given: Mapping[str, Any], *, dtype: str
) -> dict[str, Array]:
    """Return copies of the network's weights, in its order, contiguous and of dtype.

    Raises
    ------
    EngineError, ShapeError
        As in `unpack_state`.
    """
    check_shapes(network, given)
    return {
        weight.name: np.array(given[weight.name], weight.dtype or dtype, order="C")
        for weight in network.weights
    }


def check_shapes(network: Network, given: Mapping[str, Any]) -> None:
    """Check that arrays are a network's weights, by name, shape and own type.

    Raises
    ------
    EngineError, ShapeError
        As in `unpack_state`.
    """
    expected = {weight.name: weight.shape for weight in network.weights}
    missing = [name for name in expected if name not in given]
    foreign = [name for name in given if name not in expected]
    if missing or foreign:
        problem = f"no {missing[0]!r}" if missing else repr(foreign[0])
        raise EngineError(
            f"weights: names must be those of network '{network.name}'; got {problem}. "
            "Are they another network's?"
        )
    for name, shape in expected.items():
        got = np.shape(given[name])
        if got != shape:
            raise ShapeError(
                f"weights: '{name}' must have shape {shape}; got shape={got}."
            )
    for weight in network.weights:
        kind = np.asarray(given[weight.name]).dtype.name
        if weight.dtype is not None and kind != weight.dtype:
            raise EngineError(
                f"weights: '{weight.name}' must be of {weight.dtype}; got {kind}."
            )


def pack_state(network: Network, parts: UnpackedState) -> dict[str, Array]:
    """Return the state as one flat mapping of copies."""
    state = {f"weights/{name}": a.copy() for name, a in parts.weights.items()}
    for slot, arrays in parts.slots.items():
        state.update({f"optimizer/{slot}/{n}": a.copy() for n, a in arrays.items()})
    return {**state, **_counters(network, step=parts.step, seed=parts.seed)}
