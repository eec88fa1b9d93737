"""What the recorded exchanges made the server say over its sockets: the same events, to the same users, in shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import running_sandbox
from tests.contract.listener import Listener
from tests.contract.recorded import VERSIONS, exchanges, frames
from tests.contract.replay import Replay
from tests.contract.shape import differences

Frame = dict[str, Any]
READERS = ("testuser-1", "testuser-2", "testuser-3", "testuser-4")

# The third socket of testuser-3 follows at once on the end of the second. Whether the user's going offline is told
# before or after is a race on the real server; a client can rely on neither.
RACING = ("testuser-3", 2)


@dataclass
class Session:
    """The recorded session, played: what each user's sockets heard, one list per socket."""

    heard: dict[str, list[list[Frame]]] = field(default_factory=dict)


def _play(address: str, version: str) -> Session:
    replay, session = Replay(address), Session({who: [] for who in READERS})
    sockets: dict[str, Listener] = {}

    def connect(who: str, query: str = "") -> None:
        sockets[who] = Listener(address, replay.tokens[who], query)
        session.heard[who].append(sockets[who].frames)

    steps = _steps(version, replay, sockets, connect)
    for exchange in exchanges(version):
        for step in steps.get(exchange.label, ()):
            step()
        steps.pop(exchange.label, None)
        replay.send(exchange)
    for who, listener in sockets.items():
        # The reply comes after all that was said before; who logged out gets none.
        if who != "testuser-3":
            listener.ask("ping")
            listener.frames.pop()
        listener.close()
    replay.close()
    return session


def _steps(
    version: str, replay: Replay, sockets: dict[str, Listener], connect: Callable[..., None]
) -> dict[str, list[Callable[[], object]]]:
    """What the recorder did on the sockets, by the label of the exchange that it did it before."""

    def told(who: str, action: str) -> dict[str, Any]:
        sent = next(line["frame"] for line in frames(version) if _is_sent(line, who, action))
        translated: dict[str, Any] = replay.told(sent["data"])
        return translated

    def say(who: str, action: str) -> Callable[[], object]:
        return lambda: sockets[who].ask(action, told(who, action))

    def resume() -> None:
        """Once with a number that was never sent, once with the right one of a connection that is no more."""
        first = sockets["testuser-3"].events("hello")[0]["data"]["connection_id"]
        connect("testuser-3", f"?connection_id={first}&sequence_number=9999")
        sockets["testuser-3"].wait_for_event("status_change", 2)
        sockets["testuser-3"].close()
        connect("testuser-3", f"?connection_id={first}&sequence_number=36")
        sockets["testuser-3"].wait_for_event("status_change")

    actions = ("get_statuses", "get_statuses_by_ids", "presence", "posted_notify_ack", "ping", "no_such_action")
    return {
        "create channel O": [lambda who=who: connect(who) for who in READERS],  # type: ignore[misc]
        "create post": [say("testuser-1", "user_typing")],
        "upload emoji": [say("testuser-2", action) for action in actions],
        "post while a socket is down": [lambda: sockets["testuser-3"].close()],
        "logout": [resume],
    }


def _is_sent(line: dict[str, Any], who: str, action: str) -> bool:
    return bool(line["as"] == who and line["direction"] == "out" and line["frame"]["action"] == action)


@pytest.fixture(scope="module")
def sessions() -> dict[str, Session]:
    """Each recording played once against a fresh sandbox of its version."""
    played = {}
    for version in VERSIONS:
        with running_sandbox("--empty", "--version", version) as address:
            played[version] = _play(address, version)
    return played


def _recorded(version: str, who: str) -> list[list[Frame]]:
    """What the user heard, one list per socket: each begins with a hello."""
    heard: list[list[Frame]] = []
    for line in frames(version):
        if line["as"] != who or line["direction"] != "in" or "$close" in line["frame"]:
            continue
        if line["frame"].get("event") == "hello":
            heard.append([])
        heard[-1].append(line["frame"])
    return heard


def _names(heard: list[Frame]) -> list[str]:
    return [frame["event"] for frame in heard if "event" in frame]


_CASES = [(version, who) for version in VERSIONS for who in READERS]


@pytest.mark.parametrize(("version", "who"), _CASES)
def test_each_user_hears_the_recorded_events_in_order(sessions: dict[str, Session], version: str, who: str) -> None:
    """A client counts, waits for and reacts to events: none may be missing, none be there too many."""
    recorded = [_names(heard) for heard in _recorded(version, who)]
    got = [_names(heard) for heard in sessions[version].heard[who]]
    if who == RACING[0]:
        recorded[RACING[1]], got[RACING[1]] = _told_once(recorded[RACING[1]]), _told_once(got[RACING[1]])

    assert recorded == got


def _told_once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


@pytest.mark.parametrize(("version", "who"), _CASES)
def test_each_event_has_the_recorded_shape(sessions: dict[str, Session], version: str, who: str) -> None:
    """The decoder of a client is typed: a missing key or another type breaks it."""
    examples: dict[str, list[Frame]] = {}
    for heard in _recorded(version, who):
        for frame in heard:
            examples.setdefault(frame.get("event", "reply"), []).append(frame)
    wrong = []
    for heard in sessions[version].heard[who]:
        for frame in heard:
            tries = [differences(example, frame) for example in examples.get(frame.get("event", "reply"), ())]
            best: list[str] = min(tries, key=len, default=[])
            wrong += [f"{frame.get('event')} {frame.get('seq')}: {line}" for line in best]

    assert not wrong


@pytest.mark.parametrize(("version", "who"), _CASES)
def test_events_are_numbered_without_a_gap(sessions: dict[str, Session], version: str, who: str) -> None:
    """A gap in the numbers makes a client reconnect."""
    for heard in sessions[version].heard[who]:
        numbers = [frame["seq"] for frame in heard if "event" in frame]
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_socket_without_a_token_is_let_in_by_the_challenge(version: str) -> None:
    """Clients in a browser without a cookie log in on the socket."""
    with running_sandbox("--empty", "--version", version) as address:
        replay = Replay(address)
        for exchange in exchanges(version)[:19]:
            replay.send(exchange)
        listener = Listener(address)
        reply = listener.ask("authentication_challenge", {"token": replay.tokens["testuser-2"]})
        assert reply == {"status": "OK", "seq_reply": 1}
        assert listener.events("hello")
        listener.close()
        replay.close()
