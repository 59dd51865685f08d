"""Specification of a script: the network and its training."""

from __future__ import annotations

import keyword
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from pellucid.code.heads import Head, heads_of
from pellucid.data.sources import xor
from pellucid.errors import RunError, UnsupportedLayerError
from pellucid.network import Network, Node, Preprocessing
from pellucid.network import layers as nl
from pellucid.network.fake_quantization import rounds
from pellucid.network.layers import Shape
from pellucid.network.ports import has_several
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    Optimizer,
    Schedule,
    optimizer_from_json,
    schedule_from_json,
)
from pellucid.recipes.builders import build_loss
from pellucid.runs.recipe import Recipe

#: layers that do the same to every number, whatever the numbers' order
ORDERLESS = (nl.Dropout, nl.Pointwise)


@dataclass(frozen=True, kw_only=True)
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
        """The loss, of several outputs the weighted sum of theirs."""
        return build_loss(self.recipe, self.network)

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
        """True where each node reads the one before it, and only the last is given."""
        if self.is_several:
            return False
        names = [node.name for node in self.network.nodes]
        pairs = zip(names, self.nodes, strict=False)
        return all(node.inputs == (before,) for before, node in pairs)

    @property
    def is_shared(self) -> bool:
        """True where nodes share their weights."""
        return bool(self.network.shared)

    @property
    def is_image(self) -> bool:
        """True where an input has height, width and channels."""
        return any(len(self.network.shapes[name]) == 3 for name in self.network.inputs)

    @property
    def is_xor(self) -> bool:
        """True where the data is the truth table of exclusive or."""
        return self.recipe.data.source == "xor"

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """The outputs with a loss."""
        labels = xor()[0].labels if self.is_xor else None
        return heads_of(self.network, self.loss, labels)

    @property
    def head(self) -> Head:
        """The only output."""
        return self.heads[0]

    @property
    def is_several(self) -> bool:
        """True where there are several inputs or outputs: arrays go by name."""
        return has_several(self.network)

    @property
    def has_column(self) -> bool:
        """True where the labels are classes, and the loss takes them as a column."""
        is_given = self.is_xor or self.is_several
        return not is_given and self.head.meaning.kind == "binary"

    @property
    def output_nodes(self) -> dict[str, str]:
        """The node that gives each output as the script computes it."""
        logits = {head.name: head.logits_node for head in self.heads}
        return {name: logits.get(name, name) for name in self.network.outputs}

    @property
    def logit_nodes(self) -> tuple[Node, ...]:
        """All nodes but those that the losses compute."""
        absorbed = [head.absorbed for head in self.heads]
        consumers = self.network.consumers
        return tuple(n for n in self.nodes if n not in absorbed or consumers[n.name])

    def has(self, *kinds: type[nl.Layer]) -> bool:
        """True where a layer of one of those kinds leads to the logits."""
        return any(isinstance(node.layer, kinds) for node in self.logit_nodes)

    def shape(self, node: Node) -> Shape:
        """Return the shape of a node's first input."""
        return self.network.input_shapes(node)[0]

    def identifiers(self, taken: Collection[str]) -> dict[str, str]:
        """Return a name for each node that Python takes and nothing else has.

        It is the node's own, but for ``taken`` and Python's own words. A single input
        has none.
        """
        found: dict[str, str] = {}
        for node in self.network.nodes if self.is_several else self.nodes:
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
            if rounds(node.layer):
                raise self.refuse(
                    node,
                    "its gradient passes straight through rounding, and theirs not",
                )
            if isinstance(node.layer, nl.OneDimensional | nl.Recurrent):
                raise self.refuse(node, "scripts have no layers of sequences")
        for head in self.heads:
            if len(self.network.shapes[head.name]) != 1:
                raise self.refuse(
                    head.output,
                    "the output must be one row of numbers for each example",
                )
        self._check_trained()
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
        for head in self.heads:
            self._check_loss(head)
        if self.is_several and any((self.recipe.augment or {}).values()):
            raise RunError(
                "code: augment must be left out where the network has several inputs "
                f"or outputs; got {self.recipe.augment}."
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

    def _check_loss(self, head: Head) -> None:
        """Refuse a loss that scripts do not have, or not for their labels."""
        known = (
            BinaryCrossEntropy,
            CrossEntropy,
            HalfSquaredErrorSum,
            MeanSquaredError,
        )
        name = head.loss.name
        if not isinstance(head.loss, known):
            names = ", ".join(sorted(kind.name for kind in known))
            raise RunError(f"code: loss must be one of {names}; got '{name}'.")
        if self.is_several:
            return
        takes_classes = name == "cross_entropy"
        takes_column = (name, head.meaning.columns) == ("binary_cross_entropy", 1)
        if self.is_xor and takes_classes:
            raise RunError(
                f"code: loss must be one of numbers for the data 'xor'; got '{name}'."
            )
        if not self.is_xor and not takes_classes and not takes_column:
            raise RunError(
                "code: loss must be 'cross_entropy' for the data "
                f"'{self.recipe.data.source}', or 'binary_cross_entropy' where the "
                f"network has one output; got '{name}'."
            )

    def _check_trained(self) -> None:
        """Refuse layers with weights that no loss depends on."""
        reached = {head.name for head in self.heads}
        for node in reversed(self.nodes):
            if node.name in reached:
                reached.update(node.inputs)
        trained = {node.owner for node in self.nodes if node.name in reached}
        for node in self.nodes:
            weights = node.layer.weights(*self.network.input_shapes(node))
            if weights and node.owner not in trained:
                raise self.refuse(node, "none of the losses depends on its weights")


def flattened_shape(network: Network, dense: Node) -> Shape | None:
    """Return the image shape whose order a dense layer's rows take on, if one does.

    Looks back over activations and dropout.
    """
    (name,) = dense.inputs
    node = network.node(name)
    while isinstance(node.layer, ORDERLESS):
        node = network.node(node.inputs[0])
    if not isinstance(node.layer, nl.Flatten) or not takes_order_on(network, node):
        return None
    shape = network.shapes[node.inputs[0]]
    return shape if len(shape) == 3 else None


def takes_order_on(network: Network, flatten: Node) -> bool:
    """Return whether one dense layer alone reads what was flattened, in any order."""
    node = flatten
    while node is flatten or isinstance(node.layer, ORDERLESS):
        readers = network.consumers[node.name]
        if len(readers) != 1 or node.name in network.outputs:
            return False
        (node,) = readers
    return isinstance(node.layer, nl.Dense)
