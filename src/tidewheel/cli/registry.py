"""`tidewheel models …`: versions, aliases, cards, checks. A version is ``NAME@ALIAS``, ``NAME/3`` or its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tidewheel.base.errors import InvalidInput
from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import line, table

if TYPE_CHECKING:
    from tidewheel.registry import ModelVersion


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models, name="models")


models = typer.Typer(help="Models: versions, aliases, cards, checks.", no_args_is_help=True)
_VERSIONS = table("number", "id", "aliases", "format", "created_at", "metrics", empty="No version yet.")


def find(opened: Opened, address: str) -> ModelVersion:
    """The version that a person means by ``surge@champion``, ``surge/3``, ``models:/surge@champion`` or an id."""
    known = address.startswith(("ver_", "models:/"))
    return opened.registry.find(address if known else f"models:/{address}")


@command(models, "ls", show=table("name", "versions", "aliases", "created_at", empty="No model yet."))
def ls(opened: Opened) -> object:
    """Every model."""
    return opened.registry.models()


@command(models, "versions", show=_VERSIONS)
def versions(opened: Opened, name: str) -> object:
    """All versions of a model, newest first."""
    return opened.registry.versions(name)


@command(models, "show")
def show(opened: Opened, model: str) -> object:
    """One version: files, signature, metrics, where it came from."""
    return find(opened, model)


@command(models, "promote", show=line("{model}/{number} holds the aliases {aliases}."))
def promote(opened: Opened, model: str, alias: str = "champion") -> object:
    """Give an alias to a version. What answers traffic does not move: see `tidewheel deploy`."""
    return opened.registry.promote(find(opened, model).id, alias)


@command(models, "rollback", show=line("{model}/{number} holds the aliases {aliases} again."))
def rollback(opened: Opened, name: str, alias: str = "champion") -> object:
    """Give an alias back to the version that held it before."""
    return opened.registry.rollback(name, alias)


@command(models, "verify")
def verify(opened: Opened, model: str) -> object:
    """Check every stored file of a version against its BLAKE3; exits with 1 if one is damaged."""
    found = opened.registry.verify(find(opened, model).id)
    if not found.whole:
        raise Refused(found, exit_code=1)
    return found


@command(models, "card", show=typer.echo)
def card(opened: Opened, model: str) -> object:
    """A model card in Markdown: what it is, where it came from, how it was judged, what happened to it."""
    from tidewheel.registry.card_sections import card_sections

    version = find(opened, model)
    return opened.governance.model_card(version.id, card_sections(version))


@command(models, "register", show=line("{model}/{number} is registered as {id}, format {format}."))
def register_source(opened: Opened, name: str, source: str, run_id: str | None = None, description: str = "") -> object:
    """Keep what lies at an address (`runs:/ID/model`, `models:/m-...`, `models:/NAME/3`) as a model's next version."""
    return opened.registry.register_source(name, source, run_id=run_id, description=description)


@command(models, "trust", show=line("{trusted_by} vouches for {model}/{number}."))
def trust(opened: Opened, model: str) -> object:
    """Vouch, in your own name, for a version whose format runs code when it is loaded."""
    version = opened.registry.trust(find(opened, model).id)
    if version.trusted_by is None:
        raise InvalidInput(f"{version.model}/{version.number} runs no code when it is loaded and needs no trust.")
    return version


@command(models, "delete", show=typer.echo)
def delete(opened: Opened, model: str) -> object:
    """Delete a version (NAME/3, NAME@ALIAS or an id), or a model with all its versions (NAME)."""
    if "/" not in model and "@" not in model and not model.startswith("ver_"):
        opened.registry.delete_model(model)
        return f"{model} is deleted."
    version = find(opened, model)
    opened.registry.delete_version(version.id)
    return f"{version.model}/{version.number} is deleted. What serves it goes on."


@command(models, "search", show=table("model", "number", "id", "stage", "aliases", "tags", empty="None found."))
def search(opened: Opened, filter: str, limit: int = 100) -> object:  # noqa: A002 - the field's word
    """Versions that a filter takes, as in "name = 'surge' AND tags.team = 'pricing'"."""
    return opened.registry.search_versions(filter, None, limit).versions
