"""Transfer learning: another network, or another head, from a model's weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.network.checks import is_int
from pellucid.network.head import (
    find_head,
    find_heads,
    find_nodes,
    find_output_head,
    resize_heads,
)
from pellucid.objectives import Loss, Optimizer

if TYPE_CHECKING:
    from pellucid.model.state import StatefulModel

AnyModel = TypeVar("AnyModel", bound="StatefulModel")
#: what is frozen: all but the head, nothing, or nodes by name or beginning of a name
Freeze = bool | str | Sequence[str]
#: of the one output, or of each output that gets a new head
Classes = int | Sequence[str] | Mapping[str, int | Sequence[str]]


def transfer(
    model: AnyModel,
    network: Network,
    *,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    classes: Sequence[str] = (),
    anew: Iterable[str] = (),
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
    anew : iterable of str
        Nodes whose weights are drawn anew, whatever their shapes.
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
    mine, theirs, drawn = model.weights, dict(other.weights), set(anew)
    shared = {
        name: array
        for name, array in mine.items()
        if name in theirs
        and array.shape == theirs[name].shape
        and name.rpartition(".")[0] not in drawn
    }
    other.load_weights({**theirs, **shared})
    other.input_range = model.input_range.copy()
    return other


def adapt(
    network: Network,
    *,
    classes: Classes | None = None,
    head: str | None = None,
    freeze: Freeze | None = None,
) -> Network:
    """Return a network with another head, and frozen where it is told.

    Parameters
    ----------
    network : Network
    classes : int, sequence of str or mapping, optional
        Outputs of the head, or their names; the head stays if left out. Of several
        outputs {output: classes}, where the others keep their heads.
    head : str, optional
        The head's node; the last one with weights if left out.
    freeze : bool or str or sequence of str, optional
        True: all but the new heads; False: nothing; else nodes by name, or by what
        their names begin with. True where classes are given, as it is where they are
        not.

    Raises
    ------
    NetworkError
        If there is no such head or node, or classes are none.
    """
    anew = find_new_heads(network, classes, head)
    network = resize_heads(network, anew)
    if freeze is None:
        if classes is None:
            return network
        freeze = True
    known = [node.name for node in network.nodes if hasattr(node.layer, "trainable")]
    if isinstance(freeze, bool):
        chosen = set(known) if freeze else set()
        if freeze and head is None and not anew:
            chosen -= {node.name for node in find_heads(network)}
        elif freeze:
            chosen -= set(anew) or {find_head(network, head).name}
    else:
        names = [freeze] if isinstance(freeze, str) else list(freeze)
        chosen = set(find_nodes(network, names))
    return network.with_settings(
        {f"{name}.trainable": name not in chosen for name in known}
    )


def find_new_heads(
    network: Network, classes: Classes | None, head: str | None = None
) -> dict[str, int]:
    """Return the nodes that become new heads, with their outputs; none without classes.

    Raises
    ------
    NetworkError
        If there is no such output or head, or one must be named.
    """
    if classes is None:
        return {}
    outputs = network.outputs
    if not isinstance(classes, Mapping):
        if head is None and len(outputs) > 1:
            raise NetworkError(
                "transfer: classes must name the output where there are several "
                f"({', '.join(outputs)}), as {{'{outputs[0]}': 3}} or --classes "
                f"{outputs[0]}=3; got {classes!r}."
            )
        return {find_head(network, head).name: count_classes(classes)}
    if head is not None or not set(classes) <= set(outputs) or not classes:
        raise NetworkError(
            f"transfer: classes must name outputs, which are {', '.join(outputs)}, "
            f"without head; got {', '.join(map(str, classes)) or 'none'}."
        )
    return {
        find_output_head(network, output).name: count_classes(given)
        for output, given in classes.items()
    }


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
