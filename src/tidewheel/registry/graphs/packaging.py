"""Keeps a graph as files: each member in a folder of its own, tried on the graph's example as it goes.

Called by the graph formats when a graph is logged. Members named by an address are fetched from the open registry here,
once, and are pinned: a graph never changes when an alias moves.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput, NotAllowed
from tidewheel.base.hashing import hash_file
from tidewheel.registry.formats import DoesNotFit, Predictor, open_format, save_model
from tidewheel.registry.graphs.description import (
    FILE,
    MEMBERS,
    Description,
    KeptNode,
    Member,
    read_description,
    write_description,
)
from tidewheel.registry.graphs.graph import Graph
from tidewheel.registry.graphs.nodes import Model
from tidewheel.registry.graphs.predictor import ask_member, width_of
from tidewheel.registry.load import load_predictor

_ADDRESSES = ("models:/", "ver_")


def package(graph: Graph, folder: Path, *, may_hold_code: bool) -> None:
    """Write `graph.json` and the members' files into an empty folder.

    Raises:
        DoesNotFit: if a member runs code when it is loaded, and the graph may not hold any.
        InvalidInput: if a member refuses what the graph gives it, or there is no such version.
        NotAllowed: if a member is a version that runs code and nobody vouched for.
    """
    shutil.rmtree(folder / MEMBERS, ignore_errors=True)  # of a format that found only later that they do not fit
    example = np.zeros(len(graph.inputs)) if graph.example is None else np.asarray(graph.example, dtype=np.float64)
    known = {name: example[place].reshape(1, 1) for place, name in enumerate(graph.inputs)}
    widths = dict.fromkeys(graph.inputs, 1)
    kept: dict[str, KeptNode] = {}
    for name in graph.order():
        node, parts = graph.nodes[name], [known[each] for each in graph.nodes[name].of]
        if isinstance(node, Model):
            copy = _keep(name, node, folder / MEMBERS / name, may_hold_code)
            known[name] = ask_member(name, copy.predictor, parts, None)
            kept[name] = copy.described(node, outputs=known[name].shape[1])
        else:
            kept[name] = node  # type: ignore[assignment]  # a Transform is one of those that KeptNode lists
            width_of(name, kept[name], widths)
            known[name] = node.answer(parts)
        widths[name] = known[name].shape[1]
    described = Description(inputs=tuple(graph.inputs), output=graph.output, nodes=kept)
    (folder / FILE).write_bytes(write_description(described))


def member_versions(folder: Path) -> tuple[str, ...]:
    """The ids of the registered versions in the graph of a folder; none if it holds no graph."""
    file = folder / FILE
    return read_description(file.read_bytes()).versions() if file.is_file() else ()


@dataclass(frozen=True, slots=True)
class _Copy:
    """A member's files in its own folder, and their predictor."""

    format: str
    files: dict[str, str]
    predictor: Predictor
    version: str | None = None

    def described(self, node: Model, outputs: int) -> Member:
        address = node.model if self.version else None
        return Member(node.of, self.format, self.files, outputs, self.version, address)


def _keep(name: str, node: Model, folder: Path, may_hold_code: bool) -> _Copy:
    folder.mkdir(parents=True)
    if isinstance(node.model, str):
        return _keep_version(name, node.model, folder, may_hold_code)
    found = save_model(node.model, folder, trust=may_hold_code)
    _check_code(name, found.name, may_hold_code)
    files = {each.relative_to(folder).as_posix(): hash_file(each) for each in folder.rglob("*") if each.is_file()}
    return _Copy(found.name, dict(sorted(files.items())), found.load(folder))


def _keep_version(name: str, address: str, folder: Path, may_hold_code: bool) -> _Copy:
    from tidewheel.registry.service import Registry

    if not address.startswith(_ADDRESSES):
        raise InvalidInput(
            f"The node {name!r}: {address!r} is no address of a version.", fix="As in models:/surge@champion."
        )
    registry = ambient.current(Registry)
    version = registry.find(address)
    if version.executes_code and version.trusted_by is None:
        raise NotAllowed(
            f"The node {name!r} is version {version.number} of {version.model!r}, which runs code when it is loaded, "
            "and nobody vouched for it.",
            fix=f"`tidewheel models trust {version.id}` if you know where it came from.",
        )
    _check_code(name, version.format, may_hold_code)
    registry.fetch(version.id, folder)
    predictor = load_predictor(version.format, folder, version.files, version.trusted_by)
    return _Copy(version.format, dict(version.files), predictor, version.id)


def _check_code(name: str, format_name: str, may_hold_code: bool) -> None:
    if open_format(format_name).executes_code and not may_hold_code:
        raise DoesNotFit(
            f"The node {name!r} is kept as {format_name}, which runs code when it is loaded, so the graph does too.",
            fix="Pass trust=True; your name is kept with the version.",
        )
