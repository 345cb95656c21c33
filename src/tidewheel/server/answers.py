"""What goes back over HTTP: a verb's result as JSON, or an error as `{"error": {code, message, where, fix}}`.

Used by the engine and installed on the application by `app.build`. Never lets a traceback out.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError
from tidewheel.base.wire import to_json


class ErrorDetail(BaseModel):
    """What was wrong, where, and how to mend it."""

    code: str
    message: str
    where: str
    fix: str


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def answer(result: object) -> Response:
    """A verb's result as JSON; nothing at all for a verb that returns nothing."""
    if result is None:
        return Response(status_code=204)
    return Response(to_json(result), media_type="application/json")


def refusal(error: TidewheelError) -> Response:
    """An error of the tree, with its own status."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return Response(
        to_json({"error": error.to_dict()}), status_code=error.status, media_type="application/json", headers=headers
    )


def install(app: FastAPI) -> None:
    """Map every kind of failure to the one shape."""
    app.add_exception_handler(TidewheelError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _not_routed)


def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, TidewheelError):
        raise error
    return refusal(error)


def _invalid(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        told = first.get("ctx", {}).get("error", "it cannot be read")
        where = f"body, character {first['loc'][-1]}"
        return refusal(InvalidInput(f"The body is not JSON: {told}.", where=where, fix="Send one JSON object."))
    where = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ").removesuffix(".")
    return refusal(
        InvalidInput(
            f"{message}.", where=where, fix="`/docs` on this server shows what each address takes, and its types."
        )
    )


def _not_routed(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refusal(NotFound(f"There is nothing at {request.url.path[:200]}.", fix="`/docs` lists every address."))
    wrong = InvalidInput(f"{request.method} {request.url.path[:200]}: {error.detail}.", fix="See `/docs`.")
    wrong.status = error.status_code
    response = refusal(wrong)
    response.headers.update(error.headers or {})
    return response
