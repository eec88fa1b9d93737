"""Logging in and out: sign-up on first use, login, page load, opening and closing the WebSocket."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from functools import partial

import gevent
from gevent.event import AsyncResult

from mmload.behaviours.events import EventListener
from mmload.behaviours.page_load import (
    LOG_IN,
    OPEN,
    Start,
    choose_team,
    load_account,
    load_settings,
    load_team,
    open_application,
)
from mmload.behaviours.person import Person
from mmload.behaviours.site import open_page
from mmload.client.api.users import ACCOUNT_EXISTS, ACCOUNT_LIMIT, UNKNOWN_LOGIN
from mmload.client.http.cookies import is_one_host
from mmload.client.http.rules import retry_seconds
from mmload.client.kept_sessions import KeptSessions, logs_in
from mmload.client.websocket.client import WebSocket
from mmload.errors import MmloadError, Refused, RequestFailed, SessionExpired, WebSocketFailed
from mmload.models import User

log = logging.getLogger("mmload.users")

# The first handshake of a user's WebSocket, among the requests. Those that bring a lost one back are not.
HANDSHAKE = "GET /websocket"
# How often a person who leaves looks whether the last messages have come.
DRAIN_CHECK_SECONDS = 0.05

# Statuses that repeating the same request will not change.
_FINAL = (Refused, SessionExpired)


Step = Callable[[Person], None]


class EntryRefused(MmloadError):
    """This person will never get in: another password, a closed sign-up, a full server."""


class AccountsUsedUp(EntryRefused):
    """The server takes no more accounts."""


def enter(person: Person, steps: Callable[[Start], Sequence[Step]] | None = None) -> None:
    """Log in (signing up if nobody knows the account), load the application, open the socket, look at a channel.

    Who has a kept session opens the application in place of the log-in page. `steps`: what is done after the login, if
    not that. When repeated after a failure, it goes on with the step that failed: who has a session does not log in
    again, and nothing that was loaded is loaded again.
    """
    if not person.steps_taken:
        _open_browser(person)
        person.steps_taken = 1
    if not person.api.rest.token:
        log_in(person)
    first, began = person.steps_taken == 1 and not person.repeats, person.clock()
    try:
        for step in (steps or starting)(OPEN if person.returning else LOG_IN)[person.steps_taken - 1 :]:
            step(person)
            person.repeats = False
            person.steps_taken += 1
    except MmloadError:
        person.repeats = True
        if person.failed_renewals:
            # The session has ended. The next try begins at the log-in page, and tells whether there will be another.
            person.api.rest.set_token("")
            person.steps_taken, person.repeats = 0, False
        raise
    person.steps_taken = 0
    # Of people who are yet to be looked up, the pictures are still part of the page that was closed.
    person.store.returns_to_page = person.returning and bool(person.wants_users)
    if first:
        person.measured.append(("page_load", (person.clock() - began) * 1000, person.now_ms()))


def _open_browser(person: Person) -> None:
    person.returning = person.store.returns_to_page = _take_up_session(person)
    if person.returning:
        open_page(person)
    else:
        open_login_page(person)


def starting(start: Start) -> tuple[Step, ...]:
    """The steps in which the application starts for somebody who has a session."""
    return (
        partial(load_account, start=start),
        choose_team,
        partial(load_team, start=start),
        open_socket,
        partial(open_application, start=start),
    )


def start_application(person: Person, start: Start) -> None:
    began = person.clock()
    for step in starting(start):
        step(person)
    person.measured.append(("page_load", (person.clock() - began) * 1000, person.now_ms()))


def open_login_page(person: Person) -> None:
    """The page before the log-in. A new browser loads it twice: the first one offers the desktop application."""
    share = person.context.settings.config.users.percent_cold_browsers
    if person.rng.random() < share:
        person.cold = True
        open_page(person, "/login", cold=True)
        load_settings(person)
    open_page(person, "/login")
    load_settings(person)


def log_in(person: Person) -> None:
    """Get a session when it is our turn. `EntryRefused` if there cannot be one."""
    sessions = person.context.recorder.sessions
    with person.context.admission.turn():
        try:
            _log_in_or_sign_up(person)
        except RequestFailed as error:
            sessions.logins_failed += 1
            if isinstance(error, _FINAL):
                raise EntryRefused(f"login refused: {error.reason}") from error
            raise
    sessions.logins += 1


def _log_in_or_sign_up(person: Person) -> None:
    try:
        _new_session(person)
        return
    except SessionExpired as error:
        if error.error_id != UNKNOWN_LOGIN:
            raise
    _sign_up(person)
    try:
        _new_session(person)
    except SessionExpired as error:
        raise EntryRefused("the account exists, with another password") from error


def _new_session(person: Person) -> None:
    token, user = person.api.login(person.account.email, person.account.password)
    before = person.api.rest.token
    person.api.rest.set_token(token)
    person.store.me = user
    if kept := _kept(person):
        kept.began(person.account.email, person.id, token, before)
    person.failed_renewals = 0
    if person.socket is not None:
        person.socket.token = token


def _sign_up(person: Person) -> None:
    account = person.account
    if not account.username:
        raise EntryRefused("the account does not exist, and mmload does not create it")
    try:
        person.api.sign_up(account.email, account.username, account.password)
    except Refused as error:
        if error.error_id in ACCOUNT_EXISTS:
            # Perhaps since a moment ago: by another session of the same account.
            return
        kind = AccountsUsedUp if any(sign in error.error_id for sign in ACCOUNT_LIMIT) else EntryRefused
        raise kind(f"sign-up refused: {error.reason}") from error
    person.context.recorder.sessions.sign_ups += 1


def log_in_again(person: Person, refused_token: str) -> bool:
    """After a 401: one new login, however many of the person's greenlets were refused. Whether there is a session.

    Greenlets that come while that login is queued or under way wait for its outcome and share it. After a failed one
    there is none for a while that grows, so that neither the other requests in flight nor the next ones repeat it.
    """
    if person.api.rest.token != refused_token:
        return True
    if person.renewal is not None:
        return bool(person.renewal.get())
    if person.clock() < person.no_login_before:
        return False
    renewal = person.renewal = AsyncResult()
    renewed = False
    try:
        renewed = _renew_session(person)
    finally:
        # Also when this greenlet is killed in the middle: nobody must wait for it for ever.
        person.renewal = None
        renewal.set(renewed)
    return renewed


def _renew_session(person: Person) -> bool:
    users = person.context.settings.config.users
    person.context.recorder.sessions.relogins += 1
    try:
        log_in(person)
    except MmloadError:
        person.failed_renewals += 1
        pause = retry_seconds(
            person.failed_renewals, users.login_retry_min_seconds, users.login_retry_max_seconds, person.rng
        )
        person.no_login_before = person.clock() + pause
        return False
    return True


def open_socket(person: Person) -> None:
    """Connect the WebSocket, unless it is there already (a repeated entry)."""
    if person.socket is not None:
        return
    context = person.context
    socket = WebSocket(
        context.websocket_url,
        person.api.rest.token,
        EventListener(person, lambda token: log_in_again(person, token)),
        context.recorder.sockets,
        rng=person.rng,
        tls_context=context.tls_context,
        cookies=person.api.rest.cookies if is_one_host(context.websocket_url, context.transport.server_url) else None,
        route=context.socket_route,
    )
    began = person.clock()
    try:
        socket.open()
    except BaseException as error:
        # Killed in the moment in which the server's hello has come: nobody else knows of this socket.
        socket.close()
        if isinstance(error, WebSocketFailed):
            context.recorder.request(HANDSHAKE, person.clock() - began, error.reason)
        raise
    context.recorder.request(HANDSHAKE, person.clock() - began)
    person.socket = socket


def close_socket(person: Person) -> None:
    """Close the WebSocket in order, if there is one, when what is about to come has come: two seconds at most."""
    person.end_jobs()
    socket, person.socket = person.socket, None
    if socket is None:
        return
    try:
        while person.seat is not None and socket.connected and person.seat.outstanding():
            gevent.sleep(DRAIN_CHECK_SECONDS)
    finally:
        if person.seat is not None:
            person.seat.closed()
        socket.close()


def log_out(person: Person) -> None:
    """Close the socket, end the session, forget what was loaded; the application shows the log-in page."""
    close_socket(person)
    person.api.logout()
    _session_ended(person)
    person.store.clear(cached=True)
    for noted in (person.wants_users, person.wants_statuses, person.wants_channels):
        noted.clear()
    open_page(person)
    load_settings(person)


def enter_patiently(
    person: Person, on_refused: Callable[[EntryRefused], None], come_in: Callable[[Person], None] = enter
) -> bool:
    """Log in and load, until it succeeds: between two tries a wait that grows, with jitter. False if it never will."""
    users = person.context.settings.config.users
    rng = random.Random(person.rng.random())
    failures = 0
    while True:
        try:
            come_in(person)
            return True
        except EntryRefused as refusal:
            person.context.recorder.kept_out(str(refusal))
            on_refused(refusal)
            return False
        except MmloadError as error:
            failures += 1
            reason = f"{HANDSHAKE}: {error}" if isinstance(error, WebSocketFailed) else str(error)
            person.context.recorder.kept_out(reason)
            log.info("account %d could not log in yet: %s", person.account.number, error)
            person.sleep(retry_seconds(failures, users.login_retry_min_seconds, users.login_retry_max_seconds, rng))


def disconnect(person: Person) -> None:
    """A user leaves. Never raises."""
    close_application(person)
    person.context.recorder.sessions.logged_out += 1


def close_application(person: Person) -> None:
    """Close the WebSocket as a closing tab does, and log out if so configured. Never raises."""
    close_socket(person)
    if person.api.rest.token and person.context.settings.config.users.logout_when_stopped:
        try:
            person.api.logout()
            _session_ended(person)
        except MmloadError as error:
            log.info("account %d could not log out: %s", person.account.number, error)
    release(person)


def release(person: Person) -> None:
    """Give up the WebSocket, the connections and the seat at once. Never waits, may be called twice, never raises."""
    person.end_jobs()
    socket, person.socket = person.socket, None
    if socket is not None:
        socket.close()
    person.api.rest.close()
    _give_session_back(person)
    seat, person.seat = person.seat, None
    if seat is not None:
        seat.free()


# -- sessions from the time before: nothing here waits ------------------------------------------------------------


def _take_up_session(person: Person) -> bool:
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


def _session_ended(person: Person) -> None:
    if kept := _kept(person):
        kept.ended(person.account.email, person.api.rest.token)
    person.api.rest.set_token("")


def _give_session_back(person: Person) -> None:
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
