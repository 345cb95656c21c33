"""`/docs`: the OpenAPI document as a plain page, grouped by room. Pure; drawn from the same notes as the routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Taken:
    """One thing that an address takes."""

    name: str
    place: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the API."""

    method: str
    path: str
    summary: str
    description: str
    takes: tuple[Taken, ...]
    gives: str


def reference(openapi: dict[str, Any]) -> dict[str, list[Address]]:
    """The addresses of each room, in the order they are declared."""
    rooms: dict[str, list[Address]] = {}
    schemas = openapi.get("components", {}).get("schemas", {})
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            address = _address(method.upper(), path, operation, schemas)
            rooms.setdefault(operation.get("tags", ["other"])[0], []).append(address)
    return rooms


def _address(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Address:
    takes = [
        Taken(given["name"], given["in"], _kind(given.get("schema", {})), given.get("required", False))
        for given in operation.get("parameters", [])
    ]
    body = _content(operation.get("requestBody", {}))
    for name in [name for name in _named(body) if name in schemas]:
        required = schemas[name].get("required", [])
        for field, schema in schemas[name].get("properties", {}).items():
            takes.append(Taken(field, "body", _kind(schema), field in required))
    answers = operation.get("responses", {})
    gives = next((_kind(_content(answers[status])) for status in answers if status.startswith("2")), "")
    return Address(method, path, operation.get("summary", ""), operation.get("description", ""), tuple(takes), gives)


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    for media in holder.get("content", {}).values():
        schema: dict[str, Any] = media.get("schema", {})
        return schema
    return {}


def _named(schema: dict[str, Any]) -> list[str]:
    options = [schema, *schema.get("anyOf", [])]
    return [option["$ref"].rsplit("/", 1)[1] for option in options if "$ref" in option]


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words: ``string``, ``list of Run``, ``integer or null``."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'anything'}"
    if schema.get("format") == "date-time":
        return "instant"
    return str(schema.get("type", "anything" if schema == {} else schema.get("const", "")))
