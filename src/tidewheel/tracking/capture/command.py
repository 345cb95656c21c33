"""How a run was begun: command line, entry script or notebook, working folder, and harmless environment variables.

What an option named like a password is given is replaced, and so are passwords in addresses; variables are written down
only if they are on the list.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tidewheel.tracking.capture.source_code import SourceCode, git

EntryKind = Literal["script", "module", "notebook", "interactive"]
HIDDEN = "[hidden]"
MAX_SCRIPT_BYTES = 1 * 2**20
ALLOWED = (
    "PYTHONHASHSEED", "PYTHONPATH", "PYTHONOPTIMIZE", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING", "TF_DETERMINISTIC_OPS",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS",
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_JOB_ID", "SLURM_PROCID", "LANG", "LC_ALL", "TZ",
)  # fmt: skip
_SECRET = re.compile(r"(?i)token|passw|secret|api.?key|access.?key|credential|auth")
_PASSWORD = re.compile(r"(\w[\w+.-]*://)[^/@\s]*@")
_AT_START = Path.cwd()


def describe() -> dict[str, Any]:
    """The command line as it can be run again, and what is known about it."""
    kind, name = entry_point()
    arguments = hide_secrets(sys.orig_argv)
    return {
        "argv": arguments,
        "executable": sys.executable,
        "folder": str(working_folder()),
        "entry_kind": kind,
        "entry": name,
        "hidden": HIDDEN in " ".join(arguments),
    }


def working_folder() -> Path:
    """Where the process began."""
    return _AT_START


def user() -> str:
    """The person's name on this machine, or nothing."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def entry_point() -> tuple[EntryKind, str]:
    """What Python was told to run."""
    if "ipykernel" in sys.modules or "google.colab" in sys.modules:
        return "notebook", os.environ.get("JPY_SESSION_NAME", "notebook")
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return "module", str(spec.name)
    script = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv and Path(sys.argv[0]).is_file() else None)
    return ("script", str(script)) if script else ("interactive", "python")


def describe_pipeline(project: Path, pipeline: str, params: Mapping[str, object]) -> dict[str, Any]:
    """The command that runs a pipeline of a project file, as `describe` tells this process's."""
    given = [part for name, value in params.items() for part in ("-p", f"{name}={value}")]
    return {
        "argv": ["tidewheel", "run", f"{project}:{pipeline}", *given],
        "executable": sys.executable,
        "folder": str(project.parent),
        "entry_kind": "pipeline",
        "entry": str(project),
        "hidden": False,
    }


def script_outside(source: SourceCode | None, begun: Mapping[str, Any]) -> Path | None:
    """The entry script, or the project file, if git does not have it."""
    path: Path = (_AT_START / begun["entry"]).resolve()
    if begun["entry_kind"] not in ("script", "pipeline") or not path.is_file():
        return None
    if path.stat().st_size > MAX_SCRIPT_BYTES:
        return None
    if source is not None and path.is_relative_to(source.root.resolve()):
        tracked = git(source.root, "ls-files", "--error-unmatch", "--", str(path.relative_to(source.root.resolve())))
        return None if tracked is not None else path
    return path


def variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables on the list that are set."""
    environ = os.environ if environ is None else environ
    return {name: _PASSWORD.sub(r"\1", environ[name]) for name in ALLOWED if name in environ}


def hide_secrets(arguments: Sequence[str]) -> list[str]:
    """A command line without what its options named like passwords are given."""
    told: list[str] = []
    hide_next = False
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        if hide_next and not argument.startswith("-"):
            told.append(HIDDEN)
        elif equals and _SECRET.search(option):
            told.append(f"{option}={HIDDEN}")
        else:
            told.append(_PASSWORD.sub(r"\1", argument))
        hide_next = argument.startswith("-") and not equals and bool(_SECRET.search(argument))
    return told
