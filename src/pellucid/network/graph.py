"""The network: nodes in topological order, checked at construction."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.network import summary
from pellucid.network.build import build_nodes
from pellucid.network.initializers import draw
from pellucid.network.layers import BatchNorm, FakeQuantized, Input, Layer, Shape, Value
from pellucid.network.nesting import nest
from pellucid.network.node import Node
from pellucid.network.node_shapes import check_names, output_shapes
from pellucid.network.order import sort_topologically
from pellucid.network.ports import check_ports
from pellucid.network.preprocessing import Preprocessing
from pellucid.network.sharing import check_sharing
from pellucid.network.weight import Weight

_FIXED = ("name", "activation")


class Network:
    """Say what is computed: layers, how they are joined, and nothing of how.

    Parameters
    ----------
    inputs : Input, or sequence of Input
        Where images enter.
    outputs : Value, or sequence of Value
        What the last layer returned; of several, values on the way may be among them.
    name : str
        A name for people.
    preprocessing : Preprocessing, optional
        How uint8 pixels become the network's input; [0, 1] where it is left out.

    Attributes
    ----------
    nodes : tuple of Node
        Name, layer and input names, in topological order.
    inputs, outputs : tuple of str
        Names of the nodes where arrays enter and leave, in the order given.
    shapes : mapping of str to tuple of int
        Output shape of each node, without the batch.
    weights : tuple of Weight
        Every array once, in topological order; what nodes share carries the name of
        the first of them.

    Raises
    ------
    NetworkError, ShapeError
        If the layers do not form one graph, or their shapes do not fit.

    Examples
    --------
    >>> image = Input(8, 8, 1)
    >>> from pellucid.network.layers import Dense, Flatten
    >>> network = Network(inputs=image, outputs=Dense(10)(Flatten()(image)))
    >>> [node.name for node in network.nodes]
    ['input', 'flatten', 'dense']
    """

    def __init__(
        self,
        *,
        inputs: Input | Sequence[Input],
        outputs: Value | Sequence[Value],
        name: str = "network",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        entries = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        exits = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        for what, given in (("inputs", entries), ("outputs", exits)):
            if not given:
                raise NetworkError(f"Network: {what} must be at least one; got none.")
        nodes, *ends = build_nodes(entries, exits)  # type: ignore[arg-type]
        self._set(nodes, ends, name, preprocessing)

    @classmethod
    def from_nodes(
        cls,
        nodes: Iterable[Node],
        *,
        name: str = "network",
        preprocessing: Preprocessing | None = None,
        outputs: Sequence[str] | None = None,
        inputs: Sequence[str] | None = None,
    ) -> Network:
        """Make a network of named nodes in any order; cycles are refused.

        ``inputs`` may be left out where the order of the nodes is theirs, ``outputs``
        where one node only is read by no other.

        Parameters
        ----------
        nodes : iterable of Node
            In any order.
        name : str
            A name for people.
        preprocessing : Preprocessing, optional
            How uint8 pixels become the input.
        outputs, inputs : sequence of str, optional
            Names of nodes, in order.

        Returns
        -------
        Network
            The network.
        """
        self = cls.__new__(cls)
        ordered = sort_topologically(tuple(nodes))
        self._set(ordered, (inputs, outputs), name, preprocessing)
        return self

    def _set(
        self,
        nodes: tuple[Node, ...],
        ends: Sequence[Sequence[str] | None],
        name: str,
        preprocessing: Preprocessing | None,
    ) -> None:
        check_names(nodes)
        inputs, outputs = check_ports(nodes, *ends)
        self.name = name
        self.preprocessing = preprocessing
        self.nodes = nodes
        self.inputs: tuple[str, ...] = inputs
        self.outputs: tuple[str, ...] = outputs
        self._by_name = {node.name: node for node in nodes}
        self.shapes: Mapping[str, Shape] = MappingProxyType(output_shapes(nodes))
        check_sharing(nodes, self.shapes)
        self.weights: tuple[Weight, ...] = tuple(self._weights())

    def _weights(self) -> Iterable[Weight]:
        for node in self.nodes:
            if node.weights_of is not None:
                continue
            trains = getattr(node.layer, "trainable", True)
            for spec in node.layer.weights(*self.input_shapes(node)):
                yield Weight(node.name, spec, spec.is_parameter and trains)

    def node(self, name: str) -> Node:
        """Return the node of that name.

        Parameters
        ----------
        name : str
            A node's name.

        Returns
        -------
        Node
            The node.

        Raises
        ------
        NetworkError
            If there is none.
        """
        if name not in self._by_name:
            raise NetworkError(
                f"Network '{self.name}': node must be one of "
                f"{', '.join(self._by_name)}; got {name!r}."
            )
        return self._by_name[name]

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Return the shapes of what enters a node.

        Parameters
        ----------
        node : Node
            One of this network.

        Returns
        -------
        tuple of tuple of int
            One shape for each input, without the batch.
        """
        return tuple(self.shapes[source] for source in node.inputs)

    @functools.cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each node's output."""
        return MappingProxyType(
            {
                name: tuple(node for node in self.nodes if name in node.inputs)
                for name in self._by_name
            }
        )

    @property
    def input_shape(self) -> Shape:
        """Shape of one example; of several inputs, the first one's."""
        return self.shapes[self.inputs[0]]

    @property
    def output_shape(self) -> Shape:
        """Shape of the output for one example; of several, the first one's."""
        return self.shapes[self.outputs[0]]

    @functools.cached_property
    def shared(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes of each weight's owner that has several, itself the first."""
        families: dict[str, list[Node]] = {}
        for node in self.nodes:
            families.setdefault(node.owner, []).append(node)
        return {name: tuple(f) for name, f in families.items() if len(f) > 1}

    @property
    def parameters(self) -> tuple[Weight, ...]:
        """The weights that the gradient changes (frozen ones are not among them)."""
        return tuple(weight for weight in self.weights if weight.is_trainable)

    @property
    def parameter_count(self) -> int:
        """Number of parameters, frozen ones included, buffers not."""
        return sum(math.prod(w.shape) for w in self.weights if w.spec.is_parameter)

    @property
    def integer_weight_count(self) -> int:
        """Number of weights that are integers, which training does not change."""
        return sum(
            math.prod(w.shape)
            for w in self.weights
            if w.spec.role == "weight" and w.dtype is not None
        )

    @functools.cached_property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) for one example."""
        return sum(n.layer.multiply_adds(*self.input_shapes(n)) for n in self.nodes)

    def initial_weights(
        self, seed: int, dtype: npt.DTypeLike = "float32"
    ) -> dict[str, npt.NDArray[Any]]:
        """Draw every weight from (seed, weight name).

        Parameters
        ----------
        seed : int
            Of all weights.
        dtype : dtype
            Of the arrays that have none of their own.

        Returns
        -------
        dict of str to ndarray
            Each weight by name, in canonical layout.
        """
        return {
            weight.name: draw(
                weight.spec.initializer or self._default_initializer(weight.node),
                weight.shape,
                fans=weight.spec.fans,
                seed=seed,
                name=weight.name,
                dtype=weight.spec.dtype or dtype,
            )
            for weight in self.weights
        }

    def _default_initializer(self, name: str) -> str:
        """He normal where a ReLU kind follows, batch norm in between or not."""
        followers = list(self.consumers[name])
        while followers:
            follower = followers.pop()
            if getattr(follower.layer, "is_rectifier", False):
                return "he_normal"
            if isinstance(follower.layer, BatchNorm):
                followers.extend(self.consumers[follower.name])
        return "glorot_uniform"

    def with_settings(self, settings: Mapping[str, Any]) -> Network:
        """Return a network with other hyperparameters.

        Parameters
        ----------
        settings : mapping
            ``{"conv2d.out_channels": 16}``: node, dot, the layer's argument.

        Returns
        -------
        Network
            A new one; this one is untouched.

        Raises
        ------
        NetworkError
            If a node or argument does not exist, or a value does not fit.
        """
        changed = dict(self._by_name)
        for key, value in settings.items():
            name, _, field = key.partition(".")
            layer = changed[self.node(name).name].layer
            whole = layer if isinstance(layer, FakeQuantized) else None
            layer = layer if whole is None else whole.operation
            fields = [f.name for f in dataclasses.fields(layer) if f.name not in _FIXED]
            if field not in fields:
                raise NetworkError(
                    f"{layer.who}: setting must be one of {', '.join(fields) or 'none'}"
                    f"; got {key!r}."
                )
            for node in self.shared.get(self.node(name).owner, (self.node(name),)):
                made = dataclasses.replace(layer, **{field: value})
                if whole is not None:
                    made = dataclasses.replace(whole, operation=made)
                changed[node.name] = changed[node.name].with_layer(
                    dataclasses.replace(made, name=node.name)
                )
        return self.with_nodes(changed.values())

    def frozen(self, *names: str) -> Network:
        """Return a network in which those nodes (or all, if none is named) are frozen.

        Frozen weights keep their values; a frozen BatchNorm also its statistics.

        Parameters
        ----------
        *names : str
            Names of nodes.

        Returns
        -------
        Network
            A new one.
        """
        chosen = names or tuple(
            node.name for node in self.nodes if hasattr(node.layer, "trainable")
        )
        return self.with_settings({f"{name}.trainable": False for name in chosen})

    def renamed(self, name: str) -> Network:
        """Return the same network under another name.

        Parameters
        ----------
        name : str
            The new name.

        Returns
        -------
        Network
            A new one.
        """
        return Network.from_nodes(
            self.nodes,
            name=name,
            preprocessing=self.preprocessing,
            outputs=self.outputs,
            inputs=self.inputs,
        )

    def with_nodes(
        self, nodes: Iterable[Node], *, renamed: Mapping[str, str] | None = None
    ) -> Network:
        """Return a network of other nodes, with the same inputs and outputs.

        Parameters
        ----------
        nodes : iterable of Node
            In any order.
        renamed : mapping of str to str, optional
            Nodes that are outputs, and those that are in their place.

        Returns
        -------
        Network
            Of the same name, with the same preprocessing.
        """
        goes_by = renamed or {}
        return Network.from_nodes(
            nodes,
            name=self.name,
            preprocessing=self.preprocessing,
            outputs=[goes_by.get(name, name) for name in self.outputs],
            inputs=self.inputs,
        )

    def __call__(self, *inputs: Value | Layer) -> Any:
        """Place the network's layers in another network, as one nested in it.

        The nodes' names begin with the network's. Called twice, it shares all its
        weights.

        Parameters
        ----------
        *inputs : Value or Input
            One for each input of the network, in its order.

        Returns
        -------
        Value, or tuple of Value
            One for each output of the network.

        Raises
        ------
        NetworkError
            If there are not as many as the network has inputs.
        ShapeError
            When a Network is made of them, if their shapes do not fit its layers.
        """
        return nest(self, inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as the JSON that files hold."""
        from pellucid.network.codec import dumps, loads

        return loads, (dumps(self),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return (self.nodes, self.inputs, self.outputs, self.preprocessing) == (
            other.nodes,
            other.inputs,
            other.outputs,
            other.preprocessing,
        )

    def __hash__(self) -> int:
        return hash((self.nodes, self.inputs, self.outputs))

    def __str__(self) -> str:
        return summary.text(self)

    def __repr__(self) -> str:
        return (
            f"<Network '{self.name}': {len(self.nodes)} nodes, "
            f"{self.parameter_count:,} parameters, {self.multiply_adds:,} MACs>"
        )

    def _repr_html_(self) -> str:
        return summary.html(self)
