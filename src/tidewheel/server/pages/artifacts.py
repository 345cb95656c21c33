"""`/runs/{id}/artifacts`: what a run kept, one folder at a time, with a look into a file. Reads only.

Nothing that was uploaded is ever run: text is shown as text, pictures as pictures, and a file that is opened by itself
comes with a policy under which a browser runs nothing.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from tidewheel.base.errors import NotFound
from tidewheel.tracking.records import FileInfo

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.tracking import Run

PROXY = "mlflow-artifacts:/"
SHOWN_BYTES = 200_000
_ROWS, _COLUMNS, _ENTRIES = 50, 20, 300
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
_PICTURE_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactLine:
    """A file or a folder of the level that is shown."""

    name: str
    folder: bool
    size_bytes: int | None
    address: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A look into a file: text, the first rows of a table, a picture, or nothing but its size."""

    path: str
    size_bytes: int
    kind: Literal["text", "table", "picture", "none"]
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    cut: bool = False
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactsView:
    """The whole page; `elsewhere` is the address of artifacts that are not kept here."""

    run: Run
    crumbs: tuple[tuple[str, str], ...]
    lines: tuple[ArtifactLine, ...]
    more: int
    preview: Preview | None
    elsewhere: str


def artifacts_view(platform: Platform, run_id: str, path: str) -> ArtifactsView:
    """One level of what a run kept: the folder `path`, or the folder around the file `path`, with a look into it."""
    run = platform.tracking.run(run_id)
    if not run.artifact_uri.startswith(PROXY):
        return ArtifactsView(run=run, crumbs=(), lines=(), more=0, preview=None, elsewhere=run.artifact_uri)
    path = path.strip("/")
    preview = _preview(platform, run, path) if path else None
    folder = _above(path) if preview else path
    root = at(run, "")
    lines = [_line(entry, root, path) for entry in platform.artifacts.list(at(run, folder))]
    lines.sort(key=lambda line: (not line.folder, line.name))
    if path and not lines:
        raise NotFound(f"The run kept nothing at {path[:200]!r}.", fix="Open its artifacts from the top.")
    parts = PurePosixPath(folder).parts if folder else ()
    crumbs = tuple((part, _query("/".join(parts[: i + 1]))) for i, part in enumerate(parts))
    more = max(0, len(lines) - _ENTRIES)
    return ArtifactsView(
        run=run, crumbs=crumbs, lines=tuple(lines[:_ENTRIES]), more=more, preview=preview, elsewhere=""
    )


def at(run: Run, path: str) -> str:
    """Where one of a run's artifacts lies among all artifacts."""
    root = run.artifact_uri.removeprefix(PROXY).strip("/")
    return f"{root}/{path}" if path else root


def _line(entry: FileInfo, root: str, path: str) -> ArtifactLine:
    below = entry.path[len(root) :].strip("/")
    return ArtifactLine(
        name=PurePosixPath(below).name,
        folder=entry.is_dir,
        size_bytes=entry.size_bytes,
        address=_query(below),
        current=below == path,
    )


def _query(path: str) -> str:
    return "?" + urlencode({"path": path})


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _preview(platform: Platform, run: Run, path: str) -> Preview | None:
    """A look into a file; None if the path is a folder or nothing."""
    try:
        stored = platform.artifacts.open(at(run, path))
    except NotFound:
        return None
    ending, size = PurePosixPath(path).suffix.lower(), stored.size_bytes
    file = "file" + _query(path)
    if ending in PICTURES and size <= _PICTURE_BYTES:
        return Preview(path=path, size_bytes=size, kind="picture", file=file)
    data = b"".join(stored.pieces(0, min(size, SHOWN_BYTES))) if size else b""
    cut = size > SHOWN_BYTES
    text = _text(data, cut)
    if text is None:
        return Preview(path=path, size_bytes=size, kind="none", file=file)
    if ending in {".csv", ".tsv"}:
        rows = _table(text, "\t" if ending == ".tsv" else ",")
        return Preview(path=path, size_bytes=size, kind="table", rows=rows, cut=cut or len(rows) > _ROWS, file=file)
    if ending == ".json" and not cut:
        text = _pretty(text)
    return Preview(path=path, size_bytes=size, kind="text", text=text, cut=cut, file=file)


def _text(data: bytes, cut: bool) -> str | None:
    """Bytes as text, if they are any; a letter that the cut went through is left out."""
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[: error.start].decode("utf-8") if cut and len(data) - error.start < 4 else None


def _table(text: str, separator: str) -> tuple[tuple[str, ...], ...]:
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator)
        return tuple(
            tuple(cell[:200] for cell in row[:_COLUMNS]) for row, _ in zip(rows, range(_ROWS + 1), strict=False)
        )
    except csv.Error:
        return (("This is not a table of comma-separated values.",),)


def _pretty(text: str) -> str:
    try:
        pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        pretty.encode()  # half a pair of surrogates can be written in JSON and not on a page
    except (ValueError, RecursionError):
        return text
    return pretty
