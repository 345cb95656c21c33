"""Names of models, aliases and tags, and the addresses that find a version: MLflow's rules in MLflow's words.

    ver_01jd…                    an id
    models:/surge@champion       whoever holds the alias
    models:/surge/3              a number
    models:/surge/latest         the newest version
    models:/surge/Production     the newest version in a (legacy) stage
Pure.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput

MAX_MODEL_NAME, MAX_ALIAS, MAX_TAG_KEY, MAX_TAG_VALUE, MAX_DESCRIPTION = 256, 255, 250, 100_000, 100_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ALIAS = re.compile(r"[\w\-]+")
_TAG_KEY = re.compile(r"[/\w.\- :]+")
_STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
STAGES = tuple(_STAGES.values())


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed `models:/` address; neither alias, number nor stage means the newest version."""

    model: str
    alias: str | None = None
    number: int | None = None
    stage: str | None = None


def parse_address(text: str) -> Address:
    """The parts of a `models:/` address.

    Raises:
        InvalidInput: if it is not one.
    """
    model, slash, place = text.removeprefix("models:/").partition("/")
    if not text.startswith("models:/") or not model:
        raise _no_address(text)
    if not slash:
        model, _, alias = model.rpartition("@")
        if not (model and alias):
            raise _no_address(text)
        return Address(model, alias=alias)
    if place.isascii() and place.isdigit() and len(place) < 10:
        return Address(model, number=int(place))
    if place.lower() == "latest":
        return Address(model)
    if place.lower() in _STAGES:
        return Address(model, stage=_STAGES[place.lower()])
    raise _no_address(text)


def check_model_name(name: str, where: str = "name") -> str:
    """The name itself, if a model may be called so."""
    if not name.strip():
        raise InvalidInput(f"Missing value for required parameter '{where}'.", where=where)
    if "/" in name or ":" in name:
        raise InvalidInput(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.", where=where)
    if name in {".", ".."} or _CONTROL.search(name):
        raise InvalidInput(
            f"Invalid value {json.dumps(name)} for parameter '{where}' supplied: names must not resolve to other names "
            "when treated as files, nor hold control characters.",
            where=where,
        )
    return _bounded(name, where, MAX_MODEL_NAME)


def check_alias(alias: str) -> str:
    """The alias itself, if a version may hold it. ``latest`` and ``v3`` are taken: they name versions already."""
    if not alias:
        raise InvalidInput("Registered model alias name cannot be empty.", where="alias")
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).",
            where="alias",
        )
    _bounded(alias, "Registered model alias name", MAX_ALIAS)
    if alias.lower() == "latest":
        raise InvalidInput("'latest' alias name (case insensitive) is reserved.", where="alias")
    if re.fullmatch(r"[vV]\d+", alias):
        raise InvalidInput(f"Version alias name '{alias}' is reserved.", where="alias")
    return alias


def check_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """The tags themselves, if each key and value may be kept."""
    for key, value in (tags or {}).items():
        check_tag_key(key)
        _bounded(value, "value", MAX_TAG_VALUE)
    return dict(tags or {})


def check_tag_key(key: str) -> str:
    """The key itself, if a tag may have it."""
    if not _TAG_KEY.fullmatch(key):
        raise _bad_key(
            key,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) "
            "and slashes (/).",
        )
    norm = posixpath.normpath(key)
    if norm != key or norm == "." or norm.startswith(("..", "/")):
        raise _bad_key(
            key,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
            f"This name would resolve to {norm!r}",
        )
    return _bounded(key, "key", MAX_TAG_KEY)


def check_description(description: str) -> str:
    """The description itself, if it is not longer than can be kept."""
    return _bounded(description, "description", MAX_DESCRIPTION)


def canonical_stage(stage: str) -> str:
    """A stage as it is written, however the caller wrote it."""
    if stage.lower() not in _STAGES:
        raise InvalidInput(f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}.")
    return _STAGES[stage.lower()]


def _bounded(text: str, what: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidInput(f"'{what}' exceeds the maximum length of {limit} characters", where=what)
    return text


def _bad_key(key: str, why: str) -> InvalidInput:
    return InvalidInput(f"Invalid value {json.dumps(key)} for parameter 'key' supplied: {why}", where="key")


def _no_address(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} does not name a model version.",
        fix="Write an id (ver_…), models:/NAME@ALIAS, models:/NAME/NUMBER, models:/NAME/STAGE or models:/NAME/latest.",
    )
