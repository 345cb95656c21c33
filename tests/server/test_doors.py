"""A verb with a door is the same verb over HTTP: same arguments, same result, same errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.server.library import OPENED_AT, Edition, Library, Reader, TownLibrary
from tests.server.listening import listening

from tidewheel.base.errors import Conflict, GateSaidNo, InvalidInput, NotAllowed, NotFound, Unauthenticated
from tidewheel.client import Connection, RemoteRoom
from tidewheel.server import answers
from tidewheel.server.doors import routes_of
from tidewheel.server.limits import Limits, Traffic
from tidewheel.storage import journal


@pytest.fixture
def town(tmp_path: Path) -> Iterator[TownLibrary]:
    town = TownLibrary(tmp_path)
    yield town
    town.metadata.close()


@pytest.fixture
def web(town: TownLibrary) -> Iterator[httpx.Client]:
    app = FastAPI(redirect_slashes=False)
    app.state.platform, app.state.needs_token = town, False
    answers.install(app)
    app.include_router(routes_of(Library, lambda platform: platform.library))
    app.add_middleware(Limits, max_body_bytes=2000, max_artifact_bytes=2000, traffic=Traffic())
    with listening(app) as url, httpx.Client(base_url=url) as web:
        yield web


@pytest.fixture
def remote(web: httpx.Client) -> Iterator[Any]:
    with over(web) as room:
        yield room


@contextmanager
def over(web: httpx.Client) -> Iterator[Any]:
    """The room as a client calls it, with the headers that `web` has now."""
    connection = Connection(str(web.base_url), dict(web.headers), 30)
    yield RemoteRoom(Library, connection)
    connection.close()


def error_of(answer: httpx.Response) -> dict[str, str]:
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "where", "fix"}
    assert "Traceback" not in answer.text
    return error


def test_a_result_arrives_as_the_type_that_the_verb_returned(remote: Any, town: TownLibrary) -> None:
    added = remote.add("Tides", Edition(1884, pages=320), OPENED_AT, tags=("sea", "moon"))
    assert added == town.library.book("Tides")
    assert remote.book("Tides") == added
    assert remote.search(tags=["moon"], since=OPENED_AT) == [added]
    assert remote.search(rare=True) == []


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), 0.5, None])
def test_numbers_that_json_has_no_word_for_cross_the_door(remote: Any, score: float | None) -> None:
    remote.add("Tides", Edition(1884), OPENED_AT, score=score)
    assert remote.book("Tides").score == score


def test_not_a_number_crosses_the_door(remote: Any) -> None:
    assert math.isnan(remote.add("Tides", Edition(1884), OPENED_AT, score=float("nan")).score)


def test_a_verb_that_returns_nothing_answers_204(remote: Any, town: TownLibrary) -> None:
    remote.add("Tides", Edition(1884), OPENED_AT)
    assert remote.remove("Tides") is None
    assert town.library.books == {}


def test_a_path_parameter_may_hold_any_character_but_a_slash(remote: Any) -> None:
    remote.add("Ebb & Flow? 100%", Edition(1884), OPENED_AT)
    assert remote.book("Ebb & Flow? 100%").title == "Ebb & Flow? 100%"


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda room: room.book("none"), NotFound),
        (lambda room: room.lend("none", days=2), GateSaidNo),
        (lambda room: room.search(limit="many"), InvalidInput),
    ],
)
def test_an_error_arrives_as_its_own_class(remote: Any, call: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        call(remote)


def test_an_error_keeps_its_message_place_and_remedy(remote: Any) -> None:
    remote.add("Tides", Edition(1884), OPENED_AT)
    with pytest.raises(Conflict) as told:
        remote.add("Tides", Edition(1884), OPENED_AT)
    assert (told.value.message, told.value.where, told.value.fix) == (
        "There is a book 'Tides' already.",
        "title",
        "Give it another title.",
    )


def test_a_wrong_body_names_the_field(web: httpx.Client) -> None:
    answer = web.post("/api/v1/library/books", json={"title": "T", "edition": {"year": "x"}, "at": "2026-01-31"})
    assert answer.status_code == 400
    assert error_of(answer)["where"] == "body.edition.year"


@pytest.mark.parametrize("limit", [2**63, -(2**63) - 1])
def test_a_whole_number_that_no_database_holds_is_refused(web: httpx.Client, limit: int) -> None:
    answer = web.get("/api/v1/library/books", params={"limit": limit})
    assert (answer.status_code, error_of(answer)["where"]) == (400, "query.limit")


def test_an_unknown_field_is_refused(web: httpx.Client) -> None:
    answer = web.post("/api/v1/library/lend/T", json={"weeks": 2})
    assert (answer.status_code, error_of(answer)["where"]) == (400, "body.weeks")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 1500])
def test_a_body_that_is_not_an_object_is_refused(web: httpx.Client, body: bytes) -> None:
    answer = web.post("/api/v1/library/books", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    error_of(answer)


def test_an_unforeseen_failure_tells_nothing_of_the_house(web: httpx.Client) -> None:
    answer = web.post("/api/v1/library/burn")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    error_of(answer)


def test_an_unknown_address_or_method_is_said_in_the_same_shape(web: httpx.Client) -> None:
    assert web.get("/api/v1/nothing").status_code == 404
    answer = web.patch("/api/v1/library/books")
    assert answer.status_code == 405
    error_of(answer)


def test_a_body_over_the_limit_is_refused_whether_announced_or_streamed(web: httpx.Client) -> None:
    announced = web.post("/api/v1/library/books", content=b"x" * 2001)
    streamed = web.post("/api/v1/library/books", content=iter([b"x" * 1500, b"x" * 1500]))
    assert [announced.status_code, streamed.status_code] == [413, 413]
    assert error_of(announced) == error_of(streamed)


def test_every_answer_carries_the_security_headers(web: httpx.Client) -> None:
    for answer in (web.get("/api/v1/library/books"), web.get("/nowhere"), web.post("/api/v1/library/burn")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_token_is_asked_for_once_one_exists(web: httpx.Client, town: TownLibrary) -> None:
    town.governance.tokens["t1"] = Reader("vera", "viewer")
    assert web.get("/api/v1/library/books").status_code == 401
    web.headers["authorization"] = "Bearer t1"
    assert web.get("/api/v1/library/books").status_code == 200
    with over(web) as room, pytest.raises(NotAllowed, match="vera is a viewer; this needs a developer"):
        room.add("Tides", Edition(1884), OPENED_AT)
    web.headers["authorization"] = "Bearer wrong"
    with over(web) as room, pytest.raises(Unauthenticated):
        room.search()


def test_a_change_is_journaled_in_the_name_of_the_token(web: httpx.Client, town: TownLibrary) -> None:
    town.governance.tokens["t1"] = Reader("dora", "developer")
    web.headers["authorization"] = "Bearer t1"
    with over(web) as room:
        room.add("Tides", Edition(1884), OPENED_AT)
    with town.metadata.read() as connection:
        assert [entry.actor for entry in journal.read_entries(connection)] == ["dora"]


def test_a_cookie_may_look_but_not_change(web: httpx.Client, town: TownLibrary) -> None:
    town.governance.tokens["t1"] = Reader("ada", "admin")
    web.cookies.set("tidewheel_token", "t1")
    assert web.get("/api/v1/library/books").status_code == 200
    assert web.post("/api/v1/library/lend/T").status_code == 401


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
def test_without_tokens_another_site_is_refused(web: httpx.Client, headers: dict[str, str]) -> None:
    assert web.post("/api/v1/library/lend/T", headers=headers).status_code == 403


def test_the_openapi_document_describes_each_verb(web: httpx.Client) -> None:
    document = web.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    add = document["paths"]["/api/v1/library/books"]["post"]
    assert (add["operationId"], add["summary"], add["description"]) == (
        "server_add",
        "Add a book.",
        "It can be lent at once.",
    )
    assert set(add["responses"]) == {"200", "4XX"}
    assert set(document["components"]["schemas"]) >= {"Book", "ErrorAnswer", "LibraryAdd"}


@pytest.mark.parametrize("headers", [{"Host": "["}, {"Origin": "http://["}])
def test_an_address_that_is_none_is_refused_as_such(web: httpx.Client, headers: dict[str, str]) -> None:
    assert web.get("/api/v1/library/books", headers=headers).status_code == 400


def test_with_a_password_that_a_browser_remembers_another_site_changes_nothing(
    web: httpx.Client, town: TownLibrary
) -> None:
    town.governance.tokens["t1"] = Reader("ada", "admin")
    book = {"title": "Tides", "edition": {"year": 1884}, "opened_at": OPENED_AT.isoformat()}
    for origin in ("http://evil.example", "null", "http://["):
        refused = web.post("/api/v1/library/books", json=book, auth=("ada", "t1"), headers={"origin": origin})
        assert refused.status_code == 403
    here = str(web.base_url).rstrip("/")
    assert web.post("/api/v1/library/lend/T", auth=("ada", "t1"), headers={"origin": here}).status_code != 403
    assert web.get("/api/v1/library/books", auth=("ada", "t1"), headers={"origin": "http://x.example"}).is_success
    bearer = {"authorization": "Bearer t1", "origin": "http://evil.example"}
    assert web.post("/api/v1/library/lend/T", headers=bearer).status_code != 403
