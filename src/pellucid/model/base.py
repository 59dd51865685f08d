"""What a model is made of: network, engine, objective and what the output means."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import loss_terms
from pellucid.engines.protocol import Engine, Session, State
from pellucid.engines.registry import as_engine
from pellucid.engines.state import initial_state
from pellucid.errors import EngineError, NetworkError
from pellucid.model.input_range import InputRange
from pellucid.model.ports import refuse_single
from pellucid.network import Network, Preprocessing
from pellucid.network.ports import has_several
from pellucid.objectives import (
    FormulaLoss,
    Loss,
    Optimizer,
    OutputMeaning,
    as_optimizer,
    check_groups,
    output_losses,
    output_meaning,
)

Array = npt.NDArray[Any]
_DTYPES = ("float32", "float64")


class ModelBase:
    """A network on an engine; its arguments are those of `Model`."""

    def __init__(
        self,
        network: Network,
        *,
        engine: str | Engine = "compiled",
        loss: str | Loss | Mapping[str, str | Loss] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        optimizer: str | Optimizer | None = None,
        seed: int = 0,
        dtype: str = "float32",
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = (),
        output_meaning: OutputMeaning | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise NetworkError(
                f"Model: network must be a Network; got {type(network).__name__}. "
                "Take one from pellucid.zoo(name), or describe it with Sequential."
            )
        if dtype not in _DTYPES:
            raise EngineError(
                f"Model: dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}."
            )
        self.network = network
        self.engine = as_engine(engine)
        self.loss = output_losses(network.outputs, loss, loss_weights)
        self.optimizer = as_optimizer(optimizer)
        self.seed = seed
        self.dtype = dtype
        self.preprocessing = preprocessing or network.preprocessing or Preprocessing()
        self.classes = tuple(str(name) for name in classes)
        self._output_meaning = output_meaning
        #: epochs that `fit` has begun: the next one has the order that follows
        self.epochs = 0
        self._check_objective()
        self.input_range = InputRange(self.preprocessing)
        self._clip_norm: float | None = None
        # one input without pixels is predicted as it is, and nothing asked of it twice
        self._one_vector = _one_vector(network)
        self._element = np.dtype(dtype)
        self._session = self._build(initial_state(network, seed=seed, dtype=dtype))

    def _check_objective(self) -> None:
        if self.optimizer is not None:
            names = [weight.name for weight in self.network.parameters]
            check_groups(self.optimizer, names)
        for term in loss_terms(self.network, self.loss):
            if isinstance(term.loss, FormulaLoss):  # its channels must be there
                term.loss.program(self.network.shapes[term.node])
        if len(self.network.outputs) > 1:
            if self._output_meaning is not None or self.classes:
                raise refuse_single("classes and output_meaning", self.network)
            return
        given, columns = self._output_meaning, self.network.output_shape[-1]
        if given is not None and given.columns != columns:
            raise NetworkError(
                "Model: output_meaning must have the columns of the output; "
                f"got {given.columns} columns for {columns} outputs."
            )
        meaning = self.output_meaning
        if self.classes and not meaning.can_be_named(self.classes):
            raise NetworkError(
                "Model: classes must name each output; "
                f"got {len(self.classes)} classes for {columns} outputs "
                f"({meaning.describe()})."
            )

    def _build(self, state: State) -> Session:
        optimizer = self.optimizer
        if optimizer is not None and self._clip_norm is not None:
            optimizer = dataclasses.replace(optimizer, clip_norm=self._clip_norm)
        return self.engine.build(
            self.network,
            state=state,
            loss=self.loss,
            optimizer=optimizer,
            dtype=self.dtype,
        )

    def clip(self, norm: float | None) -> None:
        """Clip the gradients' common norm from now on; None ends that.

        Parameters
        ----------
        norm : float or None
            Largest common Euclidean norm.
        """
        if norm != self._clip_norm:
            self._clip_norm = norm
            self._session = self._build(self._session.state())

    @property
    def output_meaning(self) -> OutputMeaning:
        """What the output means: as it was given or trained, else derived."""
        if len(self.network.outputs) > 1:
            raise refuse_single("output_meaning", self.network)
        return self._output_meaning or output_meaning(self.network, self.loss)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class or label, its number where it has none."""
        return self.output_meaning.class_names(self.classes)

    def meaning_for(self, labels: npt.ArrayLike) -> OutputMeaning:
        """Return what the output means for data with those labels.

        That of the training, if there was one: labels decide only where network and
        loss leave it open.

        Parameters
        ----------
        labels : array
            Labels of the data.

        Returns
        -------
        OutputMeaning
            The meaning.
        """
        if self._output_meaning is not None:
            return self._output_meaning
        return output_meaning(self.network, self.loss, labels)

    def settle_meaning(self, labels: npt.ArrayLike) -> OutputMeaning:
        """Keep what the output means for the labels that are trained on.

        Parameters
        ----------
        labels : array
            Labels of the training data.

        Returns
        -------
        OutputMeaning
            The meaning, which stays.
        """
        self._output_meaning = self.meaning_for(labels)
        return self._output_meaning

    @property
    def native(self) -> Any:
        """The engine's own object: an nn.Module, a keras.Model and the like."""
        return self._session.native  # type: ignore[attr-defined]

    @property
    def plan(self) -> Any:
        """The compiled engine's plan; EngineError on other engines."""
        plan = getattr(self._session, "plan", None)
        if plan is None:
            raise EngineError(
                "Model: plan must be asked of the compiled engine; "
                f"got engine={self.engine.name!r}."
            )
        return plan

    @property
    def session(self) -> Session:
        """The engine's session, for code that drives it itself."""
        return self._session

    def __repr__(self) -> str:
        return f"<Model '{self.network.name}' on {self.engine.name}, {self.dtype}>"

    def _repr_html_(self) -> str:
        """Show engine, loss, optimizer and the network's table, in notebooks."""
        parts = [f"engine {self.engine.name}", self.dtype]
        parts += [f"{name} {value!r}" for name, value in self._objectives()]
        head = escape(f"Model '{self.network.name}': {', '.join(parts)}")
        return f"<p>{head}</p>{self.network._repr_html_()}"

    def _objectives(self) -> list[tuple[str, Any]]:
        given = {"loss": self.loss, "optimizer": self.optimizer}
        return [(name, value) for name, value in given.items() if value is not None]


def _one_vector(network: Network) -> tuple[int, ...] | None:
    """Return the shape of one input that is no picture; None where inputs may be."""
    has_pixels = has_several(network) or len(network.input_shape) == 3
    return None if has_pixels else (1, *network.input_shape)
