"""One address of every page of tracking, registry and serving, for the tests that go through all of them."""

from __future__ import annotations

from tests.browser.lab import MODEL, Lab


def pages(lab: Lab) -> dict[str, str]:
    """The addresses by what they show."""
    return {
        "experiments": "/experiments",
        "runs": f"/experiments/{lab.experiment_id}",
        "run": f"/runs/{lab.runs[0]}",
        "compare": f"/compare?runs={','.join(lab.runs)}",
        "artifacts": f"/runs/{lab.runs[0]}/artifacts?path=waits.csv",
        "logged model": f"/logged-models/{MODEL}",
        "models": "/models",
        "model": "/models/surge",
        "version": "/models/surge/1",
        "endpoint": "/endpoints/surge",
        "endpoint without a version": "/endpoints/wait",
        "live": "/",
    }
