"""Wires mmload into a Locust process: settings, the check of the server before a test, the record of the run, and the
parts by which a process is driven: those of a master, of a single process, of a worker."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from mmload import locust_internals
from mmload.config import Settings
from mmload.config.stages import most_users
from mmload.context import websocket_url
from mmload.errors import ConfigurationError, MmloadError, ServerNotReady
from mmload.plugin import memory, shutdown, startup_checks
from mmload.plugin.record import run_recorder
from mmload.plugin.record.browser_failures import BrowserFailures
from mmload.plugin.runner import injection
from mmload.plugin.runner.lost_accounts import LostAccounts, take_over_when_told
from mmload.plugin.runner.staged_load import add_options, shape_of
from mmload.plugin.runner.user_count import UserCount
from mmload.plugin.runner.user_stopping import REPORT_KEY, UserStopping, UserTurnover, WorkersUserTurnover
from mmload.plugin.runner.worker_handshake import MasterSide, WorkerSide, admits
from mmload.plugin.runner.workers_port import WorkersPort
from mmload.plugin.sessions import SessionKeeper, file_problem, use_sessions_when_told
from mmload.plugin.settings import OwnSettings, ProcessSettings, process_settings, settings_of
from mmload.plugin.startup_checks import refuse
from mmload.plugin.web import access, api, metrics, tabs
from mmload.plugin.web.api_agent import ApiAgent
from mmload.printable import HarmlessRecord, harmless
from mmload.user_classes import for_these_users
from mmload.users import AccountUser, forget_context, new_context

log = logging.getLogger("mmload")
# Set by `mmload run`, which has checked the server itself.
CHECKED_VARIABLE = "MMLOAD_CHECKED"


def wire(events: Any) -> Settings:
    """Called once, when Locust imports the locustfile (before it forks workers): the settings of this process."""
    shutdown.heed_signals()
    locust_internals.leave_signals_to_us()
    logging.setLogRecordFactory(HarmlessRecord)
    own, port = _settings_or_exit()
    port.take_over(events)
    AccountUser.host = own.settings.config.connection.server_url
    folder = Path(own.settings.config.run.profiles_folder)
    events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser, folder))
    events.init.add_listener(functools.partial(_on_init, own, port.is_encrypted))
    events.test_start.add_listener(_on_test_start)
    events.init.add_listener(_wire_runner)
    run_recorder.register(events)
    # After the record, which it writes to.
    events.init.add_listener(lambda environment, **_: BrowserFailures(environment))
    events.init.add_listener(injection.follow_orders)
    events.init.add_listener(metrics.offer)
    memory.register(events)
    # Last: at its beginning the record forgets the test before, and with it that test's delivery account.
    events.init.add_listener(_have_context)
    initialised = Event()
    locust_internals.hold_spawn_messages(initialised)
    locust_internals.guard_messages(admits, port.dropped)
    events.init.add_listener(lambda **_: shutdown.let_users_leave())
    events.init.add_listener(lambda **_: initialised.set())
    return own.settings


def _settings_or_exit() -> tuple[OwnSettings, WorkersPort]:
    """A broken configuration ends Locust with one message and our exit code, not with a traceback."""
    try:
        own, port = OwnSettings(), WorkersPort(os.environ, sys.argv[1:])
    except MmloadError as error:
        print(harmless(f"mmload: {error}"), file=sys.stderr)
        sys.exit(int(error.exit_code))
    for notice in own.notices:
        log.warning(notice)
    return own, port


def _on_init(own: OwnSettings, encrypted: bool, environment: Any, **_: Any) -> None:
    """Without a web UI there is one test, on one server: if it is not ready, the process ends before it begins."""
    environment.mmload_settings = ProcessSettings(environment, own)
    environment.mmload_settings.is_encrypted = encrypted
    if isinstance(environment.runner, MasterRunner):
        # As early as can be: its workers are connecting.
        environment.mmload_workers = MasterSide(environment)
    options = vars(environment.parsed_options) if environment.parsed_options else {}
    try:
        environment.mmload_settings.pick_profile(options)
        if environment.web_ui is None and not isinstance(environment.runner, WorkerRunner):
            environment.mmload_settings.check_stages()
    except ConfigurationError as error:
        refuse(environment, error)
        return
    problem: MmloadError | None = startup_checks.open_files_problem(environment) or startup_checks.threshold_problem(
        environment, own.settings
    )
    if problem is None and not isinstance(environment.runner, WorkerRunner):
        problem = file_problem(environment)
    problem = problem or startup_checks.local_browser_problem(environment, own.settings)
    if problem is None and environment.web_ui is None:
        problem = problem_here(environment)
    if problem is not None:
        refuse(environment, problem)


def _on_test_start(environment: Environment, **_: Any) -> None:
    """A new test may go to another server, which is checked."""
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


def problem_here(environment: Environment) -> MmloadError | None:
    """What stands in the way of a load test on this server, or None; describes the server to the run's record.

    The process to check is a master or an only process, unless `mmload run` has checked for it.
    """
    if isinstance(environment.runner, WorkerRunner) or os.environ.get(CHECKED_VARIABLE):
        return None
    from mmload.population.readiness import examine_quickly  # imports requests, and only one process asks

    settings = for_these_users(settings_of(environment), sys.argv[1:], os.environ)
    url = (environment.host or settings.config.connection.server_url).rstrip("/")
    options = environment.parsed_options
    shape, processes = shape_of(environment), getattr(options, "processes", None) or 1
    users = most_users(shape.stages) if shape else getattr(options, "num_users", None) or 1
    examination = examine_quickly(at(settings, url), users, max(1, processes))
    for finding in examination.findings:
        if finding.level == "warning":
            log.warning("%s. %s", finding.what, finding.fix)
    if examination.errors:
        return ServerNotReady("\n".join(f"{finding.what}. {finding.fix}" for finding in examination.errors))
    assert examination.server is not None, "a server that does not answer is an error"
    environment.mmload_server = examination.server  # type: ignore[attr-defined] # for the record of the run
    return None


def at(settings: Settings, url: str) -> Settings:
    """The settings for another server than the configured one. Pure."""
    connection = settings.config.connection
    if url == connection.server_url:
        return settings
    moved_socket = websocket_url(connection.server_url, connection.websocket_url, url)
    moved = replace(connection, server_url=url, websocket_url=moved_socket)
    return replace(settings, config=replace(settings.config, connection=moved))


def _have_context(environment: Any, **_: Any) -> None:
    """The users of each test have a context of their own; a master has no users."""

    def begin(**_: Any) -> None:
        forget_context(environment)
        new_context(environment, settings_of(environment))

    if not isinstance(environment.runner, MasterRunner):
        environment.events.test_start.add_listener(begin)


def _wire_runner(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        _be_worker(environment)
        return
    workers = None
    if isinstance(environment.runner, MasterRunner):
        workers = environment.mmload_workers
        environment.dispatcher_class = locust_internals.by_index(
            environment.runner.get_worker_index, workers.takes_users, workers.takes_class
        )
    # Without a web UI there is one test, by the settings that were read a moment ago.
    reread = functools.partial(read_settings_again, environment, workers) if environment.web_ui else None
    user_count = UserCount(environment.runner, reread)
    keeper = SessionKeeper(environment)
    user_count.before_test = keeper.begin
    if workers is not None:
        user_count.before_test = functools.partial(
            _in_turn, workers.look_for_browsers, workers.deal_lines, keeper.begin
        )
        user_count.on_lost.append(LostAccounts(environment, keeper.take_over).lost)
    turnover = _turnover(environment, user_count)
    if environment.web_ui is not None:
        try:
            # A web server that anybody could use is not started.
            access.guard(environment.web_ui, environment.parsed_options)
        except ConfigurationError as error:
            refuse(environment, error)
        locust_internals.guard_swarm(environment.web_ui, functools.partial(_refusal, environment, user_count))

        def new_agent(name: str) -> ApiAgent:
            return ApiAgent(name, environment, user_count, turnover)

        agents = api.AgentRoutes(environment, new_agent, lambda: problem_here(environment))
        prefix = getattr(environment.parsed_options, "web_base_path", "") or ""
        environment.web_ui.app.register_blueprint(api.blueprint(agents, prefix))
        tabs.register(environment, new_agent(""))


def _in_turn(*steps: Callable[[], None]) -> None:
    for step in steps:
        step()


def read_settings_again(environment: Environment, workers: MasterSide | None) -> None:
    """The one step in which a new test gets what the documents say now. ConfigurationError: those from before stay.

    Workers that could read theirs have the new ones then; the next attempt to start a test asks all of them again.
    """
    settings = process_settings(environment)
    found = settings.own.read_again()
    problem = startup_checks.threshold_problem(environment, settings.override or found) or file_problem(environment)
    if problem is not None:
        raise problem
    if workers is not None:
        workers.have_settings_read(found)
    settings.use_own(found)


def _refusal(environment: Any, user_count: UserCount, form: Mapping[str, str]) -> str:
    """Why a test with this form (no host: as before) cannot start, or be changed; "" if it can."""
    settings = process_settings(environment)
    problem = settings.host_problem(form.get("host", "").strip())
    if problem:
        return problem
    try:
        if user_count.target is None:
            user_count.prepare()
            settings.pick_profile(form)
            settings.check_stages()
    except ConfigurationError as error:
        log.error("cannot start the test: %s", error)
        return str(error)
    return ""


def _be_worker(environment: Any) -> None:
    locust_internals.cache_default_options()
    stopping = UserStopping(environment.runner)
    environment.events.test_start.add_listener(lambda **_: stopping.start_over())
    environment.events.report_to_master.add_listener(
        lambda data, **_: data.update({REPORT_KEY: msgspec.to_builtins(stopping.turnover())})
    )
    WorkerSide(environment)
    take_over_when_told(environment)
    use_sessions_when_told(environment)


def _turnover(environment: Any, user_count: UserCount) -> Callable[[], UserTurnover]:
    """Who came and went: counted here, or reported by the workers."""
    if not isinstance(environment.runner, MasterRunner):
        stopping = UserStopping(environment.runner)
        environment.events.test_start.add_listener(lambda **_: stopping.start_over())
        return stopping.turnover
    workers = WorkersUserTurnover()
    environment.events.test_start.add_listener(lambda **_: workers.start_over())
    environment.events.worker_report.add_listener(lambda client_id, data, **_: workers.take_in(client_id, data))
    user_count.on_lost.append(workers.lost)
    return workers.turnover
