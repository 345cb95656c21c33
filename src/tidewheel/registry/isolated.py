"""Asks a model in a process of its own, so that no file and no code of a model can end, hang or fill this one.

Native parsers (LightGBM's, XGBoost's, ONNX Runtime's, PyTorch's) end or hang their process on damaged files, and need
nobody's trust; other formats run code. So serving tries each version here before it first names it to the workers, and
a loop has candidate and champion answer here. Control plane and controller never load a model themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base import errors
from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.base.parent import as_parent
from tidewheel.registry.isolated_process import LATENCIES, REPLY, TASK, Reply, Task

_LAST_WORDS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Kept:
    """A version's files in a folder, and who vouched for them, as the registry knows it."""

    format: str
    folder: Path
    files: Mapping[str, str]
    trusted_by: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    """The outputs for each batch of rows; the latencies of single rows, where they were asked for."""

    outputs: list[NDArray[np.float64]]
    latencies_ms: NDArray[np.float64]


def ask(
    kept: Kept, batches: Sequence[NDArray[np.float64]], *, limit_s: float, memory_mb: int, timed_rows: int = 0
) -> Answers:
    """Load a model in a process of its own and have it answer each batch of rows.

    Raises:
        Corrupt: if it cannot be loaded, fails to answer, ends its process, or takes too long.
        NotAllowed: if the format executes code and nobody is on record as trusting this version.
        Unavailable: if the model's library is not installed here.
    """
    with tempfile.TemporaryDirectory(prefix="tidewheel-model-") as scratch:
        folder = Path(scratch)
        for place, rows in enumerate(batches):
            np.save(folder / f"rows-{place}.npy", rows, allow_pickle=False)
        task = Task(
            format=kept.format,
            files=dict(kept.files),
            files_folder=str(kept.folder.absolute()),
            trusted_by=kept.trusted_by,
            batches=len(batches),
            timed_rows=timed_rows,
            memory_mb=memory_mb,
        )
        (folder / TASK).write_bytes(msgspec.json.encode(task))
        run_apart("tidewheel.registry.isolated_process", folder, kept.format, limit_s)
        outputs = [_answers(folder / f"answers-{place}.npy", len(rows)) for place, rows in enumerate(batches)]
        return Answers(outputs, np.load(folder / LATENCIES, allow_pickle=False) if timed_rows else np.empty(0))


def run_apart(module: str, folder: Path, format_name: str, limit_s: float) -> None:
    """Run a module on the task in a folder; it and all that it started are killed when its time is over.

    Raises:
        TidewheelError: what it replied.
        Corrupt: if it ended without a reply, or took too long.
    """
    command = [sys.executable, "-m", module, str(folder)]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, env=model_environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise Corrupt(
            f"The {format_name} model did not load and answer within {limit_s:g} s.",
            fix="Its file may be damaged: log the model again. If it is only slow, raise "
            "TIDEWHEEL_REGISTRY_TRIAL_TIMEOUT_S (a loop's gates: TIDEWHEEL_REGISTRY_SCORING_TIMEOUT_S).",
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        reply = msgspec.json.decode((folder / REPLY).read_bytes(), type=Reply)
    except (FileNotFoundError, msgspec.DecodeError):
        raise _died(format_name, process.returncode, _last_words(folder / "said")) from None
    if reply.code:
        raise error_of(reply)


def model_environment() -> dict[str, str]:
    """Ours, without the settings and tokens of the install, which no model needs."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    return {"OMP_NUM_THREADS": "1", **ours, **as_parent()}


def _answers(path: Path, rows: int) -> NDArray[np.float64]:
    answers: NDArray[np.float64] = np.load(path, allow_pickle=False)
    if answers.ndim != 2 or len(answers) != rows:
        raise Corrupt(
            f"The model answered {rows} rows with an array of shape {answers.shape}.",
            fix="Its predict(X) must return one row for each row of X.",
        )
    return answers


def _died(format_name: str, code: int, last_words: str) -> Corrupt:
    return Corrupt(
        f"The {format_name} model ended the process that it was tried in, {manner_of_end(code)}, before it answered"
        f"{': ' + last_words if last_words else ''}.",
        fix="Its file is damaged, or is not for the library installed here, or it needs more memory than "
        "TIDEWHEEL_REGISTRY_ISOLATED_MEMORY_MB. Log the model again.",
    )


def manner_of_end(code: int) -> str:
    """How a process ended, by its exit code: "with SIGSEGV", "with code 1"."""
    known = {each.value: each.name for each in signal.Signals}
    return f"with {known.get(-code, f'signal {-code}')}" if code < 0 else f"with code {code}"


def _last_words(path: Path) -> str:
    """The last line that the process wrote, made fit to print."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _LAST_WORDS_BYTES, 0))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return "".join(each for each in lines[-1][:300] if each.isprintable()).rstrip(".") if lines else ""


def error_of(reply: Reply) -> TidewheelError:
    """The error that a model's process has told of."""
    named = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TidewheelError)]
    kind = next((each for each in named if each.code == reply.code), Corrupt)
    return kind(reply.message, fix=reply.fix, where=reply.where)
