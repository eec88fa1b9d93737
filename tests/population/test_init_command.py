"""`mmload init` on a server: everything once, whatever happens in the middle. On the sandbox, as 11.6 and as 6.7, and
on a real server where there is one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mmload.errors import ServerNotReady
from mmload.population.admin_api import ApiServer, Stopped
from mmload.population.create import InitSummary, carry_out
from mmload.population.plan import ChannelKind, plan
from mmload.population.progress import InitProgress
from tests.conftest import running_sandbox
from tests.population.making_settings import settings
from tests.run.processes import mmload_here

SMALL = {"num_users": 8, "num_teams": 2, "num_channels": 20, "num_posts": 60, "num_reactions": 12, "num_admins": 1}


@pytest.fixture(scope="module", params=["sandbox 11.6", "sandbox 6.7", pytest.param("real", marks=pytest.mark.real)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server to fill."""
    if request.param == "real":
        yield os.environ["MMLOAD_TEST_SERVER"].rstrip("/")
        return
    with running_sandbox("--version", request.param.split()[1]) as address:
        yield address


@pytest.fixture
def faulty(fresh_sandbox: str) -> Iterator[str]:
    """A sandbox that takes faults."""
    yield fresh_sandbox
    requests.delete(f"{fresh_sandbox}/sandbox/faults", timeout=5)


def fault(server: str, **fields: Any) -> None:
    requests.post(f"{server}/sandbox/faults", json=fields, timeout=5).raise_for_status()


def fresh_prefix() -> str:
    """Populations of different prefixes don't know each other: a used server is as good as a new one."""
    return f"t{uuid.uuid4().hex[:10]}"


def made(server: str, prefix: str, seed: int = 1, **instance: Any) -> InitSummary:
    of = settings(server, instance=SMALL | instance, users={"username_prefix": prefix})
    return carry_out(plan(of, seed), of, InitProgress())


class Census:
    """What the server really holds, counted by the administrator."""

    def __init__(self, server: str, prefix: str) -> None:
        self.server = ApiServer(settings(server).config.connection)
        connection = settings(server).config.connection
        body = {"login_id": connection.admin_email, "password": connection.admin_password}
        self.token = self.server.call("POST", "/users/login", body).headers["Token"]
        names = [f"{prefix}-{n}" for n in range(1, SMALL["num_users"] + 1)]
        self.users = {user["id"]: user["username"] for user in self.ask("POST", "/users/usernames", names)}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.server.call(method, path, body, self.token).document

    def channels(self) -> dict[str, dict[str, Any]]:
        """All channels that the population is in, but those that every team has."""
        found = {}
        for user_id in self.users:
            for channel in self.ask("GET", f"/users/{user_id}/channels"):
                if channel["name"] not in ("town-square", "off-topic"):
                    found[channel["id"]] = channel
        return found

    def posts(self) -> list[dict[str, Any]]:
        every = []
        for channel_id in self.channels():
            listed = self.ask("GET", f"/channels/{channel_id}/posts?page=0&per_page=200")
            every += [post for post in listed["posts"].values() if post["user_id"] in self.users and not post["type"]]
        return every


def test_everything_planned_is_there_once(server: str) -> None:
    """Counted on the server, not by those who made it."""
    prefix = fresh_prefix()
    summary = made(server, prefix)
    planned = plan(settings(server, instance=SMALL, users={"username_prefix": prefix}), 1)
    census = Census(server, prefix)
    posts = census.posts()
    reactions = [reaction for post in posts for reaction in (post["metadata"].get("reactions") or ())]
    kinds = Counter(channel["type"] for channel in census.channels().values())

    assert len(census.users) == 8
    assert kinds == Counter({"O": 4, "P": 2, "D": 12, "G": 2})
    assert kinds["D"] == sum(channel.kind is ChannelKind.DIRECT for channel in planned.channels)
    assert len(posts) == 60
    assert sum(bool(post["root_id"]) for post in posts) == sum(post.root is not None for post in planned.posts)
    assert len(reactions) == 12
    assert {row.sort: row.made for row in summary.rows}["posts"] == 60
    assert not any(row.there for row in summary.rows)


def test_a_group_message_has_its_people_and_no_administrator(server: str) -> None:
    """An administrator who makes one becomes a member of it; so a member makes it."""
    prefix = fresh_prefix()
    made(server, prefix)
    census = Census(server, prefix)
    groups = [channel for channel in census.channels().values() if channel["type"] == "G"]

    for group in groups:
        members = census.ask("GET", f"/channels/{group['id']}/members?page=0&per_page=200")
        assert {member["user_id"] for member in members} <= set(census.users)


def test_the_second_time_nothing_is_made(server: str) -> None:
    """And the first made all of it."""
    prefix = fresh_prefix()
    first, second = made(server, prefix), made(server, prefix)

    assert first.made > 100
    assert second.made == 0
    assert [row.exist for row in second.rows] == [row.exist for row in first.rows]


def test_a_larger_plan_makes_only_what_is_missing(server: str) -> None:
    """From a small trial to the real size, without starting anew."""
    prefix = fresh_prefix()
    made(server, prefix, num_posts=20, num_users=6)
    grown = {row.sort: (row.there, row.made) for row in made(server, prefix, num_posts=60, num_users=8).rows}

    assert grown["accounts"] == (7, 2)
    assert grown["teams"] == (2, 0)
    assert grown["posts"][0] >= 10
    assert sum(grown["posts"]) == 60


def test_a_run_after_an_interruption_finishes_what_is_missing(server: str) -> None:
    """Stopped at any moment: Ctrl-C, or the progress bar's owner lost patience."""
    prefix = fresh_prefix()
    of = settings(server, instance=SMALL, users={"username_prefix": prefix})

    class StopsAfter(InitProgress):
        def __init__(self, things: int) -> None:
            self.things = things
            self.stop = threading.Event()

        def advance(self, count: int = 1) -> None:
            self.things -= count
            if self.things <= 0:
                self.stop.set()

    for things in (3, 9, 30, 55, 90):
        watcher = StopsAfter(things)
        try:
            carry_out(plan(of, 1), of, watcher, watcher.stop)
        except Stopped:
            continue
    summary = made(server, prefix)

    assert len(Census(server, prefix).posts()) == 60
    assert {row.sort: row.exist for row in summary.rows}["posts"] == 60
    assert made(server, prefix).made == 0


def test_a_kill_leaves_nothing_that_a_second_run_would_make_twice(server: str) -> None:
    """kill -9: no tidying up."""
    prefix = fresh_prefix()
    command = [sys.executable, "-m", "mmload", "init", "--server", server, "--posts", "150", "--users", "8", "--quiet"]
    environ = os.environ | {"MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX": prefix}
    for seconds in (0.5, 1.0):
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
            time.sleep(seconds)  # wherever it is by then
            process.kill()
    done = subprocess.run([*command, "--json"], env=environ, capture_output=True, text=True, check=True)
    posts = Census(server, prefix).posts()

    assert json.loads(done.stdout)["exist"]["posts"] == 150
    assert len(posts) == 150


@pytest.mark.parametrize("route", ["users", "teams", "channels", "channels/group", "posts"])
def test_a_lost_answer_makes_nothing_twice(faulty: str, route: str) -> None:
    """The server did it and could not say so: asked again, it must not do it again."""
    prefix = fresh_prefix()
    fault(faulty, route=f"POST /api/v4/{route}", hang_up=True, after=True, times=2)
    made(faulty, prefix)
    census = Census(faulty, prefix)
    summary = made(faulty, prefix)

    assert len(census.users) == 8
    assert len(census.posts()) == 60
    assert len(census.channels()) == 20
    assert summary.made == 0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(faulty: str, status: int) -> None:
    """Now and then, anywhere."""
    prefix = fresh_prefix()
    for method, route in (("POST", "users"), ("POST", "posts"), ("POST", "users/login"), ("GET", "users/me")):
        fault(faulty, route=f"{method} /api/v4/{route}", status=status, times=2)
    made(faulty, prefix)

    assert len(Census(faulty, prefix).posts()) == 60


def test_an_ended_session_is_renewed(faulty: str) -> None:
    """Somebody restarts the server with shorter sessions."""
    prefix = fresh_prefix()
    fault(faulty, route="POST /api/v4/posts", status=401, times=3)
    made(faulty, prefix)

    assert len(Census(faulty, prefix).posts()) == 60


def test_too_many_accounts_are_refused_before_the_first_is_made() -> None:
    """A free server takes 250; half a population is of no use."""
    with running_sandbox("--account-limit", "5") as server:
        with pytest.raises(ServerNotReady, match=r"allows 5 accounts .* has 1; 9 more .* \(--users\) by 5"):
            made(server, "few")

        assert Census(server, "few").users == {}


def test_accounts_are_made_where_sign_up_is_closed() -> None:
    """The administrator may."""
    with running_sandbox("--closed-signup") as server:
        assert {row.sort: row.made for row in made(server, "closed").rows}["accounts"] == 9


def test_accounts_with_another_password_are_named_with_the_remedy(fresh_sandbox: str) -> None:
    """Made by another tool, or with another configuration."""
    made(fresh_sandbox, "other", num_posts=0, num_reactions=0)
    of = settings(fresh_sandbox, instance=SMALL, users={"username_prefix": "other", "password": "something else 1"})

    with pytest.raises(ServerNotReady, match=r"wrong password.*UsersConfiguration\.Password"):
        carry_out(plan(of, 1), of, InitProgress())


def test_urgent_posts_are_written_where_there_is_a_licence() -> None:
    """And as ordinary ones elsewhere, which is told."""
    with running_sandbox("--licensed") as server:
        assert made(server, "licensed", percent_urgent_posts=1.0).notices == ()
        urgent = [post for post in Census(server, "licensed").posts() if post["metadata"].get("priority")]
        assert urgent


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmload", "init", *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_the_command_tells_what_there_is(server: str) -> None:
    """Talk on stderr, the table on stdout; the second time it says that it made nothing."""
    prefix = fresh_prefix()
    numbers = ("--users", "6", "--teams", "1", "--channels", "6", "--posts", "10")
    first = command("--server", server, *numbers, MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX=prefix)
    second = command("--server", server, *numbers, MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX=prefix)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "mmload init: accounts: 6 of 6 done" in first.stderr
    assert "posts" in first.stdout
    assert "Everything exists already; nothing was created." in second.stdout
    assert "testPass123$" not in first.stdout + first.stderr


def test_ctrl_c_ends_it_in_order(server: str) -> None:
    """One line, exit code 130, and nothing waits."""
    environ = os.environ | {"MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX": fresh_prefix()}
    arguments = [sys.executable, "-m", "mmload", "init", "--server", server, "--posts", "5000"]
    with subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "channel members" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=180) == 130

    assert "mmload init: interrupted" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--server", "http://127.0.0.1:1"), 5, "connection refused"),
        (("--server", "127.0.0.1:8065"), 2, "expected a URL"),
        (("--server", "http://127.0.0.1:99999"), 4, "--server"),
        (("--users", "-3"), 2, "-3"),
        (("--config", "there/is/none.json"), 4, "there/is/none.json"),
    ],
)
def test_bad_input_is_one_message_and_its_exit_code(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    done = mmload_here(tmp_path, "init", *arguments)

    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
