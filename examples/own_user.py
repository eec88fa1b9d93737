"""A user, a store and a behaviour of one's own: `locust -f examples/own_user.py --headless -u 4 -t 20s`.

People who answer the newest message of their channel, and never the same one twice. docs/extending.md explains it.
"""

from locust import events

from mmload.behaviours.actions.channels import switch_channel
from mmload.behaviours.catalogue import Action
from mmload.behaviours.composing import compose, send_post
from mmload.behaviours.person import NothingToDo, Person
from mmload.behaviours.tasksets import Behaviour, task_of
from mmload.context import TestContext
from mmload.plugin.setup import wire
from mmload.store import SharedObjects, Store
from mmload.users import MattermostUser


class AnsweringStore(Store):
    """Remembers, besides what every client does, which messages were answered."""

    __slots__ = ("answered",)

    def __init__(self, shared_objects: SharedObjects) -> None:
        self.answered: set[str] = set()
        super().__init__(shared_objects)


def answer_newest(person: Person) -> None:
    """Answer the newest message of the open channel; write one where there is none to answer."""
    store = person.store
    assert isinstance(store, AnsweringStore)
    written = [post for post in store.written_posts() if not post.root_id and post.id not in store.answered]
    if not written:
        send_post(person, store.current_channel_id, compose(person))
        return
    if written[-1].user_id == person.id:
        raise NothingToDo("the newest message is one's own")
    store.answered.add(written[-1].id)
    send_post(person, store.current_channel_id, "I agree.", written[-1].id)


class AnsweringBehaviour(Behaviour):
    """Mostly answers; at times opens another channel."""

    tasks = [  # noqa: RUF012 — Locust's own form
        task_of(Action("AnswerNewest", answer_newest, 3)),
        task_of(Action("SwitchChannel", switch_channel, 1)),
    ]

    def wait_time(self) -> float:
        """One to three seconds, times the person's rate."""
        return self.person.rng.uniform(1, 3) * self.person.rate


class AnsweringUser(MattermostUser):
    """Comes in as every user does, with a store of its own kind."""

    tasks = [AnsweringBehaviour]  # noqa: RUF012

    def new_person(self, context: TestContext, number: int) -> Person:
        person = super().new_person(context, number)
        person.store = AnsweringStore(context.shared_objects)
        return person


wire(events)
