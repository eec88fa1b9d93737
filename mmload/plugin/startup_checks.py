"""What is looked at before a Locust process begins (open files, browsers, thresholds), and how one ends that may not
begin: the reason in words, the exit code of the error, and nobody left behind."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import psutil
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from mmload.behaviours.catalogue import unknown_subjects
from mmload.browser.start_order import find_browser
from mmload.client.accounts import connections
from mmload.config import Settings
from mmload.errors import ConfigurationError, MmloadError
from mmload.open_files import open_files_needed, raise_as_far_as_allowed, raise_open_files, users_of_one
from mmload.plugin.settings import is_ours, settings_of
from mmload.printable import harmless_line

log = logging.getLogger("mmload")


def refuse(environment: Any, error: MmloadError) -> NoReturn:
    """End this process before its first test, and with it the workers that were forked from it."""
    for line in str(error).splitlines():
        print(harmless_line(f"mmload: {line}"), file=sys.stderr)
    if isinstance(environment.runner, MasterRunner) and getattr(environment.parsed_options, "processes", None):
        _end_forked_workers()
    sys.exit(int(error.exit_code))


def _end_forked_workers() -> None:
    """Locust forgets those that have not ended yet: they would look for their master for five minutes more.

    They have no users yet, so nobody has to log out; and one that is still starting may not hear a milder signal.
    """
    for child in psutil.Process().children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


def open_files_problem(environment: Environment) -> ConfigurationError | None:
    """Raise the limit of this process as far as its users need; what to say where the system forbids that.

    Only a test without a web page has a number of users that is known now. Of the processes that are forked for it the
    master speaks for all, as all have its limits.
    """
    users = users_here(environment)
    if users is None:
        _make_what_room_there_is(environment)
        return None
    try:
        raise_open_files(open_files_needed(connections(settings_of(environment).config.users, users)))
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
    users = settings_of(environment).config.users
    most = connections(users, users.max_active_users)
    possible = raise_as_far_as_allowed(open_files_needed(most))
    if possible < most and not isinstance(environment.runner, MasterRunner):
        log.warning(
            "this process can open files for only %d connections, not for the %d that "
            "UsersConfiguration.MaxActiveUsers needs: raise the limit (ulimit -n), or spread the users over more "
            "processes",
            possible,
            most,
        )


def browser_problem(settings: Settings) -> ConfigurationError | None:
    """Why there can be no browser users on this machine, or None."""
    try:
        find_browser(settings.config.browser.executable_path)
    except ConfigurationError as error:
        return error
    return None


def local_browser_problem(environment: Environment, settings: Settings) -> ConfigurationError | None:
    """The same where browser users are wanted, and all users are on this machine."""
    here = not isinstance(environment.runner, MasterRunner) or getattr(environment.parsed_options, "processes", None)
    if isinstance(environment.runner, WorkerRunner) or not settings.config.browser.users or not here:
        return None
    return browser_problem(settings)


def threshold_problem(environment: Environment, settings: Settings) -> ConfigurationError | None:
    """What is wrong with the thresholds, or None.

    Workers hold none against anything; and nobody knows beforehand what the classes of another locustfile do.
    """
    thresholds = settings.config.run.thresholds
    if isinstance(environment.runner, WorkerRunner) or not all(map(is_ours, environment.user_classes)):
        return None
    wrong = unknown_subjects(thresholds, [each.__name__ for each in environment.user_classes])
    return ConfigurationError(*(f"RunConfiguration.Thresholds: {each}" for each in wrong)) if wrong else None
