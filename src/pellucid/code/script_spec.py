"""Specification of a script: the network and its training."""

from __future__ import annotations

import keyword
from collections.abc import Collection
from dataclasses import dataclass

from pellucid.data.sources import xor
from pellucid.errors import RunError, UnsupportedLayerError
from pellucid.network import Network, Node, Preprocessing
from pellucid.network import layers as nl
from pellucid.network.layers import Shape
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    Optimizer,
    Schedule,
    loss_from_json,
    optimizer_from_json,
    schedule_from_json,
)
from pellucid.objectives.output_meaning import OutputMeaning, output_meaning
from pellucid.runs.recipe import Recipe

#: layers that do the same to every number, whatever the numbers' order
ORDERLESS = (nl.Dropout, nl.Pointwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSpec:
    """A network, how it is trained, and the files of the script.

    Parameters
    ----------
    network : Network
    recipe : Recipe
        Its hyperparameters; its network is not looked at.
    preprocessing : Preprocessing
        How pixels become input.
    framework : str
        As on the command line, for errors.
    data : str
        Folder that the script reads from unless told otherwise.
    weights_file : str, optional
        Name of the file beside the script that its weights come from.
    """

    network: Network
    recipe: Recipe
    preprocessing: Preprocessing
    framework: str
    data: str
    weights_file: str | None = None

    @property
    def loss(self) -> Loss:
        """The loss."""
        return loss_from_json(self.recipe.loss)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return optimizer_from_json(self.recipe.optimizer)

    @property
    def schedule(self) -> Schedule:
        """The learning rate's schedule."""
        return schedule_from_json(self.recipe.schedule)

    @property
    def has_schedule(self) -> bool:
        """Whether the learning rate changes."""
        return self.schedule.name != "constant"

    @property
    def weight_decay(self) -> float:
        """L2 or decoupled decay of the ``.weight`` arrays."""
        return float(getattr(self.optimizer, "weight_decay", 0.0))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes but the input."""
        return tuple(n for n in self.network.nodes if not isinstance(n.layer, nl.Input))

    @property
    def is_chain(self) -> bool:
        """True where each node reads the one before it."""
        names = [node.name for node in self.network.nodes]
        pairs = zip(names, self.nodes, strict=False)
        return all(node.inputs == (before,) for before, node in pairs)

    @property
    def is_shared(self) -> bool:
        """True where nodes share their weights."""
        return bool(self.network.shared)

    @property
    def is_image(self) -> bool:
        """True where an example has height, width and channels."""
        return len(self.network.input_shape) == 3

    @property
    def is_xor(self) -> bool:
        """True where the data is the truth table of exclusive or."""
        return self.recipe.data.source == "xor"

    @property
    def meaning(self) -> OutputMeaning:
        """What the output means."""
        labels = xor()[0].labels if self.is_xor else None
        return output_meaning(self.network, self.loss, labels)

    @property
    def has_column(self) -> bool:
        """True where the labels are classes, and the loss takes them as a column."""
        return not self.is_xor and self.meaning.kind == "binary"

    @property
    def border(self) -> str:
        """What an output of class 1 is above, as the script computes outputs."""
        is_logit = self.absorbed is not None or self.meaning.is_logits
        return "0" if is_logit else "0.5"

    @property
    def absorbed(self) -> Node | None:
        """The last node, where the loss is computed from what stands before it."""
        last = self.network.node(self.network.outputs[0])
        return last if type(last.layer).__name__ == self.loss.absorbs else None

    @property
    def logit_nodes(self) -> tuple[Node, ...]:
        """All nodes that lead to the logits."""
        return tuple(node for node in self.nodes if node != self.absorbed)

    @property
    def logits_node(self) -> str:
        """Name of the node that gives the logits."""
        return self.absorbed.inputs[0] if self.absorbed else self.network.outputs[0]

    def has(self, *kinds: type[nl.Layer]) -> bool:
        """True where a layer of one of those kinds leads to the logits."""
        return any(isinstance(node.layer, kinds) for node in self.logit_nodes)

    def shape(self, node: Node) -> Shape:
        """Return the shape of a node's first input."""
        return self.network.input_shapes(node)[0]

    def identifiers(self, taken: Collection[str]) -> dict[str, str]:
        """Return a name for each node that Python takes and nothing else has.

        It is the node's own, but for ``taken`` and Python's own words.
        """
        found: dict[str, str] = {}
        for node in self.nodes:
            name = node.name
            while name in taken or name in found.values() or keyword.iskeyword(name):
                name += "_"
            found[node.name] = name
        return found

    def check_alike(self, node: Node, mine: object, owner: object) -> None:
        """Refuse a node that is written otherwise than the one it shares weights with.

        Raises
        ------
        UnsupportedLayerError
            With the node's layer.
        """
        if mine != owner:
            reason = f"'{node.owner}', whose weights it shares, is written otherwise"
            raise self.refuse(node, reason)

    def refuse(self, node: Node, reason: str) -> UnsupportedLayerError:
        """Return the error for a layer that the script cannot express exactly."""
        return UnsupportedLayerError(
            f"code: layers must be ones that a plain {self.framework} script "
            f"expresses exactly; got {node.layer.who}: {reason}."
        )

    def check(self) -> None:
        """Refuse what no script knows.

        Raises
        ------
        UnsupportedLayerError
            For frozen layers.
        RunError
            For data, schedules or augmentation that scripts do not have.
        """
        for node in self.nodes:
            if not getattr(node.layer, "trainable", True):
                raise self.refuse(node, "it is frozen")
            if nl.is_own(node.layer):
                raise self.refuse(node, "it is a class of your own")
            if isinstance(node.layer, nl.OneDimensional | nl.Recurrent):
                raise self.refuse(node, "scripts have no layers of sequences")
        if len(self.network.output_shape) != 1:
            raise self.refuse(
                self.network.node(self.network.outputs[0]),
                "the output must be one row of numbers for each example",
            )
        known = ("constant", "cosine", "one_cycle", "step")
        if self.schedule.name not in known:
            raise RunError(
                f"code: schedule must be one of {', '.join(known)}; "
                f"got '{self.schedule.name}'."
            )
        optimizers = ("sgd", "rmsprop", "adam", "adamw")
        if self.optimizer.name not in optimizers or self.optimizer.groups:
            groups = " with groups" if self.optimizer.groups else ""
            raise RunError(
                f"code: optimizer must be one of {', '.join(optimizers)}, without "
                f"groups; got '{self.optimizer.name}'{groups}."
            )
        known_losses = (
            BinaryCrossEntropy,
            CrossEntropy,
            HalfSquaredErrorSum,
            MeanSquaredError,
        )
        if not isinstance(self.loss, known_losses):
            names = ", ".join(sorted(kind.name for kind in known_losses))
            raise RunError(
                f"code: loss must be one of {names}; got '{self.loss.name}'."
            )
        takes_classes = self.loss.name == "cross_entropy"
        takes_column = (self.loss.name, self.meaning.columns) == (
            "binary_cross_entropy",
            1,
        )
        if self.is_xor and takes_classes:
            raise RunError(
                "code: loss must be one of numbers for the data 'xor'; "
                f"got '{self.loss.name}'."
            )
        if not self.is_xor and not takes_classes and not takes_column:
            raise RunError(
                "code: loss must be 'cross_entropy' for the data "
                f"'{self.recipe.data.source}', or 'binary_cross_entropy' where the "
                f"network has one output; got '{self.loss.name}'."
            )
        for key, value in (self.recipe.augment or {}).items():
            is_known = key in ("flip", "crop", "shift") and value != "alternating"
            if value and key != "magnitude" and not is_known:
                raise RunError(
                    "code: augment must be flip, crop and shift at most; "
                    f"got {key}={value}."
                )
        unsaid = [
            key
            for key in ("class_weight", "early_stopping", "average", "sampler")
            if getattr(self.recipe, key)
        ]
        unsaid += ["accumulate"] if self.recipe.accumulate > 1 else []
        if unsaid:
            raise RunError(
                f"code: scripts must do without {unsaid[0]}; got one in the recipe. "
                "Take it out, and write it into the script by hand."
            )


def flattened_shape(network: Network, dense: Node) -> Shape | None:
    """Return the image shape that a dense layer's rows come from, if one was flattened.

    Looks back over activations and dropout.
    """
    (name,) = dense.inputs
    node = network.node(name)
    while isinstance(node.layer, ORDERLESS):
        node = network.node(node.inputs[0])
    if not isinstance(node.layer, nl.Flatten):
        return None
    shape = network.shapes[node.inputs[0]]
    return shape if len(shape) == 3 else None
