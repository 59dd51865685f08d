"""The layers' arithmetic at one place: a description and its inputs in, steps out.

Each function has the name of its layer's nodes, or of its family.
"""

from pellucid.network.layer_functions import layer_functions

CALCULATIONS = layer_functions(__name__, "element")

__all__ = ["CALCULATIONS"]
