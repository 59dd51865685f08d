"""Build a network from a Keras model's layers: each call adds the layers it makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import products
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.partial_function import Partial, finish
from pellucid.exchange.graph.tensor import LAST, Tensor
from pellucid.exchange.keras import store
from pellucid.exchange.keras.entry import Call, Entry, Source, sources_of
from pellucid.exchange.keras.operator_view import OperatorView
from pellucid.exchange.keras.operators import READERS, activation
from pellucid.exchange.keras.pointwise import read_operation
from pellucid.exchange.keras.topology import Topology
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import Preprocessing
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.runs import ModelFile

Value = Tensor | Partial
Values = dict[Source, Value]
#: operations of `keras.ops` on two tensors that a layer computes
_OF_TWO: dict[str, type[Layer]] = {
    "Add": pl.Add,
    "Maximum": pl.Maximum,
    "Multiply": pl.Multiply,
    "Subtract": pl.Subtract,
}


def _base(value: Value) -> str:
    """Return the node that a value is, or is a function of."""
    return value.x.node if isinstance(value, Partial) else value.node


def build_model(topology: Topology, card: str | None, *, version: str) -> ModelFile:
    """Return the model that layers with their arrays make.

    ``version`` is that of the Keras that wrote it, or that TensorFlow.js follows.

    Raises
    ------
    ExchangeError
        If a layer cannot be represented exactly, or reads what does not exist.
    """
    builder = NetworkBuilder(LAST)
    values = _run_model(builder, topology, {}, version)
    ends = []
    for source in topology.outputs:
        ref = OperatorRef("Elementwise", source.layer)
        value = finish(builder, ref, _find(values, source))
        ends.append(replace(builder.outermost(value)))
    inputs = [values[source] for source in topology.inputs]
    network, weights = builder.finish(
        ends,
        name=topology.name,
        inputs=[value for value in inputs if isinstance(value, Tensor)],
    )
    known = (
        ModelMetadata.from_json(store.parse_json(card))
        if card is not None
        else ModelMetadata(preprocessing=Preprocessing.unknown("cast"))
    )
    return known.file(network, weights)


def _find(values: Values, source: Source) -> Value:
    if source not in values:
        raise ExchangeError(
            "import: layers must read layers that exist; got "
            f"output {source.output} of call {source.call} of '{source.layer}'."
        )
    return values[source]


def _run_model(
    builder: NetworkBuilder, topology: Topology, values: Values, version: str
) -> Values:
    """Add the layers of a model; ``values`` has the inputs of an inner one."""
    left = [
        (entry, index, call)
        for entry in topology.entries
        for index, call in enumerate(entry.calls or [()])
        if Source(entry.name, index) not in values
    ]
    uses = Counter(s for _, _, call in left for s in sources_of(call))
    uses.update([*topology.outputs, *values])  # what is given is read elsewhere, too
    while left:
        waiting = []
        for entry, index, call in left:
            if not all(source in values for source in sources_of(call)):
                waiting.append((entry, index, call))
                continue
            made = _run(builder, entry, call, values, uses, version)
            values |= {Source(entry.name, index, i): v for i, v in enumerate(made)}
        if len(waiting) == len(left):
            for source in sources_of(waiting[0][2]):
                _find(values, source)
        left = waiting
    return values


def _run(
    builder: NetworkBuilder,
    entry: Entry,
    call: Call,
    values: Values,
    uses: Counter[Source],
    version: str,
) -> Sequence[Value]:
    """Return what one call of a layer, an operation or an inner model makes."""
    ref = OperatorRef(entry.kind, entry.name)
    sources = sources_of(call)
    combines = entry.kind in _OF_TWO and len({_base(values[s]) for s in sources}) == 2
    is_product = entry.is_operation and entry.kind in ("Einsum", "Matmul")
    if entry.is_operation and not combines and not is_product:
        given = [values[a] if isinstance(a, Source) else a for a in call]
        return [read_operation(ref, entry.config, given)]
    for source in sources:
        named = OperatorRef("Elementwise", source.layer)
        values[source] = finish(builder, named, values[source])
    inputs = [finish(builder, ref, values[source]) for source in sources]
    if entry.inner is not None:
        return _run_inner(builder, ref, entry.inner, inputs, version)
    if is_product and entry.kind == "Matmul":
        return [products.matmul(builder, ref, *_aligned(ref, inputs))]
    if is_product:
        equation = str(entry.config.get("subscripts", ""))
        return [products.einsum(builder, ref, equation, inputs)]
    if entry.is_operation:
        return [builder.arithmetic(ref, _OF_TWO[entry.kind](), inputs)]
    reader = READERS.get(entry.kind)
    if reader is None:
        ref.refuse("be a layer that pellucid has, or one it can express", entry.kind)
    op = OperatorView(
        ref=ref,
        config=entry.config,
        inputs=inputs,
        arrays=entry.arrays,
        filled=entry.filled,
        builder=builder,
        is_sole_reader=all(uses[s] == sources.count(s) for s in sources),
        version=version,
    )
    op.check_type()
    return [activation(op, reader(op))]


def _aligned(ref: OperatorRef, inputs: list[Tensor]) -> list[Tensor]:
    if len(inputs) != 2:
        ref.refuse("multiply two tensors", f"{len(inputs)}")
    return inputs


def _run_inner(
    builder: NetworkBuilder,
    ref: OperatorRef,
    topology: Topology,
    inputs: list[Tensor],
    version: str,
) -> list[Value]:
    if len(inputs) != len(topology.inputs):
        ref.refuse(f"be called on {len(topology.inputs)} values", f"{len(inputs)}")
    given: Values = dict(zip(topology.inputs, inputs, strict=True))
    values = _run_model(builder, topology, given, version)
    return [_find(values, source) for source in topology.outputs]
