"""What the engines on frameworks share: checks before a session is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.framework_options import Options, warn_if_untested
from pellucid.engines.integer_networks import refuse_integers
from pellucid.engines.loss_input import check_objective
from pellucid.engines.own_layers import refuse_own
from pellucid.engines.protocol import State
from pellucid.engines.registry import reduce_engine
from pellucid.engines.state import UnpackedState, unpack_state
from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer

S = TypeVar("S")


@dataclass(frozen=True)
class FrameworkEngine(Generic[S]):
    """Builds sessions of type S; a subclass says how in `open_session`."""

    options: Options
    world: ProcessGroup = ALONE
    name: ClassVar[str]

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> S:
        """Return a session whose ``native`` is the framework's own object.

        Raises
        ------
        EngineError
            If dtype is not float32 or float64, or the state is not the network's.
        """
        self.options.check_dtype(dtype)
        refuse_integers(f"engine '{self.name}'", network)
        refuse_own(self.name, network)
        check_objective(self.name, loss, optimizer)
        parts = unpack_state(network, state, optimizer=optimizer, dtype=dtype)
        return self.open_session(
            network, parts, loss=loss, optimizer=optimizer, dtype=dtype
        )

    def open_session(self, network: Network, parts: UnpackedState, **given: Any) -> S:
        """Return a session of a network and a state that were checked."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_engine(self.name, **self.options.to_arguments())


def read_options(
    engine: str, version: str, tested: tuple[str, ...], options: dict[str, Any]
) -> Options:
    """Return an engine's options; warn of a version that it was not tested with.

    Raises
    ------
    EngineError
        If an option is unknown.
    """
    warn_if_untested(engine, version, tested)
    try:
        return Options(engine=engine, **options)
    except TypeError as error:
        raise EngineError(
            f"engine '{engine}': options must be device, compile and precision; "
            f"got {', '.join(options)}."
        ) from error
