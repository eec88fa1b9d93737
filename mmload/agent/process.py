"""Wires the parts by which a Locust process is driven: those of a master, of a single process, of a worker."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from locust import argument_parser
from locust.runners import MasterRunner, WorkerRunner

from mmload.agent import access, api, tabs
from mmload.agent.adoption import Adoption
from mmload.agent.agents import Agent
from mmload.agent.departures import Departures
from mmload.agent.dispatching import by_index
from mmload.agent.driving import Driving
from mmload.agent.joining import Guest, Reception
from mmload.agent.refusing import refuse
from mmload.agent.turnover import REPORT_KEY, Turnover, WorkersTurnover
from mmload.errors import ConfigurationError, MmloadError

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload")


def register(events: Any, problem: Callable[[Environment], MmloadError | None]) -> None:
    """Wire this into Locust; `problem` says what stands in the way of a test on the server."""
    events.init.add_listener(lambda environment, **_: _on_init(environment, problem))


def driving_of(environment: Environment) -> Driving:
    """The one way in of a master or a single process."""
    driving: Driving = environment.mmload_driving  # type: ignore[attr-defined]
    return driving


def _on_init(environment: Any, problem: Callable[[Environment], MmloadError | None]) -> None:
    adoption = Adoption(environment)
    if isinstance(environment.runner, WorkerRunner):
        _be_worker(environment, adoption)
        return
    environment.mmload_driving = Driving(environment.runner)
    turnover = _turnover(environment)
    if isinstance(environment.runner, MasterRunner):
        environment.dispatcher_class = by_index(environment.runner.get_worker_index)
        Reception(environment)
    if environment.web_ui is not None:
        _guard_or_exit(environment)

        def new_agent(name: str) -> Agent:
            return Agent(name, environment, environment.mmload_driving, turnover)

        agents = api.Agents(environment, adoption, new_agent, lambda: problem(environment))
        api.register(agents, environment.web_ui, environment.parsed_options)
        tabs.register(environment, new_agent(""))


def _be_worker(environment: Any, adoption: Adoption) -> None:
    _know_the_defaults()
    departures = Departures(environment.runner)
    environment.events.test_start.add_listener(lambda **_: departures.start_over())
    environment.events.report_to_master.add_listener(
        lambda data, **_: data.update({REPORT_KEY: msgspec.to_builtins(departures.turnover())})
    )
    Guest(environment, adoption)


def _know_the_defaults() -> None:
    """Locust's options are the same all the time; it works them out anew for each of them, for each change of the load.

    Measured: 110 ms in which a worker does nothing else, every second of a ramp. Many changes in a row made workers so
    late that their master took them for lost.
    """
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)


def _turnover(environment: Any) -> Callable[[], Turnover]:
    """Who came and went: counted here, or reported by the workers."""
    if not isinstance(environment.runner, MasterRunner):
        departures = Departures(environment.runner)
        environment.events.test_start.add_listener(lambda **_: departures.start_over())
        return departures.turnover
    workers = WorkersTurnover()
    environment.events.test_start.add_listener(lambda **_: workers.start_over())
    environment.events.worker_report.add_listener(lambda client_id, data, **_: workers.take_in(client_id, data))
    environment.mmload_driving.on_lost = workers.lost
    return workers.turnover


def _guard_or_exit(environment: Any) -> None:
    """A web server that anybody could use is not started."""
    try:
        access.guard(environment.web_ui, environment.parsed_options)
    except ConfigurationError as error:
        refuse(environment, error)
