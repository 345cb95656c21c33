"""The SDK of tracking: what training code calls. It never slows the step, and loses nothing that it has taken.

calls.py        tw.start_run, tw.log_metric, …: find the active run and call it
active_run.py   ActiveRun: checks, and appends one record a call
outbox.py       appends to a spool file (a microsecond); a thread of its own delivers and ticks off
spool_file.py   the mapped file: survives `kill -9` of the process and a server that is away
delivery.py     records -> as few calls of `Tracking` as keep their order; what is refused is set apart and told
recovery.py     spool files that dead processes left: delivered by the next process, or `tidewheel runs sync`
"""

from tidewheel.tracking.capture.reading import listen
from tidewheel.tracking.sdk.active_run import ActiveRun
from tidewheel.tracking.sdk.calls import (
    active_run,
    capture_pipeline,
    close_sdk,
    flush,
    log_artifact,
    log_dict,
    log_figure,
    log_input,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    set_tag,
    set_tags,
    start_run,
    wait_for_capture,
)
from tidewheel.tracking.sdk.outbox import spool_folder

listen()

__all__ = [
    "ActiveRun",
    "active_run",
    "capture_pipeline",
    "close_sdk",
    "flush",
    "log_artifact",
    "log_dict",
    "log_figure",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "set_tag",
    "set_tags",
    "spool_folder",
    "start_run",
    "wait_for_capture",
]
