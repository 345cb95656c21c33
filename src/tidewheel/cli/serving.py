"""`tidewheel deploy`, `endpoints …`, `rollback`, `batch`, `serve`: which version answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.cli.command import Opened, assignments, command
from tidewheel.cli.output import console_of, line, table
from tidewheel.cli.registry import find

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.rollout import Rollout, RouteByHand
    from tidewheel.serving import BatchResult


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(endpoints, name="endpoints")
    command(app, "deploy")(deploy)
    command(app, "batch", show=_batch_told, local_only=True)(batch)
    restored = line("{endpoint}: {champion_version} answers again, in place of {before_version}.")
    command(app, "rollback", show=restored)(rollback)


endpoints = typer.Typer(help="Endpoints: names that traffic arrives at, and their routes.", no_args_is_help=True)


@command(endpoints, "ls", show=table("name", "route.weights=weights", "route.shadows=shadows", "created_at"))
def ls(opened: Opened) -> object:
    """Every endpoint and how its traffic is shared."""
    return opened.serving.endpoints()


@command(endpoints, "show")
def show(opened: Opened, name: str, limit: int = 10) -> object:
    """One endpoint, its route and the routes before."""
    return {"endpoint": opened.serving.endpoint(name), "history": opened.serving.history(name, limit)}


@command(endpoints, "create", show=line("The endpoint {name} is there."), creates=True)
def create(opened: Opened, name: str) -> object:
    """Make an endpoint."""
    return opened.serving.create_endpoint(name)


@command(endpoints, "delete", show=typer.echo)
def delete(
    opened: Opened,
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Although it has answered in the last five minutes.")] = False,
) -> object:
    """Take an endpoint away; workers forget it. Refused while a loop declares it or a rollout runs there."""
    opened.serving.delete_endpoint(name, yes)
    return f"The endpoint {name} is deleted. Its model versions stay."


@command(endpoints, "route", show=line("{endpoint}: {weights}"))
def route(
    opened: Opened,
    name: str,
    to: Annotated[list[str], typer.Option("--to", metavar="MODEL=PERCENT", help="A version's share; repeat it.")],
    shadow: Annotated[list[str] | None, typer.Option("--shadow", metavar="MODEL", help="Answers copies.")] = None,
) -> object:
    """Share an endpoint's traffic between versions by hand. A rollout that runs there ends."""
    opened.serving.endpoint(name)  # a mistyped name is told, and not made an endpoint
    weights = {find(opened, model).id: float(percent) for model, percent in assignments(to).items()}
    return opened.rollout.set_route(name, weights, [find(opened, model).id for model in shadow or []])


@command(endpoints, "configure")
def configure(
    opened: Opened,
    name: str,
    max_batch_rows: Annotated[int | None, typer.Option(help="Rows of one model call at most; 1 = no batching.")] = None,
    batch_wait_ms: Annotated[float | None, typer.Option(help="A call's wait for more requests, at most.")] = None,
    max_queue: Annotated[int | None, typer.Option(help="Requests that may wait in a worker.")] = None,
    timeout_ms: Annotated[float | None, typer.Option(help="What waits longer is not computed; 0 = no limit.")] = None,
    isolated: Annotated[
        bool | None, typer.Option("--isolated/--shared", help="Each model in a process of its own, or not.")
    ] = None,
    idle_unload_s: Annotated[float | None, typer.Option(help="Unused versions leave memory then; 0 = never.")] = None,
    log_share: Annotated[float | None, typer.Option(help="Share of requests that are logged, 0 to 1.")] = None,
    redact: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An input or entity kept out of the log; repeat it.")
    ] = None,
    redact_nothing: Annotated[bool, typer.Option("--redact-nothing", help="Log all values again.")] = False,
) -> object:
    """Change how an endpoint is served and what is logged of it; what is not given stays as it is."""
    if redact and redact_nothing:
        raise InvalidInput("Something and nothing cannot both be redacted.", fix="Give --redact or --redact-nothing.")
    return opened.serving.configure_endpoint(
        name,
        max_batch_rows=max_batch_rows,
        batch_wait_ms=batch_wait_ms,
        max_queue=max_queue,
        timeout_ms=timeout_ms,
        isolated=isolated,
        idle_unload_s=idle_unload_s,
        log_share=log_share,
        redact=[] if redact_nothing else redact or None,
    )


def deploy(
    opened: Opened,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As in surge@champion, surge/3, or a version id.")],
    endpoint: Annotated[str, typer.Option("--endpoint", "-e", help="Where its traffic arrives.")],
    canary: Annotated[bool, typer.Option("--canary", help="Shadow, then growing shares (the default).")] = False,
    shadow: Annotated[str | None, typer.Option("--shadow", metavar="DURATION", help="Only watch it, as in 1h.")] = None,
    ab: Annotated[
        str | None, typer.Option("--ab", metavar="GOAL", help="Half and half until it is proven better.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="All the traffic at once, unwatched; a rollout that runs there ends.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait, 30 s at most, until the workers answer by it.")] = True,
) -> object:
    """Bring a version to an endpoint's traffic. The first version of an endpoint gets all of it at once.

    The model's alias `champion` follows the endpoint of the model's name, and any endpoint where its holder answers.
    """
    from tidewheel.cli.waiting import wait_for_workers
    from tidewheel.rollout import AB, Canary, Shadow

    if sum((canary, shadow is not None, ab is not None, now)) > 1:
        raise InvalidInput("A deployment goes one way.", fix="Give one of --canary, --shadow, --ab and --now.")
    version = find(opened, model)
    deployed: RouteByHand | Rollout
    if now or not _answers(opened, endpoint):
        deployed = opened.rollout.set_route(endpoint, {version.id: 100.0}, reason=f"{model} was deployed at once.")
    else:
        plan = Shadow(shadow) if shadow else AB(ab) if ab else Canary()
        deployed = opened.rollout.start(endpoint, None, version.id, plan)
    if wait:
        wait_for_workers(opened, endpoint)
    return deployed


def _answers(opened: Opened, endpoint: str) -> bool:
    """Whether an endpoint is there and has a version to answer with."""
    try:
        return bool(opened.serving.endpoint(endpoint).route.weights)
    except NotFound:
        return False


def rollback(opened: Opened, endpoint: str, reason: str = "Rolled back by hand.") -> object:
    """Give an endpoint back to the champion before, whether that made room in a rollout or at once."""
    return opened.rollout.rollback(endpoint, reason)


def batch(
    opened: Platform,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As in surge@champion, surge/3, or a version id.")],
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="Parquet (file, folder, pattern), CSV, JSON Lines, Delta; a path or s3://…."),
    ],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help="Ends in .parquet, .csv or .jsonl, plain or .gz; else a Delta table.")
    ],
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns to keep beside the outputs; all if not given.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="As of when features are looked up.")] = None,
    rejects: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where bad rows go; else OUT's name with .rejected.parquet.")
    ] = None,
    max_rejects: Annotated[int, typer.Option(help="With more bad rows than this, it fails.")] = 1_000,
    rows_per_part: Annotated[int, typer.Option(help="Rows scored and kept as one.")] = 65_536,
    workers: Annotated[int, typer.Option(help="Processes that score; 0 = one for each core.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
) -> object:
    """Score a file of any size; each output becomes a column. Run it again to go on after a crash."""
    from tidewheel.cli.batch_bar import batch_bar
    from tidewheel.serving import BatchOptions

    options = BatchOptions(
        columns=None if columns is None else tuple(name for name in columns.split(",") if name),
        time=time,
        rejects=rejects,
        max_rejects=max_rejects,
        rows_per_part=rows_per_part,
        workers=workers,
        overwrite=overwrite,
    )
    version = find(opened, model)
    with batch_bar() as report:
        return opened.serving.batch(version.id, source, target, options, report)


def _batch_told(result: BatchResult) -> None:
    told = f"{result.rows:,} rows of {result.source} scored by {result.version_id} into {result.target}"
    pace = f"{result.seconds:.1f} s, {result.rows_per_second_per_core:,.0f} rows per second per core"
    console = console_of()
    console.print(f"{told} ({pace}).", markup=False)
    if result.resumed_rows:
        console.print(f"{result.resumed_rows:,} had been scored by an earlier run.", markup=False)
    if result.rejected:
        console.print(f"{result.rejected:,} bad rows lie in {result.rejects}.", markup=False, style="yellow")
