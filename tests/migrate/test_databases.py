"""Databases of other days and kinds: a file of an older schema, a PostgreSQL that others use."""

from __future__ import annotations

import hashlib
import uuid
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.migrate.stores import bring_here, fill, rows, write

from tidewheel.app import open_platform
from tidewheel.base.errors import InvalidInput

pytestmark = pytest.mark.slow

OF_2022 = "cc1f77228345"  # the schema of MLflow 1.26 to 1.30, before experiments had times


def old_store(path: Path) -> Path:
    """A file as an MLflow of 2022 left it: made by MLflow's own migrations, up to those of that day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sqlalchemy
        from alembic import command
        from mlflow.store.db.utils import _get_alembic_config
        from mlflow.store.tracking.dbmodels.initial_models import Base

        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        Base.metadata.create_all(engine)
        engine.dispose()
        command.upgrade(_get_alembic_config(f"sqlite:///{path}"), OF_2022)
    write(path, "INSERT INTO experiments VALUES (0, 'Default', './mlruns/0', 'active')")
    write(
        path,
        "INSERT INTO runs (run_uuid, name, source_type, status, start_time, end_time, lifecycle_stage, artifact_uri,"
        " experiment_id, user_id)"
        " VALUES ('r1', '', 'LOCAL', 'FINISHED', 5000, 6000, 'active', './mlruns/0/r1/artifacts', 0, 'ada')",
    )
    write(path, "INSERT INTO tags VALUES ('mlflow.runName', 'of old', 'r1')")
    write(path, "INSERT INTO params VALUES ('depth', '6', 'r1')")
    write(
        path,
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ('auc', 0.5, 5500, 'r1', 1, 0)",
    )
    write(
        path,
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
        " VALUES ('auc', 0.5, 5500, 1, 0, 'r1')",
    )
    kept = path.parent / "mlruns" / "0" / "r1" / "artifacts"
    kept.mkdir(parents=True)
    (kept / "notes.txt").write_text("kept")
    return path


def test_a_file_of_an_older_schema_comes_over_and_keeps_its_schema(tmp_path):
    store = old_store(tmp_path / "mlflow.db")
    before = hashlib.sha256(store.read_bytes()).hexdigest()
    report = bring_here(store, tmp_path / "home")
    assert hashlib.sha256(store.read_bytes()).hexdigest() == before
    assert rows(store, "SELECT version_num FROM alembic_version") == [(OF_2022,)]
    assert not report.problems
    assert not report.differences
    with open_platform(tmp_path / "home") as platform:
        run = platform.tracking.run("r1")
        assert (run.name, run.user, run.params, run.metrics) == ("of old", "ada", {"depth": "6"}, {"auc": 0.5})
        assert [artifact.path for artifact in platform.tracking.artifacts("r1")] == ["notes.txt"]


def test_a_file_that_is_no_mlflow_store_is_refused(tmp_path):
    write(tmp_path / "other.db", "CREATE TABLE things (id INTEGER)")
    with pytest.raises(InvalidInput, match="no MLflow store"):
        bring_here(tmp_path / "other.db", tmp_path / "home")


@pytest.mark.postgres
def test_a_postgresql_comes_over_and_one_of_another_schema_is_left_as_it_is(postgres_url, tmp_path):
    import sqlalchemy as sa

    address, name = "postgresql+psycopg://" + postgres_url.split("://", 1)[1], f"m{uuid.uuid4().hex}"
    base, _, query = address.partition("?")
    store = f"{base.rpartition('/')[0]}/{name}?{query}"
    _execute(sa, address, f"CREATE DATABASE {name}")
    fill(store, tmp_path, "--plain")
    report = bring_here(store, tmp_path / "home")
    assert not report.differences
    for each in ("runs", "params", "tags", "metric_points", "datasets", "artifact_files"):
        assert asdict(report.here_counts)[each] == asdict(report.source_counts)[each] > 0, each
    _execute(sa, store, "UPDATE alembic_version SET version_num = 'cc1f77228345'")
    with pytest.raises(InvalidInput, match="left as it is"):
        bring_here(store, tmp_path / "home")


def _execute(sa, url: str, words: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(words))
    engine.dispose()
