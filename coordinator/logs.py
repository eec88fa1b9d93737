"""What a person is told while the search goes on: on stderr and in a log file, as LogSettings says."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coordinator.answer import Step
from coordinator.search.sample import weigh
from mmload.config.coordinator_tables import LogSettings
from mmload.errors import UsageError
from mmload.printable import HarmlessRecord

if TYPE_CHECKING:
    from coordinator.observe import Seen

# A line so often is enough to follow a search of ten minutes, and to read its log afterwards.
LINE_EVERY_SECONDS = 10.0
_LEVELS = {"TRACE": logging.DEBUG, "WARN": logging.WARNING}
log = logging.getLogger("coordinator")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {"timestamp": self.formatTime(record), "level": record.levelname.lower(), "msg": record.getMessage()}
        return json.dumps(told, ensure_ascii=False)


def set_up(settings: LogSettings) -> None:
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

    def __call__(self, seen: Seen, step: Step) -> None:
        now, sample = seen.observation.seconds, weigh(seen.observation)
        for name in sorted(set(seen.silent) - self._silent):
            log.warning("agent %s does not answer: %s", name, seen.silent[name])
        self._silent = set(seen.silent)
        if now - self._last >= LINE_EVERY_SECONDS or sample.breached != self._breached or step.answer is not None:
            self._last, self._breached = now, sample.breached
            log.info(line(seen, step))


def line(seen: Seen, step: Step) -> str:
    """How the search stands, in one line. Pure."""
    at = seen.observation
    measured = weigh(at).said if at.readings else seen.warming
    saturated = f" · the load generator is not to be trusted: {at.saturated}" if at.saturated else ""
    return f"{clock_text(at.seconds)}  {at.users} of {at.target} users · {measured} · {step.reason}{saturated}"


def clock_text(seconds: float) -> str:
    """`3:07`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
