"""Made-up runs with something of everything, summed up by the same timeline as real ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

from mmload.config.stages import PEAK
from mmload.metrics import recorder as names
from mmload.metrics.counts import UserGauges
from mmload.metrics.delta import Delta, Loss, ProcessHealth
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.results.folder import RunFolder, stage_parts
from mmload.results.model import Facts, Figures, Machine, Note, NoteKind, Run, RunEnding, Second, Server
from mmload.results.timeline import Load, Timeline

START = 1_800_000_000
USERS = 100
ROUTES = {
    "GET /channels/{channel_id}/posts": 12.0,
    "POST /channels/members/{user_id}/view": 4.0,
    "GET /users/{user_id}/channels/{channel_id}/posts/unread": 9.0,
    "POST /posts": 15.0,
    "POST /users/status/ids": 2.0,
    "GET /users/{user_id}/teams/{team_id}/threads": 30.0,
    "POST /posts/search": 90.0,
}
ACTIONS = {"SwitchChannel": 40.0, "CreatePost": 22.0, "ScrollChannel": 14.0, "Poll": 3.0, "SearchPosts": 110.0}
REQUEST_ID = "8oyb7w9t5fbb3qx6ht8f1c4zde"


def rich(seconds: int = 120, workers: int = 2, per_second: int = 20) -> tuple[Run, list[Figures]]:
    """A run with a ramp, an outage, losses, failures, two workers and their health."""
    rng = random.Random(7)
    line = Timeline(float(START))
    for at in range(seconds):
        for worker in range(workers):
            line.add(START + at, f"worker {worker}", _delta(rng, at, seconds, workers, per_second))
        stage = "up" if at < 15 else PEAK
        line.observe(START + at, Load(USERS, min(USERS, at * 10), at >= seconds - 3, stage, is_ramp=at < 15))
    closed = list(line.closed(START + seconds, all_of_them=True))
    told: Sequence[Second] = [second for second, _ in closed]
    parts = stage_parts((figures for _, figures in closed), told)
    run = Run("runs/x", _facts(seconds, workers), line.totals, tuple(told), _notes(seconds), stages=parts)
    return run, [figures for _, figures in closed]


def _outage(at: int, seconds: int) -> bool:
    return seconds * 0.5 <= at < seconds * 0.58


def _delta(rng: random.Random, at: int, seconds: int, workers: int, per_second: int) -> Delta:
    recorder = Recorder(clock=lambda: START + at + 0.5)
    come = min(1.0, at / 15)
    slow = 1 + 0.5 * math.sin(at / 20)
    if _outage(at, seconds):
        for _ in range(5):
            recorder.request("POST /posts", 10.0, "no answer: connection refused")
        recorder.sockets.dropped += 25 if at == round(seconds * 0.5) else 0
    else:
        _work(recorder, rng, round(per_second * (0.2 + come)), slow)
    delta = recorder.take()
    share = USERS // workers
    delta.users = UserGauges(share - round(share * come), round(share * come), 0)
    cpu = min(1.0, rng.gauss(0.3 + 0.3 * come, 0.05))
    lag = rng.expovariate(1 / 4)
    delta.health = ProcessHealth(
        cpu, lag, rng.randrange(9), rng.choice([0.0, 0.0, 12.0]), 90_000_000 + at * 50_000, 0.02 * rng.random(), None
    )
    return delta


def _work(recorder: Recorder, rng: random.Random, requests: int, slow: float) -> None:
    recorder.request("POST /users/login", rng.uniform(0.2, 0.5), login=True)
    for _ in range(requests):
        route, typical = rng.choice(list(ROUTES.items()))
        failure = "500 api.post.app_error" if rng.random() < 0.01 else ""
        seconds = rng.lognormvariate(math.log(typical / 1000 * slow), 0.6)
        recorder.request(route, seconds, failure, request_id=REQUEST_ID if failure else "")
    for name, typical in ACTIONS.items():
        recorder.action(name, rng.lognormvariate(math.log(typical / 1000 * slow), 0.5), ActionOutcome.OK)
    posts, others = rng.randrange(3), 20
    recorder.deliveries.sent += posts
    recorder.deliveries.expected += posts * others
    recorder.deliveries.delivered += posts * others - (posts == 2)
    if posts == 2:
        recorder.deliveries.socket_lost += 1
    recorder.sockets.opened += 1
    recorder.events["posted"] += posts * others
    for _ in range(posts * others):
        recorder.span(names.DELIVERY, rng.lognormvariate(math.log(0.03 * slow), 0.5))


def _facts(seconds: int, workers: int) -> Facts:
    return Facts(
        name="rich",
        mmload="0.1.0",
        locust="2.47.0",
        python="3.11.7",
        command=("mmload", "run", "--users", str(USERS)),
        settings={"UsersConfiguration": {"InitialActiveUsers": USERS, "Password": "********"}},
        seed=7,
        users=USERS,
        spawn_rate=10.0,
        run_time_seconds=float(seconds),
        stages=f"up: 0>{USERS} in 15s; {PEAK}: {USERS} for {seconds}s",
        workers=workers,
        thresholds=("p99(CreatePost) < 2s",),
        versions={"gevent": "25.4"},
        population={"users": 200, "channels": 40},
        server=Server("http://mm.example", "11.6.0", "1", True, "enterprise", features=("threads",)),
        machine=Machine(8, 16_000_000_000, "Linux 6.1 x86_64"),
        started_ms=START * 1000,
        started="2027-01-15T08:00:00+00:00",
        ended_ms=(START + seconds) * 1000,
        ended="2027-01-15T08:02:00+00:00",
        ending=RunEnding.RUN_TIME_OVER,
    )


def _notes(seconds: int) -> tuple[Note, ...]:
    told = [(0.1, NoteKind.PHASE, "ramp"), (0.3, NoteKind.INJECTED, "20 users will do FullReload")]
    told += [(0.7, NoteKind.LATE, "figures of worker 1 came late"), (0.71, NoteKind.USERS, "120 users asked for")]
    told += [(1.0, NoteKind.END, "run time over")]
    return tuple(Note(round((START + seconds * share) * 1000), kind, text) for share, kind, text in told)


def losses(run: Run) -> Run:
    """The same run with its losses named."""
    run.totals.whole.losses.append(Loss("post1", "channel1", START * 1000, 20, {"socket_lost": 1}))
    return run


def written(run: Run, figures: Sequence[Figures], folder: Path) -> Path:
    """The run in a folder."""
    files = RunFolder(folder)
    files.write_facts(run.facts)
    files.write_totals(run.totals)
    for second, line in zip(run.seconds, figures, strict=True):
        files.add_second(second)
        files.add_figures(line)
    for note in run.notes:
        files.add_note(note)
    files.close()
    return folder
