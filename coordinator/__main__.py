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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType

from coordinator import answer
from coordinator.agents import AgentGroup, ready
from coordinator.answer import Limits, SearchOutcome, Step, clock_text
from coordinator.journal import NAME, Head, JournalWriter
from coordinator.loop import Loop, Observer, Seen, have_measures
from coordinator.observe.watching import Watch, sources
from coordinator.prometheus import Prometheus
from coordinator.search.decide import Search
from coordinator.search.sample import weigh
from coordinator.settings import agents_of, applied, limits_of, load, parser, thresholds_of, today_of
from mmload import __version__
from mmload.config import Settings, load_settings
from mmload.config.coordinator_tables import Coordinator, LogSettings
from mmload.config.environment import DOCUMENT_VARIABLES
from mmload.errors import ConfigurationError, ExitCode, MmloadError, UsageError
from mmload.printable import HarmlessRecord, harmless, harmless_line
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
                f"LogSettings.FileLocation: {settings.file_location}: can't be written: {error.strerror}"
            ) from None
        yield handler, settings.file_level, settings.file_json


class Progress:
    """A line every ten seconds, and one whenever a limit is crossed or no longer is."""

    def __init__(self) -> None:
        self._last = -LINE_EVERY_SECONDS
        self._breached = False
        self._silent: set[str] = set()
        self._unobserved: set[str] = set()

    def __call__(self, seen: Seen, step: Step) -> None:
        now, sample = seen.observation.seconds, weigh(seen.observation)
        for name in sorted(set(seen.silent) - self._silent):
            log.warning("agent %s does not answer: %s", name, seen.silent[name])
        self._silent = set(seen.silent)
        for name, reasons in seen.unobserved.items():
            for why in (each for each in reasons if f"{name}: {each}" not in self._unobserved):
                self._unobserved.add(f"{name}: {why}")
                log.warning("not observed: %s: %s", name, why)
        if now - self._last >= LINE_EVERY_SECONDS or sample.breached != self._breached or step.answer is not None:
            self._last, self._breached = now, sample.breached
            log.info(line(seen, step))


def line(seen: Seen, step: Step) -> str:
    """How the search stands, in one line. Pure."""
    at = seen.observation
    measured = weigh(at).said if at.readings else seen.warming
    saturated = f" · the load generator is not to be trusted: {at.saturated}" if at.saturated else ""
    return f"{clock_text(at.seconds)}  {at.users} of {at.target} users · {measured} · {step.reason}{saturated}"


def run(args: argparse.Namespace) -> int:
    """The whole of a search; the answer is its exit code."""
    loaded = load(args.config)
    document = applied(loaded.document, args)
    set_up_logs(document.log)
    named = {DOCUMENT_VARIABLES["config"]: str(args.agent_config)} if args.agent_config else {}
    settings, _ = load_settings({**os.environ, **named})
    for notice in loaded.notices:
        log.warning(notice)
    outcome, folder, thresholds = _searched(document, settings, args)
    told = answer.document(outcome, limits_of(document, settings), thresholds)
    answer.write(folder, told)
    log.info("journal and answer are in %s; %s", folder, outcome.left)
    text = json.dumps(told, indent=2, ensure_ascii=False) if args.json else answer.text(outcome)
    print(harmless(text), flush=True)
    return int(answer.exit_code(outcome.answer))


def _searched(
    document: Coordinator, settings: Settings, args: argparse.Namespace
) -> tuple[SearchOutcome, Path, dict[str, float]]:
    prometheus = Prometheus(document.monitor)
    prometheus.check()
    if not args.take_up:
        _warn_of_breaches(prometheus)
    configured = agents_of(document, settings)
    most, each = document.cluster.max_active_users, [agent.max_users for agent in document.cluster.agents]
    with _ended_in_order() as stop:
        agents = ready(configured, most, each, take_up=args.take_up)
        try:
            measured = _measured(agents, document)
            thresholds = thresholds_of(document, measured=measured)
            folder = _folder(args.folder)
            limits = limits_of(document, settings)
            journal = _journal(folder, limits, agents, thresholds)
        except BaseException:
            agents.release()
            raise
        kept = ", ".join(f"{name} ≤ {limit:g}" for name, limit in thresholds.items())
        log.info("searching up to %d users, with the limits %s", most, kept)
        with _watching(document) as watch:
            observer = Observer(agents, prometheus, document.measures if measured else None, watch)
            hold = document.search.at_end == "hold"
            loop = Loop(limits, Search(limits), observer, agents, journal, Progress(), hold=hold)
            outcome = loop.run(stop, document.monitor.update_interval_ms / 1000)
        outcome = replace(outcome, today=today_of(args))
        journal.close()
        if journal.trouble:
            log.error(journal.trouble)
    return outcome, folder, thresholds


@contextmanager
def _watching(document: Coordinator) -> Iterator[Watch]:
    """What is to be observed of the server, looked at until the search is over."""
    watched = sources(document.monitor, document.observe)
    log.info("observing of the server: %s", ", ".join(watched) or "nothing (see ObserveConfiguration)")
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
            told = "before any user is in, %s is %.4g already, its limit is %g: if it stays so, the search ends there"
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
            else "the agents export no measures of mmload on /metrics, and there are no queries"
        )
        raise ConfigurationError(
            f"nothing says when the server has too much to do: {why}. Set a limit in MeasuresConfiguration, or queries "
            "with Alert in MonitorConfig"
        )
    log.warning("the agents export no measures of mmload on /metrics: only the queries count")
    return False


def _folder(given: Path | None) -> Path:
    if given is None:
        return make_folder(Path("runs"), datetime.now(), "capacity")
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {given}: can't be made: {error.strerror}") from None
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
