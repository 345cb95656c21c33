"""Errors as MLflow's clients read them: `{"error_code": ..., "message": ...}` with MLflow's status for the code."""

from __future__ import annotations

import msgspec

from tidewheel.base.errors import (
    Conflict,
    Corrupt,
    GateSaidNo,
    InvalidInput,
    NotAllowed,
    NotFound,
    Taken,
    TidewheelError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

_STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_CONFLICT": 409,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}
_CODES: list[tuple[type[TidewheelError], str]] = [  # the first that fits
    (InvalidInput, "INVALID_PARAMETER_VALUE"),
    (TooLarge, "INVALID_PARAMETER_VALUE"),
    (NotFound, "RESOURCE_DOES_NOT_EXIST"),
    (Taken, "RESOURCE_ALREADY_EXISTS"),
    (Conflict, "INVALID_PARAMETER_VALUE"),
    (GateSaidNo, "INVALID_PARAMETER_VALUE"),
    (Unauthenticated, "UNAUTHENTICATED"),
    (NotAllowed, "PERMISSION_DENIED"),
    (Corrupt, "INTERNAL_ERROR"),
    (Unavailable, "TEMPORARILY_UNAVAILABLE"),
]


class MLflowError(TidewheelError):
    """An error with a code of MLflow's own, for what the tree of errors does not tell apart."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


def invalid(message: str) -> MLflowError:
    """A request that MLflow would refuse in these words."""
    return MLflowError("INVALID_PARAMETER_VALUE", message)


def refusal(error: TidewheelError) -> tuple[int, bytes]:
    """The status and the body of an error."""
    code = error.error_code if isinstance(error, MLflowError) else _code_of(error)
    return _STATUS.get(code, 500), msgspec.json.encode({"error_code": code, "message": str(error)})


def _code_of(error: TidewheelError) -> str:
    return next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL_ERROR")
