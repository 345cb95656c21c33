"""The engine that turns a room's doors into HTTP routes: called once per room by `routes/<room>.py`.

A verb's parameters become, by their names and type hints, path parameters (named in the door's path), query parameters
(GET, DELETE) or the fields of a JSON body (POST, PUT); its return type becomes the documented answer. No verb is named
here: whatever a room offers over HTTP is said in the room, by `@door`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from tidewheel.base.doors import Door, doors_of
from tidewheel.server.answers import ErrorAnswer, answer
from tidewheel.server.guard import Caller, needs
from tidewheel.server.json_route import JsonRoute
from tidewheel.storage.journal import acting

if TYPE_CHECKING:
    from tidewheel.app import Platform

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_PATH_NAME = re.compile(r"{(\w+)(?::\w+)?}")


def routes_of(room: type, pick: Callable[[Platform], object], *, name: str | None = None) -> APIRouter:
    """A router with one route for each verb of `room` that has a door; `pick` finds the room in the platform.

    `name` is what the platform calls it, where that is not the package's name.
    """
    name = name or room.__module__.split(".")[1]
    router = APIRouter(prefix="/api/v1", tags=[name], route_class=JsonRoute)
    for verb, note in doors_of(room):
        method = getattr(room, verb)
        summary, _, description = (inspect.getdoc(method) or verb).partition("\n")
        router.add_api_route(
            note.path,
            _handler(room, verb, note, pick),
            methods=[note.method],
            dependencies=[Depends(needs(note.role))],
            operation_id=f"{name}_{verb}",
            summary=summary,
            description=description.strip() or None,
            response_model=get_type_hints(method).get("return"),
            responses={"4XX": {"model": ErrorAnswer, "description": "What was wrong, where, and how to mend it."}},
        )
    return router


def _handler(room: type, verb: str, note: Door, pick: Callable[[Platform], object]) -> Callable[..., Response]:
    """The function behind one route. It is not async, so FastAPI runs it in the threadpool."""
    parameters, body = _parameters(room, verb, note)
    fields = tuple(body.model_fields) if body else ()

    def enter(request: Request, **given: Any) -> Response:
        sent = given.pop("body", None)
        if sent is not None:
            given.update({field: getattr(sent, field) for field in fields if field in sent.model_fields_set})
        caller: Caller = request.state.principal
        with acting(actor=caller.name, role=caller.role):
            return answer(getattr(pick(request.app.state.platform), verb)(**given))

    enter.__name__ = f"{room.__name__}_{verb}"
    enter.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    enter.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return enter


def _parameters(room: type, verb: str, note: Door) -> tuple[list[inspect.Parameter], type[BaseModel] | None]:
    """What the route takes: the request, the path and query parameters, and the body's model if there is one."""
    hints = get_type_hints(getattr(room, verb))
    asked = list(inspect.signature(getattr(room, verb)).parameters.values())[1:]
    in_path = set(_PATH_NAME.findall(note.path))
    taken = [_keyword("request", Request)]
    fields: dict[str, Any] = {}
    for parameter in asked:
        name, hint = parameter.name, _bounded(hints[parameter.name])
        if name in in_path:
            taken.append(_keyword(name, Annotated[hint, Path()]))
        elif note.method in {"GET", "DELETE"}:
            taken.append(_keyword(name, Annotated[hint, Query()], parameter.default))
        else:
            fields[name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    if not fields:
        return taken, None
    title = "".join(word.title() for word in f"{room.__name__}_{verb}".split("_"))
    body = create_model(title, __config__=ConfigDict(extra="forbid"), **fields)
    optional = all(default is not ... for _, default in fields.values())
    hint = Annotated[body | None if optional else body, Body()]
    return [*taken, _keyword("body", hint, None if optional else inspect.Parameter.empty)], body


def _bounded(hint: Any) -> Any:
    """A whole number from outside fits into the 64 bits that a database has for one."""
    if hint is int:
        return Int64
    return Int64 | None if hint == int | None else hint


def _keyword(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
