"""Opens a source by MLflow's own client, so that every kind of store is read by one path and by its maker's rules.

An SQLite file is copied and the copy brought to the client's schema by MLflow's own upgrade; a folder is opened through
links to it. So nothing at the source is ever written, not even by opening it. A database that others use is refused
where its schema is another than the client's: opening it would have MLflow change it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.migrate.address import Address, parse_address

_ENVIRONMENT = {  # read by MLflow when imported or called; set for this process alone
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
}
_LOGGERS = ("mlflow", "alembic")


@dataclass(frozen=True, slots=True)
class Source:
    """An open source. `client` is an `mlflow.MlflowClient`; `scratch` a folder that ends with it."""

    address: Address
    client: Any
    scratch: Path

    @property
    def uri(self) -> str:
        """Where the client reads: of a file or folder not the original."""
        return str(self.client.tracking_uri)


@contextmanager
def open_source(text: str) -> Iterator[Source]:
    """The source at an address, open for reading.

    Raises:
        Unavailable: if MLflow's package is not installed, or the source does not answer.
        InvalidInput: if the address names no store, or a database of another schema.
    """
    address = parse_address(text)
    with ExitStack() as stack:
        stack.enter_context(_environment())
        client_class = _import_client()
        stack.enter_context(_quiet())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidewheel-import-")))
        here = _ready(address, scratch)
        stack.enter_context(_tracking_uri(here.uri))
        yield Source(address, client_class(here.uri, here.uri), scratch)


def _import_client() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"An MLflow store is read by MLflow's own client, and the package {error.name} is not installed.",
            fix="pip install 'tidewheel[mlflow]'",
        ) from None
    return MlflowClient


def _ready(address: Address, scratch: Path) -> Address:
    """The address that the client may open."""
    if address.kind == "server":
        _ask_version(address)
        return address
    if address.kind == "sqlite":
        assert address.path is not None
        copied = scratch / "mlflow.db"
        _copy_database(address.path, copied)
        found = replace(address, uri=f"sqlite:///{copied}")
        _upgrade(found)
        return found
    if address.kind == "folder":
        assert address.path is not None
        return replace(address, uri=_linked(address.path, scratch / "mlruns").as_uri())
    found = replace(address, uri=_with_driver(address.uri))
    _refuse_other_schema(found)
    return found


def _ask_version(address: Address) -> None:
    """A server that is away is told at once, and not after the client's many tries."""
    import httpx

    try:
        httpx.get(f"{address.uri}/health", timeout=10.0, follow_redirects=True, verify=_verifies())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"The MLflow server did not answer: {error or type(error).__name__}.",
            where=address.label,
            fix="Is it running, and is the address right?",
        ) from None


def _verifies() -> bool:
    return os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in ("true", "1")


def _copy_database(path: Path, copied: Path) -> None:
    """A consistent copy, also while a server writes to the file."""
    try:
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as original,
            closing(sqlite3.connect(copied)) as copy,
        ):
            original.backup(copy)
    except sqlite3.Error as error:
        raise Unavailable(f"The SQLite file could not be copied: {error}.", where=str(path)) from None


def _upgrade(address: Address) -> None:
    """Bring a copy to the schema of the installed MLflow."""
    utils = _database_tools()
    engine = utils.create_sqlalchemy_engine_with_retry(address.uri)
    try:
        found, wanted = utils._get_schema_version(engine), utils._get_latest_schema_revision()
        if found is None:
            raise InvalidInput("This SQLite file is no MLflow store.", where=address.label)
        if found != wanted:
            utils._upgrade_db(engine)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            f"MLflow could not bring a copy of the file to its present schema: {error}.",
            where=address.label,
            fix="A file written by a newer MLflow needs that one: pip install -U mlflow",
        ) from None
    finally:
        engine.dispose()


def _database_tools() -> Any:
    return import_module("mlflow.store.db.utils")


def _linked(folder: Path, scratch: Path) -> Path:
    """A folder of links to what is in a file store: the client makes folders where it opens one."""
    scratch.mkdir()
    for entry in folder.iterdir():
        (scratch / entry.name).symlink_to(entry)
    return scratch


def _with_driver(uri: str) -> str:
    """A PostgreSQL address with the driver that Tidewheel brings, where MLflow's own is not there."""
    from importlib.util import find_spec

    scheme, _, rest = uri.partition("://")
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql" if find_spec("psycopg2") else "postgresql+psycopg"
    return f"{scheme}://{rest}"


def _refuse_other_schema(address: Address) -> None:
    utils = _database_tools()
    engine = None
    try:
        import sqlalchemy

        engine = sqlalchemy.create_engine(address.uri)
        found, wanted = utils._get_schema_version(engine), utils._get_latest_schema_revision()
    except Exception as error:
        raise Unavailable(
            f"The database did not answer: {type(error).__name__}.",
            where=address.label,
            fix="Check address, user and password; PostgreSQL needs: pip install 'tidewheel[postgres]'",
        ) from None
    finally:
        if engine is not None:
            engine.dispose()
    if found != wanted:
        raise InvalidInput(
            f"The database has schema {found}, and the installed MLflow reads {wanted}; it is left as it is.",
            where=address.label,
            fix="Import from its MLflow server (http://…), or install the MLflow version that runs there.",
        )


@contextmanager
def _environment() -> Iterator[None]:
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _tracking_uri(uri: str) -> Iterator[None]:
    """Parts of MLflow's client open a client of their own at the address that is set globally."""
    names = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings and log lines of the client are about its own use, not about what is imported."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
