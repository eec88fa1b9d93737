"""The accounts: existing ones are found by their names, the others created by the administrator."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Semaphore
from typing import Any

from mmload.client.accounts import Account
from mmload.errors import Refused, ServerNotReady
from mmload.population.work import LOGINS_IN_FLIGHT, NO_ROUTE, Work, batches, in_parallel

NAMES_PER_CALL = 100
ACCOUNT_EXISTS = (
    "app.user.save.username_exists.app_error",
    "app.user.save.email_exists.app_error",
    "store.sql_user.save.username_exists.app_error",
    "store.sql_user.save.email_exists.app_error",
)


def create_accounts(work: Work) -> None:
    """Fill `work.user_ids` and `work.admin_ids`, in the plan's order."""
    planned = [*work.plan.accounts, *work.plan.admins]
    work.progress.start("accounts", len(planned))
    ids = _known_accounts(work, planned)
    missing = [account for account in planned if account.username not in ids]
    work.tally.found("accounts", len(planned) - len(missing))
    _require_room(work, len(missing))
    gate = Semaphore(LOGINS_IN_FLIGHT)  # the server hashes a password for each

    def create(account: Account) -> None:
        with gate:
            work.patience.check()
            ids[account.username] = _account_id(work, account)
            work.progress.advance()

    work.progress.advance(len(planned) - len(missing))
    in_parallel(work.patience.stop, create, missing)
    work.user_ids = [ids[account.username] for account in work.plan.accounts]
    work.admin_ids = [ids[account.username] for account in work.plan.admins]
    for account in work.plan.admins:
        _promote(work, account, ids[account.username])


def _known_accounts(work: Work, planned: Sequence[Account]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for batch in batches((account.username for account in planned), NAMES_PER_CALL):
        for user in work.admin.call("POST", "/users/usernames", batch, step="looking for accounts") or ():
            if user.get("delete_at"):
                raise ServerNotReady(
                    f"account {user['username']} is deactivated: activate it in System Console > User Management > "
                    "Users, or set another UsersConfiguration.UsernamePrefix"
                )
            ids[user["username"]] = user["id"]
    return ids


def _require_room(work: Work, missing: int) -> None:
    """A server without a licence has a maximum number of accounts: better to know before the first one."""
    if not missing:
        return
    try:
        limits = work.admin.call("GET", "/limits/server", step="asking for limits", passes=NO_ROUTE)
    except Refused:
        return
    hard, active = limits.get("maxUsersHardLimit", 0), limits.get("activeUserCount", 0)
    if hard and active + missing > hard:
        raise ServerNotReady(
            f"accounts: this server takes {hard} accounts without a licence and has {active}; {missing} more are "
            f"needed. Lower InstanceConfiguration.NumUsers (--users) by {active + missing - hard}, or add a licence"
        )


def _account_id(work: Work, account: Account) -> str:
    step = f"account {account.username}"
    body = {"username": account.username, "email": account.email, "password": account.password}

    def find() -> Any:
        try:
            return work.admin.call("GET", f"/users/username/{account.username}", step=step, passes=(404,))
        except Refused:
            # The e-mail address belongs to another user name.
            return work.admin.call("GET", f"/users/email/{account.email}", step=step)

    return str(work.create("accounts", "/users", body, step=step, exists=ACCOUNT_EXISTS, find=find)["id"])


def _promote(work: Work, account: Account, user_id: str) -> None:
    step = f"rights of {account.username}"
    user = work.admin.call("GET", f"/users/{user_id}", step=step)
    if "system_admin" in user["roles"].split():
        work.tally.found("administrators")
        return
    work.admin.call("PUT", f"/users/{user_id}/roles", {"roles": "system_user system_admin"}, step=step)
    work.tally.new("administrators")
