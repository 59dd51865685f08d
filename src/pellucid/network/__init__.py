"""What is computed: layers, the graph, shapes, initial weights, JSON, the zoo."""

from pellucid.network.codec import dumps as dumps
from pellucid.network.codec import from_json as from_json
from pellucid.network.codec import loads as loads
from pellucid.network.codec import to_json as to_json
from pellucid.network.graph import Network as Network
from pellucid.network.node import Node as Node
from pellucid.network.preprocessing import Preprocessing as Preprocessing
from pellucid.network.sequential import Sequential as Sequential
from pellucid.network.source import load_network as load_network
from pellucid.network.weight import Weight as Weight
from pellucid.network.zoo import ZOO as ZOO
from pellucid.network.zoo import zoo as zoo
