"""Finds variables of the environment that look like settings and are none: a misspelt one changes nothing, silently.

The program warns of them once, when it starts. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tidewheel.base.settings import SETTINGS

OTHER_VARIABLES = frozenset(
    {
        "TIDEWHEEL_DEBUG",
        "TIDEWHEEL_HOME",
        "TIDEWHEEL_PARENT_PID",
        "TIDEWHEEL_REPRODUCES",
        "TIDEWHEEL_TOKEN",
        "TIDEWHEEL_URL",
        "TIDEWHEEL_WEBHOOK_SECRET",
    }
)
"""Variables that are read and are no settings of a room."""
_PREFIX = "TIDEWHEEL_"
_SERVICE_LINK = re.compile(r"TIDEWHEEL_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""What Kubernetes tells every container of a Service that is called `tidewheel`
(https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables)."""


def unknown_variables(names: Iterable[str]) -> list[tuple[str, str]]:
    """Each name that begins like a setting's and that nothing reads, with the nearest that is one, or nothing."""
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    ours = (name for name in sorted(names) if name.startswith(_PREFIX) and not _SERVICE_LINK.fullmatch(name))
    return [(name, _nearest(name, known)) for name in ours if name not in known]


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    ends = sorted(each.removeprefix(_PREFIX) for each in known)  # what all have in common makes none nearer
    found = get_close_matches(name.removeprefix(_PREFIX), ends, n=1, cutoff=0.7)
    return _PREFIX + found[0] if found else ""
