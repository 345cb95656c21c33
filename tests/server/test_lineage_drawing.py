"""The drawing of lineage: every box once, and no arrow behind a box."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st

from tidewheel.server.pages.lineage_drawing import lineage_drawing

_BOX = re.compile(r'<rect class="node[^"]*" x="([\d.]+)" y="([\d.]+)" width="190" height="50"')
_PATH = re.compile(r'd="M([\d.]+) ([\d.]+)([^"]+)"')
_STROKE = re.compile(r"C([\d. -]+)|H([\d.]+)")
Edge = tuple[str, str]


def draw(edges: list[Edge]) -> str:
    return str(lineage_drawing("run:1", edges, lambda node: ("run", node, "")))


@st.composite
def lineages(chosen: st.DrawFn) -> list[Edge]:
    """Edges that only lead from an earlier node to a later one, as things are made."""
    pairs = st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1])
    found = chosen(st.lists(pairs, min_size=1, max_size=16, unique=True))
    return [(f"run:{a}", f"run:{b}") for a, b in found]


@given(lineages())
def test_no_arrow_passes_behind_a_box(edges: list[Edge]) -> None:
    drawn = draw(edges)
    boxes = [(float(x), float(y)) for x, y in _BOX.findall(drawn)]
    assert len(boxes) == len({node for edge in edges for node in edge})
    columns = {x for x, _ in boxes}
    paths = _PATH.findall(drawn)
    assert len(paths) == len(edges)
    for left, top, strokes in paths:
        x, y = float(left), float(top)
        for curve, straight in _STROKE.findall(strokes):
            if straight:
                assert not any(left_of == float(straight) - 190 and at <= y <= at + 50 for left_of, at in boxes)
                x = float(straight)
                continue
            *_, end_x, end_y = map(float, curve.split())
            assert {x - 190, end_x} <= columns  # from the right of one column to the left of the next,
            assert end_x - x < 190  # that is, within the gap between them
            x, y = end_x, end_y


def test_the_drawing_is_as_tall_as_its_lanes() -> None:
    drawn = draw([("run:1", "run:2"), ("run:2", "run:3"), ("run:1", "run:3")])
    tall = float(re.findall(r'viewBox="0 0 [\d.]+ ([\d.]+)"', drawn)[0])
    lowest = max(float(curve.split()[-1]) for curve, _ in _STROKE.findall(drawn) if curve)
    assert 52 < lowest < tall


def test_what_stands_alone_is_not_drawn() -> None:
    assert draw([]) == ""
