"""Walks the journal's edges from a node: up to what it came from, down to what came of it.

Breadth first, one query a step, bounded by depth and by a number of nodes, so that a node in the middle of everything
cannot bring the control plane down. Called by `Governance.lineage`. It reads; the edges are written by `Change.emit`.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tidewheel.governance import store
from tidewheel.governance.records import Lineage, LineageEdge, LineageNode

MAX_NODES = 2000


def walk_lineage(connection: Connection, root: str, directions: tuple[bool, ...], depth: int) -> Lineage:
    """The graph around a node; `directions` holds True for up and False for down."""
    distance = {root: 0}
    edges: dict[tuple[str, str], LineageEdge] = {}
    complete = True
    for up in directions:
        complete &= _walk(connection, root, up, depth, distance, edges)
    nodes = [LineageNode(node, node.partition(":")[0], steps) for node, steps in distance.items()]
    return Lineage(root, sorted(nodes, key=lambda node: (node.distance, node.id)), list(edges.values()), complete)


def _walk(
    connection: Connection,
    root: str,
    up: bool,
    depth: int,
    distance: dict[str, int],
    edges: dict[tuple[str, str], LineageEdge],
) -> bool:
    """Add what lies in one direction; whether that was all of it."""
    here, seen = [root], {root}
    for steps in range(1, depth + 1):
        beyond: list[str] = []
        for edge in store.edges_beside(connection, here, up=up):
            edges.setdefault((edge.source, edge.target), edge)
            node = edge.source if up else edge.target
            if node not in seen:
                seen.add(node)
                distance.setdefault(node, steps)
                beyond.append(node)
        if not beyond or len(distance) > MAX_NODES:
            return not beyond
        here = beyond
    return not store.edges_beside(connection, here, up=up)
