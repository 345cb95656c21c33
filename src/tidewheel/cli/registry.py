"""`tidewheel models …`: versions, aliases, cards, checks. A version is ``NAME@ALIAS``, ``NAME/3`` or its id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.base.errors import InvalidInput, NotFound
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


@command(models, "optimize", show=line("{model}/{number} is registered as {id}, made from {source}."))
def optimize(
    opened: Opened,
    model: str,
    runtime: Annotated[str, typer.Option(help="auto: the fastest that agrees; or onnx, onnx_double.")] = "auto",
    tolerance: Annotated[float, typer.Option(help="How far an answer may lie, absolutely and relatively.")] = 1e-5,
    margin: Annotated[float, typer.Option(help="By what share of the time it must be faster, with auto.")] = 0.1,
    quantize: Annotated[str | None, typer.Option(help="int8: smaller numbers, behind a gate.")] = None,
    metric: Annotated[str, typer.Option(help="The gate's metric: difference, log_loss, rmse...")] = "difference",
    at_most: Annotated[float, typer.Option(help="How much worse the metric may be.")] = 0.005,
    rows: Annotated[Path | None, typer.Option(help="A .parquet or .csv file to compare on.")] = None,
    label: Annotated[str, typer.Option(help="Its column that says what was true.")] = "",
) -> object:
    """Make a faster or smaller version of a version, if it answers nearly as it does; exits with 3 if it does not."""
    from tidewheel.registry import Quantize, Tolerance

    return opened.registry.optimize(
        find(opened, model).id,
        runtime,
        Tolerance(absolute=tolerance, relative=tolerance, margin=margin),
        Quantize(quantize, metric=metric, at_most=at_most, label=label) if quantize else None,
        _columns(rows) if rows else None,
    )


@command(models, "runtime")
def runtime(opened: Opened, model: str) -> object:
    """What runs a version, and what was found of each candidate when it was packaged."""
    return opened.registry.runtime(find(opened, model).id)


def _columns(path: Path) -> dict[str, list[float | None]]:
    """The columns of numbers in a file; true and false are 1 and 0."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if not path.is_file():
        raise NotFound(f"There is no file {path}.", where="--rows", fix="Name a .parquet or .csv file of rows.")
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInput(f"The rows cannot be read: {error}.", where=str(path), fix="Give Parquet or CSV.") from None
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    names = [field.name for field in table.schema if any(is_kind(field.type) for is_kind in kinds)]
    return {name: table.column(name).cast(pa.float64(), safe=False).to_pylist() for name in names}
