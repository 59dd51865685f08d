"""A model's weights and training state: read, load, copy, transfer and save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pellucid.engines.protocol import Engine, State
from pellucid.engines.state import checked_weights
from pellucid.errors import NetworkError
from pellucid.model.base import ModelBase
from pellucid.model.transfer import (
    Classes,
    Freeze,
    adapt,
    find_new_heads,
    name_classes,
    transfer,
)
from pellucid.model.weights import Weights
from pellucid.network import Network
from pellucid.objectives import (
    Loss,
    Optimizer,
)
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]


class StatefulModel(ModelBase):
    """A model whose weights can be read, replaced, copied and saved."""

    @property
    def weights(self) -> Mapping[str, Array]:
        """All arrays by name, in topological order, weight before bias; read-only."""
        state = self._session.state()
        found = {w.name: state[f"weights/{w.name}"] for w in self.network.weights}
        for array in found.values():
            array.flags.writeable = False
        return Weights(found)

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over weights by name; optimizer and step stay.

        Parameters
        ----------
        weights : mapping of str to array
            Every weight of the network, in canonical layout.

        Raises
        ------
        EngineError, ShapeError
            If they are another network's.
        """
        checked = checked_weights(self.network, weights, dtype=self.dtype)
        state = self._session.state()
        state.update({f"weights/{name}": array for name, array in checked.items()})
        self._session.load_state(state)

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes, in canonical layouts.

        Weights, optimizer slots, the numbers of steps and of epochs.

        Returns
        -------
        dict of str to ndarray
            ``weights/<name>``, ``optimizer/<slot>/<name>``, ``step``, ``epochs``.
        """
        return {**self._session.state(), "epochs": np.asarray(self.epochs, np.int64)}

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, on this or another engine.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `state` returns it.
        """
        self._session.load_state(state)
        self.epochs = int(state.get("epochs", np.int64(0)))

    def to(self, engine: str | Engine) -> Self:
        """Return a new model on another engine, optimizer state included.

        Parameters
        ----------
        engine : str or Engine
            Where to run it.

        Returns
        -------
        Model
            A copy; this one is untouched.
        """
        other = type(self)(
            self.network,
            engine=engine,
            loss=self.loss,
            optimizer=self.optimizer,
            seed=self.seed,
            dtype=self.dtype,
            preprocessing=self.preprocessing,
            classes=self.classes,
            output_meaning=self._output_meaning,
        )
        other.load_state(self.state())
        other.input_range = self.input_range.copy()
        return other

    def transfer(
        self,
        network: Network | None = None,
        *,
        classes: Classes | None = None,
        head: str | None = None,
        freeze: Freeze | None = None,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | None = None,
    ) -> Self:
        """Return a model that starts from this one's weights, with another head.

        With ``classes`` the head is replaced and drawn anew; all other weights are
        taken over, and frozen unless ``freeze`` says otherwise. Frozen weights have
        no gradient, no optimizer slots and no weight decay; a frozen BatchNorm uses
        its running statistics in training, too, and keeps them. This model stays.

        With a ``network``, weights of the same name and shape are taken over and all
        others drawn anew; it is frozen as it is. Loss and optimizer are this model's
        if left out; one that was read from another program's file has none.

        Parameters
        ----------
        network : Network, optional
            Another network; then without classes, head and freeze.
        classes : int, sequence of str or mapping, optional
            Outputs of the new head, or the classes' names. The head stays if left
            out, with its weights. Of several outputs ``{output: classes}``.
        head : str, optional
            Name of the node that is the head; the last with weights if left out.
        freeze : bool or str or sequence of str, optional
            True: all but the head; False: nothing; else nodes by name, or by what
            their names begin with (``"layer1"`` for ``layer1_0_conv1`` …). True if
            left out where classes are given.
        loss, optimizer : str or Loss or Optimizer, optional
            This model's if left out.

        Returns
        -------
        Model
            On the same engine.

        Raises
        ------
        NetworkError
            If there is no such head or node, or arguments exclude each other.

        Examples
        --------
        >>> import pellucid as pl
        >>> model = pl.Model(pl.zoo("lenet5"), engine="numpy")
        >>> other = model.transfer(classes=["cat", "dog"], loss="cross_entropy")
        >>> [weight.name for weight in other.network.parameters]
        ['dense_2.weight', 'dense_2.bias']
        """
        if network is not None:
            if (classes, head, freeze) != (None, None, None):
                raise NetworkError(
                    "transfer: classes, head and freeze must not be given with a "
                    "network, which has its own; got both."
                )
            return transfer(self, network, loss=loss, optimizer=optimizer)
        names: Sequence[str] = ()
        if classes is None:
            names = self.classes
        elif not isinstance(classes, Mapping):
            names = name_classes(classes)
        return transfer(
            self,
            adapt(self.network, classes=classes, head=head, freeze=freeze),
            loss=loss,
            optimizer=optimizer,
            classes=names,
            anew=find_new_heads(self.network, classes, head),
        )

    def file(self) -> ModelFile:
        """Return what `save` writes.

        Returns
        -------
        ModelFile
            Network, weights, preprocessing and what else is kept.
        """
        return ModelFile(
            network=self.network,
            weights=self.weights,
            preprocessing=self.preprocessing,
            classes=self.classes,
            loss=self.loss,
            optimizer=self.optimizer,
            seed=self.seed,
            dtype=self.dtype,
            output_meaning=self._output_meaning,
            input_range=self.input_range.known,
            epochs=self.epochs,
        )

    def save(self, path: str | Path) -> None:
        """Write the model as one ``.pellucid`` file, whole or not at all.

        Parameters
        ----------
        path : path
            Usually with the ending ``.pellucid``.

        Raises
        ------
        RunError
            If the disk does not take it.
        """
        self.file().write(path)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a model of its own on the same engine, optimizer state included."""
        del memo  # nothing in a model refers to it
        other = self.to(self.engine)
        other.clip(self._clip_norm)
        return other

    def __copy__(self) -> Self:
        """Return the same as `copy.deepcopy`: two models never share weights."""
        return self.__deepcopy__({})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the bytes of a ``.pellucid`` file with the optimizer's state."""
        from pellucid.model.copying import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), self.engine, self._clip_norm)
