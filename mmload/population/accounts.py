"""The accounts: existing ones are found by what they log in with, the others created by the administrator.

In the end everybody logs in once, a few at a time, and the sessions are kept for load tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event, Lock, Semaphore
from typing import Any
from urllib.parse import quote

from mmload.client.accounts import Account
from mmload.client.api.users import ACCOUNT_EXISTS
from mmload.errors import Refused, ServerNotReady
from mmload.population.init_job import LOGINS_IN_FLIGHT, NO_ROUTE, InitJob, batches, in_parallel
from mmload.session_file import KeptAccount, SessionChange, SessionFile

NAMES_PER_CALL = 100
# So many sessions are lost at most, if nobody is there any more to write them down.
WRITTEN_TOGETHER = 25
# (method, path, body) → the server's document, or None if it does not exist (404).
Ask = Callable[[str, str, Any], Any]


def find_accounts(ask: Ask, wanted: Sequence[Account], stop: Event) -> dict[str, Mapping[str, Any]]:
    """The profiles of the accounts that exist, by what they log in with.

    User names are looked up many in a call; those of a users file are guesses, so what is not found of them that way
    is looked up by address, one by one.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for batch in batches(wanted, NAMES_PER_CALL):
        named = {user["username"]: user for user in ask("POST", "/users/usernames", [a.username for a in batch]) or ()}
        found |= {a.email: named[a.username] for a in batch if a.username in named and is_of(a, named[a.username])}

    def look_up(account: Account) -> None:
        user = ask("GET", f"/users/email/{quote(account.email.lower(), safe='')}", None)
        if user is not None:
            found[account.email] = user

    in_parallel(stop, look_up, [a for a in wanted if a.in_file and "@" in a.email and a.email not in found])
    return found


def is_of(account: Account, user: Mapping[str, Any]) -> bool:
    """Whether the account logs in as this user: the user name alone may be another person's. Pure."""
    return account.email.lower() in (str(user.get("email")).lower(), user["username"])


def create_accounts(job: InitJob) -> None:
    """Fill `job.user_ids` and `job.admin_ids`, in the plan's order."""
    planned = [*job.plan.accounts, *job.plan.admins]
    job.progress.start("accounts", len(planned))
    ids = _known_accounts(job, planned)
    missing = [account for account in planned if account.email not in ids]
    job.tally.found("accounts", len(planned) - len(missing))
    _require_room(job, len(missing))
    config = job.admin.call("GET", "/config", step="reading settings") if missing else {}
    # Else the server lets in only who has answered its e-mail.
    verify = bool((config.get("EmailSettings") or {}).get("RequireEmailVerification"))
    gate = Semaphore(LOGINS_IN_FLIGHT)  # the server hashes a password for each

    def create(account: Account) -> None:
        with gate:
            job.patience.check()
            ids[account.email] = user_id = _account_id(job, account)
            if verify:
                job.admin.call("POST", f"/users/{user_id}/email/verify/member", step=f"account {account.username}")
            job.progress.advance()

    job.progress.advance(len(planned) - len(missing))
    in_parallel(job.patience.stop, create, missing)
    job.user_ids = [ids[account.email] for account in job.plan.accounts]
    job.admin_ids = [ids[account.email] for account in job.plan.admins]
    for account in job.plan.admins:
        _promote(job, account, ids[account.email])


def _known_accounts(job: InitJob, planned: Sequence[Account]) -> dict[str, str]:
    def ask(method: str, path: str, body: Any) -> Any:
        try:
            return job.admin.call(method, path, body, step="looking for accounts", passes=(404,))
        except Refused:
            return None

    found = find_accounts(ask, planned, job.patience.stop)
    for user in found.values():
        if user.get("delete_at"):
            raise ServerNotReady(
                f"account {user['username']} is deactivated: activate it in System Console > User Management > "
                "Users, or set another UsersConfiguration.UsernamePrefix"
            )
    return {login: user["id"] for login, user in found.items()}


def _require_room(job: InitJob, missing: int) -> None:
    """A server without a licence has a maximum number of accounts: better to know before the first one."""
    if not missing:
        return
    try:
        limits = job.admin.call("GET", "/limits/server", step="reading limits", passes=NO_ROUTE)
    except Refused:
        return
    hard, active = limits.get("maxUsersHardLimit", 0), limits.get("activeUserCount", 0)
    if hard and active + missing > hard:
        raise ServerNotReady(
            f"accounts: this server allows {hard} accounts without a licence and has {active}; {missing} more are "
            f"needed. Lower InstanceConfiguration.NumUsers (--users) by {active + missing - hard}, or add a licence"
        )


def _account_id(job: InitJob, account: Account) -> str:
    step = f"account {account.username}"
    body = {"username": account.username, "email": account.email, "password": account.password}

    def find() -> Any:
        try:
            return job.admin.call("GET", f"/users/email/{quote(account.email, safe='')}", step=step, passes=(404,))
        except Refused:
            raise ServerNotReady(
                f"{step}: the user name belongs to an account with another e-mail address than {account.email}: "
                "create the account with another user name, or set another UsersConfiguration.UsernamePrefix"
            ) from None

    return str(job.create("accounts", "/users", body, step=step, exists=ACCOUNT_EXISTS, find=find)["id"])


def _promote(job: InitJob, account: Account, user_id: str) -> None:
    step = f"rights of {account.username}"
    user = job.admin.call("GET", f"/users/{user_id}", step=step)
    if "system_admin" in user["roles"].split():
        job.tally.found("administrators")
        return
    job.admin.call("PUT", f"/users/{user_id}/roles", {"roles": "system_user system_admin"}, step=step)
    job.tally.new("administrators")


def keep_sessions(job: InitJob, file: SessionFile, each: int) -> None:
    """Have `each` sessions of every planned account in the file; those that still hold stay."""
    kept = file.read()
    changes: list[SessionChange] = []
    lock = Lock()
    job.progress.start("sessions", len(job.plan.accounts))

    def write(least: int) -> None:
        with lock:
            if len(changes) >= least:
                file.change(changes, each)
                changes.clear()

    def log_in(index: int) -> None:
        job.patience.check()
        login = job.plan.accounts[index].email
        for change in _changes(job, index, kept.get(login, KeptAccount("", [])), each):
            with lock:
                changes.append(change)
        write(WRITTEN_TOGETHER)
        job.progress.advance()

    try:
        in_parallel(job.patience.stop, log_in, range(len(job.plan.accounts)))
    finally:
        write(1)


def _changes(job: InitJob, index: int, before: KeptAccount, each: int) -> Iterator[SessionChange]:
    login, good = job.plan.accounts[index].email, 0
    for token in before.tokens:
        if job.holds(token):
            good += 1
        else:
            yield SessionChange(login, ended=token)
    job.tally.found("sessions", good)
    for number in range(each - good):
        # Who wrote history has one already.
        session = job.session(index) if number == 0 else job.another_session(index)
        token = session.log_in()
        job.tally.new("sessions")
        yield SessionChange(login, session.user_id, token)
