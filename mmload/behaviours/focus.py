"""The focus of a person's window: spells in front and spells behind other windows, and what the application sends then.

Who is behind another window does nothing with their hands: actions wait until the window is in front again. So that
people act as often as their idle times say, the clock of their actions runs faster in front (`Spells`).
"""

from __future__ import annotations

import random
from functools import partial

from mmload.behaviours.channel_view import Request, mark_read
from mmload.behaviours.person import NothingToDo, Person
from mmload.config import SimulController

BLUR = "Blur"
FOCUS = "Focus"
# Who was away for longer is shown what became unread meanwhile (recorded: after 130 s, not after 10 s).
LONG_AWAY_SECONDS = 120.0


def spell_seconds(person: Person, *, in_front: bool) -> float:
    """The length of the spell that begins now, exponentially distributed.

    A function of the seed, the account's number and how many there were before, not of the person's own random numbers:
    those are drawn by the actions, and would come out differently whenever a spell ends a moment earlier.
    """
    mean = mean_spell_seconds(person.context.settings.simul, in_front=in_front)
    drawn = random.Random(f"{person.context.seed}:window:{person.account.number}:{person.window.spells}")
    return drawn.expovariate(1 / mean)


def mean_spell_seconds(simul: SimulController, *, in_front: bool) -> float:
    """Pure."""
    share, mean = simul.percent_time_in_front, 60 * simul.avg_minutes_in_front
    return mean if in_front else mean * (1 - share) / share


def begin_spells(person: Person) -> None:
    """From now on the window is sometimes in front and sometimes not, as the configuration says; so it is at once.

    Whoever comes in is behind another window with the share's probability: people act as often as configured from the
    beginning, not only after a while.
    """
    simul = person.context.settings.simul
    if simul.percent_time_in_front >= 1:
        return
    drawn = random.Random(f"{person.context.seed}:window:{person.account.number}").random()
    in_front = drawn < simul.percent_time_in_front
    person.window.due = person.clock() + (spell_seconds(person, in_front=True) if in_front else 0.0)


def blur(person: Person) -> None:
    """Another window comes to the front: no channel is on the screen any more."""
    _begin_spell(person, in_front=False)
    mark_read(person, "")


def focus(person: Person) -> None:
    """The window is in front again: what is on the screen is read, and after a long time all channels are looked at."""
    away_seconds = person.clock() - person.window.away_since
    _begin_spell(person, in_front=True)
    person.window.long_returns += away_seconds > LONG_AWAY_SECONDS
    person.together(_on_focus(person, long=away_seconds > LONG_AWAY_SECONDS))


def _begin_spell(person: Person, *, in_front: bool) -> None:
    window, now = person.window, person.clock()
    window.turn(now, in_front=in_front)
    if window.has_spells:
        window.due = now + spell_seconds(person, in_front=in_front)


def _on_focus(person: Person, *, long: bool) -> list[Request]:
    store = person.store
    requests: list[Request] = []
    if store.current_channel_id:
        requests.append(partial(mark_read, person, store.current_channel_id))
    if long and store.current_team_id:
        requests.append(partial(_look_for_channels, person))
        requests.append(partial(person.api.own_channel_members, person.id, store.current_team_id))
    return requests


def _look_for_channels(person: Person) -> None:
    team_id = person.store.current_team_id
    person.store.remember_channels(person.api.own_channels(person.id, team_id, include_deleted=False), member=True)


def unread_check(person: Person) -> None:
    """Return from another window after more than two minutes (not waited for): the unread state is fetched."""
    # Where spells behind other windows were as long, they count: the server gets as many of these checks as the
    # action's frequency says.
    window = person.window
    if window.long_returns:
        window.long_returns -= 1
        raise NothingToDo("the user has already returned to the window after a long time")
    mark_read(person, "")
    person.together(_on_focus(person, long=True))
