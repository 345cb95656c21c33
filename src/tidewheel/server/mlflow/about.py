"""What MLflow's clients ask of a server as such: is it there, which MLflow does it speak, what can it do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.server.mlflow.protocol import Empty, call

if TYPE_CHECKING:
    from tidewheel.app import Platform

SPOKEN_VERSION = "3.17.2"  # the newest MLflow whose client is tested against this server


@call("GET", "/server-info", versions=("3.0",))
def server_info(_platform: Platform, _sent: Empty) -> dict[str, Any]:
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,  # they work, but one stream is written once and needs no joining
        "multipart_downloads_enabled": False,
    }
