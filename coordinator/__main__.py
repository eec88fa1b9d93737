"""The command `mmload-coordinator`, and `python -m coordinator`: one search, and what is said while it goes on.

Everything is checked first, then looked for, written down and told. Errors become one line and an exit code in `main`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any

import msgspec

from coordinator import answer
from coordinator.agents import AgentGroup, ready
from coordinator.answer import Decider, Limits, Mode, SearchOutcome, Step, clock_text
from coordinator.capacity_difference import ComparedServer, difference
from coordinator.capacity_difference import exit_code as difference_exit_code
from coordinator.capacity_difference import text as difference_text
from coordinator.capacity_difference import write as write_difference
from coordinator.journal import NAME, Head, JournalWriter
from coordinator.loop import Loop, Observer, Seen, have_measures
from coordinator.observe.causes import text as cause_text
from coordinator.observe.watching import Watch, sources
from coordinator.prometheus import Prometheus
from coordinator.search.decide import Search
from coordinator.search.paired import DEFAULT_TURNS, PairedSearch
from coordinator.search.sample import weigh
from coordinator.settings import (
    agents_of,
    applied,
    limits_of,
    load,
    parser,
    thresholds_of,
    today_of,
    tolerance_of,
)
from mmload import __version__
from mmload.config import Settings, load_settings
from mmload.config.coordinator_tables import Coordinator, LogSettings
from mmload.config.environment import DOCUMENT_VARIABLES
from mmload.errors import ConfigurationError, ExitCode, MmloadError, UsageError
from mmload.printable import HarmlessRecord, harmless, harmless_line, significant
from mmload.results.folder import make_folder
from mmload.signals import handling, raising_interrupts

# A line so often is enough to follow a search of ten minutes, and to read its log afterwards.
LINE_EVERY_SECONDS = 10.0
_LEVELS = {"TRACE": logging.DEBUG, "WARN": logging.WARNING}
log = logging.getLogger("coordinator")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {"timestamp": self.formatTime(record), "level": record.levelname.lower(), "msg": record.getMessage()}
        return json.dumps(told, ensure_ascii=False)


def set_up_logs(settings: LogSettings) -> None:
    """Called once; replaces what an earlier call set up."""
    logging.setLogRecordFactory(HarmlessRecord)
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    for handler, level, as_json in _handlers(settings):
        handler.setLevel(_LEVELS.get(level) or getattr(logging, level))
        handler.setFormatter(_JsonLines() if as_json else logging.Formatter("mmload-coordinator: %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False


def _handlers(settings: LogSettings) -> Iterator[tuple[logging.Handler, str, bool]]:
    if settings.enable_console:
        yield logging.StreamHandler(sys.stderr), settings.console_level, settings.console_json
    if settings.enable_file:
        try:
            handler = logging.FileHandler(settings.file_location, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"LogSettings.FileLocation: cannot write to {settings.file_location}: {error.strerror}"
            ) from None
        yield handler, settings.file_level, settings.file_json


class Progress:
    """A line every ten seconds, and one whenever a limit is crossed or no longer is."""

    def __init__(self, whose: str = "") -> None:
        self.whose = whose
        self._last = -LINE_EVERY_SECONDS
        self._breached = False
        self._silent: set[str] = set()
        self._unobserved: set[str] = set()

    def __call__(self, seen: Seen, step: Step) -> None:
        now, sample = seen.observation.seconds, weigh(seen.observation)
        for name in sorted(set(seen.silent) - self._silent):
            log.warning("%sagent %s does not respond: %s", self.whose, name, seen.silent[name])
        self._silent = set(seen.silent)
        for name, reasons in seen.unobserved.items():
            for why in (each for each in reasons if f"{name}: {each}" not in self._unobserved):
                self._unobserved.add(f"{name}: {why}")
                log.warning("%snot observed: %s: %s", self.whose, name, why)
        if now - self._last >= LINE_EVERY_SECONDS or sample.breached != self._breached or step.answer is not None:
            self._last, self._breached = now, sample.breached
            log.info("%s%s", self.whose, line(seen, step))


def line(seen: Seen, step: Step) -> str:
    """How the search stands, in one line. Pure."""
    at = seen.observation
    measured = weigh(at).said if at.readings else seen.warming
    saturated = f" · the load generator is saturated: {at.saturated}" if at.saturated else ""
    reason = step.reason if step.ordered is None else f"rests with {step.ordered} users"
    return f"{clock_text(at.seconds)}  {at.users} of {at.target} users · {measured} · {reason}{saturated}"


def run(args: argparse.Namespace) -> int:
    """The whole of a search, or of two that are compared; the answer is its exit code."""
    loaded = load(args.config)
    document = applied(loaded.value, args)
    set_up_logs(document.log)
    named = {DOCUMENT_VARIABLES["config"]: str(args.agent_config)} if args.agent_config else {}
    settings, _ = load_settings({**os.environ, **named})
    for notice in loaded.notices:
        log.warning(notice)
    if args.compare is None:
        return _run_alone(document, settings, args)
    if document.search.mode == Mode.CLASSIC:
        raise UsageError("--compare: the classic rule gives no interval: omit --mode classic")
    return _run_pair(document, applied(load(args.compare).value, args), settings, args)


def _run_alone(document: Coordinator, settings: Settings, args: argparse.Namespace) -> int:
    with _ended_in_order() as stop, _begun(document, settings, args) as begun:
        folder = _folder(args.folder)
        limits = limits_of(document, settings)
        outcome = _looped(begun, limits, Search(limits), folder, stop, Progress())
    told = _answered(outcome, limits, begun, folder, args)
    log.info("journal and result are in %s; %s", folder, outcome.left)
    _print(told if args.json else answer.text(outcome))
    return int(answer.exit_code(outcome.answer))


def _answered(
    outcome: SearchOutcome, limits: Limits, begun: Begun, folder: Path, args: argparse.Namespace
) -> dict[str, Any]:
    told = answer.document(replace(outcome, today=today_of(args)), limits, begun.thresholds)
    answer.write(folder, told)
    return told


def _print(told: str | dict[str, Any]) -> None:
    print(harmless(told if isinstance(told, str) else json.dumps(told, indent=2, ensure_ascii=False)), flush=True)


SIDES = ("base", "new")


def _run_pair(base: Coordinator, new: Coordinator, settings: Settings, args: argparse.Namespace) -> int:
    """Two searches that take turns; a thread each, so that an agent that is slow to answer holds up nobody else."""
    folder, documents = _folder(args.folder), (base, new)
    with ExitStack() as stack:
        stop = stack.enter_context(_ended_in_order())
        begun = [stack.enter_context(_begun(document, settings, args)) for document in documents]
        turns = replace(DEFAULT_TURNS, tolerance=tolerance_of(args))
        pair = PairedSearch(limits_of(base, settings), limits_of(new, settings), turns)
        looped = [
            partial(_looped, each, limits, side, _folder(folder / name), stop, Progress(f"{name}: "))
            for each, limits, side, name in zip(begun, pair.limits, pair.sides, SIDES, strict=True)
        ]
        outcomes = _side_by_side(looped, stop)
    for outcome, limits, each, name in zip(outcomes, pair.limits, begun, SIDES, strict=True):
        _answered(outcome, limits, each, folder / name, args)
    servers = [_compared(*each) for each in zip(documents, outcomes, SIDES, strict=True)]
    found = difference(servers[0], servers[1], pair.ratio, tolerance_of(args))
    write_difference(folder, found)
    for name, outcome in zip(SIDES, outcomes, strict=True):
        log.info("%s: journal and result are in %s; %s", name, folder / name, outcome.left)
    _print(msgspec.to_builtins(found) if args.json else difference_text(found))
    return int(difference_exit_code(found))


def _side_by_side(looped: Sequence[Callable[[], SearchOutcome]], stop: Event) -> list[SearchOutcome]:
    """What comes out of both; one that fails ends the other, too. A second signal waits for neither."""
    outcomes: list[Future[SearchOutcome]] = [Future() for _ in looped]

    def carry_out(run_it: Callable[[], SearchOutcome], outcome: Future[SearchOutcome]) -> None:
        try:
            outcome.set_result(run_it())
        except BaseException as error:  # noqa: BLE001  # it is raised where the outcome is taken
            stop.set()
            outcome.set_exception(error)

    for each in zip(looped, outcomes, strict=True):
        Thread(target=carry_out, args=each, daemon=True).start()
    wait(outcomes)
    return [outcome.result() for outcome in outcomes]


def _compared(document: Coordinator, outcome: SearchOutcome, name: str) -> ComparedServer:
    cause = cause_text(outcome.cause) if outcome.cause is not None else ""
    return ComparedServer(document.observe.server_url or name, name, outcome.answer, outcome.slowest, cause)


@dataclass(frozen=True, slots=True)
class Begun:
    """One server's search before its first look: the agents run, and what there is to go by is known."""

    document: Coordinator
    agents: AgentGroup
    prometheus: Prometheus
    measured: bool
    thresholds: dict[str, float]


@contextmanager
def _begun(document: Coordinator, settings: Settings, args: argparse.Namespace) -> Iterator[Begun]:
    """All that is checked before users come. What fails then leaves the agents as they were."""
    prometheus = Prometheus(document.monitor)
    prometheus.check()
    if not args.take_up:
        _warn_of_breaches(prometheus)
    configured = agents_of(document, settings)
    most, each = document.cluster.max_active_users, [agent.max_users for agent in document.cluster.agents]
    agents = ready(configured, most, each, take_up=args.take_up)
    try:
        measured = _measured(agents, document)
        yield Begun(document, agents, prometheus, measured, thresholds_of(document, measured=measured))
    except BaseException:
        agents.release()
        raise


def _looped(begun: Begun, limits: Limits, search: Decider, folder: Path, stop: Event, tell: Progress) -> SearchOutcome:
    document, agents = begun.document, begun.agents
    journal = _journal(folder, limits, agents, begun.thresholds)
    kept = ", ".join(f"{name} ≤ {significant(limit, 6)}" for name, limit in begun.thresholds.items())
    log.info("%ssearching up to %d users, with the limits %s", tell.whose, document.cluster.max_active_users, kept)
    with _watching(document) as watch:
        observer = Observer(agents, begun.prometheus, document.measures if begun.measured else None, watch)
        hold = document.search.at_end == "hold"
        loop = Loop(limits, search, observer, agents, journal, tell, hold=hold)
        outcome = loop.run(stop, document.monitor.update_interval_ms / 1000)
    journal.close()
    if journal.trouble:
        log.error(journal.trouble)
    return outcome


@contextmanager
def _watching(document: Coordinator) -> Iterator[Watch]:
    """What is to be observed of the server, looked at until the search is over."""
    watched = sources(document.monitor, document.observe)
    log.info("observed on the server: %s", ", ".join(watched) or "nothing (see ObserveConfiguration)")
    watch = Watch(watched, time.monotonic)
    try:
        yield watch
    finally:
        watch.close()


def _warn_of_breaches(prometheus: Prometheus) -> None:
    """A limit that is crossed without any user is no limit of users; but the load of a moment ago may still show."""
    alerting = {query.description for query in prometheus.queries if query.alert}
    for name, reading in prometheus.readings(0.0, time.time()).items():
        if name in alerting and reading.value is not None and reading.value > reading.limit:
            told = "before any user has started, %s is already %.4g (limit %g): if it stays there, the search will end"
            log.warning(told, name, reading.value, reading.limit)


def _measured(agents: AgentGroup, document: Coordinator) -> bool:
    """Whether the agents' own measures can be used. Raises ConfigurationError where there is nothing to go by."""
    look = agents.look()
    measured = have_measures(look, agents.names)
    limited = bool(thresholds_of(document, measured=measured))
    if measured and limited:
        return True
    if not limited:
        why = (
            "no limit is set"
            if measured
            else "the agents do not export mmload's measures on /metrics, and there are no queries"
        )
        raise ConfigurationError(
            f"nothing shows when the server is overloaded: {why}. Set a limit in MeasuresConfiguration, or queries "
            "with Alert in MonitorConfig"
        )
    log.warning("the agents do not export mmload's measures on /metrics: only the queries count")
    return False


def _folder(given: Path | None) -> Path:
    if given is None:
        return make_folder(Path("runs"), datetime.now(), "capacity")
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {given}: cannot create it: {error.strerror}") from None
    return given


def _journal(folder: Path, limits: Limits, agents: AgentGroup, thresholds: dict[str, float]) -> JournalWriter:
    journal = JournalWriter(folder / NAME)
    started = datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="seconds")
    journal.add(Head(limits, mmload=__version__, started=started, agents=agents.limits, thresholds=thresholds))
    return journal


@contextmanager
def _ended_in_order() -> Iterator[Event]:
    """An event that a first signal (Ctrl-C, say) sets. A second one ends the process at once, agents as they are."""
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        log.warning("stopping; a second signal exits at once and leaves the agents as they are")
        stop.set()

    with handling(end):
        yield stop


def complain(error: Exception) -> None:
    for told in str(error).splitlines():
        print(harmless_line(f"mmload-coordinator: {told}"), file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look for the capacity; the answer is the exit code (see `mmload.errors.ExitCode`)."""
    args = parser().parse_args(arguments)
    try:
        with raising_interrupts():
            return run(args)
    except MmloadError as error:
        complain(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("mmload-coordinator: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
