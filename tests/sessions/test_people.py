"""People with a kept session come in without a password; what becomes of their sessions, the file knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from mmload.behaviours.actions.session import close_and_open, logout_login
from mmload.behaviours.background import look_up
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.login import disconnect, enter, log_in_again
from mmload.behaviours.person import Person
from mmload.client.kept_sessions import Destination, KeptSessions
from mmload.context import TestContext
from mmload.errors import MmloadError
from mmload.metrics.recorder import Recorder
from mmload.session_file import KeptAccount, SessionChange, make_changes
from mmload.users import administrator
from tests.support import Admin, Crowd, settings_for

LOGIN = "POST /users/login"
FACE = "GET /users/{user_id}/image"


class Scene:
    """Some people, their sessions, and what the file has of them."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.admin = Admin(server)
        self.settings = settings_for(server, MMLOAD_USERSCONFIGURATION_LOGINSHARE="0")
        self.file: dict[str, KeptAccount] = {}
        self.changes: list[SessionChange] = []
        self.come_in_anew()
        first = self.crowd.come()
        assert first.store.teams
        disconnect(first)

    def come_in_anew(self, **environ: str) -> Crowd:
        """Another test begins."""
        there = Destination(self.server, "ws" + self.server.removeprefix("http"))
        kept = KeptSessions(there, self.file, self._note)
        settings = self.settings
        if environ:
            prefix = self.settings.config.users.username_prefix
            settings = settings_for(self.server, MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX=prefix, **environ)
        context = TestContext(settings, self.server, Recorder(), kept=kept)
        self.crowd = Crowd(self.server, self.admin, context)
        return self.crowd

    def _note(self, change: SessionChange) -> None:
        self.changes.append(change)
        make_changes(self.file, [change], 1)

    def one(self) -> Person:
        """The first person of a new test; `asked` has the requests of the entry."""
        person = self.newcomer()
        enter(person)
        return person

    def newcomer(self) -> Person:
        return _newcomer(self.come_in_anew() if self.crowd.people else self.crowd)

    def somebody_writes(self, channel_id: str) -> str:
        """A new account writes into a channel; its id."""
        name = f"writer{len(self.admin.posts(channel_id))}-{channel_id}"[:22]
        account = {"username": name, "email": f"{name}@example.com", "password": "Long-enough-1"}
        writer_id: str = self.admin.ask("POST", "/users", account)["id"]
        team_id = self.admin.ask("GET", f"/channels/{channel_id}")["team_id"]
        self.admin.ask("POST", f"/teams/{team_id}/members", {"team_id": team_id, "user_id": writer_id})
        self.admin.ask("POST", f"/channels/{channel_id}/members", {"user_id": writer_id})
        login = {"login_id": name, "password": account["password"]}
        token = requests.post(f"{self.server}/api/v4/users/login", json=login, timeout=30).headers["Token"]
        post = {"channel_id": channel_id, "message": "Hello"}
        headers = {"Authorization": f"Bearer {token}"}
        requests.post(f"{self.server}/api/v4/posts", json=post, headers=headers, timeout=30).raise_for_status()
        return writer_id

    @property
    def token(self) -> str:
        (account,) = self.file.values()
        return account.tokens[-1]


def _newcomer(crowd: Crowd) -> Person:
    from mmload.users import new_person

    person = new_person(crowd.context, len(crowd.people) + 1, crowd.report)
    person.sleep = lambda seconds: None
    person.poll_due = float("inf")
    person.api.rest.renew_session = lambda token: log_in_again(person, token)
    crowd.people.append(person)
    return person


@pytest.fixture
def scene(sandbox: str) -> Iterator[Scene]:
    Admin(sandbox).team()
    made = Scene(sandbox)
    yield made
    for person in made.crowd.people:
        disconnect(person)


def test_who_logged_in_once_needs_no_password_the_next_time(scene: Scene) -> None:
    person = scene.one()
    sessions = person.context.recorder.sessions

    assert LOGIN not in scene.crowd.asked
    assert scene.crowd.failed == []
    assert person.socket is not None and person.socket.connected
    assert person.store.me.username and person.store.current_channel_id
    assert (sessions.logins, sessions.kept_sessions) == (0, 1)


def test_it_is_as_if_the_page_were_closed_and_opened_again(scene: Scene) -> None:
    """To the request."""
    person = scene.one()
    came = Counter(scene.crowd.asked)
    scene.crowd.asked.clear()
    close_and_open(person)

    assert came == Counter(scene.crowd.asked)


@pytest.mark.parametrize("is_known", [True, False])
def test_the_pictures_of_the_page_that_was_closed_are_in_the_browsers_cache(
    scene: Scene, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of people who are looked up a little later. Whoever is met elsewhere has none there."""
    first = scene.one()
    channel, elsewhere = first.current_channel_id(), scene.admin.channel(first.store.current_team_id)["id"]
    disconnect(first)
    writer = scene.somebody_writes(channel)
    person = scene.newcomer()
    if not is_known:
        monkeypatch.setattr(person.api, "users", lambda page, per_page: [])
    enter(person)
    assert (writer in person.wants_users) is not is_known
    person.look_up_due = 0
    look_up(person)

    assert FACE not in scene.crowd.asked
    scene.admin.ask("POST", f"/channels/{elsewhere}/members", {"user_id": person.id})
    scene.somebody_writes(elsewhere)
    view_channel(person, person.api.channel(elsewhere))
    person.look_up_due = 0
    look_up(person)

    assert FACE in scene.crowd.asked


def test_who_logs_in_fetches_the_pictures(scene: Scene) -> None:
    crowd = scene.come_in_anew(MMLOAD_USERSCONFIGURATION_LOGINSHARE="1")
    enter(_newcomer(crowd))

    assert FACE in crowd.asked


def test_a_session_that_expired_is_renewed_once_and_the_new_one_kept(scene: Scene) -> None:
    (login,) = scene.file
    before = scene.file[login] = KeptAccount(scene.file[login].user_id, ["revoked by the server"])
    person = scene.one()

    assert scene.crowd.asked.count(LOGIN) == 1
    assert person.socket is not None and person.socket.connected
    assert person.context.recorder.sessions.relogins == 1
    assert scene.token == person.api.rest.token != before.tokens[0]
    disconnect(person)
    scene.one()
    assert LOGIN not in scene.crowd.asked


def test_a_session_of_a_person_that_is_made_anew_is_no_trouble(scene: Scene) -> None:
    """The server was set up again at the same address: another id, too."""
    (login,) = scene.file
    scene.file[login] = KeptAccount("w" * 26, ["of the server before"])
    person = scene.one()

    assert person.id == person.store.me.id == scene.file[login].user_id != "w" * 26
    assert scene.crowd.asked.count(LOGIN) == 1


def test_who_cannot_log_in_either_keeps_no_dead_session_in_use(scene: Scene) -> None:
    """The next try begins with a log-in, whose failure is told as such."""
    (login,) = scene.file
    scene.file[login] = KeptAccount(scene.file[login].user_id, ["revoked"])
    crowd = scene.come_in_anew()
    person = _newcomer(crowd)
    fault = {"route": "POST /api/v4/users/login", "status": 500, "times": 1}
    requests.post(f"{scene.server}/sandbox/faults", json=fault, timeout=10).raise_for_status()

    with pytest.raises(MmloadError):
        enter(person)

    assert person.api.rest.token == ""
    enter(person)
    assert crowd.asked.count(LOGIN) == 2
    assert scene.token == person.api.rest.token


def test_a_log_out_takes_the_session_out_of_the_file(scene: Scene) -> None:
    """And the log-in after it puts the new one there."""
    person = scene.one()
    before = scene.token
    logout_login(person)

    assert scene.changes[-2] == SessionChange(person.account.email, ended=before)
    assert scene.token == person.api.rest.token != before
    disconnect(person)
    scene.one()
    assert LOGIN not in scene.crowd.asked


def test_users_that_log_out_when_they_are_stopped_leave_no_session_behind(scene: Scene) -> None:
    crowd = scene.come_in_anew(
        MMLOAD_USERSCONFIGURATION_LOGOUTWHENSTOPPED="true", MMLOAD_USERSCONFIGURATION_LOGINSHARE="0"
    )
    person = _newcomer(crowd)
    enter(person)
    disconnect(person)

    assert scene.file == {}


def test_a_log_out_that_fails_changes_nothing(scene: Scene) -> None:
    person = scene.one()
    before = scene.token
    person.api.rest.set_token("no session")
    disconnect(person)

    assert scene.token == before


def test_with_a_share_of_one_everybody_logs_in(scene: Scene) -> None:
    crowd = scene.come_in_anew(MMLOAD_USERSCONFIGURATION_LOGINSHARE="1")
    enter(_newcomer(crowd))

    assert LOGIN in crowd.asked


def test_an_administrators_session_is_not_kept(scene: Scene) -> None:
    crowd = scene.come_in_anew()
    person = _newcomer(crowd)
    person.account = administrator(1, crowd.context.settings.config.connection)
    changes = len(scene.changes)
    enter(person)
    disconnect(person)

    assert LOGIN in crowd.asked
    assert len(scene.changes) == changes


def test_the_next_user_of_an_account_takes_the_session_of_the_one_who_left(scene: Scene) -> None:
    """In the same test: users come and go."""
    crowd = scene.come_in_anew()
    first = _newcomer(crowd)
    enter(first)
    token = first.api.rest.token
    disconnect(first)
    crowd.people.clear()
    second = _newcomer(crowd)
    enter(second)

    assert second.api.rest.token == token
    assert LOGIN not in crowd.asked
