"""How the nodes of a graph hang together: checks it, and says in which order they answer. Pure.

Asked when a graph is written and again when one is read from a file, which may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from tidewheel.base.errors import InvalidInput

_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MOST_NODES = 1000


def answering_order(inputs: Sequence[str], taken: Mapping[str, Sequence[str]], output: str) -> tuple[str, ...]:
    """The nodes, each after all that it takes.

    Args:
        inputs: the names of the graph's inputs.
        taken: what each node takes: names of inputs and nodes.
        output: the node that answers.

    Raises:
        InvalidInput: if a name is not allowed, unknown or used twice, a node is idle, or nodes wait for each other.
    """
    if not inputs or len(set(inputs)) != len(inputs):
        raise InvalidInput(f"The inputs of a graph are one or more different names, not {list(inputs)}.")
    _check_names(inputs, taken)
    for name, of in taken.items():
        _check_known(name, of, inputs, taken)
    if output not in taken:
        raise InvalidInput(f"The output {output!r} is no node.", fix=f"Name one of {', '.join(taken) or 'its nodes'}.")
    among = {name: [each for each in of if each in taken] for name, of in taken.items()}
    try:
        order = tuple(TopologicalSorter(among).static_order())
    except CycleError as error:
        raise InvalidInput(
            f"The nodes {' -> '.join(reversed(error.args[1]))} wait for each other in a circle.",
            fix="Let one of them take something else.",
        ) from None
    _check_used(among, output)
    return order


def _check_names(inputs: Sequence[str], taken: Mapping[str, Sequence[str]]) -> None:
    if len(taken) > MOST_NODES:
        raise InvalidInput(f"A graph has at most {MOST_NODES} nodes, and this one has {len(taken)}.")
    for name in taken:
        if not _NODE_NAME.fullmatch(name):
            raise InvalidInput(
                f"{name[:80]!r} cannot name a node.", fix="Use letters, digits and _, not a digit first, at most 64."
            )
        if name in inputs:
            raise InvalidInput(f"{name!r} names an input and a node.", fix="Give the node another name.")


def _check_known(name: str, of: Sequence[str], inputs: Sequence[str], taken: Mapping[str, Sequence[str]]) -> None:
    if not of:
        raise InvalidInput(f"The node {name!r} takes nothing.", fix="Name inputs or nodes in its `of`.")
    unknown = [each for each in of if each not in taken and each not in inputs]
    if unknown:
        raise InvalidInput(
            f"The node {name!r} takes {unknown[0]!r}, which is neither an input nor a node.",
            fix=f"There are {', '.join([*inputs, *taken][:30])}.",
        )


def _check_used(among: Mapping[str, Sequence[str]], output: str) -> None:
    used, waiting = {output}, [output]
    while waiting:
        fresh = set(among[waiting.pop()]) - used
        used |= fresh
        waiting.extend(fresh)
    idle = [name for name in among if name not in used]
    if idle:
        raise InvalidInput(
            f"Nothing takes the node {idle[0]!r}.", fix=f"Leave it out, or have {output!r} depend on it."
        )
