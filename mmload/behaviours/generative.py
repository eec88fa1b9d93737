"""The generative user: together they fill a server until the goals of gencontroller.json are met, then they idle.

Each action creates one object on the server and notes it in the `Generation`; `NothingToDo` where that is impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from mmload import text
from mmload.behaviours import goals as names
from mmload.behaviours.actions.channels import new_name
from mmload.behaviours.actions.posts import REMINDER_SECONDS
from mmload.behaviours.catalogue import Action, WeightedChoice
from mmload.behaviours.composing import compose, is_urgent, post_message, upload
from mmload.behaviours.goals import GeneratedChannel, Generation, bucket
from mmload.behaviours.login import Step, enter, starting
from mmload.behaviours.page_load import Start, load_joined_team
from mmload.behaviours.person import POLL_SECONDS, NothingToDo, Person
from mmload.behaviours.tasksets import Behaviour, do_nothing, nothing, perform
from mmload.metrics.recorder import ActionOutcome
from mmload.models import DIRECT, PRIVATE, PUBLIC, Channel
from mmload.store import pick

# Others in a group channel: the server takes three to eight people.
FEWEST_OTHERS, MOST_OTHERS = 2, 7
POSTS_READ = 200

T = TypeVar("T")


def create_team(person: Person, made: Generation) -> None:
    """Create an open team."""
    name = new_name(person.rng, person.now_ms())
    team = person.api.create_team(f"team-{name}", " ".join(text.words(person.rng, 2)).title())
    load_joined_team(person, team)


def join_all_teams(person: Person) -> None:
    """Join all open teams."""
    for team in person.api.teams():
        if team.allow_open_invite and not team.delete_at and team.id not in person.store.teams:
            person.api.join_team(team.id, person.id)
            load_joined_team(person, team)


def create_channel(kind: str, person: Person, made: Generation) -> None:
    """Create a public or private channel in one of the user's teams."""
    team = person.pick(list(person.store.teams.values()), "not a member of any team")
    title = " ".join(text.words(person.rng, 2))
    channel = person.api.create_channel(team.id, new_name(person.rng, person.now_ms()), title, kind)
    person.store.remember_channels([channel], member=True)
    made.channels.append(GeneratedChannel(channel, len(made.channels), {person.id}))


create_public_channel = partial(create_channel, PUBLIC)
create_private_channel = partial(create_channel, PRIVATE)


def create_direct_channel(person: Person, made: Generation) -> None:
    """Create a direct channel with another user of this process."""
    known = {person.store.direct_partner(channel) for channel in person.store.my_channels() if channel.type == DIRECT}
    others = [other for other in made.people if other not in known and _pair(person, other) not in made.pairs]
    other = person.pick([other for other in others if other != person.id], "direct channels with all other users exist")
    with _once(made.pairs, _pair(person, other)):
        channel = person.api.create_direct_channel(person.id, other)
    person.store.remember_channels([channel], member=True)


def _pair(person: Person, other: str) -> frozenset[str]:
    return frozenset((person.id, other))


def create_group_channel(person: Person, made: Generation) -> None:
    """Create a group channel with two to seven others; the same users have only one such channel."""
    others = [other for other in made.people if other != person.id]
    if len(others) < FEWEST_OTHERS:
        raise NothingToDo("fewer than two other users are known")
    chosen = person.rng.sample(others, person.rng.randint(FEWEST_OTHERS, min(MOST_OTHERS, len(others))))
    people = frozenset((person.id, *chosen))
    if people in made.pairs:
        raise NothingToDo("these users already have a group channel")
    with _once(made.pairs, people):
        channel = person.api.create_group_channel(chosen)
    person.store.remember_channels([channel], member=True)


def add_channel_member(person: Person, made: Generation) -> None:
    """Add another user to one of the user's channels, as ChannelMembersDistribution says."""
    channel, limit = _channel_to_fill(person, made)
    outside = [other for other in made.people if other not in channel.members]
    other = pick(person.rng, outside)
    if other is None or (limit and len(channel.members) >= limit):
        raise NothingToDo("this channel is full")
    with _once(channel.members, other):
        person.api.add_channel_member(channel.channel.id, other)
    made.people[other].store.remember_channels([channel.channel], member=True)


def _channel_to_fill(person: Person, made: Generation) -> tuple[GeneratedChannel, int]:
    """A channel of this person's, and its most members (0 = no limit)."""
    distribution = person.context.settings.generate.channel_members_distribution
    channels, limit = made.channels, 0
    if distribution:
        [index] = person.rng.choices(range(len(distribution)), [each.probability for each in distribution])
        numbers = bucket([each.percent_channels for each in distribution], index, len(channels))
        channels, limit = channels[numbers.start : numbers.stop], distribution[index].member_limit
    channel = person.pick(
        [channel for channel in channels if person.id in channel.members], "no channel that others can be added to"
    )
    return channel, limit


def create_post(person: Person, made: Generation) -> None:
    """Create a post in one of the user's channels."""
    channel = person.pick(list(person.store.my_channels()), "not a member of any channel")
    settings = person.context.settings
    files = upload(person, channel.id) if person.rng.random() < settings.simul.percent_posts_with_files else ()
    urgent = is_urgent(person, settings.generate.percent_urgent_posts)
    post = post_message(person, channel.id, compose(person), file_ids=files, urgent=urgent)
    made.add_root(channel.id, post.id)


def create_reply(person: Person, made: Generation) -> None:
    """Reply to a generated post."""
    channel, root_id = _root(person, made)
    post_message(person, channel.id, compose(person, reply=True), root_id)


def create_reply_in_long_thread(person: Person, made: Generation) -> None:
    """Reply in one of the channel's few long threads."""
    channel, root_id = _root(person, made)
    thread_id = made.long_thread(channel.id, root_id)
    post_message(person, channel.id, compose(person, reply=True), thread_id)


def _root(person: Person, made: Generation, *, in_team: bool = False) -> tuple[Channel, str]:
    mine = [channel for channel in person.store.my_channels() if made.roots.get(channel.id)]
    channel = person.pick(
        [channel for channel in mine if channel.team_id or not in_team], "no post in this user's channels"
    )
    return channel, person.rng.choice(made.roots[channel.id])


def add_reaction(person: Person, made: Generation) -> None:
    """Add a reaction that the user has not given yet."""
    _, post_id = _root(person, made)
    emoji_name = person.rng.choice(text.REACTIONS)
    with _first_time(made, names.REACTIONS, person.id, post_id, emoji_name):
        person.api.react(person.id, post_id, emoji_name)


def create_post_reminder(person: Person, made: Generation) -> None:
    """Set a reminder for a post, in ten minutes."""
    _, post_id = _root(person, made)
    with _first_time(made, names.REMINDERS, person.id, post_id):
        person.api.remind(person.id, post_id, person.now_ms() // 1000 + REMINDER_SECONDS)


def create_sidebar_category(person: Person, made: Generation) -> None:
    """Create a sidebar category in one of the user's teams."""
    team = person.pick(list(person.store.teams.values()), "not a member of any team")
    person.api.create_category(person.id, team.id, text.words(person.rng, 1)[0])


def follow_thread(person: Person, made: Generation) -> None:
    """Follow the thread of a post in a channel of a team."""
    channel, post_id = _root(person, made, in_team=True)
    with _first_time(made, names.FOLLOWED_THREADS, person.id, post_id):
        person.api.follow_thread(person.id, channel.team_id, post_id)


def get_posts(person: Person, made: Generation) -> None:
    """Read the newest posts of one of the user's channels."""
    channel = person.pick(list(person.store.my_channels()), "not a member of any channel")
    person.api.newest_posts(channel.id, POSTS_READ)


def _first_time(made: Generation, *what: str) -> AbstractContextManager[None]:
    if what in made.done:
        raise NothingToDo("already done")
    return _once(made.done, what)


@contextmanager
def _once(those: set[T], this: T) -> Iterator[None]:
    """`this` is entered before the request, so that nobody does it at the same time; taken out again if it failed."""
    those.add(this)
    try:
        yield
    except BaseException:
        those.discard(this)
        raise


WAIT_SECONDS = 1.0
# A rate of 0 must leave the process some time for others.
SHORTEST_WAIT_SECONDS = 0.01
JOIN_TEAMS, ADD_MEMBER, GET_POSTS = "JoinAllTeams", "AddChannelMember", "GetPosts"
FEWEST_READINGS = 100
POSTS_A_READING = 1000

Make = Callable[[Person, Generation], None]
GENERATED: Mapping[str, Make] = {
    names.TEAMS: create_team,
    names.PUBLIC_CHANNELS: create_public_channel,
    names.PRIVATE_CHANNELS: create_private_channel,
    names.DIRECT_CHANNELS: create_direct_channel,
    names.GROUP_CHANNELS: create_group_channel,
    names.POSTS: create_post,
    names.REPLIES: create_reply,
    names.LONG_REPLIES: create_reply_in_long_thread,
    names.REACTIONS: add_reaction,
    names.REMINDERS: create_post_reminder,
    names.CATEGORIES: create_sidebar_category,
    names.FOLLOWED_THREADS: follow_thread,
}
# What goes on beside, without a goal of its own, as long as there are others.
BESIDE: Mapping[str, Make] = {ADD_MEMBER: add_channel_member, GET_POSTS: get_posts}


def enter_to_generate(person: Person, made: Generation) -> None:
    """Log in and load the application; on a server without teams the first users create some before."""

    def steps(start: Start) -> list[Step]:
        load_account, *rest = starting(start)
        return [load_account, partial(_first_team, made), *rest]

    enter(person, steps)


def _first_team(made: Generation, person: Person) -> None:
    can = person.context.capabilities
    if can.collapsed_threads == "disabled":
        made.goals.give_up(names.FOLLOWED_THREADS, "collapsed threads are not available on this server")
    if not can.at_least(7, 2):
        made.goals.give_up(names.REMINDERS, "post reminders are not available on this server (before 7.2)")
    if not person.store.teams and made.goals.goals[names.TEAMS].left > 0:
        with made.goals.slot(names.TEAMS):
            create_team(person, made)


def choices(made: Generation, readings: float) -> list[tuple[str, float]]:
    """What a user may do now, weighted. Pure."""
    wanted = made.goals.open()
    if wanted and made.goals.phase() == len(names.PHASES) - 1:
        wanted += [(ADD_MEMBER, 2 * len(made.channels)), (GET_POSTS, readings)]
    return [(name, weight) for name, weight in wanted if weight > 0]


def make_one(person: Person, made: Generation, name: str) -> ActionOutcome:
    """One try at one goal (or at what goes on beside)."""
    outcome = perform(person, Action(name, partial(_make, name, made), 1))
    # Users that are still logging in may be the ones that are missing.
    if outcome is ActionOutcome.SKIPPED and name in GENERATED and person.context.recorder.users.waiting == 0:
        made.goals.fruitless(len(made.people))
    return outcome


def _make(name: str, made: Generation, person: Person) -> None:
    if name in BESIDE:
        BESIDE[name](person, made)
        return
    with made.goals.slot(name):
        GENERATED[name](person, made)


def _task(name: str) -> Callable[[GenerateBehaviour], None]:
    """The making of one thing as a task, shown and tagged by its name."""

    def task(behaviour: GenerateBehaviour) -> None:
        make_one(behaviour.person, behaviour.generation, name)

    task.__name__ = task.__qualname__ = name
    task.__doc__ = (BESIDE.get(name) or GENERATED[name]).__doc__
    task.action = Action(name, do_nothing, 1)  # type: ignore[attr-defined]
    return task


def _join_teams(behaviour: GenerateBehaviour) -> None:
    outcome = perform(behaviour.person, Action(JOIN_TEAMS, join_all_teams, 1))
    behaviour.teams_joined = outcome is ActionOutcome.OK


class GenerateBehaviour(Behaviour):
    """Draws from what is still wanted. The goals are those of `self.user.generation`, shared in the process."""

    tasks = [_task(name) for name in (*GENERATED, *BESIDE)]  # noqa: RUF012 — Locust's own form
    teams_joined = False

    @property
    def generation(self) -> Generation:
        return cast("Generation", self.user.generation)  # type: ignore[attr-defined]

    def on_start(self) -> None:
        self._by_name = {task.action.name: task for task in cast("list[Any]", self.tasks)}
        self.generation.people[self.person.id] = self.person
        # They fill the server and read nothing.
        self.person.window.in_front = False
        super().on_start()

    def on_stop(self) -> None:
        self.generation.people.pop(self.person.id, None)

    def get_next_task(self) -> Any:
        made = self.generation
        if made.goals.phase() > 0 and not self.teams_joined:
            return _join_teams
        readings = max(FEWEST_READINGS, self.person.context.settings.generate.num_posts / POSTS_A_READING)
        wanted = [(name, weight) for name, weight in choices(made, readings) if name in self._by_name]
        if not wanted:
            return nothing  # all is made, or in the making
        return self._by_name[WeightedChoice(wanted).draw(self.person.rng)]

    def wait_time(self) -> float:
        if self.generation.goals.finished:
            self.generation.goals.tell_once()  # before the wait: all users may be about to wait this long
            return POLL_SECONDS
        return max(SHORTEST_WAIT_SECONDS, WAIT_SECONDS * self.person.rate)
