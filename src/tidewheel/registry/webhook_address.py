"""Which addresses a webhook may have: http or https, and, unless the install allows it, no private or loopback host.

A server that posts wherever a developer says must not become their way into its own network. An address is checked
when it is given, as far as it names a host by number, and again at every connection, when the name was looked up
(`open_connection`): the very address that was checked is the one connected to, so a name that changes its mind in
between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from urllib.parse import SplitResult, urlsplit

from tidewheel.base.errors import InvalidInput, NotAllowed

MAX_URL = 2048
_SCHEMES = ("http", "https")
_FIX = "TIDEWHEEL_REGISTRY_WEBHOOK_PRIVATE_HOSTS=1 allows private and loopback hosts."


def check_url(url: str, *, private: bool) -> SplitResult:
    """The parts of a webhook's address, if it may be one.

    Raises:
        InvalidInput: if it may not.
    """
    if not url.strip():
        raise InvalidInput(f"Webhook URL cannot be empty or just whitespace: {url!r}", where="url")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is no number
    except ValueError as error:
        raise InvalidInput(f"Invalid webhook URL {url[:200]!r}: {error}", where="url") from None
    if parts.scheme not in _SCHEMES:
        raise InvalidInput(
            f"Invalid webhook URL scheme: {parts.scheme!r}. Allowed schemes are: {', '.join(_SCHEMES)}.", where="url"
        )
    if not parts.hostname:
        raise InvalidInput(f"Webhook URL must include a hostname: {url[:200]!r}", where="url")
    if len(url) > MAX_URL or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise InvalidInput(
            f"Invalid webhook URL: at most {MAX_URL} printable ASCII characters without blanks.", where="url"
        )
    if parts.username is not None:
        raise InvalidInput("A webhook URL must not hold a user or a password.", fix="Use a secret.", where="url")
    if not private and _names_private(parts.hostname):
        raise InvalidInput(f"The webhook's host {parts.hostname} is not a public one.", fix=_FIX, where="url")
    return parts


def veiled(url: str) -> str:
    """A webhook's address without what may be a key to it: who knows the path of a chat's webhook can post there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def open_connection(host: str, port: int, timeout_s: float, *, private: bool) -> socket.socket:
    """A TCP connection to a host whose address is allowed, tried for `timeout_s` over all of its addresses.

    Raises:
        NotAllowed: if the host's addresses are private and that is not allowed.
        OSError: if none of its addresses answers.
    """
    trouble: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for _, _, _, _, address in found:
        if not private and not _is_public(str(address[0])):
            raise NotAllowed(f"The webhook's host {host} has the address {address[0]}, not a public one.", fix=_FIX)
    ends_at = time.monotonic() + timeout_s
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max(0.001, ends_at - time.monotonic()))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    raise trouble or OSError(f"{host} has no address")


def _names_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not _is_public(host)
    except ValueError:
        return False  # a name: its addresses are looked at when it is connected to


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return _is_public(str(inner))
        if found in _NAT64:
            return _is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        return found.is_global and found in _UNICAST
    return found.is_global and not found.is_multicast and found not in _PROTOCOLS


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all else is local in one way or another, as ::127.0.0.1 and fec0::/10
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")
