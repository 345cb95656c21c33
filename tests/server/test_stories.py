"""Journal entries are told as a person would tell them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidewheel.base.clock import SystemClock
from tidewheel.server.pages.stories import SILENT, tell, versions_in
from tidewheel.storage import Entry, Metadata, journal, schema, sqlite_url

_OLD, _NEW = f"ver_{'0' * 25}1", f"ver_{'0' * 25}2"
_NAMES = {_OLD: "version 1", _NEW: "version 2"}


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), SystemClock())
    schema.create_all(metadata.engine)
    yield metadata
    metadata.close()


def write(metadata: Metadata, kind: str, subject: str, data: dict[str, Any], cause: str | None = None) -> str:
    with metadata.change(actor="loop:surge", cause=cause) as change:
        return change.emit(kind, subject, data)


def newest(metadata: Metadata) -> list[Entry]:
    with metadata.read() as connection:
        return journal.read_entries(connection, newest_first=True)


def test_a_rollback_says_which_version_why_and_on_which_evidence(metadata: Metadata) -> None:
    facts = {
        "candidate_version": _NEW,
        "champion_version": _OLD,
        "move": "rollback",
        "stage": "canary 5 %",
        "reason": "value per prediction is 6.7 against 7.3: proven worse.",
        "evidence": {
            "waited_s": 90.0,
            "checks": {"goal:value": {"gain_at_most": -0.12, "broken": True, "says": "value is 6.7: proven worse."}},
            "arms": {"candidate": {"requests": 1200, "errors": 0, "latency_p99_ms": 2.5, "labelled": 800}},
            "agreement": None,
        },
    }
    write(metadata, "rollout.decision.made", "decision:dec_1", facts)
    (event,) = tell(newest(metadata), _NAMES)
    assert (event.lane, event.outcome) == ("rollout", "bad")
    assert event.title.startswith("Version 2 is rolled back after canary 5 %: value per prediction is 6.7")
    shown = dict(event.facts)
    assert shown["goal:value"] == "value is 6.7: proven worse."
    assert shown["candidate"] == "1,200 requests, 0 failed, p99 2.50 ms, 800 labelled with mean –"
    assert shown["in this stage for"] == "1m 30s"


def test_an_alert_shows_its_evidence_and_what_shifted(metadata: Metadata) -> None:
    shifted = [{"name": "accept_rate_1h", "effect": 1.78, "unit": "sd", "log_evidence": 31.5}]
    facts = {"summary": "p_accept is too high", "log_evidence": 22.1, "log_threshold": 16.8, "shifted": shifted}
    write(metadata, "monitoring.alert.raised", "alert:a1", {**facts, "change_at": "2026-03-04 09:10:00+00:00"})
    (event,) = tell(newest(metadata), {})
    assert (event.lane, event.title) == ("drift", "p_accept is too high")
    assert dict(event.facts) == {
        "evidence": "22.1 of 16.8 nats",
        "since": "2026-03-04 09:10:00+00:00",
        "accept_rate_1h": "1.78 sd, evidence 31.5",
    }


def test_a_turn_shows_what_each_gate_said(metadata: Metadata) -> None:
    verdict = {"gate": "latency_p99(10ms)", "passed": False, "summary": "p99 22 ms is over 10 ms", "evidence": {}}
    facts = {"state": "rejected", "outcome": "latency_p99(10ms) said no", "verdicts": [verdict]}
    write(metadata, "loop.turn.ended", "turn:t1", facts)
    (event,) = tell(newest(metadata), {})
    assert (event.outcome, event.facts) == ("bad", (("latency_p99(10ms)", "said no: p99 22 ms is over 10 ms"),))


def test_an_event_points_to_its_cause_when_that_is_on_the_page(metadata: Metadata) -> None:
    alert = write(metadata, "monitoring.alert.raised", "alert:a1", {"summary": "loss rose"})
    write(metadata, "loop.turn.started", "turn:t1", {"reason": "loss rose"}, cause=alert)
    turn, raised = tell(newest(metadata), {})
    assert (turn.cause_seq, raised.cause_seq) == (raised.seq, None)


def test_a_kind_that_nobody_foresaw_is_told_by_its_name(metadata: Metadata) -> None:
    write(metadata, "weather.storm.named", "storm:ada", {"wind_ms": 31.5})
    (event,) = tell(newest(metadata), {})
    assert (event.title, event.facts) == ("Storm named: ada", (("wind ms", "31.5"),))


def test_runs_of_data_commits_are_told_once(metadata: Metadata) -> None:
    for number in range(5):
        write(metadata, "data.commit.created", f"commit:rides@{number}", {"rows": 10})
    write(metadata, "loop.loop.declared", "loop:surge", {})
    titles = [event.title for event in tell(newest(metadata), {})]
    assert len(titles) == 2
    assert titles[1].endswith("(and 4 such before it)")


def test_bookkeeping_is_silent(metadata: Metadata) -> None:
    for kind in SILENT:
        write(metadata, f"{kind}x" if kind.endswith(".") else kind, "thing:1", {})
    assert tell(newest(metadata), {}) == ()


def test_versions_are_found_wherever_an_entry_speaks_of_them(metadata: Metadata) -> None:
    write(metadata, "rollout.rollout.started", "rollout:r1", {"candidate_version": _NEW, "deep": [{"v": _OLD}]})
    assert versions_in(newest(metadata)) == {_OLD, _NEW}
