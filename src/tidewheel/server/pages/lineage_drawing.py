"""What a thing came from and what came of it, drawn from left to right as SVG. Pure.

The nodes are those of the journal's lineage; each stands one column right of the last thing that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from tidewheel.server.pages.figures import plain

_BOX, _TALL, _ACROSS, _DOWN = 190.0, 50.0, 236.0, 66.0
_MOST = 60
Named = Callable[[str], tuple[str, str, str]]  # node -> kind, name, address


def lineage_drawing(centre: str, edges: Sequence[tuple[str, str]], named: Named) -> Markup:
    """Boxes and arrows around one node; nothing where it stands alone."""
    nodes = list(dict.fromkeys(node for edge in edges for node in edge))[:_MOST]
    if not nodes:
        return Markup("")
    kept = [edge for edge in edges if edge[0] in nodes and edge[1] in nodes]
    columns = _columns(nodes, kept)
    places, filled = {}, [0] * (max(columns.values()) + 1)
    for node in nodes:
        column = columns[node]
        places[node] = (2 + _ACROSS * column, 2 + _DOWN * filled[column])
        filled[column] += 1
    width = 4 + _ACROSS * (len(filled) - 1) + _BOX
    arrows = Markup("").join(_arrow(places[source], places[target]) for source, target in kept)
    boxes = Markup("").join(_box(node, places[node], node == centre, named) for node in nodes)
    return Markup(
        '<svg class="lineage" viewBox="0 0 {} {}" width="{}" role="group" aria-label="Lineage">{}{}</svg>'
    ).format(plain(width), plain(4 + _DOWN * max(filled)), plain(width), arrows, boxes)


def _columns(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    columns = dict.fromkeys(nodes, 0)
    for _ in range(len(nodes)):  # a lineage has no circles; should one be written, this still ends
        moved = False
        for source, target in edges:
            if columns[target] < columns[source] + 1 and columns[source] + 1 < len(nodes):
                columns[target], moved = columns[source] + 1, True
        if not moved:
            break
    return columns


def _arrow(begin: tuple[float, float], end: tuple[float, float]) -> Markup:
    x1, y1, x2, y2 = begin[0] + _BOX, begin[1] + _TALL / 2, end[0], end[1] + _TALL / 2
    bend = max(24.0, (x2 - x1) / 2)
    places = (x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2)
    return Markup('<path class="edge" d="M{} {}C{} {} {} {} {} {}"/>').format(*map(plain, places))


def _box(node: str, place: tuple[float, float], centre: bool, named: Named) -> Markup:
    kind, name, address = named(node)
    x, y = place
    short = name if len(name) <= 20 else f"{name[:19]}…"
    box = Markup(
        '<rect class="node{}" x="{}" y="{}" width="190" height="50" rx="8"/>'
        '<text class="kind" x="{}" y="{}">{}</text><text class="node-name" x="{}" y="{}">{}</text><title>{}</title>'
    ).format(
        " centre" if centre else "", plain(x), plain(y), plain(x + 12), plain(y + 19), kind, plain(x + 12),
        plain(y + 38), short, node,
    )  # fmt: skip
    return Markup('<a href="{}">{}</a>').format(address, box) if address else Markup("<g>{}</g>").format(box)
