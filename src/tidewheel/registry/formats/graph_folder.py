"""Graphs of several models: `graph.json` and the members' own files in folders beside it.

Two formats, because a graph runs code when it is loaded if any of its members does: `graph` never holds such a member
and needs nobody's trust, `code_graph` may. A `graph` whose file claims otherwise is not loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import model_file, open_format

if TYPE_CHECKING:
    from tidewheel.registry.graphs.description import Description
    from tidewheel.registry.graphs.predictor import GraphPredictor

_FOR_ALL = "the graph's"  # whoever vouched for a graph vouched for its members


class GraphFolder:
    """Keeps `tw.Graph` whose members all are free of code."""

    name = "graph"
    executes_code = False

    def takes(self, model: Any) -> bool:
        from tidewheel.registry.graphs.graph import Graph

        return isinstance(model, Graph)

    def save(self, model: Any, folder: Path) -> None:
        from tidewheel.registry.graphs.packaging import package

        package(model, folder, may_hold_code=self.executes_code)

    def load(self, folder: Path) -> GraphPredictor:
        from tidewheel.registry.graphs.description import FILE, read_description

        return self._predictor(read_description(model_file(folder, (FILE,)).read_bytes()), folder)

    def _predictor(self, described: Description, folder: Path) -> GraphPredictor:
        from tidewheel.registry.graphs.description import MEMBERS, Member
        from tidewheel.registry.graphs.predictor import GraphPredictor
        from tidewheel.registry.load import load_predictor

        trusted_by = _FOR_ALL if self.executes_code else None
        members = {name: node for name, node in described.nodes.items() if isinstance(node, Member)}
        try:
            for name, member in members.items():
                self._check_member(name, member)
            loaded = {
                name: load_predictor(member.format, folder / MEMBERS / name, member.files, trusted_by)
                for name, member in members.items()
            }
            return GraphPredictor(described, loaded)
        except (InvalidInput, OSError, RecursionError) as error:  # names no file can have; graphs in graphs without end
            raise Corrupt(f"The graph does not hold together: {error}", where=str(folder)) from None

    def _check_member(self, name: str, member: Any) -> None:
        if open_format(member.format).executes_code and not self.executes_code:
            raise Corrupt(
                f"The node {name!r} is a {member.format} model, which runs code, in a graph that is said to run none.",
                fix="Log the graph again.",
            )


class CodeGraphFolder(GraphFolder):
    """Keeps any `tw.Graph`."""

    name = "code_graph"
    executes_code = True
