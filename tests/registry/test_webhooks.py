"""Webhooks: signed, in order, at least once, patient, and never in the way of the registry."""

import base64
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.settings import Settings
from tidewheel.registry import Webhooks, webhook_store
from tidewheel.registry.webhook_address import check_url, open_connection
from tidewheel.registry.webhook_events import example_of
from tidewheel.registry.webhook_records import EVENTS
from tidewheel.registry.webhook_sender import send
from tidewheel.storage.journal import read_entries

ALLOWED = {"registry.webhook_private_hosts": True, "registry.webhook_tries": 3}


class Receiver:
    """A receiver that keeps what it is sent and answers with the statuses that a test lines up, else 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.silent = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?a=1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def events(self) -> list[str]:
        told = [json.loads(body) for _, body in self.got]
        return [f"{each['entity']}.{each['action']}" for each in told]

    def data(self) -> list[dict]:
        return [json.loads(body)["data"] for _, body in self.got]


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def webhooks(metadata, clock):
    room = Webhooks(metadata, clock, Settings(ALLOWED, environ={}))
    yield room
    room.close()


def until(holds, what="it"):
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.01)


def deliver(webhooks, holds):
    """Rounds as a controller makes them, until something holds."""

    def round_then_look():
        webhooks.deliver()
        return holds()

    until(round_then_look)


def test_what_happens_in_the_registry_is_told_in_order_with_mlflows_payloads(webhooks, receiver, registry, register):
    webhooks.create("all", receiver.url, list(EVENTS))
    version = register(tags={"t": "1"}, description="d", source="runs:/r/model", run_id="r")
    registry.tag(version.id, {"a": "1", "b": "2"})
    registry.untag(version.id, "a")
    registry.promote(version.id)
    registry.remove_alias("surge", "champion")
    deliver(webhooks, lambda: len(receiver.got) == 7)
    assert receiver.events() == [
        "registered_model.created",
        "model_version.created",
        "model_version_tag.set",
        "model_version_tag.set",
        "model_version_tag.deleted",
        "model_version_alias.created",
        "model_version_alias.deleted",
    ]
    assert receiver.data() == [
        {"name": "surge", "tags": {}, "description": ""},
        {
            "name": "surge",
            "version": "1",
            "source": "runs:/r/model",
            "run_id": "r",
            "tags": {"t": "1"},
            "description": "d",
        },
        {"name": "surge", "version": "1", "key": "a", "value": "1"},
        {"name": "surge", "version": "1", "key": "b", "value": "2"},
        {"name": "surge", "version": "1", "key": "a"},
        {"name": "surge", "version": "1", "alias": "champion"},
        {"name": "surge", "alias": "champion"},
    ]


def test_a_delivery_is_signed_as_mlflow_signs_and_the_secret_is_never_shown(webhooks, receiver, register, metadata):
    webhook = webhooks.create("signed", receiver.url, ["model_version.created"], secret="s3cret")
    register()
    deliver(webhooks, lambda: receiver.got)
    headers, body = receiver.got[0]
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body.decode()}".encode()
    expected = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == f"v1,{expected}"
    assert webhook.has_secret
    with metadata.read() as connection:
        told = repr(read_entries(connection))
    assert "s3cret" not in repr(webhooks.webhooks()) + told


def test_a_receiver_that_is_away_is_tried_again_and_nothing_overtakes(webhooks, receiver, register):
    webhook = webhooks.create("flaky", receiver.url, ["model_version.created"])
    receiver.statuses = [500, 429]
    register()
    register()
    deliver(webhooks, lambda: len(receiver.got) == 4)
    assert [each["version"] for each in receiver.data()] == ["1", "1", "1", "2"]
    assert len({headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.got}) == 2
    until(lambda: webhooks.webhook(webhook.id).tries == 0)


@pytest.mark.parametrize("statuses", [[404], [302], [503, 503, 503]])
def test_what_cannot_be_delivered_is_given_up_and_the_journal_says_so(webhooks, receiver, register, metadata, statuses):
    webhook = webhooks.create("bad", receiver.url, ["model_version.created"])
    receiver.statuses = list(statuses)
    register()
    register()
    deliver(webhooks, lambda: len(receiver.got) == len(statuses) + 1)
    assert receiver.data()[-1]["version"] == "2"
    with metadata.read() as connection:
        (entry,) = read_entries(connection, kinds=["registry.webhook.gave_up"])
    assert entry.subject == f"webhook:{webhook.id}"
    assert (entry.data["tries"], entry.data["reason"]) == (len(statuses), f"HTTP status {statuses[-1]}")


def test_only_one_of_many_couriers_serves_a_webhook_and_none_is_told_twice(
    webhooks, receiver, register, metadata, clock
):
    webhooks.create("one", receiver.url, ["model_version.created"])
    others = [Webhooks(metadata, clock, Settings(ALLOWED, environ={})) for _ in range(3)]
    for _ in range(5):
        register()

    def rounds():
        for each in (webhooks, *others):
            each.deliver()
        return len(receiver.got) >= 5

    until(rounds)
    for each in (webhooks, *others):
        each.close()
    assert [each["version"] for each in receiver.data()] == ["1", "2", "3", "4", "5"]


def test_a_courier_that_died_leaves_its_work_to_another_once_its_claim_lapses(webhooks, receiver, register, metadata):
    webhook = webhooks.create("dead", receiver.url, ["model_version.created"])
    register()
    with metadata.record() as connection:
        webhook_store.claim(connection, webhook.id, "claim_of_the_dead", 3_600.0)
    assert webhooks.deliver() == 0
    with metadata.record() as connection:  # the hour is over
        assert webhook_store.settle(connection, webhook.id, "claim_of_the_dead", claimed_until_us=0)
    deliver(webhooks, lambda: receiver.got)


def test_a_disabled_webhook_is_not_told_even_later(webhooks, receiver, register):
    webhook = webhooks.create("off", receiver.url, ["model_version.created"], status="DISABLED")
    register()
    assert webhooks.deliver() == 0
    webhooks.update(webhook.id, status="ACTIVE")
    register()
    deliver(webhooks, lambda: receiver.got)
    assert [each["version"] for each in receiver.data()] == ["2"]


def test_events_that_are_added_are_told_from_then_on_and_the_past_is_not_replayed(
    webhooks, receiver, register, registry
):
    webhook = webhooks.create("wide", receiver.url, ["model_version.created"])
    version = register(tags={"old": "1"})
    registry.tag(version.id, {"old": "2"})
    deliver(webhooks, lambda: receiver.got)
    registry.promote(version.id)
    webhooks.update(webhook.id, events=["model_version.created", "model_version_tag.set", "registered_model.created"])
    registry.tag(version.id, {"new": "1"})
    deliver(webhooks, lambda: len(receiver.got) >= 2)
    assert receiver.events() == ["model_version.created", "model_version_tag.set"]
    assert receiver.data()[1]["key"] == "new"


def test_a_delivery_under_way_does_not_bring_the_past_back_to_a_webhook_with_more_events(webhooks, register, metadata):
    webhook = webhooks.create("wide", "https://example.com/x", ["model_version.created"])
    with metadata.record() as connection:
        webhook_store.claim(connection, webhook.id, "claim_under_way", 60.0)
    register()
    webhooks.update(webhook.id, events=["model_version.created", "registered_model.created"])
    with metadata.record() as connection:
        assert not webhook_store.settle(connection, webhook.id, "claim_under_way", told_seq=0)


def test_a_receiver_that_drips_is_left_at_the_limit_of_the_whole_exchange():
    left = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not left.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip, args=(listener,))
        dripping.start()
        url, at = f"http://127.0.0.1:{listener.getsockname()[1]}/", datetime.now(UTC)
        reply = send(url, None, example_of(EVENTS[0]), "d1", at, private=True, limit_s=0.3)
        left.set()
        dripping.join()
    assert not reply.taken
    assert reply.worth_another
    assert "longer than 0.3 s" in reply.error


def test_the_journal_holds_no_more_of_an_address_than_its_host(webhooks, metadata):
    webhook = webhooks.create("chat", "https://chat.example/hooks/k3y", ["model_version.created"])
    webhooks.update(webhook.id, url="https://chat.example/hooks/k3y2")
    assert webhooks.webhook(webhook.id).url == "https://chat.example/hooks/k3y2"
    with metadata.read() as connection:
        entries = read_entries(connection, kinds=["registry.webhook."])
    assert [entry.data["url"] for entry in entries] == ["https://chat.example/…"] * 2


def test_a_test_says_how_the_receiver_answered(webhooks, receiver):
    webhook = webhooks.create("try", receiver.url, ["model_version_tag.set"])
    found = webhooks.test(webhook.id)
    assert (found.success, found.response_status, found.response_body) == (True, 200, "thanks")
    assert receiver.data() == [
        {"name": "example_model", "version": "1", "key": "example_key", "value": "example_value"}
    ]
    receiver.statuses = [404]
    assert not webhooks.test(webhook.id, "registered_model.created").success
    webhooks.update(webhook.id, url="http://127.0.0.1:1/")
    assert "refused" in (webhooks.test(webhook.id).error_message or "")


def test_webhooks_are_listed_changed_and_forgotten(webhooks):
    made = [webhooks.create(f"w{n}", "https://example.com/x", ["model_version.created"]) for n in range(3)]
    first = webhooks.webhooks(limit=2)
    rest = webhooks.webhooks(limit=2, page_token=first.next_page_token)
    assert {each.id for each in (*first.webhooks, *rest.webhooks)} == {each.id for each in made}
    assert webhooks.update(made[0].id, name="new").url == "https://example.com/x"
    webhooks.delete(made[0].id)
    with pytest.raises(NotFound, match=r"Webhook with ID .* not found"):
        webhooks.webhook(made[0].id)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "ftp://example.com",
        "http://[bad",
        "https://",
        "http://a:b@example.com",
        "http://x/\r\ny",
        "http://x:9x",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InvalidInput):
        check_url(url, private=True)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.0.0.8",
        "[::7f00:1]",
        "[fec0::1]",
        "[64:ff9b:1::7f00:1]",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "0.0.0.0",
    ],
)
def test_a_private_host_is_refused_unless_the_install_allows_it(host):
    with pytest.raises(InvalidInput, match="not a public one"):
        check_url(f"http://{host}/x", private=False)
    check_url(f"http://{host}/x", private=True)
    assert check_url("https://8.8.8.8/x", private=False).hostname == "8.8.8.8"


def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_connected_to(receiver):
    from tidewheel.base.errors import NotAllowed

    with pytest.raises(NotAllowed, match="not a public one"):
        open_connection("localhost", receiver.server.server_port, 1.0, private=False)


@pytest.mark.parametrize(
    ("name", "events", "status"),
    [
        ("", ["model_version.created"], "ACTIVE"),
        ("-x", ["model_version.created"], "ACTIVE"),
        ("x", [], "ACTIVE"),
        ("x", ["model_version.eaten"], "ACTIVE"),
        ("x", ["model_version.created"], "ASLEEP"),
    ],
)
def test_a_webhook_that_is_none_is_refused(webhooks, name, events, status):
    with pytest.raises(InvalidInput):
        webhooks.create(name, "https://example.com", events, status=status)


KILLED = """
import sys, time
from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.registry import Webhooks, webhook_courier
from tidewheel.storage import Metadata

webhook_courier._CLAIM_S = 0.5
settings = Settings({"registry.webhook_private_hosts": True}, environ={})
webhooks = Webhooks(Metadata(sys.argv[1], SystemClock()), SystemClock(), settings)
while True:
    webhooks.deliver()
    time.sleep(0.01)
"""


def test_a_courier_killed_in_the_middle_loses_nothing_and_repeats_only_what_was_under_way(
    webhooks, receiver, register, metadata
):
    webhooks.create("crash", receiver.url, ["model_version.created"])
    for _ in range(20):
        register()
    url = metadata.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", KILLED, url.replace("+psycopg", "")]) as courier:
        until(lambda: len(receiver.got) >= 5, "a first delivery")
        courier.kill()
    deliver(webhooks, lambda: receiver.got and receiver.data()[-1]["version"] == "20")
    told = [(headers["X-MLflow-Delivery-Id"], json.loads(body)["data"]["version"]) for headers, body in receiver.got]
    assert len(told) <= 21
    assert list(dict.fromkeys(told)) == [(name, str(n)) for n, (name, _) in enumerate(dict.fromkeys(told), start=1)]
