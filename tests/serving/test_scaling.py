"""Workers come when callers wait, go when fewer have been enough for a while, and no request fails of either."""

import contextlib
import threading
import time
from collections import Counter

from hypothesis import given, strategies as st
from tests.serving.house import Client, until
from tests.serving.models import Adding, Slow
from tests.serving.test_metrics import scrape, total

from tidewheel.serving.scaling import HIGH, RULES, UP_LOOKS, WAITING, Decision, Limits, Load, decide, needed

_LOADS = st.tuples(st.floats(0, 40), st.floats(0, 500))
_LIMITS = st.tuples(st.integers(1, 8), st.integers(0, 24)).map(lambda pair: Limits(pair[0], sum(pair), 10.0))


def steady(seconds, cores, waiting=0.0):
    """A load that stays the same for some looks, one a second."""
    return [Load(float(second), cores, waiting) for second in range(seconds)]


def settle(limits, workers, cores, waiting, seconds=600):
    """The numbers of workers that a steady load leads to, in order, each change with its second."""
    loads, changes = [], []
    for second in range(seconds):
        loads.append(Load(float(second), cores, waiting))
        decision = decide(limits, workers, loads)
        if decision.workers != workers:
            workers, loads = decision.workers, []
            changes.append((second, workers))
    return workers, changes


def test_one_busy_second_starts_no_worker_and_three_do():
    limits = Limits(1, 8, 60.0)
    for looks in range(UP_LOOKS):
        assert decide(limits, 1, steady(looks, 0.9)) == Decision(1)
    decision = decide(limits, 1, steady(UP_LOOKS, 0.9))
    assert decision.workers == 2
    assert "busy: 0.90 CPU seconds" in decision.reason
    assert decide(limits, 2, [*steady(2, 2.0), Load(2.0, 0.5, 0.0)]) == Decision(2)


def test_a_rush_is_met_in_one_step_and_a_lull_one_worker_at_a_time():
    limits = Limits(1, 8, 60.0)
    assert decide(limits, 1, steady(3, 1.0, waiting=40.0)).workers == 5
    assert "requests wait: 40 in 1" in decide(limits, 1, steady(3, 0.1, waiting=40.0)).reason
    assert decide(limits, 5, steady(60, 0.1)) == Decision(5)
    decision = decide(limits, 5, steady(61, 0.1))
    assert decision == Decision(4, "fewer have been enough for 60 s")


def test_one_busy_second_in_the_window_keeps_a_worker():
    loads = steady(61, 0.1)
    loads[30] = Load(30.0, 1.0, 0.0)
    assert decide(Limits(1, 8, 60.0), 2, loads) == Decision(2)


def test_a_fixed_number_stays_whatever_the_load():
    assert decide(Limits(2, 2, 1.0), 2, steady(100, 50.0, waiting=500.0)) == Decision(2)
    assert decide(Limits(2, 2, 1.0), 2, steady(100, 0.0)) == Decision(2)


@given(_LIMITS, st.integers(1, 40), st.lists(_LOADS, max_size=40))
def test_the_number_never_leaves_its_limits_and_changes_have_a_reason(limits, workers, shown):
    loads = [Load(float(second), *each) for second, each in enumerate(shown)]
    decision = decide(limits, workers, loads)
    assert limits.least <= decision.workers <= limits.most
    assert (decision.reason != "") == (decision.workers != workers)
    assert "{" not in decision.reason


@given(_LIMITS, st.integers(0, 24), st.floats(0, 12), st.floats(0, 150))
def test_a_steady_load_comes_to_rest_without_turning_back(limits, extra, cores, waiting):
    start = min(limits.least + extra, limits.most)
    workers, changes = settle(limits, start, cores, waiting)
    numbers = [start, *(number for _, number in changes)]
    assert numbers in (sorted(numbers), sorted(numbers, reverse=True))
    if workers < limits.most:  # nobody is left waiting
        assert cores <= HIGH * workers
        assert waiting <= WAITING * workers
    if workers > limits.least:  # and nobody is paid for nothing
        assert needed(Load(0.0, cores, waiting)) >= workers


@given(_LIMITS, st.floats(0, 12), st.floats(0, 150))
def test_more_load_never_means_fewer_workers(limits, cores, waiting):
    less, _ = settle(limits, limits.least, cores, waiting, seconds=60)
    more, _ = settle(limits, limits.least, cores * 1.5, waiting * 1.5, seconds=60)
    assert more >= less


def test_each_rule_of_the_table_can_be_what_decides():
    limits = Limits(2, 6, 10.0)
    told = [
        decide(limits, 1, []).reason,
        decide(limits, 2, steady(3, 2.0)).reason,
        decide(limits, 2, steady(3, 0.1, waiting=40.0)).reason,
        decide(limits, 4, steady(11, 0.1)).reason,
    ]
    assert [text.split()[:2] for text in told] == [rule.reason.split()[:2] for rule in RULES]


class Callers:
    """Threads that ask again and again, on a new connection every few requests or when told; they count."""

    def __init__(self, group, number):
        self.group = group
        self.statuses = Counter()
        self.errors = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(number)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        return self.statuses, self.errors

    def _run(self):
        try:
            while not self.stopping.is_set():
                with contextlib.closing(Client(self.group)) as client:
                    for _ in range(3):
                        answer = client.infer([1.0, 2.0])
                        self.statuses[answer.status] += 1
                        if answer.headers.get("connection") == "close":
                            break
        except Exception as error:
            self.errors.append(error)


def test_a_second_worker_comes_under_load_and_goes_after_it_and_no_request_fails(house):
    house.deploy(Slow())
    group = house.start(max_workers=2, scale_down_s=1.0)
    assert house.serving.status().wanted_workers == 1
    said = []
    few, many = Callers(group, 2), Callers(group, 20)
    until(lambda: len(group.pids) == 2 and group.ready(), look=lambda: said.extend(group.look()))
    status = house.serving.status()
    assert (status.wanted_workers, status.most_workers) == (2, 2)
    assert "requests wait" in status.scaled
    assert [worker.alive for worker in status.workers] == [True, True]
    first = group.pids[0]
    with contextlib.closing(Client(group)) as client:
        samples = scrape(client)
    assert total(samples, "tidewheel_serving_wanted_workers") == 2
    assert ("tidewheel_serving_utilisation", (("worker", "0"),)) in samples
    statuses, errors = many.stop()
    until(lambda: len(house.serving.status().workers) == 1, look=lambda: said.extend(group.look()))
    assert group.pids == {0: first}
    assert group.ready()
    assert group.restarts == 0
    status = house.serving.status()
    assert status.applied
    assert status.scaled == "fewer have been enough for 1 s"
    more_statuses, more_errors = few.stop()
    assert errors + more_errors == []
    assert set(statuses + more_statuses) == {200}
    assert [sentence.split(":")[0] for sentence in said] == ["2 workers instead of 1", "1 workers instead of 2"]


def test_a_worker_that_died_on_its_own_is_started_again_and_one_of_an_earlier_group_is_forgotten(house):
    house.deploy(Adding(1.0))
    house.start(workers=2).stop()
    assert [worker.alive for worker in house.serving.status().workers] == [False, False]
    group = house.start(workers=1)
    assert [worker.alive for worker in house.serving.status().workers] == [True]
    group._processes[0].kill()
    before = group.pids[0]
    deadline = time.monotonic() + 20
    while group.pids.get(0) in (None, before) or not group.ready():
        assert time.monotonic() < deadline
        group.look()
    assert group.restarts == 1
