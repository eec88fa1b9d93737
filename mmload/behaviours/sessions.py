"""A person's session from the time before: taken up, renewed, given back. Nothing here waits."""

from __future__ import annotations

from mmload.behaviours.person import Person
from mmload.client.kept_sessions import KeptSessions, logs_in
from mmload.models import User


def take_up_session(person: Person) -> bool:
    """Come in as one who closed the tab yesterday. False: there is no session, or this person logs in all the same."""
    kept, context = _kept(person), person.context
    if kept is None or logs_in(person.account.number, context.settings.config.users.login_share, context.seed):
        return False
    found = kept.take(person.account.email)
    if found is None:
        return False
    user_id, token = found
    person.api.rest.set_token(token)
    # The page says more of them when it is loaded.
    person.store.me = User(user_id)
    context.recorder.sessions.kept_sessions += 1
    return True


def session_began(person: Person, token: str, instead_of: str) -> None:
    """A log-in brought a session, perhaps in the place of one that had ended."""
    if kept := _kept(person):
        kept.began(person.account.email, person.id, token, instead_of)


def session_ended(person: Person) -> None:
    """The person logged out."""
    if kept := _kept(person):
        kept.ended(person.account.email, person.api.rest.token)
    person.api.rest.set_token("")


def give_session_back(person: Person) -> None:
    """The person leaves, and the session goes on. May be called twice."""
    if kept := _kept(person):
        kept.give_back(person.account.email, person.api.rest.token)
        person.api.rest.set_token("")


def _kept(person: Person) -> KeptSessions | None:
    """Where this person's sessions are kept. An administrator's are not."""
    kept = person.context.kept
    if kept is None or person.account.email == person.context.settings.config.connection.admin_email:
        return None
    return kept
