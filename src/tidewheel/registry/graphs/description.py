"""What a kept graph says of itself: `graph.json`, read and written. Pure.

    {"inputs": ["a", "b"], "output": "both", "nodes": {
      "trees": {"node": "model", "of": ["a", "b"], "format": "lightgbm", "outputs": 1,
                "files": {"model.txt": "<BLAKE3>"}, "version": "ver_…", "address": "models:/a@champion"},
      "line":  {"node": "model", …},
      "both":  {"node": "mean", "of": ["trees", "line"], "weights": [0.7, 0.3]}}}

The files of the member ``trees`` lie in ``members/trees/``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.graphs.combiners import Mean, Median, Vote
from tidewheel.registry.graphs.transforms import (
    Clip,
    Columns,
    Impute,
    Rescale,
    Sigmoid,
    Softmax,
    Standardize,
    Threshold,
)
from tidewheel.registry.graphs.wiring import answering_order

FILE = "graph.json"
MEMBERS = "members"


class Member(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="node", tag="model", omit_defaults=True
):
    """A member model as it was kept.

    Attributes:
        of: what it takes.
        format: the format of its files.
        files: their BLAKE3, by path within its folder.
        outputs: how many columns it gives.
        version: the id of the registered version that it is, if it is one.
        address: by what that version was asked for.
    """

    of: Sequence[str]
    format: str
    files: dict[str, str]
    outputs: int
    version: str | None = None
    address: str | None = None


KeptNode = (
    Member | Clip | Columns | Impute | Mean | Median | Rescale | Sigmoid | Softmax | Standardize | Threshold | Vote
)


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A graph as it was kept."""

    inputs: Sequence[str]
    output: str
    nodes: dict[str, KeptNode]

    def order(self) -> tuple[str, ...]:
        """The nodes, each after all that it takes."""
        return answering_order(self.inputs, {name: node.of for name, node in self.nodes.items()}, self.output)

    def versions(self) -> tuple[str, ...]:
        """The ids of the registered versions among its members."""
        found = [node.version for node in self.nodes.values() if isinstance(node, Member) and node.version]
        return tuple(dict.fromkeys(found))


def write_description(description: Description) -> bytes:
    """The bytes of `graph.json`."""
    return msgspec.json.format(msgspec.json.encode(description), indent=1) + b"\n"


def read_description(data: bytes) -> Description:
    """The graph that the bytes of a `graph.json` tell of.

    Raises:
        Corrupt: if they tell of none, or of one that could not be answered.
    """
    try:
        found = msgspec.json.decode(data, type=Description)
        found.order()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput) as error:
        raise Corrupt(f"{FILE} cannot be read: {error}", fix="Log the graph again.") from None
    return found
