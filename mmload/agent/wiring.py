"""Wires mmload into a Locust process: settings, the check of the server before a test, the record of the run."""

from __future__ import annotations

import logging
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import WorkerRunner
from msgspec.structs import replace

from mmload.agent import injection, metrics_page, open_files, process, pruning, recording, subjects, trimming
from mmload.agent.refusing import refuse
from mmload.behaviours.site import websocket_url
from mmload.choosing import for_these_users
from mmload.config import Settings, load_settings
from mmload.errors import MmloadError, ServerNotReady
from mmload.results.origin import population, server_facts
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
    events.init.add_listener(_on_init)
    events.test_start.add_listener(_on_test_start)
    process.register(events, problem_here)
    recording.register(events)
    injection.register(events)
    metrics_page.register(events)
    pruning.register(events)
    trimming.register(events)


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


def _on_init(environment: Environment, **_: Any) -> None:
    """Without a web UI there is one test, on one server: if it is not ready, the process ends before it begins."""
    problem: MmloadError | None = open_files.problem(environment) or subjects.problem(environment)
    if problem is None and environment.web_ui is None:
        problem = problem_here(environment)
    if problem is not None:
        refuse(environment, problem)


def _on_test_start(environment: Environment, **_: Any) -> None:
    """A new test may go to another server: what was shared before is forgotten, and that server is checked."""
    forget_host(environment)
    problem = problem_here(environment) if environment.web_ui is not None else None
    environment.mmload_refusal = problem  # type: ignore[attr-defined]
    if problem is not None:
        for line in str(problem).splitlines():
            log.error(line)  # shown on the page's "logs" tab
        # The test is being started just now: it is stopped when that is done.
        gevent.spawn(_stop, environment)


def _stop(environment: Environment) -> None:
    if environment.runner is not None:
        environment.runner.stop()


def _checks_here(environment: Environment) -> bool:
    """Whether this process is the one that checks the server: a master or an only process, not yet checked for."""
    return not isinstance(environment.runner, WorkerRunner) and not os.environ.get(CHECKED_VARIABLE)


def problem_here(environment: Environment) -> MmloadError | None:
    """The same as `server_problem`, where this process is the one to check."""
    return server_problem(environment) if _checks_here(environment) else None


def server_problem(environment: Environment) -> MmloadError | None:
    """What stands in the way of a load test on this server, or None; describes the server to the run's record."""
    from mmload.population.readiness import examine_quickly  # imports requests, and only one process asks

    settings = for_these_users(load_settings()[0], sys.argv[1:], os.environ)
    url = (environment.host or settings.config.connection.server_url).rstrip("/")
    options = environment.parsed_options
    users, processes = getattr(options, "num_users", None) or 1, getattr(options, "processes", None) or 1
    examination = examine_quickly(at(settings, url), users, max(1, processes))
    for finding in examination.findings:
        if finding.level == "warning":
            log.warning("%s. %s", finding.what, finding.fix)
    if examination.errors:
        return ServerNotReady("\n".join(f"{finding.what}. {finding.fix}" for finding in examination.errors))
    recording.describe_server(server_facts(examination.server, url), population(examination.server))
    return None


def at(settings: Settings, url: str) -> Settings:
    """The settings for another server than the configured one. Pure."""
    connection = settings.config.connection
    if url == connection.server_url:
        return settings
    moved = replace(
        connection,
        server_url=url,
        websocket_url=websocket_url(connection.server_url, connection.websocket_url, url),
    )
    return replace(settings, config=replace(settings.config, connection=moved))
