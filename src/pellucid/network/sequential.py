"""Networks that are a list of layers."""

from __future__ import annotations

from pellucid.errors import NetworkError
from pellucid.network.composites import Composite
from pellucid.network.graph import Network
from pellucid.network.layers import Input, Layer, Value
from pellucid.network.layers.base import check_arity
from pellucid.network.ports import require_single
from pellucid.network.preprocessing import Preprocessing


def Sequential(  # noqa: N802 - reads as the class people know
    *layers: Layer | Composite | Network | list[Layer],
    name: str = "network",
    preprocessing: Preprocessing | None = None,
) -> Network:
    """Make a network of layers that follow each other.

    Parameters
    ----------
    *layers : Layer, composite or Network
        An Input first; one list of layers will do as well. A layer that stands twice
        shares its weights; a network of one input and one output is nested.
    name, preprocessing
        As in Network.

    Returns
    -------
    Network
        One node per layer, and one per activation given as an argument.

    Raises
    ------
    NetworkError
        If the first layer is no Input, or one of the others no layer.

    Examples
    --------
    >>> from pellucid.network.layers import Dense
    >>> Sequential(Input(2), Dense(4, activation="sigmoid"), Dense(1)).output_shape
    (1,)
    """
    flat: list[Layer | Composite | Network] = []
    for layer in layers:
        flat.extend(layer if isinstance(layer, list | tuple) else [layer])
    if not flat or not isinstance(flat[0], Input):
        got = repr(flat[0]) if flat else "no layer"
        raise NetworkError(f"Sequential: the first layer must be an Input; got {got}.")
    value = Value(flat[0])
    for layer in flat[1:]:
        if isinstance(layer, Network):
            require_single(f"Sequential, layer '{layer.name}'", layer, sharing=True)
            value = layer(value)
            continue
        if isinstance(layer, Composite):
            value = layer(value)
            continue
        if not isinstance(layer, Layer) or isinstance(layer, Input):
            raise NetworkError(
                f"Sequential: what follows the Input must be layers; got {layer!r}."
            )
        check_arity(layer, 1)
        value = layer(value)
    return Network(
        inputs=flat[0], outputs=value, name=name, preprocessing=preprocessing
    )
