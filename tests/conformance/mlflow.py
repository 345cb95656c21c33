"""`python -m tests.conformance.mlflow CHECKOUT [FILE...] [-- PYTEST-OPTION...]`: MLflow's tests against Tidewheel.

CHECKOUT is a folder with MLflow's repository (default: $MLFLOW_SOURCE). Its own client package is used, so that tests
and client fit; its server is replaced by `plugin/mlflow_on_tidewheel.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
FILES = (
    "tests/tracking/test_rest_tracking.py",
    "tests/tracking/test_model_registry.py",
    "tests/tracking/test_client_webhooks.py",
    "tests/webhooks/test_e2e.py",
    "tests/tracking/test_mlflow_artifacts.py",
    "tests/tracking/test_tracking.py",
    "tests/tracking/test_client.py",
    "tests/tracking/fluent/test_fluent.py",
)


def command(files: list[str], options: list[str]) -> list[str]:
    """The pytest command, to be run in the checkout."""
    plugin = ["-p", "mlflow_on_tidewheel", "-p", "no:cacheprovider", "--override-ini", "addopts=-p no:legacypath"]
    return [sys.executable, "-m", "pytest", *plugin, "-q", *options, *files]


def environment(checkout: Path) -> dict[str, str]:
    """The variables with which MLflow's tests find their client, our plugin and our server."""
    return os.environ | {
        "PYTHONPATH": f"{checkout}{os.pathsep}{_HERE / 'plugin'}",
        "TIDEWHEEL_SOURCE": str(_HERE.parents[1] / "src"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def main(arguments: list[str]) -> int:
    """Run them; pytest's exit code."""
    given, _, options = (" ".join(arguments)).partition(" -- ")
    named = given.split()
    checkout = Path(named.pop(0) if named and Path(named[0]).is_dir() else os.environ.get("MLFLOW_SOURCE", ""))
    if not (checkout / "tests" / "tracking").is_dir():
        sys.stderr.write("Name a checkout of MLflow's repository, or set MLFLOW_SOURCE.\n")
        return 2
    run = command(named or list(FILES), options.split())
    return subprocess.run(run, cwd=checkout, env=environment(checkout.resolve()), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
