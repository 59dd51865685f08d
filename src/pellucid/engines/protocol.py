"""Contract of an engine and of its sessions.

An engine turns a network into a session. The contract stands at the level of the
whole network, not of single operations, so that each framework is used natively.
Engines are objects, never a process-wide choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy.typing as npt

from pellucid.engines.distributed import BatchShard
from pellucid.engines.saved_forward import SavedForward
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer

Array = npt.NDArray[Any]
#: an array, or a tuple of arrays where the network has several inputs or outputs
Arrays = Any
State = Mapping[str, Array]


class StepResult(NamedTuple):
    """What a training step returns.

    loss : float
        Mean over the batch, in nats, before the update; of several outputs, the sum
        of their losses times their weights.
    output : ndarray, shape (N, …), or tuple of ndarray
        The network's output in training mode, before the update.
    losses : mapping of str to float
        The loss of each output by name, before its weight; where there are several.
    """

    loss: float
    output: Any
    losses: Mapping[str, float] = MappingProxyType({})


class Session(Protocol):
    """A network with weights, ready to run on one engine.

    Of a network with several inputs, ``images`` (and gradients with respect to them)
    are tuples in the network's order; of one with several outputs, outputs, labels
    and gradients with respect to outputs. Labels are None for an output without a
    loss; ``sample_weight`` may be a tuple, one for each output, too.

    Arrays come and go in canonical layouts (images NHWC). ``activations``,
    ``gradients`` and ``vjp`` change nothing: weights, buffers and step stay. Where a
    method trains, dropout masks are drawn from (seed, node, step, index in the
    batch) unless ``masks`` gives them as {node: array of 0 and 1 / (1 − rate)}.
    """

    def predict(self, images: Arrays) -> Arrays:
        """Return the network's output in inference mode, shape (N, …)."""
        ...

    def train_step(
        self,
        images: Arrays,
        labels: Arrays,
        *,
        learning_rate: float,
        sample_weight: Arrays | None = None,
        masks: Mapping[str, Array] | None = None,
        part: BatchShard | None = None,
    ) -> StepResult:
        """Change weights, buffers and optimizer slots by one update.

        With ``part`` the examples are this process's share of a batch, and the update
        is the same in all processes of the engine's world: that of the whole batch.
        The loss is then this share's summand of the batch's.
        """
        ...

    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name."""
        ...

    def gradients(
        self, images: Arrays, labels: Arrays, *, sample_weight: Arrays | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode."""
        ...

    def vjp(
        self, images: Arrays, grad_output: Arrays, *, training: bool = True
    ) -> tuple[Arrays, dict[str, Array]]:
        """Return the VJP: gradients with respect to the images and the parameters."""
        ...

    def forward(
        self, images: Arrays, training: bool, *, input_gradient: bool = True
    ) -> tuple[Arrays, SavedForward]:
        """Return the output, and what `backward` needs; for loops that are not ours.

        In training the running statistics of batch norms move, and the step by one:
        the next forward pass draws other dropout masks. ``input_gradient=False``
        spares the gradient with respect to the images.
        """
        ...

    def backward(
        self, saved: SavedForward, grad_output: Arrays
    ) -> tuple[Arrays | None, dict[str, Array]]:
        """Return the gradients with respect to the images and the parameters.

        Nothing of the forward pass is computed again. The first is None where
        `forward` was told to spare it.

        Raises
        ------
        EngineError
            If the weights have changed since the forward pass.
        """
        ...

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes.

        ``weights/<name>``, ``optimizer/<slot>/<name>`` and ``step``; with dropout
        also ``seed``.
        """
        ...

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        ...


@runtime_checkable
class CompilesAhead(Protocol):
    """What a session may have beside the contract: compiling before it is needed."""

    def prepare(self) -> None:
        """Compile what `train_step` runs, so that the first is like the others."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Builds sessions."""

    @property
    def name(self) -> str:
        """The engine's name, as in ``engine="numpy"``."""
        ...

    def build(
        self,
        network: Network,
        *,
        state: State,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        dtype: str = "float32",
    ) -> Session:
        """Return a session of that network with that state."""
        ...
