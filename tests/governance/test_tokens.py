"""Tokens: shown once, kept hashed, good until they expire or are revoked."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.governance.conftest import Archive

from tidewheel.base.errors import InvalidInput, NotFound, Unauthenticated
from tidewheel.governance import Governance


def test_a_secret_names_its_principal(archive: Archive) -> None:
    made = archive.governance.create_token("ci", role="developer")
    principal = archive.governance.authenticate(made.secret)
    assert (principal.name, principal.role) == ("ci", "developer")


def test_a_secret_is_nowhere_in_the_database(archive: Archive) -> None:
    made = archive.governance.create_token("ci")
    random = made.secret.split("_", 3)[3]
    with archive.metadata.read() as connection:
        kept = [connection.execute(text(f"SELECT * FROM {t}")).all() for t in ("governance_tokens", "journal_entries")]
    assert random not in str(kept)
    assert made.secret.startswith(f"twk_{made.token.id}_")


@pytest.mark.parametrize("change", [str.upper, lambda s: s[:-1], lambda s: s + "x", lambda s: "", lambda s: "twk_tok_"])
def test_a_secret_that_is_not_quite_right_is_nobodys(archive: Archive, change: object) -> None:
    made = archive.governance.create_token("ci")
    with pytest.raises(Unauthenticated):
        archive.governance.authenticate(change(made.secret))  # type: ignore[operator]


def test_one_tokens_id_with_anothers_secret_is_nobodys(archive: Archive) -> None:
    one, other = archive.governance.create_token("one"), archive.governance.create_token("other")
    mixed = f"twk_{one.token.id}_{other.secret.split('_', 3)[3]}"
    with pytest.raises(Unauthenticated):
        archive.governance.authenticate(mixed)


def test_a_token_is_good_until_it_expires(archive: Archive) -> None:
    made = archive.governance.create_token("guest", expires_in="1h")
    archive.clock.advance_to(archive.clock.now() + timedelta(minutes=59))
    assert archive.governance.authenticate(made.secret).name == "guest"
    archive.clock.advance_to(archive.clock.now() + timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        archive.governance.authenticate(made.secret)
    assert archive.governance.has_tokens()


def test_a_revoked_token_is_good_no_more(archive: Archive) -> None:
    made = archive.governance.create_token("ci")
    assert archive.governance.has_tokens()
    assert archive.governance.revoke_token(made.token.id).revoked_at is not None
    archive.governance.revoke_token(made.token.id)
    with pytest.raises(Unauthenticated):
        archive.governance.authenticate(made.secret)
    assert not archive.governance.has_tokens()
    kinds = [entry.kind for entry in archive.governance.audit_log()]
    assert kinds == ["governance.token.revoked", "governance.token.created"]


def test_a_token_that_never_was_cannot_be_revoked(archive: Archive) -> None:
    with pytest.raises(NotFound):
        archive.governance.revoke_token("tok_nobody")


@pytest.mark.parametrize(("name", "role"), [("", "viewer"), ("a\nb", "viewer"), ("x" * 101, "viewer"), ("ci", "owner")])
def test_a_token_needs_a_name_and_a_known_role(archive: Archive, name: str, role: str) -> None:
    with pytest.raises(InvalidInput):
        archive.governance.create_token(name, role)  # type: ignore[arg-type]


@pytest.mark.parametrize("expires_in", ["500000w", "99999999999999d"])
def test_a_token_does_not_expire_beyond_the_calendar(archive: Archive, expires_in: str) -> None:
    with pytest.raises(InvalidInput):
        archive.governance.create_token("ci", expires_in=expires_in)


def test_what_another_process_does_to_tokens_counts_before_long(archive: Archive) -> None:
    elsewhere = Governance(archive.metadata, archive.clock)
    assert not archive.governance.has_tokens()
    made = elsewhere.create_token("ci")
    assert elsewhere.has_tokens()
    until(archive.governance.has_tokens)
    elsewhere.revoke_token(made.token.id)
    until(lambda: not archive.governance.has_tokens())


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
