"""Answers as bytes: status lines, headers and JSON errors. Built for speed: the head of each status is kept ready.

Called by `http_protocol` for every answer. Every body has its length; nothing is chunked.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

JSON = b"application/json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"
RETRY = b"retry-after: 1\r\n"
"""The header of a refusal after which trying again helps."""
_encode_json = msgspec.json.Encoder().encode


class Heads:
    """The beginnings of answers, renewed when the date changes."""

    def __init__(self) -> None:
        self._date = b""
        self._json: dict[int, bytes] = {}
        self.renew()

    def renew(self) -> None:
        """Take the present second as the date of answers."""
        date = formatdate(time.time(), usegmt=True).encode()
        if date != self._date:
            self._date = date
            self._json = {}

    def answer(self, status: int, body: bytes, content_type: bytes, ending: bytes, with_body: bool) -> bytes:
        """A whole answer; `ending` is the headers after the length, up to the empty line and with it."""
        if content_type is JSON:
            head = self._json.get(status)
            if head is None:
                head = self._json[status] = self._head(status, JSON)
        else:
            head = self._head(status, content_type)
        if with_body:
            return b"%b%d%b%b" % (head, len(body), ending, body)
        return b"%b%d%b" % (head, len(body), ending)

    def _head(self, status: int, content_type: bytes) -> bytes:
        phrase = HTTPStatus(status).phrase.encode()
        return b"HTTP/1.1 %d %b\r\nserver: tidewheel\r\ndate: %b\r\ncontent-type: %b\r\ncontent-length: " % (
            status,
            phrase,
            self._date,
            content_type,
        )


def ending_of(keep_alive: bool, http_10: bool, extra: bytes = b"") -> bytes:
    """The headers after the length: whether the connection stays, and `extra` ones, each with its line end."""
    if not keep_alive:
        return b"\r\nconnection: close\r\n" + extra + b"\r\n"
    if http_10:
        return b"\r\nconnection: keep-alive\r\n" + extra + b"\r\n"
    return b"\r\n" + extra + b"\r\n"


def error_body(message: str) -> bytes:
    """The body of a refusal, as the Open Inference Protocol has it."""
    return _encode_json({"error": message})
