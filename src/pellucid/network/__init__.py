"""What is computed: layers, the graph, shapes, initial weights, JSON, the zoo."""

from pellucid.network.codec import dumps, from_json, loads, to_json
from pellucid.network.graph import Network, Weight
from pellucid.network.node import Node
from pellucid.network.preprocessing import Preprocessing
from pellucid.network.sequential import Sequential
from pellucid.network.source import load_network
from pellucid.network.zoo import ZOO, zoo

__all__ = [
    "ZOO",
    "Network",
    "Node",
    "Preprocessing",
    "Sequential",
    "Weight",
    "dumps",
    "from_json",
    "load_network",
    "loads",
    "to_json",
    "zoo",
]
