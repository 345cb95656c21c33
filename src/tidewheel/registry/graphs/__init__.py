"""Several models and plain arithmetic as one model: `tw.Graph` of `tw.nodes`.

The formats `graph` and `code_graph` keep it as data: a small `graph.json` beside the files of its member models.
Imported by workers: nothing heavy here.
"""

from tidewheel.registry.graphs import nodes
from tidewheel.registry.graphs.graph import Graph

__all__ = ["Graph", "nodes"]
