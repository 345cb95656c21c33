"""What `--from` names: a server, a folder, an SQLite file or another database. Pure but for a look at the disk.

Called by `source.py`. It must never show a password: `label` is what reports and tags say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from tidewheel.base.errors import InvalidInput, NotFound

Kind = Literal["server", "folder", "sqlite", "database"]
_DATABASES = ("postgresql", "postgres", "mysql", "mssql")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SQLITE_HEAD = b"SQLite format 3\x00"
_FIX = "Write http://HOST:PORT, a folder such as ./mlruns, a file such as mlflow.db, or postgresql://…"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to read. `path` is there for what lies on this machine."""

    kind: Kind
    uri: str
    label: str
    path: Path | None = None

    @property
    def is_remote(self) -> bool:
        """Whether a server of another machine speaks, whose words about paths are not those of this machine's owner."""
        return self.kind == "server" and (urlsplit(self.uri).hostname or "") not in _LOOPBACK


def parse_address(text: str) -> Address:
    """What an address means.

    Raises:
        InvalidInput: if it is of no kind that MLflow's client opens.
        NotFound: if a folder or file is not there.
    """
    scheme = urlsplit(text).scheme
    if scheme in ("http", "https"):
        return Address("server", text.rstrip("/"), _without_password(text.rstrip("/")))
    if scheme.split("+")[0] in _DATABASES:
        return Address("database", text, _without_password(text))
    if scheme == "sqlite":
        return _of_path(Path(unquote(text.partition("///")[2].partition("?")[0])), text)
    if scheme == "file":
        return _of_path(Path(unquote(urlsplit(text).path)), text)
    if scheme and len(scheme) > 1:  # one letter is a drive
        raise InvalidInput(f"There is no MLflow store at {text!r} that could be read.", fix=_FIX)
    return _of_path(Path(text).expanduser(), text)


def _of_path(path: Path, text: str) -> Address:
    path = path.absolute()
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        raise NotFound(f"There is no {text!r}.", fix=_FIX)
    for folder in (path, path / "mlruns"):
        if _is_file_store(folder):
            return Address("folder", folder.as_uri(), str(folder), folder)
    if (path / "mlflow.db").is_file():
        return _of_file(path / "mlflow.db")
    raise InvalidInput("This folder is no MLflow store.", where=str(path), fix="Name its mlruns folder or mlflow.db.")


def _of_file(path: Path) -> Address:
    with path.open("rb") as file:
        if file.read(len(_SQLITE_HEAD)) != _SQLITE_HEAD:
            raise InvalidInput("This file is no SQLite database.", where=str(path), fix=_FIX)
    return Address("sqlite", f"sqlite:///{path}", f"sqlite:///{path}", path)


def _is_file_store(folder: Path) -> bool:
    """Whether experiments lie in a folder, each with its meta.yaml."""
    return any(folder.glob("*/meta.yaml")) or any(folder.glob(".trash/*/meta.yaml"))


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if parts.port:
        host += f":{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
