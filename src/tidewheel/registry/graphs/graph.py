"""The noun `Graph`, as its owner writes it; a graph that cannot be answered is refused here, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.graphs.nodes import Model, Node
from tidewheel.registry.graphs.transforms import Transform
from tidewheel.registry.graphs.wiring import answering_order


@dataclass(frozen=True, slots=True)
class Graph:
    """Several models and plain arithmetic as one model.

    Attributes:
        inputs: the names of its inputs, in order.
        nodes: its nodes by name.
        output: the node whose answer is the graph's.
        example: a row that every node can answer, by which they are tried when the graph is logged; default zeros.

    Raises:
        InvalidInput: if nodes wait for each other, take what is not there, or are of no use.
    """

    inputs: Sequence[str]
    nodes: Mapping[str, Node]
    output: str
    example: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name, node in self.nodes.items():
            if not isinstance(node, Model | Transform):
                raise InvalidInput(
                    f"{name!r} is a {type(node).__name__}, and not a node.",
                    fix="A model is wrapped: tw.nodes.Model(model, of=[…]).",
                )
        if self.example is not None and len(self.example) != len(self.inputs):
            raise InvalidInput(f"The example has {len(self.example)} values for {len(self.inputs)} inputs.")
        self.order()

    def order(self) -> tuple[str, ...]:
        """The nodes, each after all that it takes."""
        return answering_order(self.inputs, {name: node.of for name, node in self.nodes.items()}, self.output)
