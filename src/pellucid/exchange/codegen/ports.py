"""Inputs and outputs of generated code: what they are called, where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pellucid.network import Network
from pellucid.network.layers import Shape


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output.

    ``name`` is the node's, ``argument`` the parameter of C's functions, ``define`` its
    size among the header's definitions, ``start`` its offset in the workspace.
    """

    name: str
    argument: str
    define: str
    shape: Shape
    start: int

    @property
    def size(self) -> int:
        """Elements of one example."""
        return prod(self.shape)


def input_ports(network: Network, starts: tuple[int, ...]) -> list[Port]:
    """Return the inputs in the network's order; ``image`` where there is one."""
    return _ports(network, network.inputs, starts, ("input", "image"))


def output_ports(network: Network, starts: tuple[int, ...]) -> list[Port]:
    """Return the outputs in the network's order; ``output`` where there is one."""
    return _ports(network, network.outputs, starts, ("output", "output"))


def _ports(
    network: Network,
    names: tuple[str, ...],
    starts: tuple[int, ...],
    called: tuple[str, str],
) -> list[Port]:
    """Return ports by their nodes' names; ``called`` is the kind and the only one's."""
    kind, only = called
    is_single = len(names) == 1
    is_unique = len({name.upper() for name in names}) == len(names)
    return [
        Port(
            name,
            only if is_single else f"{kind}_{name}",
            f"{kind.upper()}{'S' if is_single else f'_{shown}'}",
            network.shapes[name],
            start,
        )
        for name, start in zip(names, starts, strict=True)
        for shown in [name.upper() if is_unique else name]
    ]
