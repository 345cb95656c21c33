"""Posts one event to one receiver, signed as MLflow signs. It follows no redirect, uses no proxy and tries once.

    X-MLflow-Signature: v1,<base64 of HMAC-SHA256 over "<delivery id>.<timestamp>.<body>">

Called by the courier and by `Webhooks.test`; whether to try again is theirs to say.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tidewheel.base.errors import TidewheelError
from tidewheel.registry.webhook_address import check_url, open_connection
from tidewheel.registry.webhook_events import Notice

TIMEOUT_S = 10.0
_MOST_READ = 10_000


@dataclass(frozen=True, slots=True)
class Reply:
    """How a receiver answered, or why it did not. `again_after_s` is its own wish for the next try, if it has one."""

    status: int | None
    body: str = ""
    error: str = ""
    refused: bool = False
    again_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def worth_another(self) -> bool:
        """Whether the same request may fare better later."""
        if self.status is None:
            return not self.refused
        return self.status == 429 or self.status >= 500


def send(
    url: str,
    secret: str | None,
    notice: Notice,
    delivery_id: str,
    at: datetime,
    *,
    private: bool = False,
    limit_s: float = TIMEOUT_S,
) -> Reply:
    """Post an event that happened `at` once; nothing is raised for what the receiver or the network does.

    From the connection to the last byte read it takes at most `limit_s`.
    """
    entity, _, action = notice.event.partition(".")
    body = json.dumps({"entity": entity, "action": action, "timestamp": at.isoformat(), "data": notice.data})
    headers = _headers(secret, delivery_id, body)
    try:
        return _post(url, body.encode(), headers, private, limit_s)
    except TidewheelError as error:
        return Reply(None, error=error.message, refused=True)
    except (OSError, http.client.HTTPException) as error:
        return Reply(None, error=f"{type(error).__name__}: {error}")


def sign(secret: str, delivery_id: str, timestamp: str, body: str) -> str:
    """The value of the signature header."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def _headers(secret: str | None, delivery_id: str, body: str) -> dict[str, str]:
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "tidewheel-webhooks",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": timestamp,
    }
    if secret:
        headers["X-MLflow-Signature"] = sign(secret, delivery_id, timestamp, body)
    return headers


def _post(url: str, body: bytes, headers: dict[str, str], private: bool, limit_s: float) -> Reply:
    parts = check_url(url, private=private)
    secure, host = parts.scheme == "https", str(parts.hostname)
    port = parts.port or (443 if secure else 80)
    ends_at = time.monotonic() + limit_s
    with open_connection(host, port, limit_s, private=private) as plain, _cut_off(plain, ends_at, limit_s):
        stream = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
        connection = http.client.HTTPConnection(host, port)
        connection.sock = stream
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers | {"Host": parts.netloc})
            with connection.getresponse() as answer:
                text = answer.read(_MOST_READ).decode("utf-8", "replace")
                return Reply(answer.status, text, again_after_s=_retry_after(answer.getheader("Retry-After")))
        finally:
            connection.close()


@contextlib.contextmanager
def _cut_off(line: socket.socket, ends_at: float, limit_s: float) -> Iterator[None]:
    """Shut the line down at a moment, TLS's greeting included: a limit of each read never ends one that drips."""
    late = threading.Event()
    with line.dup() as twin:  # TLS takes the line itself away

        def cut() -> None:
            late.set()
            with contextlib.suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(0.0, ends_at - time.monotonic()), cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if late.is_set():
                raise TimeoutError(f"it took longer than {limit_s:g} s") from None


def _retry_after(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 7 else None
