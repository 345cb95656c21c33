"""Brings the metadata database to this version's tables: forward only, by Alembic, once, whichever process comes first.

Alembic is imported only when there is something to do, so that opening an up-to-date home costs one SELECT.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tidewheel.base.errors import Conflict
from tidewheel.storage.metadata import Metadata

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
_UPGRADE_LOCK = 7_600_002  # any constant: names the upgrade's advisory lock in PostgreSQL


def upgrade(metadata: Metadata) -> None:
    """Upgrade the database to `HEAD`. Processes that start together take turns.

    Raises:
        Conflict: if a newer Tidewheel has already upgraded it further.
    """
    if _revision(metadata) == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with metadata.record() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        found = _read_revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise Conflict(
                f"The database is at revision {found}, which this Tidewheel does not know.",
                fix="Install the newer Tidewheel that upgraded it.",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _revision(metadata: Metadata) -> str | None:
    with metadata.read() as connection:
        return _read_revision(connection)


def _read_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
