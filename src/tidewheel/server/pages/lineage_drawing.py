"""What a thing came from and what came of it, drawn from left to right as SVG. Pure.

The nodes are those of the journal's lineage; each stands one column right of the last thing that it came from. An arrow
that goes further than to the next column crosses those between in a lane below their boxes, never behind one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from tidewheel.server.pages.figures import plain

_BOX, _TALL, _ACROSS, _DOWN, _LANE = 190.0, 50.0, 236.0, 66.0, 18.0
_MOST = 60
Named = Callable[[str], tuple[str, str, str]]  # node -> kind, name, address


def lineage_drawing(centre: str, edges: Sequence[tuple[str, str]], named: Named) -> Markup:
    """Boxes and arrows around one node; nothing where it stands alone."""
    nodes = list(dict.fromkeys(node for edge in edges for node in edge))[:_MOST]
    if not nodes:
        return Markup("")
    kept = [edge for edge in edges if edge[0] in nodes and edge[1] in nodes]
    columns = _columns(nodes, kept)
    filled = [2.0] * (max(columns.values()) + 1)
    places = {}
    for node in nodes:
        column = columns[node]
        places[node] = (2 + _ACROSS * column, filled[column])
        filled[column] += _DOWN
    lanes = _lanes(kept, columns, filled)
    width = 4 + _ACROSS * (len(filled) - 1) + _BOX
    arrows = Markup("").join(
        _arrow(places[source], places[target], [lanes[column, source] for column in _between(source, target, columns)])
        for source, target in kept
    )
    boxes = Markup("").join(_box(node, places[node], node == centre, named) for node in nodes)
    return Markup(
        '<svg class="lineage" viewBox="0 0 {} {}" width="{}" role="group" aria-label="Lineage">{}{}</svg>'
    ).format(plain(width), plain(2 + max(filled)), plain(width), arrows, boxes)


def _between(source: str, target: str, columns: dict[str, int]) -> range:
    return range(columns[source] + 1, columns[target])


def _lanes(
    edges: Sequence[tuple[str, str]], columns: dict[str, int], filled: list[float]
) -> dict[tuple[int, str], tuple[float, float]]:
    """Where arrows that cross a column enter it, below what it is `filled` with; those of one source go together."""
    lanes: dict[tuple[int, str], tuple[float, float]] = {}
    for source, target in edges:
        for column in _between(source, target, columns):
            if (column, source) not in lanes:
                lanes[column, source] = (2 + _ACROSS * column, filled[column])
                filled[column] += _LANE
    return lanes


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


def _arrow(begin: tuple[float, float], end: tuple[float, float], lanes: Sequence[tuple[float, float]]) -> Markup:
    """Curves in the gaps between columns; straight through the lanes."""
    x, y = begin[0] + _BOX, begin[1] + _TALL / 2
    path = [f"M{plain(x)} {plain(y)}"]
    for left, level in (*lanes, (end[0], end[1] + _TALL / 2)):
        bend = max(24.0, (left - x) / 2)
        path.append("C" + " ".join(map(plain, (x + bend, y, left - bend, level, left, level))))
        if (left, level) in lanes:
            path.append(f"H{plain(left + _BOX)}")
        x, y = left + _BOX, level
    return Markup('<path class="edge" d="{}"/>').format("".join(path))


def _box(node: str, place: tuple[float, float], centre: bool, named: Named) -> Markup:
    kind, name, address = named(node)
    x, y = place
    short = name if len(name) <= 19 else f"{name[:18]}…"
    box = Markup(
        '<rect class="node{}" x="{}" y="{}" width="190" height="50" rx="8"/>'
        '<text class="kind" x="{}" y="{}">{}</text><text class="node-name" x="{}" y="{}">{}</text><title>{}</title>'
    ).format(
        " centre" if centre else "", plain(x), plain(y), plain(x + 12), plain(y + 19), kind, plain(x + 12),
        plain(y + 38), short, node,
    )  # fmt: skip
    return Markup('<a href="{}">{}</a>').format(address, box) if address else Markup("<g>{}</g>").format(box)
