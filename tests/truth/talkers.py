"""People who do nothing but talk, all in one channel: what should arrive where is then known beforehand."""

from __future__ import annotations

from locust import events

from mmload.behaviours.catalogue import Action
from mmload.behaviours.composing import send_post
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import Behaviour, task_of
from mmload.plugin.setup import wire
from mmload.users import MattermostUser


def talk(person: Person) -> None:
    """Write into the channel that everybody shares: the default one of a team, which nobody can leave."""
    shared = [channel for channel in person.store.my_channels() if channel.name == "town-square"]
    send_post(person, min(shared, key=lambda channel: channel.id).id, "I say to @all.")


class TalkingBehaviour(Behaviour):
    """A message every one to two seconds, while their window is in front; all clients acknowledge it."""

    looks_away = True
    tasks = [task_of(Action("Talk", talk, 1))]  # noqa: RUF012 — Locust's own form

    def wait_time(self) -> float:
        """Seconds."""
        return self.person.rng.uniform(1, 2)


class TalkingUser(MattermostUser):
    """Comes in as every user does, then talks."""

    tasks = [TalkingBehaviour]  # noqa: RUF012


wire(events)
