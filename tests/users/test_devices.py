"""People with several devices: each has a session and a socket of its own, and hears what happens on the others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import gevent
import pytest
import requests
from locust.env import Environment

from mmload.behaviours.channel_view import mark_read
from mmload.behaviours.login import disconnect
from mmload.behaviours.pace import devices_of
from mmload.client.accounts import connections, sessions_each
from mmload.config import DeviceShare
from mmload.config.tables import Users
from mmload.metrics.recorder import process_recorder
from mmload.plugin.runner.injection import carry_out, people_of
from mmload.results.folder import Order
from mmload.users import context_of
from tests.support import Crowd, crowd
from tests.users.test_given_back import free_again, started
from tests.users.test_users import await_that, counts, locust

__all__ = ["locust"]

SOME = (DeviceShare(1, 0.6), DeviceShare(2, 0.3), DeviceShare(3, 0.1))


def test_without_a_distribution_everybody_has_one() -> None:
    assert {devices_of(number, 7, ()) for number in range(100)} == {1}


def test_as_many_people_as_configured_have_several() -> None:
    """The same ones with the same seed."""
    drawn = [devices_of(number, 7, SOME) for number in range(10_000)]
    shares = Counter(drawn)

    assert shares[1] / 10_000 == pytest.approx(0.6, abs=0.02)
    assert shares[2] / 10_000 == pytest.approx(0.3, abs=0.02)
    assert shares[3] / 10_000 == pytest.approx(0.1, abs=0.02)
    assert drawn == [devices_of(number, 7, SOME) for number in range(10_000)]


@pytest.mark.parametrize(("devices", "expected"), [((), 200), (SOME, 300), ((DeviceShare(2, 1.0),), 400)])
def test_connections_are_more_than_people(devices: tuple[DeviceShare, ...], expected: int) -> None:
    assert connections(Users(devices_per_user=devices), 200) == expected


def test_so_many_sessions_of_each_account_are_kept_as_anybody_has_devices() -> None:
    assert sessions_each(Users()) == 1
    assert sessions_each(Users(devices_per_user=SOME)) == 3
    assert sessions_each(Users(devices_per_user=SOME, avg_sessions_per_user=2)) == 6


@pytest.fixture
def everybody_has_three(locust: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "config.json"
    document.write_text(json.dumps({"UsersConfiguration": {"DevicesPerUser": [{"Devices": 3, "Percentage": 1.0}]}}))
    monkeypatch.setenv("MMLOAD_CONFIG", str(document))


def connected(environment: Environment) -> Counter[str]:
    """The sockets at the server, by user name."""
    answer = requests.get(f"{environment.host}/sandbox/sockets", timeout=10).json()
    return Counter(each["username"] for each in answer)


@pytest.mark.usefixtures("everybody_has_three")
def test_people_and_connections_are_counted_apart_and_all_of_them_leave(locust: Environment) -> None:
    runner, recorder = locust.runner, process_recorder()
    assert runner is not None
    runner.start(2, spawn_rate=2)
    await_that(lambda: counts(locust)["sockets_open"] == 6, "two people are connected with three devices each")
    assert set(connected(locust).values()) == {3}
    assert (recorder.users.active, recorder.sessions.logins) == (2, 6)
    deliveries, total = context_of(locust).deliveries, recorder.take()

    def delivered() -> int:
        total.merge(recorder.take())
        return total.deliveries.delivered

    await_that(lambda: delivered() > 20, "what is posted comes to the others, and to one's own")
    runner.stop()

    await_that(lambda: counts(locust)["sockets_open"] == 0, "no socket stays behind")
    total.merge(recorder.take())
    assert total.sessions.logged_out == 2
    assert total.deliveries.reasons == {}
    # At the two others of who wrote it, and at the three of the other person where both are in the channel.
    assert total.deliveries.delivered > total.deliveries.sent * 2
    assert len(deliveries._tracker._free) == deliveries._tracker.seats == 6


@pytest.mark.usefixtures("everybody_has_three")
def test_a_storm_of_reconnects_reaches_all_devices_and_what_people_do_only_the_first(locust: Environment) -> None:
    user = started(locust)
    await_that(lambda: len(user.further_devices) == 2, "all devices are there")
    [devices] = people_of(locust)
    assert devices == (user.person, *user.further_devices) and len(devices) == 3
    await_that(lambda: all(device.socket is not None for device in devices), "each of them knows its connection")
    before = [device.socket for device in devices]
    assert carry_out([devices], Order("ReconnectWebSocket"), Random(1)) == 1
    await_that(lambda: counts(locust)["sockets_resumed"] >= 3, "each of them has come back")
    assert [device.socket for device in devices] == before

    assert carry_out([devices], Order("LogoutLogin"), Random(1)) == 1
    gevent.sleep(0)
    assert [len(device.orders) for device in devices[1:]] == [0, 0]
    user.greenlet.kill(block=True, timeout=30)


@pytest.mark.usefixtures("everybody_has_three")
def test_a_user_that_is_killed_takes_its_devices_along(locust: Environment) -> None:
    user = started(locust)
    await_that(lambda: counts(locust)["sockets_open"] == 3, "all devices are connected")
    context = context_of(locust)
    user.greenlet.kill(block=True, timeout=30)

    await_that(lambda: counts(locust)["sockets_open"] == 0, "no socket stays behind")
    free_again(context.accounts, context.deliveries)


@pytest.mark.usefixtures("everybody_has_three")
def test_a_user_that_leaves_while_its_devices_come_in_takes_them_along(locust: Environment) -> None:
    user = started(locust)
    await_that(lambda: process_recorder().users.active == 1, "the person is in")
    context = context_of(locust)
    user.greenlet.kill(block=True, timeout=30)
    gevent.idle()

    await_that(lambda: counts(locust)["sockets_open"] == 0, "no socket stays behind")
    free_again(context.accounts, context.deliveries)


@pytest.fixture(scope="module")
def people(sandbox: str) -> Iterator[Crowd]:
    with crowd(sandbox) as made:
        made.admin.team()
        yield made


def test_what_is_read_on_one_device_is_read_on_the_others(people: Crowd) -> None:
    """They hear of it by an event."""
    ann = people.come()
    other = people.come_as(ann)
    (channel_id,) = (each for each in ann.store.members if each != ann.store.current_channel_id)
    people.admin.ask("POST", "/posts", {"channel_id": channel_id, "message": "news"})
    await_that(lambda: channel_id in other.store.unread, "it is unread on both devices")
    mark_read(ann, channel_id)

    await_that(lambda: channel_id not in other.store.unread, "the channel is no longer unread")
    disconnect(other)
