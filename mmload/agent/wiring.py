"""Wires mmload into a Locust process: settings, the check of the server before a test, the record of the run."""

from __future__ import annotations

import logging
import os
import random
import sys
from typing import TYPE_CHECKING, Any

from locust.runners import WorkerRunner

from mmload.agent import recording
from mmload.config import Settings, load_settings
from mmload.errors import ExitCode, MmloadError
from mmload.users import MattermostUser, forget_host

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload")
SEED_VARIABLE = "MMLOAD_RUNCONFIGURATION_SEED"
# Set by `mmload run`, which has checked the server itself.
CHECKED_VARIABLE = "MMLOAD_CHECKED"


def wire(events: Any) -> None:
    """Called once, when Locust imports the locustfile (before it forks workers)."""
    settings = _settings_or_exit()
    _draw_seed(settings)
    MattermostUser.host = settings.config.connection.server_url
    events.test_start.add_listener(_on_test_start)
    recording.register(events)


def _settings_or_exit() -> Settings:
    """A broken configuration ends Locust with one message and our exit code, not with a traceback."""
    try:
        settings, notices = load_settings()
    except MmloadError as error:
        print(f"mmload: {error}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    for notice in notices:
        log.warning(notice)
    return settings


def _draw_seed(settings: Settings) -> None:
    """A seed of 0 means: draw one. It goes into the environment: forked workers use and records name the same."""
    if settings.config.run.seed == 0:
        os.environ[SEED_VARIABLE] = str(random.SystemRandom().randrange(1, 2**31))


def _on_test_start(environment: Environment, **_: Any) -> None:
    """A new test may go to another server: what was shared before is forgotten; the server is checked once."""
    forget_host(environment)
    if isinstance(environment.runner, WorkerRunner) or os.environ.get(CHECKED_VARIABLE):
        return
    problem = server_problem(environment)
    if problem is not None:
        print(f"mmload: {problem}", file=sys.stderr)
        environment.process_exit_code = int(ExitCode.SERVER_NOT_READY)
        if environment.runner is not None:
            environment.runner.quit()


def server_problem(environment: Environment) -> MmloadError | None:
    """What stands in the way of a load test on this server, or None."""
    from mmload.population.readiness import require_ready  # heavy (requests), and only needed once

    settings, _ = load_settings()
    try:
        require_ready(settings, environment.host or settings.config.connection.server_url)
    except MmloadError as error:
        return error
    return None
