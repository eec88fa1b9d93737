"""Actions as Locust tasks: drawn by frequency, with the waits of people between them, and their outcomes recorded.

The simulated user and the idle one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from locust import TaskSet

from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.catalogue import SIMULATIVE, Action, WeightedChoice, frequency
from mmload.behaviours.focus import BLUR, begin_spells, blur
from mmload.behaviours.pace import Schedule
from mmload.behaviours.person import POLL_SECONDS, NothingToDo, Person, carry_out, outcome_of
from mmload.errors import MmloadError
from mmload.metrics.recorder import SCHEDULE_LAG, ActionOutcome

Task = Callable[[Any], None]

log = logging.getLogger("mmload.behaviours")

# How many people try an action that they have nothing to do on, before it is given up; and how many wait of a kind.
MOST_WHO_TRY, MOST_ALIKE = 100, 20
# What one person tries in one turn: of what others left, and of what they draw themselves.
MOST_OF_OTHERS, MOST_DRAWN = 5, 3


def perform(person: Person, action: Action, *, records_skipped: bool = True) -> ActionOutcome:
    """Do one action and record its outcome and its duration without the person's own pauses. Never fails.

    Unless `records_skipped`, nothing is recorded where there was nothing to do it on.
    """
    began, paused = person.clock(), person.paused_seconds
    try:
        action.run(person)
        outcome = ActionOutcome.OK
    except NothingToDo as reason:
        log.debug("%s skipped: %s", action.name, reason)
        outcome = ActionOutcome.SKIPPED
    except MmloadError as error:
        outcome = outcome_of(error)
        log.debug("%s %s: %s", action.name, outcome, error)
    if outcome is ActionOutcome.SKIPPED and not records_skipped:
        return outcome
    seconds = person.clock() - began - (person.paused_seconds - paused)
    person.context.recorder.action(action.name, max(0.0, seconds), outcome)
    return outcome


def task_of(action: Action) -> Task:
    """The action as a Locust task: shown, tagged and chosen by its name."""

    def task(behaviour: Behaviour) -> None:
        behaviour.act(action)

    task.__name__ = task.__qualname__ = action.name
    task.__doc__ = action.run.__doc__
    task.action = action  # type: ignore[attr-defined]
    return task


def do_nothing(person: Person) -> None:
    """Be there."""


def nothing(behaviour: Behaviour) -> None:
    """A task that is no action: nothing is counted."""


# Locust warns of a TaskSet without tasks.
nothing.action = Action("Nothing", do_nothing, 1)  # type: ignore[attr-defined]


class Behaviour(TaskSet):
    """A TaskSet whose tasks are actions, drawn by their frequencies; subclasses name theirs in `tasks`."""

    outcome = ActionOutcome.OK  # of the last action
    # Whether the person's window is sometimes behind others: no action begins meanwhile.
    looks_away = False
    _mix: WeightedChoice[Task] | None = None
    _schedule: Schedule

    @property
    def person(self) -> Person:
        """The person of the user that runs this; Locust's own class does not know of it."""
        return cast("Person", self.user.person)  # type: ignore[attr-defined]

    def on_start(self) -> None:
        """The mix is made now: Locust's tags have filtered `tasks`, and the server's abilities are known."""
        can = self.person.context.capabilities
        tasks = cast("list[Any]", self.tasks)
        weighted = [(task, self.frequency_of(task.action)) for task in tasks if task.action.offered(can)]
        self._mix = WeightedChoice(weighted) if any(weight for _, weight in weighted) else None
        person = self.person
        if self.looks_away:
            begin_spells(person)
        self._schedule = Schedule(person.context.settings.simul, self._now(), person.rng)
        # Not all users act right after their login.
        self.wait()  # type: ignore[no-untyped-call]

    def frequency_of(self, action: Action) -> float:
        """How often an action is drawn, relative to the others."""
        return action.frequency

    def act(self, action: Action) -> None:
        self.outcome = perform(self.person, action)

    def get_next_task(self) -> Task:
        if self._mix is None:
            return nothing
        person = self.person
        if person.context.settings.simul.open_model:
            person.context.recorder.span(SCHEDULE_LAG, self._schedule.lag(self._now()) * self._share_of_time())
        return self._mix.draw(person.rng)

    def wait_time(self) -> float:
        person = self.person
        return self._schedule.next_wait(self._now(), person.rate, person.rng) * self._share_of_time()

    def _share_of_time(self) -> float:
        """The share of time in which the person can act: all the faster they act then, as often as configured."""
        return self.person.context.settings.simul.percent_time_in_front if self.looks_away else 1.0

    def _now(self) -> float:
        """The clock of the schedule: it stands still while the person cannot act, and makes up for it afterwards."""
        return self.person.acting_clock() / self._share_of_time()

    def _sleep(self, seconds: float) -> None:
        """Locust's hook for waiting: the client's background tasks go on meanwhile."""
        self.person.rest(seconds, run_background_tasks)


class SimulatedBehaviour(Behaviour):
    """What people at a web client do, in the measured proportions."""

    looks_away = True
    tasks = [task_of(action) for action in SIMULATIVE]  # noqa: RUF012 — Locust's own form

    def frequency_of(self, action: Action) -> float:
        return frequency(self.person.context.settings.simul, action)

    def act(self, action: Action) -> None:
        """Do an action that was drawn; what others had nothing to do on goes first.

        Who has nothing to do it on either passes it on, and does something else at once. So actions are done as often
        as configured, though many people have no direct channel to open, or no message of their own to edit.
        """
        left = self.person.context.left_undone
        for _ in range(MOST_OF_OTHERS):
            if left and self._does(*left.popleft()):
                return
        for _ in range(MOST_DRAWN):
            if self._does(action) or self._mix is None:
                return
            action = self._mix.draw(self.person.rng).action  # type: ignore[attr-defined]

    def _does(self, action: Action, tried: int = 0) -> bool:
        """Whether that was the person's turn; else it is left to others, or skipped if too many have tried."""
        context = self.person.context
        self.outcome = perform(self.person, action, records_skipped=not action.passed_on)
        if self.outcome is not ActionOutcome.SKIPPED or not action.passed_on:
            return True
        alike = sum(other is action for other, _ in context.left_undone)
        if tried < MOST_WHO_TRY - 1 and alike < MOST_ALIKE:
            context.left_undone.append((action, tried + 1))
            return False
        context.recorder.action(action.name, 0.0, ActionOutcome.SKIPPED)
        if action.instead is None:
            return False
        action.instead(self.person)
        return True


class IdleBehaviour(Behaviour):
    """Connected and polling, as a forgotten browser tab."""

    tasks = [nothing]  # noqa: RUF012 — Locust's own form

    def on_start(self) -> None:
        """Another window is in front, for good."""
        carry_out(self.person, BLUR, partial(blur, self.person))
        super().on_start()

    def get_next_task(self) -> Any:
        return nothing

    def wait_time(self) -> float:
        """Any time will do: background tasks run when they are due."""
        return POLL_SECONDS
