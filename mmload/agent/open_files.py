"""Room for the sockets of a Locust process's users, made or refused before the first of them comes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locust.runners import MasterRunner, WorkerRunner

from mmload.config import load_settings
from mmload.errors import ConfigurationError
from mmload.limits import open_files_needed, raise_as_far_as_allowed, raise_open_files, users_of_one

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload")


def problem(environment: Environment) -> ConfigurationError | None:
    """Raise the limit of this process as far as its users need; what to say where the system forbids that.

    Only a test without a web page has a number of users that is known now. Of the processes that are forked for it the
    master speaks for all, as all have its limits.
    """
    users = users_here(environment)
    if users is None:
        _make_what_room_there_is(environment)
        return None
    try:
        raise_open_files(open_files_needed(users))
    except ConfigurationError as error:
        return None if isinstance(environment.runner, WorkerRunner) else error
    return None


def users_here(environment: Environment) -> int | None:
    """The most users that this process, or each of those forked from it, will have; None if that is not known yet."""
    options = environment.parsed_options
    users = getattr(options, "num_users", None) if getattr(options, "headless", False) else None
    processes = getattr(options, "processes", None) or 0
    if isinstance(environment.runner, MasterRunner) and not processes:
        # They are in processes that others start.
        return 0
    if isinstance(environment.runner, WorkerRunner) and not processes:
        return None
    return None if users is None else users_of_one(users, max(1, processes))


def _make_what_room_there_is(environment: Environment) -> None:
    most = load_settings()[0].config.users.max_active_users
    possible = raise_as_far_as_allowed(open_files_needed(most))
    if possible < most and not isinstance(environment.runner, MasterRunner):
        log.warning(
            "this process may open files for %d users only, not for the %d of UsersConfiguration.MaxActiveUsers: raise "
            "the limit (ulimit -n), or spread the users over more processes",
            possible,
            most,
        )
