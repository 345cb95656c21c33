"""The migrations make the very tables that the rooms declare, on SQLite and PostgreSQL."""

from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import tidewheel
from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.upgrade import HEAD, upgrade

HOUSE = Path(tidewheel.__file__).parent
for declares in [*HOUSE.rglob("*store.py"), *HOUSE.glob("storage/[jl]*.py")]:  # the rooms', the journal and the leases
    import_module(".".join(("tidewheel", *declares.relative_to(HOUSE).with_suffix("").parts)))


def test_migrating_an_empty_database_gives_the_declared_tables(empty_metadata):
    upgrade(empty_metadata)
    with empty_metadata.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema) == []


def test_upgrading_again_changes_nothing(empty_metadata):
    upgrade(empty_metadata)
    upgrade(empty_metadata)


def test_a_database_of_a_newer_version_is_refused(tmp_path):
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), SystemClock())
    upgrade(metadata)
    with metadata.record() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999"):
        upgrade(metadata)
    metadata.close()
