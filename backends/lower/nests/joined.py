"""Columns of a nest join a loop over the row that reads the same, so that nothing is read for them
alone, and the first loop may be left to what the others wait for.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.passes.fusion.body import Body, Root


def join_columns(body: Body) -> Body:
    """The body with each column in the first loop whose other values read all that it reads, or
    where it is.
    """
    if len({root.level for root in body.roots}) < 2:
        return body
    return replace(body, roots=tuple(_joined(root, body) for root in body.roots))


def _joined(root: Root, body: Body) -> Root:
    if root.role != "column":
        return root
    made = {other.tensor for other in body.roots if other.role == "map"}
    wanted = {(a.tensor, a.index) for a in root.accesses if a.tensor in set(body.inputs)}
    if any(a.tensor in made for a in root.accesses) or not wanted:
        return root
    for level in sorted({other.level for other in body.roots}):
        others = [
            other for other in body.roots if other.level == level and other.role in ("row", "map")
        ]
        if level >= root.level and wanted <= {
            (a.tensor, a.index) for other in others for a in other.accesses
        }:
            return replace(root, level=level)
    return root
