"""Transfer learning: another network, or another head, from a model's weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.network.checks import is_int
from pellucid.network.head import find_head, find_nodes, replace_head
from pellucid.objectives import Loss, Optimizer

if TYPE_CHECKING:
    from pellucid.model.state import StatefulModel

AnyModel = TypeVar("AnyModel", bound="StatefulModel")
#: what is frozen: all but the head, nothing, or nodes by name or beginning of a name
Freeze = bool | str | Sequence[str]


def transfer(
    model: AnyModel,
    network: Network,
    *,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    classes: Sequence[str] = (),
    anew: str | None = None,
) -> AnyModel:
    """Return a model of a network that takes over the weights it shares.

    Parameters
    ----------
    model : Model
        Whose weights, engine, seed, element type and preprocessing it has.
    network : Network
    loss, optimizer : str or Loss or Optimizer, optional
        The model's if left out.
    classes : sequence of str
        Names of the classes.
    anew : str, optional
        A node whose weights are drawn anew, whatever their shapes.
    """
    other = type(model)(
        network,
        engine=model.engine,
        loss=loss or model.loss,
        optimizer=optimizer or model.optimizer,
        seed=model.seed,
        dtype=model.dtype,
        preprocessing=model.preprocessing,
        classes=classes,
    )
    mine, theirs = model.weights, dict(other.weights)
    shared = {
        name: array
        for name, array in mine.items()
        if name in theirs
        and array.shape == theirs[name].shape
        and name.rpartition(".")[0] != anew
    }
    other.load_weights({**theirs, **shared})
    other.input_range = model.input_range.copy()
    return other


def adapt(
    network: Network,
    *,
    classes: int | Sequence[str] | None = None,
    head: str | None = None,
    freeze: Freeze | None = None,
) -> Network:
    """Return a network with another head, and frozen where it is told.

    Parameters
    ----------
    network : Network
    classes : int or sequence of str, optional
        Outputs of the head, or their names; the head stays if left out.
    head : str, optional
        The head's node; the last one with weights if left out.
    freeze : bool or str or sequence of str, optional
        True: all but the head; False: nothing; else nodes by name, or by what their
        names begin with. True where classes are given, as it is where they are not.

    Raises
    ------
    NetworkError
        If there is no such head or node, or classes are none.
    """
    if classes is not None:
        network = replace_head(network, count_classes(classes), name=head)
    if freeze is None:
        if classes is None:
            return network
        freeze = True
    known = [node.name for node in network.nodes if hasattr(node.layer, "trainable")]
    if isinstance(freeze, bool):
        chosen = set(known) if freeze else set()
        if freeze:
            chosen.discard(find_head(network, head).name)
    else:
        names = [freeze] if isinstance(freeze, str) else list(freeze)
        chosen = set(find_nodes(network, names))
    return network.with_settings(
        {f"{name}.trainable": name not in chosen for name in known}
    )


def count_classes(classes: int | Sequence[str]) -> int:
    """Return how many classes are given, by number or by names."""
    names = name_classes(classes)
    return len(names) if names else int(classes)  # type: ignore[arg-type]


def name_classes(classes: int | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes; none where their number is given.

    Raises
    ------
    NetworkError
        If they are neither, or none, or a name comes twice.
    """
    if is_int(classes):
        return ()
    names: tuple[str, ...] = ()
    if isinstance(classes, Iterable) and not isinstance(classes, str):
        names = tuple(classes)
    if not names or len(set(names)) < len(names):
        raise NetworkError(
            "transfer: classes must be a number, or names that differ; got "
            f"{classes!r}."
        )
    return names
