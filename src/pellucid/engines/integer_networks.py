"""Integer networks: who runs them, and the errors of those that do not."""

from __future__ import annotations

from pellucid.errors import UnsupportedLayerError
from pellucid.network import Network
from pellucid.network.layers import INTEGER_LAYERS, Layer

_ADVICE = "Read its file with dequantize=True (--dequantize) for a float network."


def find_integer_layer(network: Network) -> Layer | None:
    """Return the first integer layer of a network; None where it is a float network."""
    layers = (node.layer for node in network.nodes)
    return next((layer for layer in layers if isinstance(layer, INTEGER_LAYERS)), None)


def _training_error(engine: str, layer: Layer) -> UnsupportedLayerError:
    """Return the error for gradients of an integer network."""
    return UnsupportedLayerError(
        f"engine '{engine}': gradients must be those of a float network; got "
        f"{layer.who}, an integer layer. {_ADVICE}"
    )


def refuse_training(engine: str, network: Network) -> None:
    """Refuse to train an integer network, or to take its gradients.

    Raises
    ------
    UnsupportedLayerError
        If a layer computes in integers.
    """
    layer = find_integer_layer(network)
    if layer is not None:
        raise _training_error(engine, layer)


def refuse_integers(who: str, network: Network) -> None:
    """Refuse an integer network where floats alone will do.

    Parameters
    ----------
    who : str
        What refuses it, as the error begins.
    network : Network

    Raises
    ------
    UnsupportedLayerError
        If a layer computes in integers.
    """
    layer = find_integer_layer(network)
    if layer is not None:
        raise UnsupportedLayerError(
            f"{who}: networks must compute in floats; got {layer.who}, an integer "
            f"layer. {_ADVICE}"
        )
