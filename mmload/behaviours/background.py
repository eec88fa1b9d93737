"""What a web client does in the background: the 60-second polling, and looking up whom its socket told it of.

A person's other devices do nothing else: what the person and others do comes to them as events.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from functools import partial

from mmload.behaviours.channel_view import fetch_faces, look_up_statuses, look_up_users, people_on_screen
from mmload.behaviours.focus import BLUR, FOCUS, blur, focus
from mmload.behaviours.login import EntryRefused, enter, enter_patiently, open_socket
from mmload.behaviours.person import POLL_SECONDS, Person, carry_out
from mmload.errors import NotAvailable, Refused

log = logging.getLogger("mmload.users")

POLL = "Poll"
LOOK_UP = "LookUp"
# A web client splits longer lists of ids.
LOOK_UP_AT_ONCE = 100
MEASURES_KEPT = 100


def run_background_tasks(person: Person) -> None:
    """Whatever is due now, and what was ordered."""
    keep_up(person)
    if person.orders and not person.window.can_act:
        _end_spell(person)
    while person.orders:
        person.orders.popleft()()
    if person.clock() >= person.window.due:
        _end_spell(person)


def keep_up(person: Person) -> None:
    """What the page has to do now. A failure is counted under its name and changes nothing else."""
    if person.wants_channels or person.clock() >= person.look_up_due:
        carry_out(person, LOOK_UP, partial(look_up, person))
    if person.clock() >= person.poll_due:
        carry_out(person, POLL, partial(poll, person))
        person.poll_due = next_poll(person.poll_due, person.clock())


def _end_spell(person: Person) -> None:
    """The window loses the focus, or gets it back."""
    in_front = person.window.in_front
    carry_out(person, BLUR if in_front else FOCUS, partial(blur if in_front else focus, person))


def next_poll(due: float, now: float) -> float:
    """When the poll after the one that was due at `due` is due. Pure.

    A whole number of minutes later, so that a slow server does not slow the polling down; later than `now`: polls that
    were missed are not caught up.
    """
    minutes = max(0.0, (now - due) // POLL_SECONDS) + 1
    return due + minutes * POLL_SECONDS


def look_up(person: Person) -> None:
    """People and channels that came up and are unknown here, many in one request."""
    channels, person.wants_channels = list(person.wants_channels), {}
    try:
        if person.clock() >= person.look_up_due:
            _look_up_people(person)
    finally:
        for channel_id in channels:
            # The page may have loaded it since the event came.
            if channel_id not in person.store.members:
                _get_to_know(person, channel_id)


def _look_up_people(person: Person) -> None:
    users, person.wants_users = list(person.wants_users), {}
    statuses, person.wants_statuses = list(person.wants_statuses), {}
    person.look_up_due = math.inf
    for first in range(0, len(statuses), LOOK_UP_AT_ONCE):
        look_up_statuses(person, statuses[first : first + LOOK_UP_AT_ONCE])
    for first in range(0, len(users), LOOK_UP_AT_ONCE):
        look_up_users(person, users[first : first + LOOK_UP_AT_ONCE])
    if users:
        # Now that their pictures' addresses are known.
        on_screen = {post.user_id for post in person.store.written_posts()}
        fetch_faces(person, [user_id for user_id in users if user_id in on_screen])
        person.store.returns_to_page = False


def _get_to_know(person: Person, channel_id: str) -> None:
    """A channel we were added to, or that wrote to us for the first time."""
    try:
        channel = person.api.channel(channel_id)
        person.api.channel_member(channel_id, person.id)
    except Refused:
        # We were taken out again, or it was deleted, before we looked.
        person.store.forget_channel(channel_id)
        return
    person.store.remember_channels([channel], member=True)


def poll(person: Person) -> None:
    """Once a minute: statuses of the people on the screen, and the client's own speed."""
    if person.socket is None and person.api.rest.token:
        # A reload or a login that failed half-way left a person without one: a page without its socket tries again.
        open_socket(person)
    if person.context.capabilities.user_statuses:
        for status in person.api.statuses(people_on_screen(person)):
            person.store.statuses.add(status.user_id)
    report_performance(person)


def report_performance(person: Person) -> None:
    """Send what the client measured since the last report (milliseconds, as the server reads them)."""
    now = person.now_ms()
    start, person.reported_until_ms = person.reported_until_ms or now - int(POLL_SECONDS * 1000), now
    measured, person.measured = person.measured[-MEASURES_KEPT:], []
    if not person.context.capabilities.client_metrics:
        return
    report = {
        "version": "0.1.0",
        "labels": {"platform": "other", "agent": "other"},
        "start": start,
        "end": now,
        "histograms": [{"metric": name, "value": value, "timestamp": when} for name, value, when in measured],
        "counters": [],
    }
    with suppress(NotAvailable):
        person.api.report_performance(report)


def be_connected(device: Person) -> None:
    """The life of a further device: the application is opened there, in a second browser that nobody looks at."""
    if not enter_patiently(device, _told_no, enter):
        return
    carry_out(device, BLUR, partial(blur, device))
    while True:
        device.rest(POLL_SECONDS, run_background_tasks)


def _told_no(refusal: EntryRefused) -> None:
    log.warning("a further device cannot connect: %s", refusal)
