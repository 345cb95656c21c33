"""Runs a run again and says whether its metrics agree: `tidewheel runs reproduce`.

The recorded commit is checked out into a worktree of a repository of the user's, the recorded difference applied, the
recorded packages installed into a fresh environment, and the recorded command run there. That is recorded code: the
caller has asked the user, and nothing is fetched from any address that the run names.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput, NotFound, Unavailable
from tidewheel.tracking.capture.source_code import git
from tidewheel.tracking.records import Run
from tidewheel.tracking.run_report import read_artifact, read_environment
from tidewheel.tracking.service import Tracking

REPRODUCES_TAG = "tidewheel.reproduces"
REPRODUCES_VARIABLE = "TIDEWHEEL_REPRODUCES"
_RECORDING = "Runs of tw.start_run() in a git repository do; runs of MLflow's client record no environment."


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be run, for the user to agree to."""

    run_id: str
    repository: Path
    commit: str
    diff: bytes
    folder: str
    command: tuple[str, ...]
    packages: dict[str, str]
    script: tuple[str, bytes] | None
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class MetricAgreement:
    """One metric of both runs; `agrees` within the tolerance, `exact` to the bit."""

    was: float | None
    is_now: float | None
    exact: bool
    agrees: bool


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How the second run compares with the first."""

    run_id: str
    reproduced_as: str
    agrees: bool
    metrics: dict[str, MetricAgreement]


def plan_reproduction(tracking: Tracking, run_id: str, repository: Path | None) -> Plan:
    """What it would take.

    Raises:
        InvalidInput: if the run did not record enough, saying what is missing.
    """
    run = tracking.run(run_id)
    environment = read_environment(tracking, run)
    source, command = environment.get("git", {}), environment.get("command", {})
    _require_enough(run, source, command)
    root = (repository or Path(source["root"])).expanduser().resolve()
    if git(root, "cat-file", "-e", f"{source['commit']}^{{commit}}") is None:
        raise NotFound(
            f"The commit {source['commit'][:12]} is not in {root}.",
            fix="Name your clone of it with --repository; fetch the commit first if need be.",
        )
    diff = read_artifact(tracking, run.id, source["diff"]) if source.get("diff") else b""
    kept = command.get("script_artifact")
    script = read_artifact(tracking, run.id, kept) if kept else None
    return Plan(
        run_id=run.id,
        repository=root,
        commit=source["commit"],
        diff=diff or b"",
        folder=os.path.relpath(command["folder"], source["root"]),
        command=tuple(command["argv"][1:]),
        packages=environment.get("packages", {}),
        script=(command["entry"], script) if script is not None else None,
        variables=environment.get("variables", {}),
    )


def reproduce(tracking: Tracking, plan: Plan, *, fresh: bool, server: Mapping[str, str], rtol: float) -> Reproduction:
    """Do it. `server` holds the environment variables by which the new run finds the same platform."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-reproduce-") as scratch, _worktree(plan, Path(scratch)) as code:
        python = _environment(plan, Path(scratch) / "venv") if fresh else Path(sys.executable)
        _execute(plan, code, python, server)
    again = next((run for run in tracking.runs(None, 1000) if run.tags.get(REPRODUCES_TAG) == plan.run_id), None)
    if again is None:
        raise NotFound("The command ran, but logged no run.", fix="Does it still call tw.start_run()?")
    return compare_metrics(tracking.run(plan.run_id), again, rtol)


def compare_metrics(was: Run, again: Run, rtol: float) -> Reproduction:
    """The latest value of every metric of either run. NaN agrees with NaN."""
    agreements = {}
    for key in sorted(was.metrics.keys() | again.metrics.keys()):
        old, new = was.metrics.get(key), again.metrics.get(key)
        both = old is not None and new is not None
        exact = both and (old == new or (math.isnan(old or 0.0) and math.isnan(new or 0.0)))
        close = both and math.isclose(old or 0.0, new or 0.0, rel_tol=rtol, abs_tol=0.0)
        agreements[key] = MetricAgreement(old, new, exact, exact or close)
    agrees = again.status == "FINISHED" and all(each.agrees for each in agreements.values())
    return Reproduction(was.id, again.id, agrees, agreements)


def _require_enough(run: Run, source: Mapping[str, Any], command: Mapping[str, Any]) -> None:
    missing: dict[str, str] = {}  # what, and what to do about it
    if not source.get("commit"):
        missing["the git repository and commit"] = _RECORDING
    elif source.get("dirty") and not source.get("diff"):
        missing["the uncommitted changes, which were too long"] = "Commit them and run it again."
    if not command.get("argv"):
        missing["the command line"] = _RECORDING
    elif command.get("hidden"):
        missing["the options that look like passwords"] = (
            f"Run it by hand with the hidden values: python {' '.join(command['argv'][1:])}. To have later runs "
            "reproduced, hand secrets over by environment variables."
        )
    elif command.get("entry_kind") == "pipeline":
        missing["a script (it was begun in a pipeline)"] = f"Run the pipeline again: {' '.join(command['argv'])}"
    elif command.get("entry_kind") not in ("script", "module"):
        missing[f"a script (it was begun in a {command.get('entry_kind')})"] = "Save it as a script, and run that."
    if missing:
        raise InvalidInput(
            f"The run {run.id} cannot be reproduced: it did not record {', '.join(missing)}.",
            fix=" ".join(dict.fromkeys(missing.values())),
        )


@contextmanager
def _worktree(plan: Plan, scratch: Path) -> Iterator[Path]:
    folder = scratch / "code"
    if git(plan.repository, "worktree", "add", "--detach", str(folder), plan.commit, timeout_s=600) is None:
        raise Unavailable(f"git could not check out {plan.commit[:12]}.", where=str(plan.repository))
    try:
        if plan.diff:
            patch = folder.parent / "changes.diff"
            patch.write_bytes(plan.diff)
            if git(folder, "apply", "--binary", "--whitespace=nowarn", str(patch)) is None:
                raise Unavailable("The recorded changes do not apply to the commit.", where=str(plan.repository))
        yield folder
    finally:
        git(plan.repository, "worktree", "remove", "--force", str(folder))


def _environment(plan: Plan, folder: Path) -> Path:
    """A fresh virtual environment with the recorded versions."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    asked = folder / "requirements.txt"
    there = {"pip", "setuptools", "wheel"}
    asked.write_text("".join(f"{_requirement(n, v)}\n" for n, v in plan.packages.items() if n not in there))
    installed = subprocess.run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--no-deps",
            "-r",
            asked,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode != 0:
        raise Unavailable(
            f"The recorded packages cannot be installed: {installed.stderr.strip()[-500:]}",
            fix="Use --env current to run with the packages that are here.",
        )
    return python


def _requirement(name: str, version: str) -> str:
    """A package as pip is asked for it; one that is installed here from a folder, in this version, comes from there."""
    try:
        here = metadata.distribution(name)
        folder: str = msgspec.json.decode(here.read_text("direct_url.json") or "{}").get("url", "")
    except (metadata.PackageNotFoundError, msgspec.DecodeError):
        folder = ""
    return f"{name} @ {folder}" if folder.startswith("file:") and here.version == version else f"{name}=={version}"


def _execute(plan: Plan, code: Path, python: Path, server: Mapping[str, str]) -> None:
    folder = (code / plan.folder).resolve()
    if not folder.is_relative_to(code.resolve()):
        folder = code
    if plan.script is not None:
        name, content = plan.script
        place = (folder / Path(name).name) if Path(name).is_absolute() else folder / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    command = [_moved(argument, plan, code) for argument in plan.command]
    variables = {k: v for k, v in plan.variables.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment = {**os.environ, **variables, **server, REPRODUCES_VARIABLE: plan.run_id}
    ran = subprocess.run([str(python), *command], cwd=folder, env=environment, check=False)
    if ran.returncode != 0:
        raise Unavailable(f"The command ended with code {ran.returncode}.", where=" ".join(command))


def _moved(argument: str, plan: Plan, code: Path) -> str:
    """A path into the repository, as the same path into the worktree."""
    path = Path(argument)
    if path.is_absolute() and path.is_relative_to(plan.repository):
        return str(code / path.relative_to(plan.repository))
    return argument
