"""The simple user: the steps of simplecontroller.json in their order, again and again.

With the actions that only this user has; the others are those of the simulated user.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from mmload import text
from mmload.behaviours.actions import channels, people, posts, session
from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.catalogue import Action
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import compose, content, send_post, show_typing
from mmload.behaviours.login import log_in, log_out, start_application
from mmload.behaviours.page_load import DEFAULT_CHANNEL, LOG_IN_AGAIN, first_channel, load_joined_team
from mmload.behaviours.person import POLL_SECONDS, NothingToDo, Person
from mmload.behaviours.site import fetch_site
from mmload.behaviours.tasksets import Behaviour, nothing, task_of
from mmload.config import SimpleAction
from mmload.metrics.recorder import ActionOutcome

# A step that was skipped asked nothing of the server: without a wait of its own it would keep the process from
# everything else.
SHORTEST_WAIT_SECONDS = 0.05
# The first steps of users are spread over this time.
START_SPREAD_SECONDS = 1.0

_NEEDS_NO_SESSION = frozenset({"Login", "SignUp"})


def sign_up(person: Person) -> None:
    """Always skipped: the account is created at the first login."""
    raise NothingToDo("the account exists")


def log_in_once_more(person: Person) -> None:
    """Log in after a logout, and load the application."""
    if person.api.rest.token:
        raise NothingToDo("already logged in")
    log_in(person)
    start_application(person, LOG_IN_AGAIN)


def create_post(person: Person) -> None:
    """Create a post in one of the user's channels."""
    channel = person.pick(list(person.store.my_channels()), "not a member of any channel")
    show_typing(person, channel.id)
    send_post(person, channel.id, compose(person))


def create_post_reply(person: Person) -> None:
    """Reply to a known post."""
    post = person.pick([post for post in person.store.posts.values() if not post.type], "no post to reply to")
    root_id = post.root_id or post.id
    show_typing(person, post.channel_id, root_id)
    send_post(person, post.channel_id, compose(person, reply=True), root_id)


def join_team(person: Person) -> None:
    """Join the first open team that the user is not in."""
    store, api = person.store, person.api
    open_teams = [team for team in api.teams() if team.allow_open_invite and not team.delete_at]
    team = next((team for team in open_teams if team.id not in store.teams), None)
    if team is None:
        raise NothingToDo("already in all open teams")
    api.join_team(team.id, person.id)
    load_joined_team(person, team)


def leave_channel(person: Person) -> None:
    """Leave the first channel of the team that is not the default one; if it was open, open another."""
    store = person.store
    left = next((channel for channel in store.team_channels() if channel.name != DEFAULT_CHANNEL), None)
    if left is None:
        raise NothingToDo("only in the default channel")
    person.api.remove_channel_member(left.id, person.id)
    was_open = left.id == store.current_channel_id
    channels.leave_behind(person, left)
    if was_open:
        view_channel(person, first_channel(person))


def view_some_channel(person: Person) -> None:
    """Open one of the user's channels."""
    view_channel(person, person.pick(list(person.store.my_channels()), "not a member of any channel"))


def get_pinned_posts(person: Person) -> None:
    """Open the list of pinned posts."""
    person.store.remember_posts(person.api.pinned_posts(person.current_channel_id()).listed())


def view_user(person: Person) -> None:
    """Fetch the profile of a member of a channel."""
    channel = person.pick(list(person.store.my_channels()), "not a member of any channel")
    member = person.pick(person.api.channel_members(channel.id), "no members in this channel")
    person.store.remember_users(person.api.users_by_ids([member.user_id]))


def update_profile(person: Person) -> None:
    """Change the own first, last and nick name; not the user name, by which the next run finds its accounts."""
    nickname, first, last = (word.capitalize() for word in text.words(person.rng, 3))
    changes = {"nickname": nickname, "first_name": first, "last_name": last}
    person.store.me = person.api.patch_user(person.id, changes)


def update_profile_image(person: Person) -> None:
    """Set a new profile picture."""
    person.api.set_profile_image(person.id, content("photo.png"))


def update_team(person: Person) -> None:
    """Rename a team that the user administers."""
    members = person.api.own_team_members(person.id)
    own = [member.team_id for member in members if "team_admin" in member.roles and not member.delete_at]
    team_id = person.pick(own, "not an administrator of any team")
    person.api.rename_team(team_id, "Team " + " ".join(text.words(person.rng, 2)))


def message_export(person: Person) -> None:
    """As a system administrator, start a message export job where it is enabled."""
    if "system_admin" not in person.store.me.roles:
        raise NothingToDo("not a system administrator")
    if not person.api.whole_config().get("MessageExportSettings", {}).get("EnableExport"):
        raise NothingToDo("message export is not enabled on this server")
    person.api.start_job("message_export")


SIMPLE: tuple[Action, ...] = tuple(
    Action(name, run, 1)
    for name, run in {
        "AddReaction": posts.add_reaction,
        "CreateDirectChannel": channels.create_direct_channel,
        "CreateGroupChannel": channels.create_group_channel,
        "CreatePost": create_post,
        "CreatePostReply": create_post_reply,
        "CreatePrivateChannel": channels.create_private_channel,
        "CreatePublicChannel": channels.create_public_channel,
        "EditPost": posts.edit_post,
        "FetchStaticAssets": fetch_site,
        "GetPinnedPosts": get_pinned_posts,
        "JoinChannel": channels.join_channel,
        "JoinTeam": join_team,
        "LeaveChannel": leave_channel,
        "Login": log_in_once_more,
        "Logout": log_out,
        "MessageExport": message_export,
        "Reload": session.reload,
        "RemoveReaction": posts.remove_reaction,
        "ScrollChannel": posts.scroll_channel,
        "SearchChannels": people.search_channels,
        "SearchPosts": people.search_posts,
        "SearchPostsAllTeams": people.search_posts_all_teams,
        "SearchUsers": people.search_users,
        "SignUp": sign_up,
        "UpdateProfile": update_profile,
        "UpdateProfileImage": update_profile_image,
        "UpdateTeam": update_team,
        "ViewChannel": view_some_channel,
        "ViewUser": view_user,
    }.items()
)


def schedule(steps: Sequence[SimpleAction]) -> Iterator[SimpleAction]:
    """The steps, without end: a step with RunPeriod N runs in every Nth cycle. Pure.

    Ends at once when no step is ever due.
    """
    due = [step for step in steps if step.run_period > 0]
    cycle = 0
    while due:
        cycle += 1
        yield from (step for step in due if cycle % step.run_period == 0)


def only_when_in(action: Action) -> Action:
    """The action for a user who may be logged out: skipped then, unless it needs no session."""
    if action.name in _NEEDS_NO_SESSION:
        return action

    def run(person: Person) -> None:
        if not person.api.rest.token:
            raise NothingToDo("logged out")
        action.run(person)

    run.__doc__ = action.run.__doc__
    return Action(action.name, run, action.frequency, action.offered)


class SimpleBehaviour(Behaviour):
    """The configured cycle. An empty one stays connected and does nothing."""

    tasks = [task_of(only_when_in(action)) for action in SIMPLE]  # noqa: RUF012 — Locust's own form
    _steps: Iterator[SimpleAction] = iter(())
    _step: SimpleAction | None = None
    _idle = False

    def on_start(self) -> None:
        """The steps of the configuration, but for those that Locust's tags have filtered out of `tasks`."""
        by_name = {task.action.name: task for task in cast("list[Any]", self.tasks)}
        steps = self.person.context.settings.simple.actions
        self._by_name = by_name
        self._steps = schedule([step for step in steps if step.action_id in by_name])
        super().on_start()

    def get_next_task(self) -> Any:
        self._step = next(self._steps, None)
        self._idle = self._step is None
        return nothing if self._step is None else self._by_name[self._step.action_id]

    def wait_time(self) -> float:
        """After a step what it says; before the first one up to a second; without any, until the next poll."""
        if self._step is None:
            return POLL_SECONDS if self._idle else self.person.rng.uniform(0, START_SPREAD_SECONDS)
        seconds = self._step.wait_after_ms / 1000 * self.person.rate
        return max(seconds, SHORTEST_WAIT_SECONDS) if self.outcome is ActionOutcome.SKIPPED else seconds

    def _sleep(self, seconds: float) -> None:
        """Who is logged out has no client that polls."""
        if self.person.api.rest.token:
            self.person.rest(seconds, run_background_tasks)
        else:
            self.person.sleep(seconds)
