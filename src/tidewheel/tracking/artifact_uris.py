"""Where an artifact address leads: `runs:/…`, `mlflow-artifacts:/…` and `models:/m-…` become paths of the namespace.

Called by `Artifacts`; and the other way round, `owner` tells whose artifact a path is, for the journal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from sqlalchemy import Connection

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.tracking import artifact_store, logged_model_store, store
from tidewheel.tracking.artifact_paths import check_path, join_path

PROXY = "/api/2.0/mlflow-artifacts/artifacts/"
SCHEME = "mlflow-artifacts"


def path_of(uri: str) -> str | None:
    """The path in the namespace that an `mlflow-artifacts:` or proxy address means; None for an address elsewhere.

    >>> path_of("mlflow-artifacts:/1/run_7/artifacts")
    '1/run_7/artifacts'
    >>> path_of("s3://bucket/run_7") is None
    True
    """
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address at all, as http://[
        return None
    if parts.scheme == SCHEME:
        return join_path(*parts.path.split("/"))
    if parts.scheme in ("http", "https") and PROXY in parts.path:
        return join_path(*parts.path.partition(PROXY)[2].split("/"))
    return None


def require_path(uri: str) -> str:
    """The path in the namespace that an address means.

    Raises:
        InvalidInput: if it lies elsewhere.
    """
    path = path_of(uri)
    if path is None:
        raise InvalidInput(
            f"The files of {uri[:200]!r} are not kept by this server.",
            fix="Use mlflow-artifacts:/…, runs:/RUN/… or models:/m-….",
        )
    return path


def run_root(connection: Connection, run_id: str) -> str:
    """The path in the namespace below which a run's artifacts are kept.

    Raises:
        NotFound: if there is no such run.
        InvalidInput: if its artifacts are kept elsewhere.
    """
    uri = store.artifact_uri(connection, run_id)
    if uri is None:
        raise NotFound(f"There is no run {run_id!r}.", fix="`tidewheel runs ls` lists them.")
    return require_path(uri)


def resolve(connection: Connection, uri: str) -> str:
    """The path in the namespace that any of our addresses means. What it names need not be there."""
    scheme, _, rest = uri.partition(":")
    first, _, path = rest.lstrip("/").partition("/")
    if scheme == "runs" and first:
        return _in_run(connection, first, path.strip("/"))
    if scheme == "models" and first.startswith("m-"):
        return check_path(join_path(require_path(_model_location(connection, first)), path.strip("/")))
    return check_path(require_path(uri))


def owner(connection: Connection, path: str) -> tuple[str, str]:
    """The lineage node that a path belongs to, and its name there: a run's, a logged model's, or its own."""
    return owners(connection, [path])[0]


def owners(connection: Connection, paths: Sequence[str]) -> list[tuple[str, str]]:
    """The `owner` of each path. However many files a run or model has, it is looked up once."""
    node_of = functools.cache(functools.partial(_node, connection))
    return [_owner(node_of, path) for path in paths]


def _owner(node_of: Callable[[str], str | None], path: str) -> tuple[str, str]:
    parts = path.split("/")
    for at in range(1, len(parts) - 1):
        if parts[at] == "artifacts" and (node := node_of(parts[at - 1])) is not None:
            return node, "/".join(parts[at + 1 :])
    return f"artifact:{path}", parts[-1]


def _node(connection: Connection, id_: str) -> str | None:
    if logged_model_store.exists(connection, id_):
        return f"logged_model:{id_}"
    return f"run:{id_}" if store.lifecycle_stage(connection, id_) is not None else None


def _in_run(connection: Connection, run_id: str, path: str) -> str:
    """A path of a run. MLflow 3 keeps models aside: ``runs:/RUN/NAME`` may mean the run's model of that name."""
    kept = check_path(join_path(run_root(connection, run_id), path))
    name, _, within = path.partition("/")
    if name and not artifact_store.is_file(connection, [kept]) and not artifact_store.is_folder(connection, [kept]):
        location = logged_model_store.location_in_run(connection, run_id, name)
        return check_path(join_path(require_path(location), within)) if location else kept
    return kept


def _model_location(connection: Connection, model_id: str) -> str:
    location = logged_model_store.location(connection, model_id)
    if location is None:
        raise NotFound(f"There is no logged model {model_id!r}.", fix="`mlflow.search_logged_models` lists them.")
    return location
