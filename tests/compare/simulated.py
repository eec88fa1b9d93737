"""Steady windows and folders of made-up runs whose truth is known."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mmload.metrics.counts import UserGauges
from mmload.metrics.delta import Delta
from mmload.metrics.recorder import DELIVERY, ActionOutcome, Recorder
from mmload.results.folder import RunFolder
from mmload.results.model import TRAFFIC, Facts, Machine, RunEnding, Server
from mmload.results.statistics import SteadyWindow
from mmload.results.timeline import Load, Timeline

START = 1_800_000_000
USERS = 20
ROUTES = {"GET /channels/{channel_id}/posts": 0.024, "POST /posts": 0.03, "POST /users/status/ids": 0.02}
FACTS = Facts(
    mmload="0.1.0",
    traffic=TRAFFIC,
    locust="2.47.0",
    command=("mmload", "run", "--users", str(USERS)),
    settings={"config": {"UsersConfiguration": {"MaxActiveUsers": 2000}}},
    users=USERS,
    spawn_rate=10.0,
    population={"users": 200, "channels": 40, "posts": 5000},
    server=Server("http://old.example", "11.6.0", "1", True, features=("threads",)),
    machine=Machine(2, 16_000_000_000, "Linux 6.1 x86_64"),
    started_ms=START * 1000,
    ending=RunEnding.RUN_TIME_OVER,
)


def second(
    rng: random.Random, *, slower: float = 0.0, scatter: float = 0.2, failing: float = 0.0, missing: float = 0.0
) -> Delta:
    """Forty requests of each route, with some deliveries."""
    recorder = Recorder(clock=lambda: 0.0)
    for route, typical in ROUTES.items():
        for _ in range(40):
            failure = "500 made.up" if rng.random() < failing else ""
            recorder.request(route, rng.lognormvariate(math.log(typical * (1 + slower)), scatter), failure)
    for _ in range(10):
        recorder.action("CreatePost", rng.lognormvariate(math.log(0.05 * (1 + slower)), scatter), ActionOutcome.OK)
        lost = rng.random() < missing
        recorder.deliveries.expected += 1
        recorder.deliveries.delivered += not lost
        recorder.deliveries.never_came += lost
        if not lost:
            recorder.span(DELIVERY, rng.lognormvariate(math.log(0.02 * (1 + slower)), scatter))
    return recorder.take()


def window(seed: int, seconds: int = 30, *, wave: float = 0.0, **what: float) -> SteadyWindow:
    """The steady seconds of one run. `wave`: how much slower or faster five seconds at a time are at most."""
    rng = random.Random(seed)
    made = SteadyWindow(USERS)
    slower = what.pop("slower", 0.0)
    level = 0.0
    for at in range(seconds):
        if wave and at % 5 == 0:
            level = rng.uniform(-wave, wave)
        made.add(second(rng, slower=slower + level, **what))
    return made


def run(folder: Path, seed: int, *, seconds: int = 30, facts: Facts = FACTS, **what: float) -> Path:
    """A run's folder: a second of ramp, the steady ones, one of farewell."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    line = Timeline(float(START))
    length = seconds + 2
    for at in range(length):
        delta = second(rng, **what)
        delta.users = UserGauges(0, USERS, 0)
        line.add(START + at, "local", delta)
        line.observe(START + at, Load(USERS if at else USERS // 2, USERS, at == length - 1))
    files = RunFolder(folder)
    files.write_facts(replace(facts, run_time_seconds=float(length), ended_ms=(START + length) * 1000))
    for told, figures in line.closed(START + length, all_of_them=True):
        files.add_second(told)
        files.add_figures(figures)
    files.write_totals(line.totals)
    files.close()
    return folder


def changed(facts: Facts = FACTS, **changes: Any) -> Facts:
    """Facts that differ in something."""
    return replace(facts, **changes)
