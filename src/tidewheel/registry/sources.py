"""The seam between a version and the address that its files are taken from; what lies behind it is on another floor.

`app.py` hands in an object that fits `ModelSource`: artifacts know what lies at `runs:/ID/model`,
`mlflow-artifacts:/…` and `models:/m-…` (a logged model). Versions of this registry it resolves itself, and what is
elsewhere (`s3://…`) it only remembers.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from tidewheel.base.errors import InvalidInput

Kind = Literal["stored", "version", "external"]
MAX_SOURCE = 4096
_MOST_DECODINGS = 10


class ModelSource(Protocol):
    """Knows the files of an address.

    Must be safe from many threads. An address of its own kinds at which nothing lies raises `NotFound` or gives no
    files. Digests name whole blobs in the very store that the registry reads.
    """

    def files_of(self, uri: str) -> dict[str, str]:
        """The BLAKE3 of each file below an address, by its path relative to it."""


def kind_of(source: str) -> Kind:
    """Where an address lies: in our artifacts, in this registry, or outside.

    Raises:
        InvalidInput: if it leaves the place that it names (`..`), encoded or not, or cannot be read.
    """
    _check_stays(source)
    try:
        scheme = urlsplit(source).scheme
    except ValueError as error:
        raise InvalidInput(f"Invalid model version source: '{source}': {error}.", where="source") from None
    if scheme in {"runs", "mlflow-artifacts"} or re.fullmatch(r"models:/+m-[0-9a-f]+/?", source):
        return "stored"
    return "version" if scheme == "models" else "external"


def _check_stays(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise InvalidInput(f"Invalid model version source: at most {MAX_SOURCE} characters.", where="source")
    plain = source
    for _ in range(_MOST_DECODINGS):
        plain = unquote(plain)
    if unquote(plain) != plain or "\x00" in plain or ".." in re.split(r"[/\\]", plain):
        raise InvalidInput(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, "
            "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
            "present. Please provide an absolute path.",
            where="source",
        )
