"""Compiled engine: options in, sessions out."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from pellucid.engines.compiled.codegen import cpu
from pellucid.engines.compiled.lowering.context import Options, Precision
from pellucid.engines.compiled.program import workers
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.integer_networks import refuse_training
from pellucid.engines.loss_input import check_objective
from pellucid.engines.protocol import State
from pellucid.engines.registry import reduce_engine
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer


class CompiledEngine:
    """Builds sessions that run on compiled kernels, in float32.

    Parameters
    ----------
    threads : int, optional
        Workers; as many as there are physical cores where it is left out.
    lanes : {4, 8, 16}, optional
        Width of the vectors; the processor's where it is left out.
    fuse, winograd, sparse, amx, tiny : bool
        Ideas that can be switched off, to see what each is worth.
    profile : bool
        Count the cycles of every step; the plan's text then shows them.
    unbiased_variance, decays_all : bool
        Train by PyTorch's conventions: batch norm's running variance is the unbiased
        one, and weight decay applies to every parameter.
    keras_rules : bool
        Train by Keras's conventions: Adam adds ε to the root of the second moment
        before that is corrected, RMSprop to the mean square before its root, and a
        weighted loss is divided by the number of examples, not by their weights' sum.
    precision : {"float32", "bfloat16"}
        How exact the operands are that the processor's tiles (AMX) multiply: as exact
        as float32, or rounded to bfloat16, which takes a sixth of the products. Sums,
        weights, statistics, losses and the optimizer stay float32, and so do products
        that tiles do not make; the plan says of each which it is.
    world : World
        The processes that train together.

    Raises
    ------
    EngineError
        If a number is out of range, or bfloat16 is asked for without AMX.
    """

    name = "compiled"

    def __init__(
        self,
        *,
        threads: int | None = None,
        lanes: int | None = None,
        fuse: bool = True,
        winograd: bool = True,
        sparse: bool = True,
        amx: bool = True,
        tiny: bool = True,
        profile: bool = False,
        unbiased_variance: bool = False,
        decays_all: bool = False,
        keras_rules: bool = False,
        precision: Precision = "float32",
        world: ProcessGroup = ALONE,
    ) -> None:
        self.world = world
        if threads is not None and (isinstance(threads, bool) or threads < 1):
            raise EngineError(
                f"engine 'compiled': threads must be at least 1; got threads={threads}."
            )
        self._asked = {"threads": threads, "lanes": lanes}
        self.threads = threads or cpu.default_threads()
        self._target = cpu.target(lanes)
        self._options = Options(
            fuse=fuse,
            winograd=winograd,
            sparse=sparse,
            amx=amx,
            tiny=tiny,
            profile=profile,
            unbiased_variance=unbiased_variance,
            decays_all=decays_all,
            keras_rules=keras_rules,
            precision=_checked(precision, self._target, amx=amx),
        )

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> CompiledSession:
        """Return a session of that network with that state.

        Raises
        ------
        EngineError
            If dtype is not float32.
        UnsupportedLayerError
            If a layer has no compiled path.
        """
        if dtype != "float32":
            raise EngineError(
                "engine 'compiled': dtype must be 'float32'; "
                f"got dtype={dtype!r}. Take engine='numpy' for float64."
            )
        check_objective("compiled", loss, optimizer)
        if optimizer is not None:
            refuse_training("compiled", network)
        return CompiledSession(
            network,
            state=state,
            loss=loss,
            optimizer=optimizer,
            target=self._target,
            pool=workers.pool(self.threads, self._target),
            options=self._options,
            world=self.world,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        given = self._options
        options = dataclasses.asdict(given)
        return reduce_engine("compiled", **self._asked, **options)

    def __repr__(self) -> str:
        what = f"{self.threads} threads, {self._target.lanes} lanes"
        if self._options.precision != "float32":
            what += f", {self._options.precision}"
        return f"<engine 'compiled': {what}>"


def _checked(precision: Any, target: cpu.Target, *, amx: bool) -> Precision:
    """Return the precision, if there is one of that name and it can be had."""
    if precision not in get_args(Precision):
        names = ", ".join(map(repr, get_args(Precision)))
        raise EngineError(
            f"engine 'compiled': precision must be one of {names}; got {precision!r}."
        )
    if precision == "bfloat16" and not (target.has_amx and amx):
        why = "amx=False" if target.has_amx else "a target without it"
        raise EngineError(
            "engine 'compiled': precision='bfloat16' must have a processor that "
            f"multiplies tiles of bfloat16 (AMX); got {why}. Leave precision out."
        )
    return "bfloat16" if precision == "bfloat16" else "float32"
