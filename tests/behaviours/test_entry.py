"""Only the login, teams, channels and the WebSocket keep a user out; all else is counted and gone on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from mmload.behaviours.composing import compose
from mmload.behaviours.login import HANDSHAKE, EntryRefused, enter_patiently
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.errors import Refused
from mmload.metrics.delta import Delta
from mmload.metrics.recorder import ActionOutcome
from mmload.users import new_person
from tests.behaviours.conftest import ACTIONS
from tests.support import Admin, Crowd, crowd

# What a page load asks for without which a person is in all the same; in 11.6, for a member of one team.
OPTIONAL = (
    "GET site page",
    "GET site asset",
    "GET /config/client",
    "GET /license/client",
    "GET /users",
    "GET /users/{user_id}/preferences",
    "POST /roles/names",
    "GET /plugins/webapp",
    "GET /users/{user_id}/teams/members",
    "GET /users/{user_id}/teams/{team_id}/channels/members",
    "GET /users/{user_id}/channels",
    "GET /users/{user_id}/channel_members",
    "GET /users/{user_id}/teams/unread",
    "GET /limits/server",
    "GET /trial-license/prev",
    "GET /system/notices/{team_id}",
    "GET /users/{user_id}/teams/{team_id}/drafts",
    "GET /users/{user_id}/teams/{team_id}/threads",
    "GET /agents",
    "GET /agents/status",
    "GET /users/stats",
    "POST /users/status/ids",
    "GET /users/{user_id}/teams/{team_id}/channels/categories",
    "GET /users/{user_id}/channels/{channel_id}/posts/unread",
    "GET /channels/{channel_id}/stats",
    "POST /channels/members/{user_id}/view",
)
ESSENTIAL = ("GET /users/{user_id}/teams", "GET /users/{user_id}/teams/{team_id}/channels", "GET /websocket")
MOST_WAITS = 20
SITE = {"GET site page": "GET /", "GET site asset": "*"}


@pytest.fixture(scope="module")
def here(sandbox: str) -> Iterator[Crowd]:
    Admin(sandbox).team()
    with crowd(sandbox) as found:
        yield found


def person_of(here: Crowd) -> Person:
    """One more person, not logged in, whose waits take no time."""
    person = new_person(here.context, len(here.people) + 1, here.report)
    waits: list[None] = [None] * MOST_WAITS
    person.sleep = lambda seconds: waits.pop()  # whoever is kept out for ever ends the test
    person.poll_due = float("inf")
    here.people.append(person)
    here.asked.clear()
    here.failed.clear()
    here.context.recorder.take()
    return person


def comes_in(here: Crowd, *faults: dict[str, object]) -> Delta:
    """A person tries to get in while these faults are on; what was counted."""
    person = person_of(here)
    control = f"{here.server}/sandbox/faults"
    for fault in faults:
        requests.post(control, json=fault, timeout=10).raise_for_status()
    try:
        assert enter_patiently(person, lambda refusal: None)
    finally:
        requests.delete(control, timeout=10)
    assert person.socket is not None and person.socket.connected
    assert person.store.current_team_id and person.store.team_channels()
    return here.context.recorder.take()


def sandbox_route(route: str) -> str:
    method, _, path = route.partition(" ")
    return f"{method} /api/v4{path}"


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("route", [route for route in OPTIONAL if route not in SITE])
def test_a_request_that_always_fails_keeps_nobody_out(here: Crowd, route: str, status: int) -> None:
    """And is not made again and again: each retry of the whole load would burden a server that already refuses."""
    found = comes_in(here, {"route": sandbox_route(route), "status": status})

    assert found.kept_out == {}
    assert 1 <= len([failed for failed in here.failed if failed.startswith(route)]) <= 4
    assert Counter(here.asked)["GET site page"] == 1


def test_a_site_that_has_no_page_keeps_nobody_out(here: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without its web application: only the API answers."""
    monkeypatch.setattr("mmload.client.api.system.SystemCalls.site_page", no_page)

    assert comes_in(here).kept_out == {}


def no_page(calls: object, path: str) -> None:
    raise Refused("404 Not Found", route="GET site page", status=404)


@pytest.mark.parametrize("route", ESSENTIAL)
def test_an_essential_request_is_tried_again_alone(here: Crowd, route: str) -> None:
    """What was loaded before is not loaded again; each failed try is counted with its reason."""
    found = comes_in(here, {"route": sandbox_route(route), "status": 503, "times": 2})

    assert 1 <= sum(found.kept_out.values()) <= 2
    [reason] = found.kept_out
    assert reason.startswith(f"{route}: ") and "503" in reason
    assert Counter(here.asked)["GET site page"] == 1
    assert (found.sessions.logins, found.sockets.opened) == (1, 1)


def test_a_first_handshake_counts_as_a_request(here: Crowd) -> None:
    assert comes_in(here).routes[HANDSHAKE].times.count == 1


def test_who_is_refused_for_good_is_counted_with_the_reason(here: Crowd) -> None:
    person = person_of(here)
    control = f"{here.server}/sandbox/faults"
    requests.post(control, json={"route": "POST /api/v4/users/login", "status": 403}, timeout=10).raise_for_status()
    refused: list[EntryRefused] = []
    try:
        assert not enter_patiently(person, refused.append)
    finally:
        requests.delete(control, timeout=10)

    assert here.context.recorder.take().kept_out == {str(refused[0]): 1}


# Section and key of the setting, its value, the feature as it is named, and an action that uses it.
SWITCHED_OFF = (
    ("ServiceSettings", "EnableUserStatuses", False, "user statuses", "SwitchChannel"),
    ("ServiceSettings", "EnableUserTypingMessages", False, "typing messages", "CreatePost"),
    ("ServiceSettings", "EnablePostSearch", False, "post search", "SearchPosts"),
    ("ServiceSettings", "PostEditTimeLimit", 0, "editing posts", "EditPost"),
    ("FileSettings", "EnableFileAttachments", False, "file attachments", "CreatePost"),
    ("TeamSettings", "EnableCustomUserStatuses", False, "custom statuses", "UpdateCustomStatus"),
)


@pytest.mark.parametrize(("section", "key", "value", "feature", "action"), SWITCHED_OFF)
def test_what_is_switched_off_is_no_failure_and_named(
    fresh_sandbox: str, section: str, key: str, value: object, feature: str, action: str
) -> None:
    """Of statuses that are off, for instance, Mattermost answers 404; of files 501."""
    admin = Admin(fresh_sandbox)
    admin.team()
    admin.ask("PUT", "/config/patch", {section: {key: value}})
    with crowd(fresh_sandbox, MMLOAD_SIMULCONTROLLER_PERCENTPOSTSWITHFILES="1") as here:
        person = here.come()
        outcomes = {
            perform(person, ACTIONS[action]) for _ in range(3) if ACTIONS[action].offered(here.context.capabilities)
        }
        told = here.context.recorder.take().unavailable

    assert here.failed == []
    assert ActionOutcome.FAILED not in outcomes
    assert feature in told


def test_a_post_is_edited_only_while_the_server_allows_it(fresh_sandbox: str) -> None:
    admin = Admin(fresh_sandbox)
    admin.team()
    admin.ask("PUT", "/config/patch", {"ServiceSettings": {"PostEditTimeLimit": 3600}})
    with crowd(fresh_sandbox) as here:
        person = here.come()
        assert perform(person, ACTIONS["CreatePost"]) is ActionOutcome.OK
        assert perform(person, ACTIONS["EditPost"]) is ActionOutcome.OK
        later = person.now_ms() + 2 * 3_600_000
        person.now_ms = lambda: later
        assert perform(person, ACTIONS["EditPost"]) is ActionOutcome.SKIPPED


def test_no_message_is_longer_than_the_server_takes(here: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    person = person_of(here)
    assert enter_patiently(person, lambda refusal: None)
    here.context.can = replace(here.context.capabilities, longest_message=7)

    assert len(compose(person)) == 7
