"""What a person may call a node of the journal: ``version:ver_…``, or the id alone as commands print it. Pure."""

from __future__ import annotations

_KINDS = {
    "alert": "alert",
    "dec": "decision",
    "hook": "webhook",
    "prun": "pipeline_run",
    "rol": "rollout",
    "run": "run",
    "tok": "token",
    "turn": "turn",
    "ver": "version",
}
_LOGGED_MODEL = "m-"  # MLflow's form of an id
_ULID_CHARACTERS = 26


def node_of(name: str) -> str:
    """The node that is meant: an id that says by its beginning what it is of gets its kind; all else stays as it is.

    >>> node_of("ver_01jd5m00000000000000000000")
    'version:ver_01jd5m00000000000000000000'
    >>> node_of("commit:rides@4")
    'commit:rides@4'
    """
    prefix, underscore, rest = name.partition("_")
    if underscore and len(rest) == _ULID_CHARACTERS and prefix in _KINDS:
        return f"{_KINDS[prefix]}:{name}"
    if name.startswith(_LOGGED_MODEL) and ":" not in name:
        return f"logged_model:{name}"
    return name
