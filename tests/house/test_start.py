"""Starting is cheap: importing loads nothing heavy, and the face names only what exists."""

import subprocess
import sys

import pytest

import tidewheel

HEAVY = {"duckdb", "deltalake", "pyarrow", "lightgbm", "fastapi", "sqlalchemy", "alembic", "numpy", "rich", "typer"}


def test_importing_tidewheel_loads_nothing_heavy():
    script = "import sys, tidewheel; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split())
    assert not loaded & HEAVY


def test_the_command_lines_help_loads_no_store():
    script = (
        "import sys; sys.argv = ['tidewheel', '--help']\n"
        "from tidewheel.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    loaded = set(out.rpartition("LOADED")[2].split())
    assert not loaded & {"duckdb", "deltalake", "pyarrow", "lightgbm", "fastapi", "sqlalchemy", "alembic"}


def test_a_control_plane_that_answers_mlflow_has_loaded_no_room_that_nobody_asked_for(tmp_path):
    script = (
        "import sys\n"
        "from tidewheel.app import open_platform\n"
        "from tidewheel.server.app import build\n"
        f"with open_platform({str(tmp_path)!r}) as platform:\n"
        "    app = build(platform)\n"
        "    app.state.live.recorder.sample()\n"
        "    platform.experiments.search()\n"
        "    print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    unasked = {"loop", "pipelines", "monitoring", "rollout", "data.service", "registry.service", "server.routes.loop"}
    assert not loaded & {f"tidewheel.{name}" for name in unasked}
    assert not loaded & {"numpy", "pyarrow", "deltalake", "lmdb"}


def test_every_public_name_can_be_had():
    for name in tidewheel.__all__:
        assert getattr(tidewheel, name) is not None


def test_the_public_names_stand_sorted():
    names = [name for name in tidewheel.__all__ if name != "__version__"]
    assert names == sorted(names)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = tidewheel.nothing_like_this
