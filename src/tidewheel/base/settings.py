"""Every setting of every room in one table: name, default, what it does.

`serving.grpc_port` is read from `TIDEWHEEL_SERVING_GRPC_PORT`. The reference page in `docs/` is generated from
this table, and a test holds it complete. A room asks for its value once, at construction.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from tidewheel.base.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, its default (whose type is its type) and one sentence on its effect."""

    name: str
    default: str | int | float | bool
    effect: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "TIDEWHEEL_" + self.name.replace(".", "_").upper()


SETTINGS: tuple[Setting, ...] = (
    Setting("storage.metadata_url", "", "Database of the metadata; empty means SQLite in the home folder."),
    Setting("storage.blobs_url", "", "Where blobs lie; empty means the home folder."),
    Setting("storage.tables_url", "", "Where Delta tables lie; empty means the home folder."),
    Setting("storage.online_url", "", "Online feature store; empty means LMDB in the home folder."),
    Setting("storage.segment_bytes", 16 * 2**20, "Size at which a mapped log segment is sealed, in bytes."),
    Setting("storage.log_budget_mb", 0, "Disk for log segments, in MiB; over it the oldest go; 0 = no limit."),
    Setting("storage.log_free_mb", 512, "Free disk, in MiB, under which the log counts as crowded; 0 = any will do."),
    Setting("storage.log_days", 0.0, "Days that predictions and labels stay in the Delta tables; 0 = for ever."),
    Setting("server.host", "127.0.0.1", "Address that the control plane binds; not loopback needs tokens."),
    Setting("server.port", 7600, "Port of the control plane."),
    Setting("server.max_body_bytes", 64 * 2**20, "Largest request body that the control plane reads."),
    Setting("server.max_artifact_bytes", 5 * 2**40, "Largest artifact that may be uploaded; it is never held whole."),
    Setting("serving.host", "127.0.0.1", "Address that the inference workers bind."),
    Setting("serving.port", 7601, "Port of the inference workers."),
    Setting("serving.grpc_port", 7602, "Port of the inference workers for gRPC; 0 = a free one, -1 = no gRPC."),
    Setting("serving.token", "", "Token that inference requests must carry; needed to bind more than loopback."),
    Setting("serving.allowed_origins", "", "Origins of web pages that may call inference, separated by commas."),
    Setting("serving.workers", 2, "Number of inference worker processes."),
    Setting("serving.max_workers", 0, "Most workers that load may start, from serving.workers up; 0 = a fixed number."),
    Setting("serving.scale_down_s", 60.0, "How long fewer workers must have been enough before one is drained."),
    Setting("serving.isolated_memory_mb", 4096, "Memory of the process of an isolated model, in MiB."),
    Setting("serving.isolated_timeout_s", 30.0, "How long an isolated model may take for a call before it is ended."),
    Setting("serving.max_body_bytes", 16 * 2**20, "Largest request body that a worker reads."),
    Setting("serving.queue_mb", 256, "Request bodies that a worker holds, in MiB; more is answered 429; 0 = no limit."),
    Setting("serving.log_tensor_values", 2048, "Values of a row's tensors beyond which the log leaves its inputs out."),
    Setting("serving.memory_budget_mb", 0, "Memory for models in a worker, in MiB; the least used leave; 0 = all."),
    Setting("serving.keep_models_s", 86_400.0, "How long models that no route names stay on disk; 0 = for ever."),
    Setting("serving.repository_control", True, "Whether clients may load and unload endpoints (/v2/repository)."),
    Setting("serving.access_log", False, "Write each inference request to logs/access-w<index>.jsonl in the home."),
    Setting("serving.access_log_mb", 64, "Size at which an access log is begun anew, in MiB; one earlier is kept."),
    Setting("serving.otlp_endpoint", "", "OTLP/HTTP address that traces of requests are sent to; empty = no tracing."),
    Setting("serving.trace_share", 0.0, "Share of the requests without a sampled traceparent that are traced, 0 to 1."),
    Setting("serving.onnx_providers", "CPUExecutionProvider", "Where ONNX graphs run: providers, separated by commas."),
    Setting("serving.idle_timeout_s", 75.0, "A connection without a request is closed after this long."),
    Setting("serving.drain_timeout_s", 10.0, "How long a worker finishes open requests after SIGTERM."),
    Setting("registry.webhook_tries", 8, "How often an event is sent to a webhook before it is given up."),
    Setting("registry.webhook_private_hosts", False, "Whether webhooks may be sent to private and loopback hosts."),
    Setting("registry.trial_timeout_s", 60.0, "How long a version may take to load and answer before it is deployed."),
    Setting("registry.scoring_timeout_s", 600.0, "How long a version may take to answer the rows of a loop's gates."),
    Setting("registry.isolated_memory_mb", 8192, "Memory that a model may use while it is tried or judged, in MiB."),
    Setting("controller.tick_ms", 200, "Pause between two rounds of the controller."),
    Setting(
        "controller.lease_s",
        10.0,
        "How long a controller leads without renewing; another may then take over.",
    ),
    Setting("pipelines.processes", 2, "Steps of one pipeline run that may run at once."),
    Setting("monitoring.sketch_s", 60, "Step in which monitors count traffic, in seconds; windows are multiples."),
    Setting("tracking.capture", True, "Write down what it takes to reproduce each run of the SDK."),
    Setting(
        "tracking.spool_folder",
        "",
        "Where the SDK keeps what no server has yet; empty: in the home folder, for a server in ~/.cache/tidewheel.",
    ),
    Setting("costs.cpu_hour_usd", 0.04, "Price of one core for one hour, in US dollars."),
    Setting("costs.gpu_hour_usd", 2.5, "Price of one GPU for one hour, in US dollars."),
    Setting("costs.storage_gb_month_usd", 0.023, "Price of keeping 1 GB for 30 days, in US dollars."),
    Setting("costs.transfer_gb_usd", 0.09, "Price of sending 1 GB out, in US dollars."),
    Setting("costs.million_requests_usd", 0.0, "Price of a million requests beside their CPU time, in US dollars."),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Settings:
    """The settings of one process: explicit values first, then the environment, then the defaults."""

    def __init__(self, values: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self._environ = os.environ if environ is None else environ
        for name in self._values:
            self._setting(name)

    @overload
    def get(self, name: str, kind: type[bool]) -> bool: ...
    @overload
    def get(self, name: str, kind: type[int]) -> int: ...
    @overload
    def get(self, name: str, kind: type[float]) -> float: ...
    @overload
    def get(self, name: str, kind: type[str]) -> str: ...
    def get(self, name: str, kind: type[bool] | type[int] | type[float] | type[str]) -> bool | int | float | str:
        """The value of a setting as `kind`.

        Raises:
            InvalidInput: if there is no such setting or its text is not of that kind.
        """
        setting = self._setting(name)
        raw: Any = self._values.get(name, self._environ.get(setting.variable, setting.default))
        if kind is bool and isinstance(raw, str):
            return raw.strip().lower() in {"1", "true", "yes", "on"}
        try:
            return kind(raw)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"The setting {name} is {raw!r}, which is no {'whole number' if kind is int else 'number'}.",
                fix=f"Set {setting.variable} to one, or unset it; the default is {setting.default}.",
            ) from None

    def given(self, name: str) -> bool:
        """Whether somebody has set it, be it to its default."""
        return name in self._values or self._setting(name).variable in self._environ

    def environment(self) -> dict[str, str]:
        """The explicit values as environment variables, for child processes."""
        return {self._setting(name).variable: str(value) for name, value in self._values.items()}

    def _setting(self, name: str) -> Setting:
        try:
            return _BY_NAME[name]
        except KeyError:
            raise InvalidInput(
                f"There is no setting {name!r}.", fix="`docs/reference/settings.md` lists them."
            ) from None


def home_folder(home: str | Path | None = None) -> Path:
    """The folder that holds all state of an embedded install: `home`, else $TIDEWHEEL_HOME, else ./.tidewheel."""
    return Path(home or os.environ.get("TIDEWHEEL_HOME") or ".tidewheel").absolute()
