"""Build stand-alone code of a network: prediction, activations, training step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pellucid.engines.compiled.codegen import Kernel, KernelModule
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.lowering.context import (
    LoweringContext,
    Options,
    Purpose,
)
from pellucid.engines.compiled.lowering.network import lower_network, parameters_of
from pellucid.engines.compiled.lowering.parameters import Parameter, Parameters
from pellucid.engines.compiled.program.program import drop_unused, keep_with_worker
from pellucid.engines.compiled.standalone.constants import Constants
from pellucid.engines.compiled.standalone.entries import (
    Activations,
    Entry,
    Initial,
    Predict,
    State,
    TrainStep,
)
from pellucid.engines.compiled.standalone.machine import Machine, emit
from pellucid.engines.compiled.standalone.memory import LINE, Region
from pellucid.engines.compiled.standalone.team import POOL, Alone, Workers
from pellucid.engines.protocol import Array
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, NAdam, Optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Where a node's output lies after `activations`: float32, in elements.

    ``start`` is the offset of the first element of the image in the caller's memory,
    ``row`` and ``pixel`` the distances to the next row and pixel.
    """

    shape: tuple[int, ...]
    start: int
    height: int
    width: int
    channels: int
    row: int
    pixel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPlace:
    """Where a weight that is trained lies: float32, in elements of the caller's memory.

    ``sizes`` are its axes as the engine splits them, ``strides`` the distances along
    them. Nodes that share it have a copy each, which begin at ``starts``.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Stand-alone code, and what its caller must know.

    Attributes
    ----------
    code : bytes
        Object file.
    memory : int
        Bytes that the caller gives.
    images : int
        Most images of one call of the training step; of `predict` ``predicts``.
    activations : dict of str to Activation
        By node; empty where they were not asked for.
    pool : int
        Where workers watch for calls, in bytes from the memory's first whole cache
        line, if there are several.
    state : int
        Bytes of memory, from its first whole cache line, that a training must keep.
    weights : dict of str to WeightPlace
        By name; empty where nothing is trained.
    """

    code: bytes
    memory: int
    predicts: int
    images: int
    activations: Mapping[str, Activation] = field(default_factory=dict)
    pool: int = 0
    state: int = 0
    weights: Mapping[str, WeightPlace] = field(default_factory=dict)


def build(
    machine: Machine,
    network: Network,
    weights: Mapping[str, Array],
    *,
    prefix: str,
    predicts: int = 1,
    activations: bool = False,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    images: int = 0,
    seed: int = 0,
) -> Build:
    """Compile a network for a machine.

    Parameters
    ----------
    machine : Machine
    network : Network
    weights : mapping of str to ndarray
        In canonical layout, float32; of integer layers of the types that they name.
    prefix : str
        What the names of all functions begin with.
    predicts : int
        Most images of one call of ``<prefix>_predict``; with one, buffers that do not
        live together share memory.
    activations : bool
        Whether there is ``<prefix>_activations``.
    loss, optimizer : Loss, Optimizer, optional
        Of ``<prefix>_train_step``; without a loss there is none.
    images : int
        Most images of one training step.
    seed : int
        Of dropout.

    Returns
    -------
    Build

    Raises
    ------
    UnsupportedLayerError
        If a layer has no compiled path.
    EngineError
        If the network calls functions of NumPy.
    """
    target, options = machine.target, Options(amx=False)
    parameters = parameters_of(network, target, options)
    flat = np.zeros(parameters.size, np.float32)
    copies = _copies(network, parameters)
    for name, places in copies.items():
        for place in places:
            place.write(flat, np.asarray(weights[name]))

    def lower(purpose: Purpose) -> LoweringContext:
        low = lower_network(
            network, parameters, target, options=options, purpose=purpose
        )
        if low.callbacks:
            raise EngineError(
                "engine 'compiled': stand-alone code must be without functions that "
                f"are called back; got {len(low.callbacks)} NumPy functions in network "
                f"'{network.name}'."
            )
        drop_unused(low)
        keep_with_worker(low)
        return low

    unit = KernelModule(
        lanes=target.lanes,
        registers=target.registers,
        is_x86=target.is_x86,
        is_wasm=machine.triple.startswith("wasm"),
    )
    team = Workers(machine.workers) if machine.workers > 1 else Alone()
    constants = Constants(unit, prefix, parameters, flat, target)
    entries: list[Entry] = []
    size = 0
    state = None
    if loss is not None and optimizer is not None:
        if optimizer.groups or isinstance(optimizer, NAdam):
            raise EngineError(
                "engine 'compiled': stand-alone training must have one learning rate, "
                "and an optimizer other than NAdam; got "
                f"{type(optimizer).__name__} with {len(optimizer.groups)} groups."
            )
        state = State(parameters.size, len(optimizer.slots))
        size = state.size
        low = lower(Purpose("train", is_training=True, loss=loss, optimizer=optimizer))
        train = TrainStep(low, state, start=size, most=images, seed=seed, team=team)
        entries.append(train)
        size += train.region.size
    low = lower(Purpose("predict", is_training=False))
    predict = Predict(low, constants, state, start=size, most=predicts, team=team)
    entries.append(predict)
    size += predict.region.size
    found: dict[str, Activation] = {}
    if activations:
        low = lower(Purpose("activations", is_training=False))
        looks = Activations(low, constants, state, start=size)
        entries.append(looks)
        size += looks.region.size
        found = _describe(low, looks.region, size=looks.start)
    if state is not None:
        entries.append(Initial(constants, state, size))
    pool = size
    if isinstance(team, Workers):  # behind all that `init` clears
        team.start = pool
        size += POOL
    names = []
    for entry in entries:
        name = f"{prefix}_{entry.name}"
        unit.define(name, Kernel(name, entry.parameters, entry.write), None)
        names.append(name)
    if isinstance(team, Workers):
        names.append(f"{prefix}_work")
        unit.define(names[-1], threads.work, None)
    return Build(
        code=emit(machine, unit, constants.arrays, names),
        memory=size + LINE,
        pool=pool,
        predicts=predicts,
        images=images,
        activations=found,
        state=state.size if state else 0,
        weights=_find_weights(copies, flat, state) if state else {},
    )


def _copies(network: Network, parameters: Parameters) -> dict[str, list[Parameter]]:
    """Return where each weight lies: once for each node that shares it."""
    return {
        weight.name: [
            parameters[f"{node.name}.{weight.spec.role}"]
            for node in network.shared.get(weight.node, (network.node(weight.node),))
        ]
        for weight in network.weights
    }


def _find_weights(
    copies: Mapping[str, list[Parameter]], flat: Array, state: State
) -> dict[str, WeightPlace]:
    first = state.starts["weights"] // flat.itemsize
    found = {}
    for name, places in copies.items():
        view = places[0].view(flat)
        found[name] = WeightPlace(
            shape=places[0].shape,
            sizes=view.shape,
            strides=tuple(stride // flat.itemsize for stride in view.strides),
            starts=tuple(first + place.offset for place in places),
        )
    return found


def _describe(
    low: LoweringContext, region: Region, *, size: int
) -> dict[str, Activation]:
    found = {}
    for node in low.network.nodes:
        value = low.values[node.name]
        m = value.map
        found[node.name] = Activation(
            shape=low.network.shapes[node.name],
            start=(size + region.starts[value.buffer]) // 4 + m.at(0, 0),
            height=m.height,
            width=m.width,
            channels=m.channels,
            row=m.row,
            pixel=m.padded_channels,
        )
    return found
