"""A worker that stops listening leaves nobody behind whom the kernel has already connected to it."""

import os
import signal

from tests.serving.house import until
from tests.serving.models import Adding


def test_who_is_connected_before_a_worker_has_looked_is_still_answered_by_the_draining_worker(house, connect):
    house.deploy(Adding(1.0))
    group = house.start()
    pid = group.pids[0]
    os.kill(pid, signal.SIGSTOP)
    clients = [connect(group) for _ in range(50)]
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    assert [client.infer([1.0, 2.0]).status for client in clients] == [200] * 50
    assert group._processes[0].wait(10) == 0
    until(lambda: not house.serving.status().workers[0].alive)
