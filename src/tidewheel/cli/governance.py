"""`tidewheel audit …`, `lineage`, `why`, `tokens …`: who did what, why, from what; and who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tidewheel.base.doors import Role
from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import console_of, line, table

if TYPE_CHECKING:
    from tidewheel.governance import Lineage, LineageEdge


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit, name="audit")
    app.add_typer(tokens, name="tokens")
    command(app, "lineage", show=_tree)(lineage)
    command(app, "why", show=table("entry.at=at", "entry.actor=actor", "says", "entry.subject=subject"))(why)


Direction = Literal["up", "down", "both"]
audit = typer.Typer(help="The journal: every change, hash-chained.", no_args_is_help=True)
tokens = typer.Typer(help="Tokens: who may use this install over HTTP.", no_args_is_help=True)
_Node = Annotated[str, typer.Argument(metavar="NODE", help="An id (ver_…, rol_…), or as in commit:rides@4.")]


@command(audit, "log", show=table("seq", "at", "actor", "kind", "subject", empty="The journal is empty."))
def log(
    opened: Opened,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind; 'rollout.' takes all below.")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only about this node.")] = None,
    limit: int = 40,
    after: Annotated[int, typer.Option("--after", help="Only entries above this number.")] = 0,
) -> object:
    """Journal entries, newest first."""
    return opened.governance.audit_log(kind, subject, limit, after)


@command(audit, "verify")
def verify(opened: Opened) -> object:
    """Check the hash chain; names the first broken link and exits with 1 if there is one."""
    report = opened.governance.verify()
    if not report.holds:
        raise Refused(report, exit_code=1)
    return report


@command(tokens, "ls", show=table("id", "name", "role", "created_at", "expires_at", "revoked_at", empty="No token."))
def ls(opened: Opened) -> object:
    """Every token that was ever made, without its secret."""
    return opened.governance.tokens()


@command(tokens, "create", show=line("{secret}"), creates=True)
def create(
    opened: Opened,
    name: Annotated[str, typer.Argument(help="In whose name it acts.")],
    role: Annotated[Role, typer.Option(help="How far it reaches.")] = "viewer",
    expires_in: Annotated[str | None, typer.Option(help="As in 90d; default: until revoked.")] = None,
) -> object:
    """Make a token and print its secret, which is kept nowhere. From the first one on, every caller needs one."""
    return opened.governance.create_token(name, role, expires_in)


@command(tokens, "revoke", show=line("The token {id} of {name} is revoked."))
def revoke(opened: Opened, token_id: str) -> object:
    """End a token at once."""
    return opened.governance.revoke_token(token_id)


def lineage(
    opened: Opened,
    node: _Node,
    direction: Annotated[Direction, typer.Option(help="up: what it came from; down: what came of it.")] = "both",
    depth: int = 10,
) -> object:
    """What a node came from, and what came of it."""
    return opened.governance.lineage(node, direction, depth)


def why(opened: Opened, node: _Node) -> object:
    """The chain of causes behind a node or a journal entry, back to the first."""
    return opened.governance.why(node)


def _tree(found: Lineage) -> None:
    """Prints a lineage as two trees, up and down."""
    from rich.tree import Tree

    sources = [edge for edge in found.edges if edge.target == found.root]
    targets = [edge for edge in found.edges if edge.source == found.root]
    console = console_of()
    for title, first, up in (("came from", sources, True), ("led to", targets, False)):
        if first:
            tree = Tree(f"{found.root} {title}")
            _grow(tree, found.root, found.edges, up, {found.root})
            console.print(tree)
    if not found.complete:
        console.print("There is more: ask with a larger --depth.", style="dim")


def _grow(tree: object, node: str, edges: list[LineageEdge], up: bool, seen: set[str]) -> None:
    from rich.tree import Tree

    assert isinstance(tree, Tree)
    for edge in edges:
        here, beyond = (edge.target, edge.source) if up else (edge.source, edge.target)
        if here != node:
            continue
        again = beyond in seen
        branch = tree.add(f"{beyond} [dim]({edge.entry_kind}){' …' if again else ''}[/]")
        if not again:
            seen.add(beyond)
            _grow(branch, beyond, edges, up, seen)
