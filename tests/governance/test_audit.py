"""The journal read as an audit: filtered, verified, followed along its causes and its edges."""

import pytest
from sqlalchemy import text
from tests.governance.conftest import Archive

from tidewheel.base.errors import InvalidInput, NotFound


def test_the_log_comes_newest_first_and_filtered(told: Archive) -> None:
    kinds = [entry.kind for entry in told.governance.audit_log(limit=2)]
    assert kinds == ["monitoring.alert.resolved", "rollout.decision.made"]
    assert [entry.subject for entry in told.governance.audit_log(kinds=["rollout."])] == ["decision:d1"]
    assert [entry.actor for entry in told.governance.audit_log(subject="version:v2")] == ["ada"]
    assert [entry.seq for entry in told.governance.audit_log(after=4)] == [6, 5]


def test_a_limit_out_of_bounds_is_refused(told: Archive) -> None:
    with pytest.raises(InvalidInput, match="1 and 1000"):
        told.governance.audit_log(limit=5000)


def test_a_whole_chain_holds(told: Archive) -> None:
    report = told.governance.verify()
    assert (report.holds, report.entries) == (True, 6)


def test_a_changed_entry_is_named(told: Archive) -> None:
    with told.metadata.record() as connection:
        connection.execute(text("UPDATE journal_entries SET actor = 'eve' WHERE seq = 3"))
    report = told.governance.verify()
    assert (report.holds, report.entries, report.broken_seq) == (False, 2, 3)
    assert "not what was hashed" in report.reason


def test_lineage_goes_up_to_the_data_and_down_to_the_decision(told: Archive) -> None:
    up = told.governance.lineage("version:v2", direction="up")
    assert [(node.id, node.distance) for node in up.nodes] == [
        ("version:v2", 0),
        ("run:r1", 1),
        ("commit:rides@4", 2),
        ("dataset:rides", 3),
    ]
    both = told.governance.lineage("run:r1")
    assert {node.id for node in both.nodes} >= {"dataset:rides", "decision:d1"}
    assert {(edge.source, edge.target, edge.entry_kind) for edge in both.edges} >= {
        ("version:v2", "decision:d1", "rollout.decision.made")
    }
    assert both.complete


def test_lineage_that_is_cut_off_by_its_depth_says_so(told: Archive) -> None:
    found = told.governance.lineage("version:v2", direction="up", depth=1)
    assert len(found.nodes) == 2
    assert not found.complete


def test_a_circle_of_lineage_ends(archive: Archive) -> None:
    with archive.metadata.change() as change:
        change.emit("data.table.copied", "dataset:a", inputs=["dataset:b"])
        change.emit("data.table.copied", "dataset:b", inputs=["dataset:a"])
    found = archive.governance.lineage("dataset:a")
    assert {node.id for node in found.nodes} == {"dataset:a", "dataset:b"}


def test_a_node_that_nobody_mentioned_is_not_found(told: Archive) -> None:
    with pytest.raises(NotFound, match="version:v9"):
        told.governance.lineage("version:v9")
    with pytest.raises(NotFound, match="decision:d9"):
        told.governance.why("decision:d9")


def test_why_walks_from_a_decision_back_to_the_alert(told: Archive) -> None:
    chain = told.governance.why("decision:d1")
    assert [cause.entry.kind for cause in chain] == [
        "rollout.decision.made",
        "registry.version.registered",
        "tracking.run.started",
        "monitoring.alert.raised",
    ]
    assert chain[0].says == "rollout.decision.made: proven better"
    assert told.governance.why(chain[1].entry.id) == chain[1:]


def test_why_of_an_alert_is_why_it_was_raised_not_why_it_was_resolved(told: Archive) -> None:
    assert [cause.entry.kind for cause in told.governance.why("alert:a1")] == ["monitoring.alert.raised"]


def test_a_model_card_tells_metrics_origins_and_fate(told: Archive) -> None:
    card = told.governance.model_card("v2", {"Intended use": "Prices of rides."})
    assert "# Model card: surge 2" in card
    assert "| log_loss | 0.52 |" in card
    assert "- commit: `rides@4`" in card
    assert "rollout.decision.made. proven better" in card
    assert card.index("## Intended use") < card.index("## Metrics at training")


def test_a_model_card_tells_how_it_was_judged_and_not_the_datas_whole_past(told: Archive) -> None:
    verdict = {"gate": "better", "passed": False, "summary": "no | better"}
    with told.metadata.change(actor="loop") as change:
        for number in range(4):
            change.emit("data.commit.made", f"commit:rides@{number + 1}", inputs=[f"commit:rides@{number}"])
        change.emit("loop.turn.moved", "turn:t1", {"state": "judging"}, inputs=["version:v2"])
        change.emit("loop.turn.ended", "turn:t1", {"state": "refused", "verdicts": [verdict]})
    card = told.governance.model_card("v2")
    assert "| better | refused | no \\| better |" in card
    assert "`rides@4`" in card
    assert "`rides@3`" not in card
