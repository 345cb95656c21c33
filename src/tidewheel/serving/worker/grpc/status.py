"""The one error tree as gRPC says it: a status code, and words that fit into a trailer.

Called wherever a method is refused; nothing else of this folder names a code.
"""

from __future__ import annotations

from typing import Any, NoReturn

from grpc import StatusCode

from tidewheel.base.errors import TidewheelError

CODES: dict[int, StatusCode] = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.ABORTED,
    413: StatusCode.RESOURCE_EXHAUSTED,
    422: StatusCode.FAILED_PRECONDITION,
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
"""gRPC's code of each `TidewheelError.status`, paired as in googleapis' google/rpc/code.proto."""

RETRY_LATER = (("grpc-retry-pushback-ms", "1000"),)
"""The trailer that tells clients with a retry policy when to try again (gRFC A6)."""

_MAX_DETAILS_BYTES = 2000  # percent-encoding may triple them, and clients take 8 kB of trailers


def code_of(error: TidewheelError) -> StatusCode:
    """The code that an error is refused with."""
    return CODES.get(error.status, StatusCode.INTERNAL)


def details_of(error: TidewheelError) -> str:
    """An error's words, cut where a client would not take them."""
    return str(error).encode()[:_MAX_DETAILS_BYTES].decode(errors="ignore")


async def refuse(context: Any, error: TidewheelError) -> NoReturn:
    """End a call of grpcio's context with an error."""
    trailers = RETRY_LATER if error.status in {429, 503} else ()
    await context.abort(code_of(error), details_of(error), trailers)
    raise error  # not reached: `abort` has raised
