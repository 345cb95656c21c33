"""The MLflow wire in the OpenAPI document: generated from the registered calls, so that it cannot fall behind them.

`server/document.py` joins it to what FastAPI says of the rest. Addresses with a name in their path are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec

from tidewheel.server import mlflow
from tidewheel.server.mlflow.protocol import CALLS, Endpoint

_BELOW = ("/api/2.0/", "/api/3.0/")
_REF = "#/components/schemas/mlflow.{name}"
_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


def describe() -> tuple[dict[str, Any], dict[str, Any]]:
    """The paths, and the schemas that they name."""
    for module in iter_modules(mlflow.__path__):
        import_module(f"{mlflow.__name__}.{module.name}")
    calls = {(method, path): each for (method, path), each in CALLS.items() if path.startswith(_BELOW)}
    calls = {at: each for at, each in calls.items() if not each.stream}
    kinds = list(dict.fromkeys(each.request for each in calls.values()))
    bodies, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schemas = {f"mlflow.{name}": schema for name, schema in components.items()} | {"mlflow.Error": _ERROR}
    body_of = dict(zip(kinds, bodies, strict=True))
    paths: dict[str, Any] = {}
    for (method, path), endpoint in calls.items():
        operation = _operation(path, endpoint, body_of[endpoint.request], schemas)
        paths.setdefault(path, {})[method.lower()] = operation
    return paths, schemas


def _operation(path: str, endpoint: Endpoint, body: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}}
    operation: dict[str, Any] = {
        "tags": ["mlflow"],
        "operationId": f"mlflow{path.replace('/', '_')}_{endpoint.method.lower()}",
        "summary": f"MLflow's {endpoint.path}",
        "responses": {
            "200": {"description": "As MLflow answers.", "content": {"application/json": {"schema": {}}}},
            "4XX": {"description": "What was wrong.", "content": error},
        },
    }
    if endpoint.method in {"GET", "DELETE"}:
        schema = schemas[body["$ref"].rpartition("/")[2]]
        operation["parameters"] = [
            {"name": name, "in": "query", "required": name in endpoint.required, "schema": field}
            for name, field in schema["properties"].items()
        ]
    else:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
