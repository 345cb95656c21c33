"""Token secrets: made from 256 random bits, shown once, kept only as a BLAKE2b hash.

A slow hash (scrypt, argon2) protects passwords, which people choose from few; it would cost every request 50 ms and
defend nothing here, since nobody guesses 256 random bits. So the hash is a fast one, and comparing takes constant time.
The text is `twk_<token id>_<secret>`: the id finds the row, and `twk_` lets secret scanners recognise a leak.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b

_PREFIX = "twk"


def new_secret(token_id: str) -> str:
    """A new secret for a token."""
    return f"{_PREFIX}_{token_id}_{secrets.token_urlsafe(32)}"


def token_id_of(secret: str) -> str | None:
    """Which token a secret claims to be, or None if it has not the form of one."""
    prefix, _, rest = secret.partition("_")
    kind, _, rest = rest.partition("_")
    ulid, _, random = rest.partition("_")
    return f"{kind}_{ulid}" if prefix == _PREFIX and kind == "tok" and ulid and random else None


def hash_secret(secret: str) -> bytes:
    """The form in which a secret is kept."""
    return blake2b(secret.encode(errors="surrogatepass"), digest_size=32, person=b"tidewheel-token").digest()


def matches(secret: str, secret_hash: bytes) -> bool:
    """Whether a secret is the one that was hashed; takes the same time either way."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)
