"""Entry of the engine on TensorFlow: options in, sessions out."""

from __future__ import annotations

from typing import Any

from pellucid.engines.framework_engine import FrameworkEngine, read_options
from pellucid.engines.framework_options import unknown_device_error
from pellucid.engines.ports import loss_terms
from pellucid.engines.state import UnpackedState
from pellucid.engines.tensorflow.distributed import world
from pellucid.engines.tensorflow.imports import quiet, tf
from pellucid.engines.tensorflow.session import TensorflowSession
from pellucid.errors import EngineError, UnsupportedObjectiveError
from pellucid.network import Network
from pellucid.objectives import NumpyLoss

TESTED = ("2.21",)
_KINDS = {"cpu": "CPU", "cuda": "GPU", "gpu": "GPU", "tpu": "TPU"}


class TensorflowEngine(FrameworkEngine[TensorflowSession]):
    """Builds sessions that run on TensorFlow."""

    name = "tensorflow"

    def open_session(
        self, network: Network, parts: UnpackedState, **given: Any
    ) -> TensorflowSession:
        """Return a session whose ``native`` is a `keras.Model`."""
        if self.options.compile and any(
            isinstance(t.loss, NumpyLoss) for t in loss_terms(network, given["loss"])
        ):
            raise UnsupportedObjectiveError(
                "engine 'tensorflow': compile must be False where a loss is of NumPy "
                "functions, which XLA cannot call; got compile=True."
            )
        with quiet():  # the first array starts TensorFlow's runtime
            return TensorflowSession(
                network,
                parts,
                options=self.options,
                device=device_name(self.options.device),
                world=self.world,
                **given,
            )


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
    parsed = read_options("tensorflow", tf.__version__, TESTED, options)
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
