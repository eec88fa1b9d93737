"""The generative user: together they fill a server until the goals of gencontroller.json are met, then they idle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from mmload.behaviours import goals as names
from mmload.behaviours.actions import generating
from mmload.behaviours.catalogue import Action
from mmload.behaviours.entering import greet, log_in, open_socket
from mmload.behaviours.goals import Generation
from mmload.behaviours.idle import do_nothing, nothing
from mmload.behaviours.loading import fetch_site, load_page, settle
from mmload.behaviours.mix import Mix
from mmload.behaviours.person import POLL_SECONDS, Person
from mmload.behaviours.simulative import Behaviour, perform
from mmload.client.capabilities import Capabilities
from mmload.metrics.recorder import Outcome

WAIT_SECONDS = 1.0
# A rate of 0 must leave the process some time for others.
SHORTEST_WAIT_SECONDS = 0.01
JOIN_TEAMS, ADD_MEMBER, GET_POSTS = "JoinAllTeams", "AddChannelMember", "GetPosts"
FEWEST_READINGS = 100
POSTS_A_READING = 1000

Make = Callable[[Person, Generation], None]
MAKING: Mapping[str, Make] = {
    names.TEAMS: generating.create_team,
    names.PUBLIC_CHANNELS: generating.create_public_channel,
    names.PRIVATE_CHANNELS: generating.create_private_channel,
    names.DIRECT_CHANNELS: generating.create_direct_channel,
    names.GROUP_CHANNELS: generating.create_group_channel,
    names.POSTS: generating.create_post,
    names.REPLIES: generating.create_reply,
    names.LONG_REPLIES: generating.create_reply_in_long_thread,
    names.REACTIONS: generating.add_reaction,
    names.REMINDERS: generating.create_post_reminder,
    names.CATEGORIES: generating.create_sidebar_category,
    names.FOLLOWED_THREADS: generating.follow_thread,
}
# What goes on beside, without a goal of its own, as long as there are others.
BESIDE: Mapping[str, Make] = {ADD_MEMBER: generating.add_channel_member, GET_POSTS: generating.get_posts}


def enter_to_generate(person: Person, made: Generation) -> None:
    """Come in as everybody does; on a server without teams the first comers make some before."""
    if not person.api.rest.token:
        log_in(person)
    fetch_site(person)
    greet(person)
    _give_up_what_is_missing(made, person.site.capabilities)
    if not person.api.own_teams(person.id) and made.goals.goals[names.TEAMS].left > 0:
        with made.goals.slot(names.TEAMS):
            generating.create_team(person, made)
    open_socket(person)
    load_page(person)
    settle(person)


def _give_up_what_is_missing(made: Generation, can: Capabilities) -> None:
    if can.collapsed_threads == "disabled":
        made.goals.give_up(names.FOLLOWED_THREADS, "this server has no collapsed threads")
    if not can.at_least(7, 2):
        made.goals.give_up(names.REMINDERS, "this server has no post reminders (before 7.2)")


def choices(made: Generation, readings: float) -> list[tuple[str, float]]:
    """What a user may do now, weighted. Pure."""
    wanted = made.goals.open()
    if wanted and made.goals.phase() == len(names.PHASES) - 1:
        wanted += [(ADD_MEMBER, 2 * len(made.channels)), (GET_POSTS, readings)]
    return [(name, weight) for name, weight in wanted if weight > 0]


def make_one(person: Person, made: Generation, name: str) -> Outcome:
    """One try at one goal (or at what goes on beside)."""
    outcome = perform(person, Action(name, partial(_make, name, made), 1))
    # Those who are still coming in may be just the ones that are missing.
    if outcome is Outcome.SKIPPED and name in MAKING and person.site.recorder.users.waiting == 0:
        made.goals.fruitless(len(made.people))
    return outcome


def _make(name: str, made: Generation, person: Person) -> None:
    if name in BESIDE:
        BESIDE[name](person, made)
        return
    with made.goals.slot(name):
        MAKING[name](person, made)


def _task(name: str) -> Callable[[GenerateBehaviour], None]:
    """The making of one thing as a task, shown and tagged by its name."""

    def task(behaviour: GenerateBehaviour) -> None:
        make_one(behaviour.person, behaviour.generation, name)

    task.__name__ = task.__qualname__ = name
    task.__doc__ = (BESIDE.get(name) or MAKING[name]).__doc__
    task.action = Action(name, do_nothing, 1)  # type: ignore[attr-defined]
    return task


def _join_teams(behaviour: GenerateBehaviour) -> None:
    outcome = perform(behaviour.person, Action(JOIN_TEAMS, generating.join_all_teams, 1))
    behaviour.teams_joined = outcome is Outcome.OK


class GenerateBehaviour(Behaviour):
    """Draws from what is still wanted. The goals are those of `self.user.generation`, shared in the process."""

    tasks = [_task(name) for name in (*MAKING, *BESIDE)]  # noqa: RUF012 — Locust's own form
    teams_joined = False

    @property
    def generation(self) -> Generation:
        return cast("Generation", self.user.generation)  # type: ignore[attr-defined]

    def on_start(self) -> None:
        self._by_name = {task.action.name: task for task in cast("list[Any]", self.tasks)}
        self.generation.people[self.person.id] = self.person
        super().on_start()

    def on_stop(self) -> None:
        self.generation.people.pop(self.person.id, None)

    def get_next_task(self) -> Any:
        made = self.generation
        if made.goals.phase() > 0 and not self.teams_joined:
            return _join_teams
        wanted = [(name, weight) for name, weight in choices(made, self._readings()) if name in self._by_name]
        if not wanted:
            made.goals.tell_once()
            return nothing  # all is made, or in the making
        return self._by_name[Mix(wanted).draw(self.person.rng)]

    def _readings(self) -> float:
        return max(FEWEST_READINGS, self.person.site.settings.generate.num_posts / POSTS_A_READING)

    def wait_time(self) -> float:
        if self.generation.goals.finished:
            return POLL_SECONDS
        return max(SHORTEST_WAIT_SECONDS, WAIT_SECONDS * self.person.rate)
