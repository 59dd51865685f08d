"""Entry of the engine on TensorFlow: options in, sessions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.framework_options import (
    Options,
    unknown_device_error,
    warn_if_untested,
)
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.loss_input import check_objective
from pellucid.engines.own_layers import refuse_own
from pellucid.engines.ports import loss_terms
from pellucid.engines.protocol import State
from pellucid.engines.registry import reduce_engine
from pellucid.engines.state import unpack_state
from pellucid.engines.tensorflow.distributed import world
from pellucid.engines.tensorflow.imports import quiet, tf
from pellucid.engines.tensorflow.session import TensorflowSession
from pellucid.errors import EngineError, UnsupportedObjectiveError
from pellucid.network import Network
from pellucid.objectives import Loss, NumpyLoss, Optimizer

TESTED = ("2.21",)
_KINDS = {"cpu": "CPU", "cuda": "GPU", "gpu": "GPU", "tpu": "TPU"}


@dataclass(frozen=True)
class TensorflowEngine:
    """Builds sessions that run on TensorFlow."""

    options: Options
    world: ProcessGroup = ALONE
    name: str = "tensorflow"

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> TensorflowSession:
        """Return a session whose ``native`` is a `keras.Model`.

        Raises
        ------
        EngineError
            If dtype is not float32 or float64, or the state is not the network's.
        """
        self.options.check_dtype(dtype)
        refuse_integers("engine 'tensorflow'", network)
        refuse_own("tensorflow", network)
        check_objective("tensorflow", loss, optimizer)
        if self.options.compile and any(
            isinstance(term.loss, NumpyLoss) for term in loss_terms(network, loss)
        ):
            raise UnsupportedObjectiveError(
                "engine 'tensorflow': compile must be False where a loss is of NumPy "
                "functions, which XLA cannot call; got compile=True."
            )
        parts = unpack_state(network, state, optimizer=optimizer, dtype=dtype)
        with quiet():  # the first array starts TensorFlow's runtime
            return TensorflowSession(
                network,
                parts,
                loss=loss,
                optimizer=optimizer,
                dtype=dtype,
                options=self.options,
                device=device_name(self.options.device),
                world=self.world,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_engine("tensorflow", **self.options.to_arguments())


def make(**options: Any) -> TensorflowEngine:
    """Return the engine on TensorFlow.

    Parameters
    ----------
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    compile : bool, default False
        Whether XLA compiles the network (``jit_compile``).
    precision : {"float32", "bfloat16"}
        With bfloat16 the layers have Keras' policy ``mixed_bfloat16``.

    Raises
    ------
    EngineError
        If an option is unknown, or the device is not there.
    """
    warn_if_untested("tensorflow", tf.__version__, TESTED)
    try:
        parsed = Options(engine="tensorflow", **options)
    except TypeError as error:
        raise EngineError(
            "engine 'tensorflow': options must be device, compile and precision; "
            f"got {', '.join(options)}."
        ) from error
    group = world()
    if group.size > 1 and parsed.compile:
        raise EngineError(
            "engine 'tensorflow': compile must be False in a job of several processes, "
            f"for XLA adds up on no CPU; got compile={parsed.compile}."
        )
    device_name(parsed.device)
    return TensorflowEngine(parsed, group)


def device_name(device: str) -> str:
    """Return a device as TensorFlow names it: ``"cuda:1"`` is ``"/GPU:1"``."""
    kind, _, index = device.partition(":")
    name = f"/{_KINDS.get(kind, kind.upper())}:{index or 0}"
    if name == "/CPU:0":  # is always there; asking would start the runtime too early
        return name
    with quiet():
        found = [
            d.name.removeprefix("/device:") for d in tf.config.list_logical_devices()
        ]
    if name.removeprefix("/") not in found:
        raise unknown_device_error("tensorflow", device, f"it has {', '.join(found)}.")
    return name
