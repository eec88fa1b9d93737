"""The agent's API answers as the peer's does: the same calls as were recorded there, and what the peer gets wrong."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mmload.plugin.web.api_agent import NO_TIME, amount_of
from tests.plugin.driven import Driven, agent, assert_no_faults, await_that, body, connected, counts
from tests.support import Admin

RECORDING = Path(__file__).parent.parent / "recordings" / "agent-api.jsonl"
CALLS = [json.loads(line) for line in RECORDING.read_text("utf-8").splitlines()]
# The peer accepts every action; /metrics is tested where it is made.
MENDED = "inject an unknown action"
# Our reasons are our own: they name the key.
OUR_REASON = re.compile(r"^(could not (?:read request|validate config)): .+$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


@pytest.fixture(scope="module")
def server(sandbox: str) -> str:
    Admin(sandbox).team()
    return sandbox


@pytest.fixture(scope="module")
def driven(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """One agent for the tests of this module; each of them leaves it as it was."""
    with agent(tmp_path_factory.mktemp("api"), server) as one:
        yield one
        assert_no_faults(one)


@pytest.fixture
def lt(driven: Driven, server: str) -> Iterator[Driven]:
    """An agent `lt` that runs three users of at most six."""
    made = driven.ask("POST", "/loadagent/create?id=lt", json=body(server, InitialActiveUsers=3, MaxActiveUsers=6))
    assert made.status_code == 201, made.text
    assert driven.ask("POST", "/loadagent/lt/run").json()["status"]["NumUsers"] == 3
    yield driven
    driven.ask("DELETE", "/loadagent/lt")


def sent(call: dict[str, Any], server: str) -> Any:
    """The body that was recorded, for our server."""
    if call["request_body"] is None or not call["request_body"].startswith("the sample"):
        return {"data": call["request_body"]}
    whole = body(server, InitialActiveUsers=2, MaxActiveUsers=6)
    if "invalid server" in call["label"]:
        whole["LoadTestConfig"]["ConnectionConfiguration"]["ServerURL"] = "nonsense"
    return {"json": whole}


def comparable(text: str) -> Any:
    """An answer without what differs from run to run, and without our own words for a reason."""
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    if "error" in answer:
        answer["error"] = OUR_REASON.sub(r"\1", answer["error"])
    status = answer.get("status")
    if status:
        # Users stop a moment after they are removed; the peer's users had errors.
        assert isinstance(status["NumUsersStopped"], int) and isinstance(status["NumErrors"], int)
        assert status["StartTime"] == NO_TIME or TIME.match(status["StartTime"])
        status |= {"NumUsersStopped": 0, "NumErrors": 0, "StartTime": status["StartTime"] == NO_TIME}
        answer["status"] = list(status.items())
    return answer


def test_the_same_calls_get_the_same_answers_as_from_the_peer(driven: Driven, server: str) -> None:
    """All that were recorded, in their order."""
    compared = 0
    for call in CALLS:
        if call["path"] == "/metrics":
            continue
        ours = driven.ask(call["method"], call["path"], **sent(call, server))
        if call["label"] == MENDED:
            assert ours.status_code == 400
            assert ours.json()["error"].startswith('could not inject action "Dance": Dance: no such action')
            continue
        assert (ours.status_code, ours.headers["Content-Type"]) == (call["status"], call["content_type"]), call["label"]
        theirs, mine = comparable(call["response_text"]), comparable(ours.text)
        if call["path"] == "/version":
            theirs, mine = list(theirs), list(mine)
        assert mine == theirs, call["label"]
        compared += 1
    assert compared == len(CALLS) - 2 == 41


def test_a_storm_is_raised_and_recorded(lt: Driven, server: str) -> None:
    await_that(lambda: connected(server).total() == 3, "three are in")

    answer = lt.ask("POST", "/loadagent/lt/storm?kind=spike&users=2")

    assert (answer.status_code, answer.json()["message"]) == (200, "storm spike triggered")
    await_that(lambda: connected(server).total() == 5, "two more are in")
    [told] = lt.ask("GET", "/mmload/actions").json()["storms"]
    assert "spike storm" in told[1]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("kind=rain", 'could not trigger storm "rain": rain: no such storm; the storms are reconnect, restart, login'),
        ("kind=login&users=some", "expected users of 0 or more, within_seconds of 0 to 3600"),
        ("kind=spike&users=30000", 'could not trigger storm "spike": max active users limit reached'),
    ],
)
def test_storms_that_cannot_be_are_refused(lt: Driven, query: str, error: str) -> None:
    answer = lt.ask("POST", f"/loadagent/lt/storm?{query}")

    assert (answer.status_code, answer.json()["error"][: len(error)]) == (400, error)


def test_removed_users_are_gone_at_the_server_and_their_accounts_are_used_again(lt: Driven, server: str) -> None:
    await_that(lambda: connected(server).total() == 3, "three are in")
    lt.ask("POST", "/loadagent/lt/removeusers?amount=2")
    await_that(lambda: connected(server) == {"lt-1": 1}, "the one with the lowest account stays")

    lt.ask("POST", "/loadagent/lt/addusers?amount=5")

    await_that(lambda: connected(server) == {f"lt-{number}": 1 for number in range(1, 7)}, "six are in")
    status = lt.status("lt")
    assert (status["NumUsers"], status["NumUsersAdded"], status["NumUsersRemoved"]) == (6, 8, 2)
    assert status["NumUsersStopped"] == 2


def test_both_ways_of_driving_work_on_the_same_test(lt: Driven, server: str) -> None:
    """Locust's own page and the API see each other's changes."""
    lt.swarm(5)
    await_that(lambda: lt.status("lt")["NumUsers"] == 5, "Locust's number is the agent's")
    lt.ask("POST", "/loadagent/lt/removeusers?amount=1")
    await_that(lambda: lt.ask("GET", "/stats/requests").json()["user_count"] == 4, "the agent's number is Locust's")

    lt.ask("POST", "/stop")

    assert lt.status("lt")["State"] == "stopped"
    assert lt.ask("POST", "/loadagent/lt/addusers?amount=1").json()["error"] == "LoadTester is not running"
    await_that(lambda: counts(server)["sockets_open"] == 0, "nobody is left")


def test_an_agent_finds_a_test_that_locusts_page_began(driven: Driven, server: str) -> None:
    driven.swarm(2)
    driven.ask("POST", "/loadagent/create?id=late", json=body(server, InitialActiveUsers=1, MaxActiveUsers=6))

    assert driven.ask("POST", "/loadagent/late/run").json() == {"error": "LoadTester has not stopped"}
    assert driven.ask("POST", "/loadagent/late/addusers?amount=1").json()["message"] == "1 users added"
    assert driven.ask("DELETE", "/loadagent/late").json()["status"]["State"] == "stopped"


def test_a_created_configuration_is_that_of_later_users_only(driven: Driven, server: str) -> None:
    """Those who are in stay who they are; nobody takes an account twice."""
    driven.swarm(2)
    await_that(lambda: connected(server) == {"testuser-1": 1, "testuser-2": 1}, "two are in")
    driven.ask("POST", "/loadagent/create?id=new", json=body(server, InitialActiveUsers=0, MaxActiveUsers=6))

    driven.ask("POST", "/loadagent/new/addusers?amount=1")

    await_that(lambda: connected(server) == {"testuser-1": 1, "testuser-2": 1, "new-3": 1}, "another is in")
    driven.ask("DELETE", "/loadagent/new")


def test_the_kind_of_users_is_that_of_the_created_configuration(driven: Driven, server: str) -> None:
    whole = body(server, InitialActiveUsers=1, MaxActiveUsers=6)
    whole["LoadTestConfig"]["UserControllerConfiguration"]["Type"] = "noop"
    driven.ask("POST", "/loadagent/create?id=idle", json=whole)

    driven.ask("POST", "/loadagent/idle/run")

    assert list(driven.ask("GET", "/tasks").json()["per_class"]) == ["IdleUser"]
    driven.ask("DELETE", "/loadagent/idle")
    driven.swarm(0)
    assert list(driven.ask("GET", "/tasks").json()["per_class"]) == ["SimulatedUser"]
    driven.ask("POST", "/stop")


def test_the_seed_tools_configuration_is_accepted_as_it_is(driven: Driven, server: str) -> None:
    """It is posted without a name around it, and has keys that nobody needs."""
    sockets = "ws" + server.removeprefix("http")
    seed = {
        "ConnectionConfiguration": {"ServerURL": server, "WebSocketURL": sockets, "DriverName": "mysql"},
        "UsersConfiguration": {"InitialActiveUsers": 2, "MaxActiveUsers": 1000},
        "DeploymentConfiguration": {"ClusterName": "loadtest"},
    }

    made = driven.ask("POST", "/loadagent/create?id=seed", data=json.dumps(seed))

    assert made.status_code == 201, made.text
    assert driven.ask("POST", "/loadagent/seed/run").json()["status"]["NumUsers"] == 2
    driven.ask("DELETE", "/loadagent/seed")


def test_an_agent_of_a_server_that_is_not_there_is_not_made(driven: Driven) -> None:
    """And what was in force before, still is."""
    refused = driven.ask("POST", "/loadagent/create?id=far", json=body("http://127.0.0.1:9", InitialActiveUsers=1))

    assert refused.status_code == 400
    assert refused.json()["message"] == "load-test agent creation failed"
    assert refused.json()["error"].startswith("could not create agent: http://127.0.0.1:9: ")
    assert driven.ask("GET", "/loadagent/far").status_code == 404


def test_an_agent_with_a_threshold_about_what_will_never_be_is_not_made(driven: Driven, server: str) -> None:
    """It is the posted kind of users that counts: simulated people make no replies of this name."""
    whole = body(server, InitialActiveUsers=1)
    whole["LoadTestConfig"]["RunConfiguration"] = {"Thresholds": ["p99(CreateReply) < 2s"]}
    refused = driven.ask("POST", "/loadagent/create?id=odd", json=whole)
    whole["LoadTestConfig"]["UserControllerConfiguration"]["Type"] = "generative"
    made = driven.ask("POST", "/loadagent/create?id=odd", json=whole)
    driven.ask("DELETE", "/loadagent/odd")

    assert refused.status_code == 400
    assert "RunConfiguration.Thresholds: 'p99(CreateReply) < 2s', column 5: there is no action" in refused.text
    assert made.status_code == 201, made.text


def test_a_second_agent_of_the_same_process_is_refused(lt: Driven, server: str) -> None:
    """One process runs one test; the running one is not touched."""
    refused = lt.ask("POST", "/loadagent/create?id=other", json=body(server, InitialActiveUsers=1))

    assert refused.status_code == 409
    assert "lt: delete it" in refused.json()["error"]
    assert lt.status("lt")["NumUsers"] == 3


@pytest.mark.parametrize("name", ["", "a/b", "../../etc", ".", "..", "/", "a\nb", "x" * 101])
def test_an_id_that_the_routes_cannot_name_is_refused(driven: Driven, server: str, name: str) -> None:
    """The agent could not be run or deleted any more, and no other be made."""
    refused = driven.ask("POST", "/loadagent/create", params={"id": name}, json=body(server, InitialActiveUsers=1))

    assert refused.status_code == 400
    assert "expected 1 to 100 printable characters without a slash" in refused.json()["error"]


@pytest.mark.parametrize("name", ["a b", "ä%2F?#", "a.b", "create", "x" * 100])
def test_an_agent_of_every_other_id_can_be_asked_for_and_deleted(driven: Driven, server: str, name: str) -> None:
    path = f"/loadagent/{quote(name, safe='')}"
    made = driven.ask("POST", "/loadagent/create", params={"id": name}, json=body(server, InitialActiveUsers=1))

    assert made.status_code == 201, made.text
    assert driven.status(quote(name, safe=""))["State"] == "stopped"
    assert driven.ask("DELETE", path).status_code == 200
    assert driven.ask("GET", path).status_code == 404


def status_of(driven: Driven, request: bytes) -> int:
    """The status code that a request gets which no client would send."""
    host, _, port = driven.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        return int(connection.makefile("rb").readline().split()[1])


CHUNKED = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("path", [b"/swarm", b"/loadagent/create?id=x", b"/loadagent/x/run", b"/mmload/users"])
@pytest.mark.parametrize(
    "rest",
    [
        b"Host: [\r\n\r\n",
        b"Host: localhost\r\nOrigin: http://[\r\n\r\n",
        CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"\r\n-5\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused_without_a_traceback(driven: Driven, path: bytes, rest: bytes) -> None:
    """`driven` looks for tracebacks in the log."""
    assert status_of(driven, b"POST " + path + b" HTTP/1.1\r\nConnection: close\r\n" + rest) == 400
    assert status_of(driven, b"GET /nothing HTTP/1.1\r\nConnection: close\r\nHost: [\r\n\r\n") == 400


def test_a_body_without_end_is_refused_before_it_fills_the_memory(driven: Driven) -> None:
    sent = driven.ask("POST", "/loadagent/create?id=x", data=(b"x" * 2**20 for _ in range(11)))

    assert sent.status_code == 413
    assert sent.json() == {"error": "the body is larger than 10 MB"}


@pytest.mark.parametrize("host", ["http://[", "no address", "ftp://localhost", "http://user:secret@localhost"])
def test_a_host_that_is_none_is_refused_and_the_old_one_stays(driven: Driven, server: str, host: str) -> None:
    answer = driven.ask("POST", "/swarm", data={"user_count": 1, "spawn_rate": 1, "host": host}).json()

    assert (answer["success"], answer["host"]) == (False, server)
    assert answer["message"].startswith(f"host {host!r}: expected a URL")


def test_bad_bodies_change_nothing(lt: Driven, server: str) -> None:
    for text in ("", "[]", "{}", '{"LoadTestConfig": 3}', "\xff", '{"SimulControllerConfig": {}}', "[" * 5000):
        assert lt.ask("POST", "/loadagent/create?id=x", data=text.encode("latin-1")).status_code == 400, text[:40]
    whole = body(server) | {"SimulControllerConfig": {"MinIdleTimeMs": "soon"}}
    assert "SimulControllerConfig: MinIdleTimeMs" in lt.ask("POST", "/loadagent/create?id=x", json=whole).text
    assert lt.ask("GET", "/loadagent/x").status_code == 404
    assert lt.status("lt")["NumUsers"] == 3


def test_no_password_is_in_the_log_or_the_answers(lt: Driven, server: str) -> None:
    whole = body(server, InitialActiveUsers=1, Password="a secret of ours 1")
    whole["LoadTestConfig"]["ConnectionConfiguration"]["AdminPassword"] = 17
    refused = lt.ask("POST", "/loadagent/create?id=y", json=whole)

    assert "AdminPassword: expected a string, found a whole number" in refused.text
    assert "a secret of ours" not in refused.text + lt.said()
    assert "Sys@dmin" not in lt.said()


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1", 1), ("+3", 3), ("32767", 32767), ("32768", None), ("٣", None), ("1e2", None), (" 1", None)],
)
def test_amounts_are_read_as_the_peer_does(text: str, amount: int | None) -> None:
    assert amount_of(text) == amount
