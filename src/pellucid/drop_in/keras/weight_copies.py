"""Copy a model's variables to the engine's weights and back, whatever their orders."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pellucid.drop_in.sources import Source
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.compiled.session_weights import Vector
from pellucid.errors import ExchangeError

Array = npt.NDArray[np.float32]


class WeightCopies:
    """The model's variables beside a session's weights.

    Parameters
    ----------
    session : CompiledSession
        Whose weights they are.
    sources : mapping of weight name to Source
        From the model's trace.
    shapes : mapping of variable name to tuple of int
        Of the variables that weights come from.

    Raises
    ------
    ExchangeError
        If two weights hold the same elements of a variable.
    """

    def __init__(
        self,
        session: CompiledSession,
        sources: Mapping[str, Source],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._session, self._shapes = session, shapes
        self._weights: dict[str, list[str]] = {}
        self._places: dict[str, npt.NDArray[np.int64] | None] = {}
        for name, source in sources.items():
            self._weights.setdefault(source.tensor, []).append(name)
            flat = source.places.ravel()
            is_same = flat.size == np.prod(shapes[source.tensor]) and np.array_equal(
                flat, np.arange(flat.size)
            )
            self._places[name] = None if is_same else flat
        for variable, names in self._weights.items():
            places = [sources[name].places.ravel() for name in names]
            joined = np.concatenate(places)
            if len(names) > 1 and len(np.unique(joined)) < len(joined):
                raise ExchangeError(
                    "compile: layers that share a weight must share all of theirs; got "
                    f"the weights {', '.join(names)} of one variable, {variable}."
                )

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that the network has weights of."""
        return tuple(self._weights)

    def read(self, arrays: Mapping[str, Array], vector: Vector = "weights") -> None:
        """Copy some variables' arrays to the session's vector."""
        views = self._session.views(vector)
        for variable, array in arrays.items():
            flat = array.ravel()
            for name in self._weights.get(variable, ()):
                places = self._places[name]
                for view in views[name]:
                    values = flat if places is None else flat[places]
                    view[...] = values.reshape(view.shape)

    def write(self, variable: str, vector: Vector = "weights") -> Array:
        """Return the array of a variable, from the session's vector."""
        views = self._session.views(vector)
        flat = np.zeros(int(np.prod(self._shapes[variable])), np.float32)
        for name in self._weights[variable]:
            places = self._places[name]
            values = views[name][0].reshape(-1)
            if places is None:
                flat[:] = values
            else:
                flat[places] = values
        return flat.reshape(self._shapes[variable])
