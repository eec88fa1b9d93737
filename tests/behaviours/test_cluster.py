"""The system console: what it asks, and that the server is left as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.behaviours.cluster import CONSOLE, ConsoleSetting, enter_console
from mmload.behaviours.login import EntryRefused, disconnect, log_in
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.client.accounts import Account
from mmload.metrics.recorder import ActionOutcome
from mmload.users import new_person
from tests.support import ADMIN, Crowd, crowd

ASKED = {
    "GetLogs": ["GET /logs"],
    "GetAnalytics": ["GET /analytics/old"],
    "GetClusterStatus": ["GET /cluster/status"],
    "GetPluginStatuses": ["GET /plugins/statuses"],
    "UpdateConfig": ["GET /config", "PUT /config"],
}


[PLUGIN_STATUSES] = [page for page in CONSOLE if page.name == "GetPluginStatuses"]


@pytest.fixture(scope="module")
def here(server: str) -> Iterator[Crowd]:
    with crowd(server) as people:
        yield people


@pytest.fixture(scope="module")
def admin(here: Crowd) -> Iterator[Person]:
    person = new_person(here.context, 1, here.report)
    person.account = Account(1, "", ADMIN["login_id"], ADMIN["password"])
    enter_console(person)
    yield person
    disconnect(person)


def developer_mode(here: Crowd) -> bool:
    return bool(here.admin.ask("GET", "/config")["ServiceSettings"]["EnableDeveloper"])


@pytest.mark.parametrize("action", CONSOLE, ids=lambda action: action.name)
def test_each_page_of_the_console_asks_just_this(here: Crowd, admin: Person, action: object) -> None:
    if action is PLUGIN_STATUSES:
        here.needs("plugins", lambda can: can.plugins)
    [page] = [each for each in CONSOLE if each is action]
    before = developer_mode(here)
    here.asked.clear()

    assert perform(admin, page) is ActionOutcome.OK, here.failed
    assert here.asked == ASKED[page.name]
    assert developer_mode(here) is (before if page.name != "UpdateConfig" else not before)


def test_the_last_console_to_close_puts_the_setting_back(here: Crowd, admin: Person) -> None:
    """A load test must not leave a server in developer mode."""
    before = developer_mode(here)
    found = ConsoleSetting()
    found.opened(admin)
    perform(admin, CONSOLE[-1])
    found.opened(admin)

    found.closed(admin)
    assert developer_mode(here) is not before
    found.closed(admin)
    assert developer_mode(here) is before


def test_an_administrator_nobody_knows_is_not_signed_up(here: Crowd) -> None:
    """The account would be an ordinary one, under the administrator's address."""
    person = new_person(here.context, 2, here.report)
    person.account = Account(2, "", "nobody-at-all@example.com", "some password 1$")
    here.asked.clear()

    with pytest.raises(EntryRefused, match="does not create it"):
        log_in(person)
    assert here.asked == ["POST /users/login"]
