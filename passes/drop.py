"""Dead code: what nobody asks for is unreachable, but for updates that change nothing."""

from __future__ import annotations

from dataclasses import replace

from graphc.passes.graph import Graph, Pass


def drop_idle_updates(graph: Graph) -> Graph:
    """The graph without updates that give a variable the value it has."""
    kept = tuple((variable, new) for variable, new in graph.updates if new is not variable)
    return replace(graph, updates=kept)


DROP = Pass("drop", drop_idle_updates, "no variable is updated to itself")
