"""The real mlflow client logs, finds, loads and registers a model of MLflow 3 without knowing the difference."""

import os
import subprocess
import sys
from pathlib import Path

from tests.server.listening import listening

from tidewheel.server.app import build

PROGRAM = Path(__file__).with_name("logged_models_program.py")


def test_logged_models_work_with_the_real_client(platform, tmp_path):
    with listening(build(platform)) as url:
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
            "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(10 * 2**20),
            "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * 2**20),
        }
        told = subprocess.run(
            [sys.executable, "-W", "ignore", str(PROGRAM), url], env=environment, cwd=tmp_path,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert platform.artifacts.list("0")
    assert (told.returncode, told.stdout[-4:]) == (0, "done"), told.stderr[-3000:]
