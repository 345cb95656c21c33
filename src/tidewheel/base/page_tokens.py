"""The token that asks for the next page of a search: as MLflow's, an offset in base64, handed back unread. Pure."""

from __future__ import annotations

import base64
import binascii
import json

from tidewheel.base.errors import InvalidInput

_FIX = "Send next_page_token as it came."


def page_token(offset: int) -> str:
    """The token of the page that begins after `offset` results; clients hand it back unread."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def page_offset(token: str | None) -> int:
    """How many results a page token skips; none without a token."""
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("Invalid page token, could not base64-decode.", fix=_FIX) from None
    try:
        offset = json.loads(decoded)["offset"]
    except (ValueError, KeyError, TypeError):
        offset = None
    if type(offset) is not int or not 0 < offset < 2**53:
        raise InvalidInput(f"Invalid page token, decoded value={decoded[:80]!r}.", fix=_FIX)
    return offset
