"""A page whose WebSocket comes back asks for what it may have missed: the requests and frames of the web application.

The expected ones are those of the recorded steps `socket_cut`, `all_cut` and `server_restart`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import gevent
import pytest

from mmload.behaviours.after_reconnect import CATCH_UP
from mmload.behaviours.events import acknowledgement
from mmload.behaviours.login import close_socket, open_socket
from mmload.behaviours.person import Person
from mmload.client.http.client import Route
from mmload.client.websocket.client import WebSocket
from mmload.metrics.recorder import ActionOutcome
from mmload.models import Channel, Post, Thread
from tests.behaviours.conftest import PATIENCE_SECONDS, SOON, Scene, come_back, eventually

POSTS_SINCE = "GET /channels/{channel_id}/posts since,skipFetchThreads,collapsedThreads,collapsedThreadsExtended"
THREADS_SINCE = (
    "GET /users/{user_id}/teams/{team_id}/threads "
    "before,after,per_page,extended,deleted,unread,since,totalsOnly,threadsOnly"
)
AT_ONCE = [
    "GET /users/{user_id}/channels ",
    "GET /posts/scheduled/team/{team_id} includeDirectChannels",
    "GET /users/{user_id}/channel_members page,per_page",
    "GET /users/{user_id}/teams/{team_id}/channels/categories ",
    POSTS_SINCE,
    "GET /users/{user_id}/teams/unread include_collapsed_threads",
    "GET /plugins/webapp ",
    "GET /custom_profile_attributes/fields ",
    "POST /users/ids since",
]
STATUSES = "POST /users/status/ids "


@dataclass
class Watched:
    """What a person's page asks for and says over its socket."""

    person: Person
    asked: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    said: list[tuple[str, Any]] = field(default_factory=list)

    def call(self, route: Route, path: str, *arguments: Any, **options: Any) -> Any:
        query = ",".join(name for name, _ in parse_qsl(urlsplit(path).query, keep_blank_values=True))
        self.asked.append(f"{route} {query}")
        try:
            return type(self.person.api.rest).call(self.person.api.rest, route, path, *arguments, **options)
        finally:
            # How many had begun when this one ended.
            self.ended.append(len(self.asked))

    def send(self, socket: WebSocket, action: str, data: dict[str, Any] | None = None) -> int:
        self.said.append((action, data))
        return _SEND(socket, action, data)

    def comes_back(self, connection_id: str = "") -> None:
        """Lose the socket, wait until it is back and all is asked for; with a connection id that nobody knows."""
        socket = self.person.socket
        assert socket is not None
        socket._timing = SOON
        socket.connection_id = connection_id or socket.connection_id
        socket.drop()
        come_back(self.person)


_SEND = WebSocket.send


@pytest.fixture
def page(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Ann's page, with a channel on the screen and nothing unread."""
    person = scene.ann
    scene.at(0)
    # All of them: on a server that is not ours alone, somebody may just have joined one of the others.
    for channel in list(person.store.my_channels()):
        person.api.view_channel(channel.id, True)
        person.store.viewed_at.setdefault(channel.id, person.now_ms())
    person.store.threads.clear()
    watched = Watched(person)
    monkeypatch.setattr(person.api.rest, "call", watched.call)
    monkeypatch.setattr(WebSocket, "send", lambda *arguments: watched.send(*arguments))
    return watched


def test_a_page_whose_socket_resumes_asks_as_the_application_does(page: Watched) -> None:
    """`socket_cut`: nine requests at once, then statuses; presence for channel and team, then the ping."""
    page.comes_back()

    assert page.asked == [*AT_ONCE, STATUSES]
    store = page.person.store
    assert page.said == [
        ("presence", {"channel_id": store.current_channel_id}),
        ("presence", {"team_id": store.current_team_id}),
        ("ping", None),
    ]
    assert page.ended[0] >= 6, "six requests are on their way at once"


def test_who_has_seen_the_list_of_threads_asks_for_new_replies(page: Watched) -> None:
    """`all_cut`: only then does the page know a thread to ask on from."""
    page.person.store.threads["t1"] = Thread(id="t1", last_reply_at=7)
    page.comes_back()

    assert page.asked == [*AT_ONCE[:6], THREADS_SINCE, *AT_ONCE[6:], STATUSES]


def test_unread_channels_are_fetched_when_the_channels_are_there(page: Watched, scene: Scene) -> None:
    """`socket_cut`: those that the page has, from where it has them; others around the first unread post."""
    for number in (1, 2):
        scene.bob.api.create_post(scene.channels[number]["id"], "new", f"{scene.bob.id}:{number}")
    page.person.store.viewed_at.pop(scene.channels[2]["id"])
    page.comes_back()

    around = "GET /users/{user_id}/channels/{channel_id}/posts/unread "
    assert page.asked[: len(AT_ONCE)] == AT_ONCE
    assert POSTS_SINCE in page.asked[9:-1] and any(each.startswith(around) for each in page.asked[9:-1])
    assert len(page.asked) == 12 and page.asked[-1] == STATUSES
    assert page.ended.index(9) >= 0, "the first nine have ended before the next begin"


def test_a_new_connection_id_makes_the_page_ask_twice(page: Watched) -> None:
    """`server_restart`: at once, and again with the client configuration when the hello has told that all is lost."""
    page.comes_back("x" * 26)

    config = "GET /config/client format"
    assert sorted(page.asked) == sorted([*AT_ONCE, *AT_ONCE, config, STATUSES])
    assert page.asked[:6] == AT_ONCE[:6] and page.asked[-1] == STATUSES
    assert [action for action, _ in page.said] == ["presence", "presence", "ping", "presence", "presence"]


def test_a_channel_left_while_events_were_lost_is_forgotten(page: Watched, scene: Scene) -> None:
    """Else messages would be expected there for ever; while events go on, one of them tells it."""
    here = page.person
    gone = "c" * 26
    here.store.remember_channels([Channel(id=gone, team_id=here.store.current_team_id)], member=True)
    page.comes_back()
    assert gone in here.store.members
    page.comes_back("x" * 26)

    assert gone not in here.store.members and scene.channels[0]["id"] in here.store.members


def test_what_is_asked_is_counted_under_one_name(page: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusals that a free server gives the application, too, are no failures; others are."""
    done: list[tuple[str, ActionOutcome]] = []
    recorder = page.person.context.recorder
    monkeypatch.setattr(recorder, "action", lambda name, seconds, outcome: done.append((name, outcome)))
    page.comes_back()
    assert done == [(CATCH_UP, ActionOutcome.OK)]

    monkeypatch.setattr(page.person.store, "current_team_id", "x" * 26)
    page.comes_back()
    assert done[1:] == [(CATCH_UP, ActionOutcome.FAILED)]


def test_a_page_that_closes_asks_no_more(page: Watched) -> None:
    """Whoever leaves in the middle leaves nothing behind."""
    person = page.person
    person.start_job(lambda: gevent.sleep(PATIENCE_SECONDS))
    (job,) = person.jobs
    close_socket(person)
    eventually(lambda: job.dead and not person.jobs)
    open_socket(person)


def test_the_action_is_that_same_path(page: Watched, scene: Scene) -> None:
    """`ReconnectWebSocket` loses the socket; what follows is not its doing."""
    assert scene.does("ReconnectWebSocket") == []

    assert page.asked == [*AT_ONCE, STATUSES]


# -- pure --------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_tells_what_became_of_the_notification() -> None:
    """What is on the screen already needs none."""
    shown, elsewhere = Post(id="p", channel_id="here"), Post(id="p", channel_id="there")

    assert list(acknowledgement(shown, "here")) == ["post_id", "user_agent", "status", "reason", "data"]
    assert acknowledgement(shown, "here")["reason"] == "channel_is_open"
    assert acknowledgement(elsewhere, "here")["status"] == "success"
    answer = Post(id="p", channel_id="here", root_id="r")
    assert acknowledgement(answer, "here")["status"] == "success"
    assert acknowledgement(answer, "here", "r")["reason"] == "thread_is_open"
