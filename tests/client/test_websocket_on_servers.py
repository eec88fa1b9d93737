"""The WebSocket against whole servers: the sandbox, and the real one where there is one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import msgspec
import pytest
import requests

from mmload.client.websocket.client import Timing, WebSocket
from mmload.config import load_settings
from mmload.errors import WebSocketFailed
from mmload.metrics.counts import SocketCounts
from tests.client.scripted import Ear

ADMIN = load_settings(environ={})[0].config.connection
PASSWORD = "testPass123$"


class Rest:
    """Just enough of the API, by plain requests."""

    def __init__(self, address: str, login: str, password: str) -> None:
        self.address = address
        self._session = requests.Session()
        self._session.trust_env = False
        answer = self._session.post(
            f"{address}/api/v4/users/login", json={"login_id": login, "password": password}, timeout=30
        )
        answer.raise_for_status()
        self.id: str = answer.json()["id"]
        self.token = answer.headers["Token"]
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def post(self, path: str, body: Any) -> Any:
        answer = self._session.post(f"{self.address}/api/v4{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


@dataclass
class Meeting:
    """Two people in one channel, and the sockets made for them."""

    address: str
    writer: Rest
    reader: Rest
    channel_id: str
    sockets: list[WebSocket]

    def socket(self, rest: Rest, ear: Ear, timing: Timing, token: str = "") -> tuple[WebSocket, SocketCounts]:
        counts = SocketCounts()
        url = "ws" + self.address.removeprefix("http")
        made = WebSocket(url, token or rest.token, ear, counts, rng=random.Random(1), timing=timing)
        self.sockets.append(made)
        return made, counts

    def write(self, *messages: str) -> None:
        for message in messages:
            self.writer.post("/posts", {"channel_id": self.channel_id, "message": message})


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "real":
        return os.environ["MMLOAD_TEST_SERVER"].rstrip("/")
    given: str = request.getfixturevalue("sandbox")
    return given


@pytest.fixture(scope="module")
def people(address: str) -> Meeting:
    admin = Rest(address, ADMIN.admin_email, ADMIN.admin_password)
    mark = f"{random.SystemRandom().randrange(36**6):06x}"
    team = admin.post("/teams", {"name": f"ws-{mark}", "display_name": "WS", "type": "O"})
    channel = admin.post("/channels", {"team_id": team["id"], "name": f"ws-{mark}", "display_name": "WS", "type": "O"})
    both = []
    for name in (f"wsa-{mark}", f"wsb-{mark}"):
        email = f"{name}@example.com"
        user = admin.post("/users", {"email": email, "username": name, "password": PASSWORD})
        admin.post(f"/teams/{team['id']}/members", {"team_id": team["id"], "user_id": user["id"]})
        admin.post(f"/channels/{channel['id']}/members", {"user_id": user["id"]})
        both.append(Rest(address, email, PASSWORD))
    return Meeting(address, both[0], both[1], channel["id"], [])


@pytest.fixture
def meeting(people: Meeting) -> Iterator[Meeting]:
    yield people
    for socket in people.sockets:
        socket.close()
    people.sockets.clear()


def messages(ear: Ear) -> list[str]:
    """What the channel's posts said, in the order in which they came."""
    posted = [msgspec.json.decode(event.data) for event in ear.events if event.event == "posted"]
    return [msgspec.json.decode(data["post"])["message"] for data in posted]


def within(seconds: float, condition: Callable[[], object]) -> None:
    with gevent.Timeout(seconds, AssertionError("it never came true")):
        while not condition():
            gevent.sleep(0.01)


def test_missed_events_come_again_and_none_twice(meeting: Meeting) -> None:
    """The server keeps what was sent while a connection is away, and sends it when it is taken up again."""
    ear, other = Ear(), Ear()
    reading, counts = meeting.socket(meeting.reader, ear, Timing())
    writing, _ = meeting.socket(meeting.writer, other, Timing())
    reading.open()
    writing.open()
    identity = reading.connection_id
    meeting.write("one", "two")
    within(5, lambda: messages(ear) == ["one", "two"])

    reading.drop()
    meeting.write("three", "four", "five")
    assert not reading.connected, "the posts had to be written while nobody listened"
    within(60, lambda: len(messages(ear)) == 5)
    meeting.write("six")

    within(5, lambda: len(messages(ear)) == 6)
    assert messages(ear) == messages(other) == ["one", "two", "three", "four", "five", "six"]
    assert reading.connection_id == identity
    assert ear.connected == ["first", "resumed"] and counts.resumed == 1
    assert ear.numbers() == list(range(len(ear.events))), "every number once"


def test_a_connection_that_nobody_knows_is_renewed(meeting: Meeting) -> None:
    """As after a restart: the numbers start anew, and events go on."""
    ear = Ear()
    reading, counts = meeting.socket(meeting.reader, ear, Timing())
    reading.open()
    reading.connection_id = "x" * 26
    reading.drop()
    within(60, lambda: ear.connected == ["first", "renewed"])
    meeting.write("after all")

    within(60, lambda: messages(ear) == ["after all"])
    assert counts == SocketCounts(opened=1, dropped=1, renewed=1)
    assert reading.connection_id != "x" * 26


def test_the_server_answers_actions_and_pings(meeting: Meeting) -> None:
    """The web application's own ping: without answers the socket would count as dead."""
    reading, counts = meeting.socket(meeting.reader, Ear(), Timing(ping_interval_seconds=1.0))
    reading.open()
    reading.send("no_such_action", {})
    within(60, lambda: reading._sent >= 5)

    assert reading.connected and counts == SocketCounts(opened=1)


def test_a_wrong_token_counts_as_refused(meeting: Meeting) -> None:
    """11.6 upgrades it, says nothing and hangs up after five seconds."""
    nobody, _ = meeting.socket(meeting.reader, Ear(), Timing(), token="x" * 26)

    with pytest.raises(WebSocketFailed) as caught:
        nobody.open()
    assert caught.value.status == 401
