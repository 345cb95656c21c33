"""Names of models and aliases, and the addresses that find a version: MLflow's rules, so that its clients fit.

    ver_01jd…                    an id
    models:/surge@champion       whoever holds the alias
    models:/surge/3              a number
    models:/surge/latest         the newest version
Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput

_MODEL = re.compile(r"[^/:.@%\"'\x00-\x1f][^/:@%\"'\x00-\x1f]{0,249}")
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ADDRESS = re.compile(r"models:/(?P<model>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+)|/(?P<latest>latest))")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed `models:/` address; neither alias nor number means the newest version."""

    model: str
    alias: str | None = None
    number: int | None = None


def parse_address(text: str) -> Address:
    """The parts of a `models:/` address.

    Raises:
        InvalidInput: if it is not one.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"{text!r} does not name a model version.",
            fix="Write an id (ver_…), models:/NAME@ALIAS, models:/NAME/NUMBER or models:/NAME/latest.",
        )
    number = match["number"]
    return Address(match["model"], match["alias"], int(number) if number else None)


def check_model_name(name: str) -> str:
    """The name itself, if a model may be called so."""
    if not _MODEL.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name a model.",
            fix="Use 1 to 250 characters without / : @ % or quotes, not beginning with a dot.",
        )
    return name


def check_alias(alias: str) -> str:
    """The alias itself, if a version may hold it. ``latest`` and ``v3`` are taken: they name versions already."""
    if not _ALIAS.fullmatch(alias) or alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise InvalidInput(
            f"{alias!r} cannot be an alias.",
            fix="Use letters, digits, _ and -, and neither 'latest' nor the form 'v3'.",
        )
    return alias
