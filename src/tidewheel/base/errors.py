"""The one error tree. Every refusal a person can see is one of these.

    TidewheelError                    http  exit
    ├── InvalidInput                  400   2     the caller can mend it
    ├── Unauthenticated               401   2     no or unknown token
    ├── NotAllowed                    403   2     the principal's role does not reach
    ├── NotFound                      404   2     names a thing that is not there
    ├── Conflict                      409   1     true a moment ago, or already so
    │   └── Taken                     409   1     a name or an id that is in use
    ├── TooLarge                      413   2     over a stated limit
    ├── GateSaidNo                    422   3     a judgement, not a failure
    ├── Overloaded                    429   1     more waits than may; trying again later helps
    ├── Corrupt                       500   1     stored bytes are not what was written
    ├── Unavailable                   503   1     a part is away; trying again may help
    └── TooLate                       504   1     the caller's deadline passed before it was computed

A message says what was asked and what is wrong; `fix` says what to do about it. The server maps `status`, the command
line maps `exit_code`; nothing else decides either.
"""

from __future__ import annotations


class TidewheelError(Exception):
    """Something Tidewheel refuses or cannot do, said for the reader: what, where and how to mend it."""

    code = "error"
    status = 500
    exit_code = 1

    def __init__(self, message: str, *, fix: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        remedy = f" {self.fix}" if self.fix else ""
        return f"{self.message}{place}{remedy}"

    def to_dict(self) -> dict[str, str]:
        """The shape that HTTP answers and `--json` print."""
        return {"code": self.code, "message": self.message, "where": self.where, "fix": self.fix}


class InvalidInput(TidewheelError):
    code, status, exit_code = "invalid_input", 400, 2


class Unauthenticated(TidewheelError):
    code, status, exit_code = "unauthenticated", 401, 2


class NotAllowed(TidewheelError):
    code, status, exit_code = "not_allowed", 403, 2


class NotFound(TidewheelError):
    code, status, exit_code = "not_found", 404, 2


class Conflict(TidewheelError):
    code, status, exit_code = "conflict", 409, 1


class Taken(Conflict):
    code = "taken"


class TooLarge(TidewheelError):
    code, status, exit_code = "too_large", 413, 2


class GateSaidNo(TidewheelError):
    code, status, exit_code = "gate_said_no", 422, 3


class Overloaded(TidewheelError):
    code, status, exit_code = "overloaded", 429, 1


class Corrupt(TidewheelError):
    code, status, exit_code = "corrupt", 500, 1


class Unavailable(TidewheelError):
    code, status, exit_code = "unavailable", 503, 1


class TooLate(TidewheelError):
    code, status, exit_code = "too_late", 504, 1
