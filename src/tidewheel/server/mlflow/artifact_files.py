"""A file as it goes out over HTTP, and a path as it comes in: what each address of artifacts has in common.

A file is always an attachment, of a type that the browser may not guess again, in a sandbox: whatever was uploaded, it
does not run in the name of this server. Bytes go out in pieces, checked; a damaged file ends before its last piece.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.server.mlflow.errors import invalid
from tidewheel.tracking.artifact_paths import check_path, decoded
from tidewheel.tracking.artifacts import StoredFile

_TEXT = re.compile(
    r"(txt|log|err|cfg|conf|cnf|cf|ini|properties|prop|hocon|toml|ya?ml|xml|json|js|py3?|csv|tsv|md|rst|ipynb"
    r"|MLmodel|MLproject|mlproject)"
)
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # what a header may hold without quotes
_CONTROL = re.compile(r"[\x01-\x1f\x7f]")  # `log_image` writes %step%100: no escape, though it reads like one
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def safe_path(path: str, *, may_be_empty: bool = False) -> str:
    """A path of a request, in plain form; refused in MLflow's words if it could lead elsewhere."""
    try:
        plain = _CONTROL.sub(lambda found: f"%{ord(found[0]):02x}", decoded(path))
        if plain.startswith(("/", "file:")) or "#" in plain or ".." in plain.split("/"):
            raise invalid("Invalid path")
        plain = "/".join(part for part in plain.split("/") if part not in ("", "."))
        return "" if may_be_empty and not plain else check_path(plain)
    except InvalidInput:
        raise invalid("Invalid path") from None


def content_type(path: str) -> str:
    """The type of a file by its name; what people read is plain text, as at MLflow's."""
    name = path.rpartition("/")[2]
    if _TEXT.fullmatch(name.rpartition(".")[2]):
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


class Download:
    """Answers with a file, or the part of it that the request's Range asks for."""

    def __init__(self, request: Request, file: StoredFile) -> None:
        self._range = request.headers.get("range", "")
        self._known = request.headers.get("if-none-match", "")
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, etag = self._file.size_bytes, f'"{self._file.digest}"'
        headers = {
            "content-type": content_type(self._file.path),
            "content-disposition": _attachment(self._file.path.rpartition("/")[2]),
            "content-security-policy": "sandbox; default-src 'none'",
            "x-content-type-options": "nosniff",
            "accept-ranges": "bytes",
            "etag": etag,
        }
        if etag in self._known:
            await _respond(send, 304, headers)
            return
        part = _part(self._range, size)
        if part is None:
            await _respond(send, 416, {**headers, "content-range": f"bytes */{size}", "content-length": "0"})
            return
        start, stop = part
        headers["content-length"] = str(stop - start)
        if (start, stop) != (0, size):
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        pieces = await run_in_threadpool(self._file.pieces, start, stop)
        first = await run_in_threadpool(next, pieces, b"")  # what is wrong with it at once is answered as an error
        status = 206 if "content-range" in headers else 200
        await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
        await _send_pieces(send, first, pieces)


async def _send_pieces(send: Send, first: bytes, pieces: Iterator[bytes]) -> None:
    await send({"type": "http.response.body", "body": first, "more_body": True})
    try:
        while piece := await run_in_threadpool(next, pieces, b""):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TidewheelError as error:  # the answer is under way: hanging up is all that can still be said
        raise RuntimeError(str(error)) from error
    await send({"type": "http.response.body", "body": b""})


async def _respond(send: Send, status: int, headers: dict[str, str]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": b""})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _attachment(name: str) -> str:
    if _TOKEN.fullmatch(name):
        return f"attachment; filename={name}"
    plain = re.sub(r"[^\w.\- ]", "_", name, flags=re.ASCII)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """What to send: all of it unless one range is asked for; None if the range lies outside."""
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or asked == "bytes=-" or not size:
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop) if start < stop else None
