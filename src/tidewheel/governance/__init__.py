"""Governance: who did what, why and from what, read from the journal; and who may, by tokens and roles.

Verbs: `Governance.audit_log`, `verify`, `lineage`, `why`, `model_card`; `create_token`, `revoke_token`, `authenticate`.
Owns `governance_tokens`. Emits `governance.token.created` and `governance.token.revoked`. Reads every event.
"""

from tidewheel.governance.records import (
    Cause,
    ChainReport,
    Lineage,
    LineageEdge,
    LineageNode,
    NewToken,
    Principal,
    Token,
)
from tidewheel.governance.service import Governance

__all__ = [
    "Cause",
    "ChainReport",
    "Governance",
    "Lineage",
    "LineageEdge",
    "LineageNode",
    "NewToken",
    "Principal",
    "Token",
]
