"""The simple user: the steps of simplecontroller.json, in their order, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from mmload.behaviours.actions import channels, posts, search, session
from mmload.behaviours.actions import simple_actions as simple
from mmload.behaviours.background import duties
from mmload.behaviours.catalogue import Action
from mmload.behaviours.idle import nothing
from mmload.behaviours.login import log_out
from mmload.behaviours.person import POLL_SECONDS, NothingToDo, Person
from mmload.behaviours.simulative import Behaviour, perform
from mmload.config import SimpleAction
from mmload.metrics.recorder import Outcome

# A step that was skipped asked nothing of the server: without a wait of its own it would keep the process from
# everything else.
SHORTEST_WAIT_SECONDS = 0.05
# Nobody's first step is in the very moment of coming in.
START_SPREAD_SECONDS = 1.0

_NEEDS_NO_SESSION = frozenset({"Login", "SignUp"})

SIMPLE: tuple[Action, ...] = tuple(
    Action(name, run, 1)
    for name, run in {
        "AddReaction": posts.add_reaction,
        "CreateDirectChannel": channels.create_direct_channel,
        "CreateGroupChannel": channels.create_group_channel,
        "CreatePost": simple.create_post,
        "CreatePostReply": simple.create_post_reply,
        "CreatePrivateChannel": channels.create_private_channel,
        "CreatePublicChannel": channels.create_public_channel,
        "EditPost": posts.edit_post,
        "FetchStaticAssets": simple.fetch_static_assets,
        "GetPinnedPosts": simple.get_pinned_posts,
        "JoinChannel": channels.join_channel,
        "JoinTeam": simple.join_team,
        "LeaveChannel": simple.leave_channel,
        "Login": simple.log_in_once_more,
        "Logout": log_out,
        "MessageExport": simple.message_export,
        "Reload": session.reload,
        "RemoveReaction": posts.remove_reaction,
        "ScrollChannel": posts.scroll_channel,
        "SearchChannels": search.search_channels,
        "SearchPosts": search.search_posts,
        "SearchPostsAllTeams": search.search_posts_all_teams,
        "SearchUsers": search.search_users,
        "SignUp": simple.sign_up,
        "UpdateProfile": simple.update_profile,
        "UpdateProfileImage": simple.update_profile_image,
        "UpdateTeam": simple.update_team,
        "ViewChannel": simple.view_some_channel,
        "ViewUser": simple.view_user,
    }.items()
)


def schedule(steps: Sequence[SimpleAction]) -> Iterator[SimpleAction]:
    """The steps to do, without end: in the n-th cycle (from 1) those whose RunPeriod divides n. Pure.

    Ends at once when no step is ever due.
    """
    due = [step for step in steps if step.run_period > 0]
    cycle = 0
    while due:
        cycle += 1
        yield from (step for step in due if cycle % step.run_period == 0)


def only_when_in(action: Action) -> Action:
    """The action for a person who may be logged out: skipped then, but for those that need no session."""
    if action.name in _NEEDS_NO_SESSION:
        return action

    def run(person: Person) -> None:
        if not person.api.rest.token:
            raise NothingToDo("logged out")
        action.run(person)

    run.__doc__ = action.run.__doc__
    return Action(action.name, run, action.frequency, action.offered)


def step_of(action: Action) -> Callable[[SimpleBehaviour], None]:
    """The action as a task of this behaviour."""

    def task(behaviour: SimpleBehaviour) -> None:
        behaviour.outcome = perform(behaviour.person, action)

    task.__name__ = task.__qualname__ = action.name
    task.__doc__ = action.run.__doc__
    task.action = action  # type: ignore[attr-defined]
    return task


class SimpleBehaviour(Behaviour):
    """The configured cycle. An empty one stays connected and does nothing."""

    tasks = [step_of(only_when_in(action)) for action in SIMPLE]  # noqa: RUF012 — Locust's own form
    outcome = Outcome.OK
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
        return max(seconds, SHORTEST_WAIT_SECONDS) if self.outcome is Outcome.SKIPPED else seconds

    def _sleep(self, seconds: float) -> None:
        """Who is logged out has no client that polls."""
        if self.person.api.rest.token:
            self.person.rest(seconds, duties)
        else:
            self.person.sleep(seconds)
