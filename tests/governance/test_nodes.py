"""An id as the tool prints it is enough to ask about what it names."""

from __future__ import annotations

import pytest
from tests.governance.conftest import Archive

from tidewheel.base.errors import NotFound
from tidewheel.base.ids import new_id
from tidewheel.governance.nodes import node_of


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("ver", "version"),
        ("rol", "rollout"),
        ("dec", "decision"),
        ("alert", "alert"),
        ("run", "run"),
        ("prun", "pipeline_run"),
        ("turn", "turn"),
        ("tok", "token"),
        ("hook", "webhook"),
    ],
)
def test_an_id_gets_the_kind_that_it_begins_with(archive: Archive, prefix: str, kind: str) -> None:
    made = new_id(prefix)
    with archive.metadata.change(actor="ada") as change:
        change.emit("something.was.done", f"{kind}:{made}", inputs=["dataset:rides"])
    assert [cause.entry.subject for cause in archive.governance.why(made)] == [f"{kind}:{made}"]
    assert archive.governance.lineage(made).root == f"{kind}:{made}"
    assert [entry.subject for entry in archive.governance.audit_log(subject=made)] == [f"{kind}:{made}"]


def test_a_logged_models_id_has_mlflows_form() -> None:
    assert node_of("m-0123456789abcdef") == "logged_model:m-0123456789abcdef"


@pytest.mark.parametrize("name", ["version:ver_1", "commit:rides@4", "evt_1", "dataset:run_of_the_mill", "ver_short"])
def test_whatever_is_no_id_stays_as_it_is(name: str) -> None:
    assert node_of(name) == name


def test_an_id_that_the_journal_does_not_know_is_said_with_what_may_be_given(archive: Archive) -> None:
    with pytest.raises(NotFound, match="no entry about 'version:ver_") as refused:
        archive.governance.why(new_id("ver"))
    assert "rol_" in refused.value.fix
