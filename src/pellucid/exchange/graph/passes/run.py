"""Run the passes over a graph, in the order in which they build on each other."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.exchange.graph.ir import Graph
from pellucid.exchange.graph.passes.activations import find_activations
from pellucid.exchange.graph.passes.folding import fold_constants
from pellucid.exchange.graph.passes.group_norm import find_group_norms
from pellucid.exchange.graph.passes.layer_norm import find_layer_norms
from pellucid.exchange.graph.passes.limits import join_limits
from pellucid.exchange.graph.passes.means import join_means
from pellucid.exchange.graph.passes.neutral import drop_neutral
from pellucid.exchange.graph.passes.rows import move_reshapes
from pellucid.exchange.graph.passes.safe_division import find_safe_divisions
from pellucid.exchange.graph.passes.transposes import move_transposes
from pellucid.exchange.graph.passes.views import find_views

_PASSES: tuple[Callable[[Graph], None], ...] = (
    fold_constants,
    drop_neutral,
    find_safe_divisions,
    move_reshapes,
    move_transposes,
    find_views,
    join_means,
    join_limits,
    find_layer_norms,
    find_group_norms,
    find_activations,
)


def run_passes(graph: Graph) -> None:
    """Rewrite a graph in place; values that nobody reads any more are dropped."""
    graph.remove_unread()
    for rewrite in _PASSES:
        rewrite(graph)
        graph.remove_unread()
