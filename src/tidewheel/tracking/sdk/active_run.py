"""A run being written: each call checks its arguments here, so that a mistake is raised where it was made, and appends
one record to the outbox. Nothing here waits for a server but `flush`, `end`, `read` and the keeping of large files.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Mapping
from contextvars import Token
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tidewheel.base import ambient
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from tidewheel.base.units import from_us
from tidewheel.tracking import limits
from tidewheel.tracking.artifact_paths import check_path
from tidewheel.tracking.records import EndStatus, Run
from tidewheel.tracking.sdk import contents
from tidewheel.tracking.sdk.outbox import Outbox, outbox_of
from tidewheel.tracking.service import Tracking

if TYPE_CHECKING:
    from threading import Thread

INLINE_BYTES = 256 * 1024  # an artifact up to this size travels in the spool file itself
COPY_BYTES = 64 * 2**20  # one above this is not copied: it is sent from where it lies, and the call waits
_END_FLUSH_S = 30.0
_CAPTURE_WAIT_S = 10.0
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_log = logging.getLogger("tidewheel.tracking")


class ActiveRun:
    """A run being written, and the context manager that ends it: FINISHED, FAILED on an error, KILLED on ^C.

    Its methods may be called from any thread. The module's functions (`tw.log_metric`) call those of the active run.
    """

    def __init__(self, run: Run, tracking: Tracking) -> None:
        self.id = run.id
        self.name = run.name
        self.experiment = run.experiment
        self._run = run
        self._tracking = tracking
        self._outbox: Outbox = outbox_of(tracking)
        self._append = self._outbox.append
        self._now_us = self._outbox.now_us
        self._keys: set[str] = set()
        self._params: dict[str, str] = {}
        self._token: Token[str | None] | None = None
        self.capturing: Thread | None = None
        self.begun_in = 0  # the process that began it and is to end it
        self.ended = False

    def log_metric(self, key: str, value: float, step: int = 0) -> None:
        """Add a point to a metric; about two microseconds."""
        if key not in self._keys:
            self._keys.add(limits.check_key(key, "metric"))
        if type(value) is not float:
            value = _number(key, value)
        if type(step) is not int or not _LOWEST <= step <= _HIGHEST:
            step = _step(step)
        self._append(("m", self.id, key, value, step, self._now_us()))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Add a point to each of several metrics."""
        for key, value in metrics.items():
            self.log_metric(key, value, step)

    def log_param(self, key: str, value: object) -> None:
        """Write a param down; it cannot be changed afterwards."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Write params down.

        Raises:
            Conflict: if this process gave one another value before.
        """
        texts = limits.check_texts(params, "param", limits.MAX_PARAM)
        for key, text in texts.items():
            if self._params.get(key, text) != text:
                raise Conflict(
                    f"The param {key!r} is {self._params[key]!r} already, and cannot become {text!r}.",
                    fix="Params are written once; use a tag for what changes, or another run.",
                )
        self._params.update(texts)
        if texts:
            self._append(("p", self.id, texts))

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag, over what it was."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags, over what they were."""
        texts = limits.check_texts(tags, "tag", limits.MAX_TAG)
        if texts:
            self._append(("t", self.id, texts))

    def log_artifact(self, source: str | Path | bytes, path: str | None = None) -> None:
        """Keep a file, a folder's files, or bytes, as they are now, at `path` among the run's artifacts.

        They are copied and sent in the background; a file above 64 MiB is sent from where it lies while the call waits.
        """
        if isinstance(source, bytes):
            if path is None:
                raise InvalidInput("Bytes have no name of their own.", fix="Pass path=…")
            self._keep_bytes(source, check_path(path))
            return
        source = Path(source)
        if not source.exists():
            raise NotFound("There is no file to keep.", where=str(source))
        root = path or source.resolve().name
        if source.is_file():
            self._keep_file(source, check_path(root))
            return
        files = [file for file in sorted(source.rglob("*")) if file.is_file()]
        if not files:
            raise InvalidInput("The folder to keep is empty.", where=str(source))
        for file in files:
            self._keep_file(file, check_path(f"{root}/{file.relative_to(source).as_posix()}"))

    def log_text(self, text: str, path: str) -> None:
        """Keep a text as an artifact."""
        self.log_artifact(text.encode(), path)

    def log_dict(self, value: object, path: str) -> None:
        """Keep something made of dicts, lists, numbers and texts as JSON, or as YAML if `path` ends so."""
        self.log_artifact(contents.of_dict(value, path), path)

    def log_figure(self, figure: Any, path: str) -> None:
        """Keep a figure of Matplotlib (in the format that `path` ends with), Plotly (.html or .json), or an image."""
        self.log_artifact(contents.of_figure(figure, path), path)

    def log_table(self, rows: Any, path: str) -> None:
        """Keep a table: a data frame, an Arrow table, a dict of columns or a list of rows; .json, .csv or .parquet."""
        self.log_artifact(contents.of_table(rows, path), path)

    def log_input(self, dataset: Any, context: str | None = None, *, name: str | None = None) -> None:
        """Say that the run used a dataset: one of Tidewheel's, a data frame, an Arrow table, an array, or an address.

        `context` is what for, as in ``training``.
        """
        told = contents.of_dataset(dataset, name, context)
        limits.check_datasets([told])
        self._append(("d", self.id, asdict(told)))

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until all calls so far are with the server, and raise what it refused."""
        self._outbox.flush(timeout_s)

    def read(self) -> Run:
        """The run as the server has it, after all calls so far."""
        self._outbox.flush()
        return self._tracking.run(self.id)

    def end(self, status: EndStatus = "FINISHED") -> Run:
        """End the run; the run around it, if any, is active again.

        If the server is away, what was written stays in the spool and is sent when it is back.

        Raises:
            TidewheelError: what the server refused of this run.
        """
        self.make_inactive()
        self.wait_for_capture()
        ended_at_us = self._now_us()
        self._append(("e", self.id, status, ended_at_us))
        self.ended = True
        delivered = self._outbox.deliver_now(_END_FLUSH_S)
        self._outbox.raise_refusals(self.id)
        if delivered:
            with contextlib.suppress(Unavailable):
                return self._tracking.run(self.id)
        _log.warning("The server is away: the end of run %s waits in the spool, and is sent when it is back.", self.id)
        ended: dict[str, Any] = {"status": status, "ended_at": from_us(ended_at_us), "params": dict(self._params)}
        return replace(self._run, **ended)

    def wait_for_capture(self) -> None:
        """Wait until what it takes to reproduce the run is written down."""
        if self.capturing is not None:
            self.capturing.join(_CAPTURE_WAIT_S)

    def writes_to(self, tracking: Tracking) -> bool:
        """Whether it is a run of this room."""
        return self._tracking is tracking

    def make_active(self) -> ActiveRun:
        """Make it the run that the module's functions write to, here."""
        self._token = ambient.active_run.set(self.id)
        return self

    def make_inactive(self) -> None:
        """Undo `make_active`."""
        if self._token is None:
            return
        try:
            ambient.active_run.reset(self._token)
        except ValueError:  # ended in another thread or notebook cell than it began in
            if ambient.active_run.get() == self.id:
                ambient.active_run.set(None)
        self._token = None

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ended:
            return
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit)
        try:
            self.end("KILLED" if stopped else "FAILED" if error is not None else "FINISHED")
        except Exception as refused:
            if error is None:
                raise
            _log.error("While ending run %s: %s", self.id, refused)

    def __repr__(self) -> str:
        return f"<run {self.name} ({self.id}) of {self.experiment}>"

    def _repr_html_(self) -> str:
        from tidewheel.tracking.sdk.html import run_card

        return run_card(self.read())

    def _keep_bytes(self, data: bytes, path: str) -> None:
        if len(data) <= INLINE_BYTES:
            self._append(("a", self.id, path, data))
            return
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self._keep_file(Path(file.name), path)

    def _keep_file(self, source: Path, path: str) -> None:
        size_bytes = source.stat().st_size
        if size_bytes <= INLINE_BYTES:
            self._append(("a", self.id, path, source.read_bytes()))
            return
        if size_bytes > COPY_BYTES or not self._outbox.on_disk:
            try:
                self._outbox.flush()
                self._tracking.log_artifact(self.id, source, path)
                return
            except Unavailable:
                if not self._outbox.on_disk:
                    raise
        self._append(("f", self.id, path, self._outbox.place_file(source)))


def _number(key: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidInput(
            f"The metric {key!r} is {value!r:.80}, which is not a number.", fix="Give a float."
        ) from None


def _step(step: object) -> int:
    try:
        number = int(step)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise InvalidInput(f"The step {step!r:.80} is not a whole number.") from None
    if not _LOWEST <= number <= _HIGHEST:
        raise InvalidInput(f"The step {number} needs more than 64 bits.")
    return int(number)
