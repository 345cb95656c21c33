"""Which of Tidewheel's extras brings a library: so that an error about a missing one says what to install.

Read from the metadata of the installed distribution, which are made of pyproject.toml; nothing is listed twice.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

_EXTRA = re.compile(r"^(?P<library>[\w.-]+).*;.*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")
_DISTRIBUTIONS = {"grpc": "grpcio", "opentelemetry": "opentelemetry-sdk", "sklearn": "scikit-learn"}
_NOT_TOLD = frozenset({"dev", "demo", "flights"})  # made of others


def extra_with(module: str) -> str:
    """The extra that brings a module, as in ``lightgbm`` or, for `sklearn`, ``sklearn``; empty where none does."""
    top = module.partition(".")[0]
    library = _canonical(_DISTRIBUTIONS.get(top, top))
    bringing = {match["extra"] for match in _requirements() if _canonical(match["library"]) == library} - _NOT_TOLD
    own = [extra for extra in sorted(bringing) if _canonical(extra) in (library, _canonical(top))]
    return min(own or bringing, default="")


def how_to_install(module: str) -> str:
    """A sentence that says how a missing module is had."""
    extra = extra_with(module)
    if not extra:
        return f"Install what brings {module!r} where Tidewheel is installed, or correct the import."
    return f"Install it: pip install 'tidewheel[{extra}]', or in a clone, pip install -e '.[{extra}]'."


def _requirements() -> list[re.Match[str]]:
    try:
        told = requires("tidewheel") or []
    except PackageNotFoundError:
        return []
    return [match for match in map(_EXTRA.match, told) if match]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
