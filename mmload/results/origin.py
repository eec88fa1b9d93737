"""Where a run comes from and why it ended, in the form the record keeps: never a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from mmload.results.model import Ending, Server

_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def without_credentials(text: str) -> str:
    """The text without the `user:password@` of a URL in it."""
    return _CREDENTIALS_IN_URL.sub("", text)


def command(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line for the record."""
    return tuple(without_credentials(argument) for argument in arguments)


def server_facts(facts: object, url: str = "") -> Server:
    """What the check before a run found out (absent attributes stay unknown)."""
    return Server(
        url=without_credentials(url),
        version=str(getattr(facts, "version", "")),
        build=str(getattr(facts, "build", "")),
        licensed=getattr(facts, "licensed", None),
        sku=str(getattr(facts, "sku", "")),
        features=tuple(getattr(facts, "features", ())),
    )


def population(facts: object) -> dict[str, int]:
    """What the server held before the run, as far as it said."""
    return dict(getattr(facts, "population", {}))


def timestamp(seconds: float) -> str:
    """Local time with its distance from UTC: `2026-01-31T12:00:00+01:00`."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def ending(run_time_seconds: float, elapsed_seconds: float, *, headless: bool, workers_left: bool) -> Ending:
    """Why a run ends now."""
    if not workers_left:
        return Ending.WORKERS_LOST
    # Locust's timer starts a moment before the first second of the record.
    if run_time_seconds and elapsed_seconds >= run_time_seconds - 1:
        return Ending.RUN_TIME_OVER
    return Ending.INTERRUPTED if headless else Ending.STOPPED
