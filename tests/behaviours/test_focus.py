"""The focus of a person's window: what is sent when it goes and comes back, and that nobody acts without it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import gevent
import pytest

from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.composing import send_post
from mmload.behaviours.events import BURST_BEGINS_AFTER, MOST_JOBS, VIEW_ON_ARRIVAL
from mmload.behaviours.focus import BLUR, FOCUS, begin_spells, blur, focus, mean_spell_seconds, spell_seconds
from mmload.behaviours.login import close_socket
from mmload.behaviours.person import BrowserWindow, Person
from mmload.config import SimulController
from mmload.errors import ServerFault
from mmload.metrics.recorder import ActionOutcome
from tests.behaviours.conftest import Scene, make_scene
from tests.support import crowd

VIEW = "POST /channels/members/{user_id}/view"
OWN_CHANNELS = "GET /users/{user_id}/teams/{team_id}/channels"
OWN_MEMBERS = "GET /users/{user_id}/teams/{team_id}/channels/members"
LOOKS_AWAY = {"MMLOAD_SIMULCONTROLLER_PERCENTTIMEINFRONT": "0.5", "MMLOAD_SIMULCONTROLLER_AVGMINUTESINFRONT": "10"}
PATIENCE_SECONDS = 180


class FakeClock:
    """A clock of one person that goes on only when they sleep, or are told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def looking_away(sandbox: str) -> Iterator[Scene]:
    with crowd(sandbox, **LOOKS_AWAY) as here:
        yield make_scene(here)


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Ann's window has the focus."""
    scene.ann.window = BrowserWindow()
    return scene


@pytest.fixture
def ann(looking_away: Scene) -> Iterator[Person]:
    """In front, looking at a channel, with a clock of her own."""
    person = looking_away.ann
    looking_away.at(1)
    person.window, before = BrowserWindow(), person.clock
    person.clock = FakeClock()
    looking_away.crowd.asked.clear()
    yield person
    person.clock = before
    person.window = BrowserWindow()


def done(person: Person, name: str) -> int:
    """How often something of the background was done since this was asked last."""
    figures = person.context.recorder.take().actions.get(name)
    return figures.done if figures is not None else 0


def await_that(fulfilled: Callable[[], bool], what: str) -> None:
    """Until it is so; events may take their time."""
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError(f"never: {what}")):
        while not fulfilled():
            gevent.sleep(0.01)


def test_losing_the_focus_tells_that_no_channel_is_on_the_screen(looking_away: Scene, ann: Person) -> None:
    blur(ann)

    assert looking_away.crowd.asked == [VIEW]
    assert not ann.window.in_front


def test_back_after_ten_seconds_the_channel_is_viewed(looking_away: Scene, ann: Person) -> None:
    blur(ann)
    ann.clock.now += 10  # type: ignore[attr-defined]
    looking_away.crowd.asked.clear()

    focus(ann)

    assert looking_away.crowd.asked == [VIEW]


def test_back_after_more_than_two_minutes_the_teams_channels_are_looked_at_too(
    looking_away: Scene, ann: Person
) -> None:
    blur(ann)
    ann.clock.now += 130  # type: ignore[attr-defined]
    looking_away.crowd.asked.clear()

    focus(ann)

    assert sorted(looking_away.crowd.asked) == [OWN_CHANNELS, OWN_MEMBERS, VIEW]


def test_a_long_return_counts_as_one_unread_check_of_the_load_model(looking_away: Scene, ann: Person) -> None:
    blur(ann)
    ann.clock.now += 130  # type: ignore[attr-defined]
    focus(ann)

    assert looking_away.does("UnreadCheck", ActionOutcome.SKIPPED) == []
    assert len(looking_away.does("UnreadCheck")) == 4


def test_nobody_acts_while_their_window_is_behind_others(ann: Person) -> None:
    """Ten seconds of rest last for ten seconds in front, however long the window is away in between."""
    clock = ann.clock
    ann.window.due = clock.now + 4  # type: ignore[attr-defined]
    slept: list[float] = []

    class Alarm:
        def clear(self) -> None:
            pass

        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            clock.now += seconds  # type: ignore[attr-defined]

    ann._alarm, before = Alarm(), ann._alarm  # type: ignore[assignment]
    began = clock()
    states: list[bool] = []

    def background(person: Person) -> None:
        run_background_tasks(person)
        states.append(person.window.in_front)

    ann.look_up_due = float("inf")
    ann.rest(10, background)
    ann._alarm = before

    assert states[:3] == [True, False, True]
    assert sum(slept[::2]) == pytest.approx(10), "seconds in front"
    assert clock() - began == pytest.approx(10 + sum(slept[1::2]))


def test_a_view_request_that_fails_harms_nobody(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(channel_id: str, collapsed_threads: bool) -> None:
        raise ServerFault("500", route=VIEW, status=500)

    monkeypatch.setattr(ann.api, "view_channel", refuse)
    done(ann, BLUR)
    ann.window.due = ann.clock()

    run_background_tasks(ann)

    assert done(ann, BLUR) == 1
    assert not ann.window.in_front


def test_orders_bring_the_window_to_the_front(ann: Person) -> None:
    ann.window.due = ann.clock() + 1e6
    blur(ann)
    done(ann, FOCUS)
    seen: list[bool] = []
    ann.give_order(lambda: seen.append(ann.window.in_front))

    run_background_tasks(ann)

    assert seen == [True]
    assert done(ann, FOCUS) == 1


# -- how long ------------------------------------------------------------------------------------------------


def test_the_mean_time_away_follows_from_the_share() -> None:
    simul = SimulController(percent_time_in_front=0.75, avg_minutes_in_front=6)

    assert mean_spell_seconds(simul, in_front=True) == 360
    assert mean_spell_seconds(simul, in_front=False) == pytest.approx(120)


def test_spells_are_the_same_in_every_run_with_a_seed_whatever_the_person_did(ann: Person) -> None:
    def spells() -> list[float]:
        found = []
        for number in range(20):
            ann.window.spells = number
            found.append(spell_seconds(ann, in_front=number % 2 == 0))
        return found

    first = spells()
    ann.rng.random()

    assert spells() == first
    assert len(set(first)) == len(first)


def test_who_comes_in_is_in_front_with_the_share_s_probability(looking_away: Scene) -> None:
    """People act as often as configured from the beginning."""
    person = looking_away.bob
    number, in_front = person.account.number, 0
    before = person.account
    for number in range(400):
        person.account = type(before)(number, before.username, before.email, before.password)
        person.window = BrowserWindow()
        begin_spells(person)
        in_front += person.window.due > person.clock()
    person.account, person.window = before, BrowserWindow()

    assert 150 < in_front < 250


def test_with_a_share_of_one_nobody_ever_looks_away(sandbox: str) -> None:
    with crowd(sandbox, MMLOAD_SIMULCONTROLLER_PERCENTTIMEINFRONT="1") as here:
        person = here.come()

        begin_spells(person)

        assert not person.window.has_spells


def test_the_clock_of_actions_stands_still_behind_other_windows() -> None:
    window, rng = BrowserWindow(), random.Random(3)
    window.due = 1.0
    now, in_front_for = 0.0, 0.0
    for _ in range(50):
        seconds = rng.uniform(0, 5)
        if window.in_front:
            in_front_for += seconds
        now += seconds
        assert window.acting_clock(now) == pytest.approx(in_front_for)
        window.turn(now, in_front=not window.in_front)


# -- messages that arrive --------------------------------------------------------------------------------------


def arrive(scene: Scene, count: int = 1, *, gap_seconds: float = 1.0) -> None:
    """Bob writes where ann looks; returns when she has all of it, and has sent what she sends.

    By her clock so long after one another, whatever time it takes.
    """
    scene.bob.store.current_channel_id = ""
    before, clock = scene.ann.clock, FakeClock()
    scene.ann.clock, scene.ann.last_posted_at = clock, 0.0
    for _ in range(count):
        clock.now += gap_seconds
        post = send_post(scene.bob, scene.at(1), "hello")
        await_that(partial(scene.ann.store.posts.__contains__, post.id), "the message arrives")
    await_that(lambda: not scene.ann.jobs, "the requests end")
    scene.ann.clock = before


def test_each_message_in_the_channel_on_the_screen_is_viewed(scene: Scene) -> None:
    done(scene.ann, VIEW_ON_ARRIVAL)

    arrive(scene, 5)

    assert done(scene.ann, VIEW_ON_ARRIVAL) == 5


def test_messages_elsewhere_and_one_s_own_are_not_viewed(scene: Scene) -> None:
    done(scene.ann, VIEW_ON_ARRIVAL)

    send_post(scene.bob, scene.channels[2]["id"], "elsewhere")
    send_post(scene.ann, scene.at(1), "mine")
    # Events come in their order: with this one, the others have been there.
    arrive(scene)

    assert done(scene.ann, VIEW_ON_ARRIVAL) == 1


def test_nothing_is_viewed_while_the_window_is_behind_others(scene: Scene) -> None:
    done(scene.ann, VIEW_ON_ARRIVAL)
    scene.ann.window.turn(scene.ann.clock(), in_front=False)

    arrive(scene)

    assert done(scene.ann, VIEW_ON_ARRIVAL) == 0


def test_in_a_burst_only_the_first_messages_are_viewed(scene: Scene) -> None:
    """The application takes in the rest of them as a whole."""
    done(scene.ann, VIEW_ON_ARRIVAL)

    arrive(scene, 8, gap_seconds=0.05)

    assert done(scene.ann, VIEW_ON_ARRIVAL) == BURST_BEGINS_AFTER


def test_a_server_that_does_not_answer_does_not_get_ever_more_view_requests(scene: Scene) -> None:
    for _ in range(MOST_JOBS):
        scene.ann.start_job(lambda: gevent.sleep(PATIENCE_SECONDS))
    done(scene.ann, VIEW_ON_ARRIVAL)

    post = send_post(scene.bob, scene.at(1), "hello")
    await_that(lambda: post.id in scene.ann.store.posts, "the message arrives")

    assert len(scene.ann.jobs) == MOST_JOBS
    scene.ann.end_jobs()
    await_that(lambda: not scene.ann.jobs, "the jobs end")
    assert done(scene.ann, VIEW_ON_ARRIVAL) == 0


def test_what_a_page_does_beside_the_actions_ends_with_its_socket(sandbox: str) -> None:
    with crowd(sandbox) as here:
        person = here.come()
        ended: list[str] = []

        def wait() -> None:
            try:
                gevent.sleep(PATIENCE_SECONDS)
            finally:
                ended.append("ended")

        person.start_job(wait)
        gevent.sleep(0)

        close_socket(person)

        await_that(lambda: not person.jobs, "the jobs end")
        assert ended == ["ended"]
