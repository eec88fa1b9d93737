"""What a run's folder holds, as typed values (docs/run-folder.md describes every field).

Where a run comes from and why it ended, in the form the record keeps: never a secret. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from mmload.metrics.browser import BrowserFailure
from mmload.metrics.delta import Delta, ProcessHealth

# Raised when a reader of the old form would misunderstand the new one; new fields alone do not raise it.
SCHEMA = 2
# What simulated users send, and when. Raised when that changes so much that the figures of a server do, too: a run from
# before is not compared with one from after. 2: as the web application 11.6. 3: as often as configured, however little
# there is to do it on or to read.
TRAFFIC = 3


class RunPhase(StrEnum):
    """Which part of a run a second belongs to."""

    RAMP = "ramp"  # users are still logging in
    STEADY = "steady"  # all users that can be are active
    STOPPING = "stopping"  # users log out


class RunEnding(StrEnum):
    RUN_TIME_OVER = "run time over"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"  # by hand, in the web UI or by its API
    WORKERS_LOST = "all workers lost"
    STORM_OVER = "storm over"


class Server(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server under test, as far as it was asked before the run."""

    url: str = ""
    version: str = ""
    build: str = ""
    licensed: bool | None = None
    sku: str = ""
    sandbox: bool = False  # our own stand-in: nothing about Mattermost follows from the figures
    features: tuple[str, ...] = ()  # the features that change the load, by name, as far as they are on


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine that made the load (of the master, where there are workers)."""

    cores: int = 0
    memory_bytes: int = 0
    kernel: str = ""


class Facts(msgspec.Struct, frozen=True):
    """run.json: what was run, on what, by what. `ended_ms` 0: the run has not ended, or was cut off."""

    schema: int = SCHEMA
    name: str = ""
    mmload: str = ""
    traffic: int = 1  # `TRAFFIC` of that mmload
    locust: str = ""
    python: str = ""
    command: tuple[str, ...] = ()
    settings: dict[str, Any] = {}  # secrets hidden
    seed: int = 0
    users: int = 0  # the target at the start
    spawn_rate: float = 0.0
    run_time_seconds: float = 0.0  # 0: without limit
    stages: str = ""  # as given: "0>200 in 5m; 200 for 10m"
    storm: str = ""  # the storm that the run was made for
    workers: int = 0  # 0: everything in one process
    thresholds: tuple[str, ...] = ()  # as given: "p99(CreatePost) < 2s"
    versions: dict[str, str] = {}  # of the libraries that matter for the figures
    population: dict[str, int] = {}  # what the server held before the run: users, teams, channels, posts
    server: Server = Server()
    machine: Machine = Machine()
    started_ms: int = 0
    started: str = ""
    ended_ms: int = 0
    ended: str = ""
    ending: RunEnding | None = None


class Second(msgspec.Struct, frozen=True):
    """One line of seconds.jsonl: what happened in one second of the wall clock, and how things stood at its end."""

    ms: int  # when it began, since 1970
    elapsed: int  # whole seconds since the run began
    phase: RunPhase
    target: int
    spawned: int
    waiting: int
    active: int
    gave_up: int
    sockets: int
    requests: int  # REST calls that ended, good or not, without log-ins
    failures: int  # of them
    logins: int  # log-in requests that ended
    login_failures: int  # of them
    unanswered: int  # requests and log-ins that got no answer at all
    actions: int
    posts: int
    events: int
    posted_of_others: int
    dropped: int
    resumed: int
    renewed: int
    p50_ms: float | None  # of the good answers, without log-ins
    p95_ms: float | None
    p99_ms: float | None
    expected: int = 0  # deliveries that posts accepted in this second should have (not: of the posts delivered in it)
    delivered: int = 0  # deliveries that came in this second
    missing: int = 0  # deliveries given up in this second; negative if some of those came after all
    delivery_p50_ms: float | None = None
    delivery_p95_ms: float | None = None
    delivery_p99_ms: float | None = None
    without_account: int = 0  # of those that gave up: no account was left for them
    stage: str = ""  # of a load in stages
    groups: dict[str, tuple[int, int]] = {}  # by group of routes: how many ended, of them with 5xx
    health: dict[str, ProcessHealth] = {}  # by process: "local" (this one or the master), "worker 0", …


class Figures(msgspec.Struct, frozen=True):
    """One line of figures.jsonl: all figures of one second, histograms included (the seconds of seconds.jsonl)."""

    ms: int
    phase: RunPhase
    figures: Delta


class Totals(msgspec.Struct, frozen=True):
    """totals.json: the sums of all seconds so far (`whole`), and of those in the steady phase (`steady`)."""

    schema: int = SCHEMA
    ms: int = 0
    seconds: int = 0
    steady_seconds: int = 0
    highest_active: int = 0
    whole: Delta = msgspec.field(default_factory=Delta)
    steady: Delta = msgspec.field(default_factory=Delta)
    clock_error_ms: float | None = None  # of deliveries between hosts; None: there are none


class ServerSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of server.jsonl: a figure of the server at one moment (milliseconds since 1970).

    `limit` is what the coordinator holds it against; None: nothing.
    """

    ms: int
    name: str
    value: float
    unit: str = ""
    limit: float | None = None


class NoteKind(StrEnum):
    PHASE = "phase"
    USERS = "users"
    WORKER_CAME = "worker came"
    WORKER_LOST = "worker lost"
    WORKER_LEFT_OUT = "worker left out"  # its last figures never came
    LATE = "late"
    FAULT = "fault"  # an exception that a simulated user didn't expect
    SERVER = "server"  # its own figures are not to be had
    INJECTED = "injected"  # an action on demand
    STORM = "storm"
    RECORD = "record"  # its folder can't be written
    END = "end"


class Note(msgspec.Struct, frozen=True):
    """One line of notes.jsonl: something that happened, in words."""

    ms: int
    kind: NoteKind
    text: str


class StormKind(StrEnum):
    RECONNECT = "reconnect"
    RESTART = "restart"
    LOGIN = "login"
    SPIKE = "spike"
    MENTION_ALL = "mention-all"
    CHANNEL_FLOOD = "channel-flood"


class Storm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of storms.jsonl: an event in the middle of a run. A later line of the same moment takes its place."""

    kind: StormKind
    ms: int = 0  # when it began
    over_ms: int = 0  # when all of it was done; 0: it goes on
    users: int = 0  # that took part; of a spike: that came
    patience_seconds: float = 300.0  # who has not recovered by then, has not
    problem: str = ""  # why it was none


class StormRecovery(msgspec.Struct, frozen=True):
    """How a run came through a storm. Spans are in seconds from its beginning; None: it lasted to the end of the load.

    `untold`: why nothing can be told ("" it can). `p99_limit_ms` None: too few requests before the storm for a band.
    """

    storm: Storm
    watched_seconds: float
    untold: str = ""
    recovered_seconds: float | None = None
    sockets_seconds: float | None = None
    p99_seconds: float | None = None
    failures_seconds: float | None = None
    # How things were before, and how far they went meanwhile.
    sockets_level: int = 0
    sockets_lowest: int = 0
    sockets_dropped: int = 0
    p99_limit_ms: float | None = None
    p99_highest_ms: float | None = None
    requests: int = 0  # that ended meanwhile, log-ins too
    failures: int = 0
    peak_requests: int = 0  # in one second
    peak_failures: int = 0
    # Of the messages from its beginning to the end of the run.
    expected: int = 0
    missing: int = 0

    @property
    def end_ms(self) -> int:
        """When all of it was done and the server had recovered, or the load ended."""
        seconds = self.watched_seconds if self.recovered_seconds is None else self.recovered_seconds
        return max(self.storm.over_ms, self.storm.ms + round(seconds * 1000))


class Part(msgspec.Struct, frozen=True):
    """The sums of some seconds of a run."""

    seconds: int
    figures: Delta


class Undisturbed(msgspec.Struct, frozen=True):
    """The seconds in which neither the generator nor the server was out of order: the steady ones, and all of them."""

    steady: Part
    whole: Part


class Run(msgspec.Struct, frozen=True):
    """A run as its folder tells it. `missing` says in sentences what a torn folder no longer has.

    `undisturbed` is None where all seconds were, or nobody needs to know (a run without thresholds).
    """

    folder: str
    facts: Facts
    totals: Totals
    seconds: tuple[Second, ...] = ()
    notes: tuple[Note, ...] = ()
    missing: tuple[str, ...] = ()
    undisturbed: Undisturbed | None = None
    stages: dict[str, Part] = {}  # of a load in stages: by name, in their order
    storms: tuple[StormRecovery, ...] = ()
    browser_failures: tuple[BrowserFailure, ...] = ()


_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def without_credentials(text: str) -> str:
    """The text without the `user:password@` of a URL in it."""
    return _CREDENTIALS_IN_URL.sub("", text)


def command(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line for the record."""
    return tuple(without_credentials(argument) for argument in arguments)


def timestamp(seconds: float) -> str:
    """Local time with its distance from UTC: `2026-01-31T12:00:00+01:00`."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def ending(run_time_seconds: float, elapsed_seconds: float, *, headless: bool, workers_left: bool) -> RunEnding:
    """Why a run ends now."""
    if not workers_left:
        return RunEnding.WORKERS_LOST
    # Locust's timer starts a moment before the first second of the record.
    if run_time_seconds and elapsed_seconds >= run_time_seconds - 1:
        return RunEnding.RUN_TIME_OVER
    return RunEnding.INTERRUPTED if headless else RunEnding.STOPPED
