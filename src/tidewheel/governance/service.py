"""The room's verbs: read the journal as an audit, a lineage and a chain of causes; make and check tokens.

`app.py` constructs it; the server's guard asks it who a caller is, at every request. It must never keep or log a
secret, and never answer why one was refused.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import Role, door
from tidewheel.base.errors import InvalidInput, NotFound, Unauthenticated
from tidewheel.base.ids import new_id
from tidewheel.base.units import parse_duration
from tidewheel.governance import store
from tidewheel.governance.lineage import walk_lineage
from tidewheel.governance.model_card import write_card
from tidewheel.governance.nodes import node_of
from tidewheel.governance.records import Cause, ChainReport, Lineage, NewToken, Principal, Token
from tidewheel.governance.secrets import hash_secret, matches, new_secret, token_id_of
from tidewheel.storage import Entry, Metadata
from tidewheel.storage.journal import current_actor, find_entry, read_entries, verify_chain

_DIRECTIONS = {"up": (True,), "down": (False,), "both": (True, False)}
_MAX_CAUSES = 1000
_TOKENS_SEEN_S = 1.0


class Governance:
    """Answers who did what, why, and from what; and who may."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._tokens_seen: tuple[float, bool] | None = None  # when it was read whether there are any, and what
        self._token_changes = 0

    @door("GET", "/governance/audit")
    def audit_log(
        self, kinds: list[str] | None = None, subject: str | None = None, limit: int = 100, after: int = 0
    ) -> list[Entry]:
        """Journal entries, newest first.

        Args:
            kinds: only these kinds; one that ends in a dot takes all below it (`rollout.`).
            subject: only entries about this node (`version:ver_…`, or `ver_…`).
            limit: at most this many, up to 1,000.
            after: only entries with a larger sequence number: what is new since then.
        """
        if not 1 <= limit <= 1000:
            raise InvalidInput(f"The limit {limit} is not between 1 and 1000.", where="limit", fix="Ask page by page.")
        with self._metadata.read() as connection:
            return read_entries(
                connection,
                after=after,
                kinds=kinds or (),
                subject=subject and node_of(subject),
                newest_first=True,
                limit=limit,
            )

    @door("GET", "/governance/audit/verify")
    def verify(self) -> ChainReport:
        """Check the journal's hash chain from its beginning; name the first broken link."""
        with self._metadata.read() as connection:
            count, broken = verify_chain(connection)
        if broken is None:
            return ChainReport(holds=True, entries=count)
        return ChainReport(holds=False, entries=count, broken_seq=broken.seq, broken_id=broken.id, reason=broken.reason)

    @door("GET", "/governance/lineage/{node:path}")
    def lineage(self, node: str, direction: Literal["up", "down", "both"] = "both", depth: int = 10) -> Lineage:
        """What a node (`version:ver_…`, `commit:rides@4`, or an id such as `dec_…`) came from, and what came of it.

        Raises:
            NotFound: if the journal has never heard of the node.
        """
        if not 1 <= depth <= 100:
            raise InvalidInput(f"The depth {depth} is not between 1 and 100.", where="depth")
        node = node_of(node)
        with self._metadata.read() as connection:
            found = walk_lineage(connection, node, _DIRECTIONS[direction], depth)
            if not found.edges and store.first_entry_id(connection, node) is None:
                raise _unknown_node(node)
        return found

    @door("GET", "/governance/why/{node:path}")
    def why(self, node: str) -> list[Cause]:
        """The chain of causes behind a node or a journal entry (`evt_…`), from the effect back to the first cause.

        Of a decision or an alert it is why it came about; of anything else, why the last thing happened to it. A node
        may be given by its id alone (`rol_…`).
        """
        node = node_of(node)
        with self._metadata.read() as connection:
            entry = find_entry(connection, _entry_id(connection, node) or "")
            if entry is None:
                raise _unknown_node(node)
            chain = [entry]
            while entry.cause and len(chain) < _MAX_CAUSES:
                entry = find_entry(connection, entry.cause)
                if entry is None:
                    break
                chain.append(entry)
        return [Cause(entry, _says(entry)) for entry in chain]

    @door("POST", "/governance/tokens", role="admin")
    def create_token(self, name: str, role: Role = "viewer", expires_in: str | None = None) -> NewToken:
        """Make a token for a person or a program; its secret is in the answer and nowhere else.

        Args:
            name: in whose name it acts; entries of the journal will carry it.
            role: viewer, developer, approver or admin.
            expires_in: how long it is good for, as in ``90d``; default: until revoked.
        """
        if role not in get_args(Role):
            raise InvalidInput(f"{role!r} is not a role.", fix=f"One of {', '.join(get_args(Role))}.", where="role")
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise InvalidInput("A token needs a printable name of 1 to 100 characters.", where="name")
        now = self._clock.now()
        token = Token(
            id=new_id("tok"),
            name=name.strip(),
            role=role,
            created_at=now,
            created_by=current_actor(),
            expires_at=_after(now, expires_in) if expires_in else None,
            revoked_at=None,
        )
        secret = new_secret(token.id)
        with self._metadata.change() as change:
            store.add_token(change.connection, token, hash_secret(secret))
            facts = {"name": token.name, "role": token.role, "expires_at": token.expires_at}
            change.emit("governance.token.created", f"token:{token.id}", facts)
        self._tokens_have_changed()
        return NewToken(token, secret)

    @door("GET", "/governance/tokens", role="admin")
    def tokens(self) -> list[Token]:
        """All tokens that were ever made, newest first, without their secrets."""
        with self._metadata.read() as connection:
            return store.list_tokens(connection)

    @door("DELETE", "/governance/tokens/{token_id}", role="admin")
    def revoke_token(self, token_id: str) -> Token:
        """End a token at once; ending it again changes nothing."""
        with self._metadata.read() as connection:
            kept = store.find_token(connection, token_id)
        if kept is None:
            raise NotFound(f"There is no token {token_id!r}.", fix="`GET /governance/tokens` lists them.")
        if kept.token.revoked_at is None:
            with self._metadata.change() as change:
                store.revoke_token(change.connection, token_id, self._clock.now())
                change.emit("governance.token.revoked", f"token:{token_id}", {"name": kept.token.name})
            self._tokens_have_changed()
        return next(token for token in self.tokens() if token.id == token_id)

    def has_tokens(self) -> bool:
        """Whether callers need a token: as soon as one exists that is not revoked.

        What this process changes counts at once; what another one changes, within a second.
        """
        seen = self._tokens_seen
        now = time.monotonic()
        if seen is not None and now - seen[0] < _TOKENS_SEEN_S:
            return seen[1]
        changes = self._token_changes
        with self._metadata.read() as connection:
            found = store.has_tokens(connection)
        if changes == self._token_changes:  # or what was read may be older than the change
            self._tokens_seen = now, found
        return found

    def authenticate(self, secret: str) -> Principal:
        """Whose secret this is.

        Raises:
            Unauthenticated: if it is nobody's, or no longer good.
        """
        token_id = token_id_of(secret)
        with self._metadata.read() as connection:
            kept = store.find_token(connection, token_id) if token_id else None
        good = kept is not None and matches(secret, kept.secret_hash) and self._in_force(kept.token)
        if kept is None or not good:
            raise Unauthenticated(
                "This token is not known, has expired or was revoked.", fix="Ask an admin for a new one."
            )
        return Principal(kept.token.name, kept.token.role)

    def model_card(self, version_id: str, words: Mapping[str, str] | None = None) -> str:
        """A version's card in Markdown, from the journal; `words` adds sections by their heading."""
        node = f"version:{version_id}"
        with self._metadata.read() as connection:
            entries = read_entries(connection, subject=node)
            if not entries:
                raise _unknown_node(node)
            beyond = store.edges_beside(connection, [node], up=False)
            decisions = [
                entry
                for edge in beyond
                if edge.target.startswith("decision:") and (entry := find_entry(connection, edge.entry_id))
            ]
            turns = dict.fromkeys(edge.target for edge in beyond if edge.target.startswith("turn:"))
            judged = [entry for turn in turns for entry in read_entries(connection, subject=turn)]
            lineage = walk_lineage(connection, node, (True,), 10)
        told = sorted([*entries, *decisions], key=lambda entry: entry.seq)
        return write_card(version_id, told, lineage, judged, words or {})

    def _tokens_have_changed(self) -> None:
        self._token_changes += 1
        self._tokens_seen = None

    def _in_force(self, token: Token) -> bool:
        expired = token.expires_at is not None and token.expires_at <= self._clock.now()
        return token.revoked_at is None and not expired


def _after(now: datetime, expires_in: str) -> datetime:
    try:
        return now + parse_duration(expires_in)
    except OverflowError:
        raise InvalidInput(
            f"{expires_in} from now there is no calendar.", where="expires_in", fix="As in 90d."
        ) from None


def _entry_id(connection: Connection, node: str) -> str | None:
    if node.startswith("evt_"):
        return node
    made_once = node.startswith(("decision:", "alert:"))
    return (store.first_entry_id if made_once else store.newest_entry_id)(connection, node)


def _says(entry: Entry) -> str:
    told = entry.data.get("reason") or entry.data.get("summary") or entry.data.get("outcome")
    return f"{entry.kind}: {told}" if told else entry.kind


def _unknown_node(node: str) -> NotFound:
    return NotFound(
        f"The journal has no entry about {node!r}.",
        fix="Give an id as commands print it (ver_…, rol_…, run_…), or kind:name, as in commit:rides@4, model:surge.",
    )
