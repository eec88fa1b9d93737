"""Made-up records, as short as a test needs them."""

from __future__ import annotations

from typing import Any

from mmload.metrics.delta import Delta
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.results.model import Facts, Run, RunPhase, Second, Server, Totals

START = 1_800_000_000


def second(elapsed: int, **changes: Any) -> Second:
    """A quiet steady second of 10 users with 5 good requests."""
    values: dict[str, Any] = {
        "ms": (START + elapsed) * 1000,
        "elapsed": elapsed,
        "phase": RunPhase.STEADY,
        "target": 10,
        "spawned": 10,
        "waiting": 0,
        "active": 10,
        "gave_up": 0,
        "sockets": 10,
        "requests": 5,
        "failures": 0,
        "logins": 0,
        "login_failures": 0,
        "unanswered": 0,
        "actions": 3,
        "posts": 1,
        "events": 20,
        "posted_of_others": 9,
        "dropped": 0,
        "resumed": 0,
        "renewed": 0,
        "p50_ms": 12.0,
        "p95_ms": 30.0,
        "p99_ms": 45.0,
    }
    return Second(**(values | changes))


def figures(requests: int = 50) -> Delta:
    """Some of everything."""
    recorder = Recorder(clock=lambda: START + 3.0)
    for number in range(requests):
        recorder.request("GET /api/v4/posts/{id}", 0.01 + number / 1000)
        recorder.action("SwitchChannel", 0.1, ActionOutcome.OK)
    recorder.request("POST /api/v4/users/login", 0.4, login=True)
    recorder.sessions.logins += 10
    recorder.deliveries.sent += 7
    recorder.sockets.opened += 10
    recorder.events["posted"] += 63
    recorder.events["hello"] += 10
    return recorder.take()


def run(**changes: Any) -> Run:
    """A good run of ten seconds."""
    values: dict[str, Any] = {
        "folder": "runs/x",
        "facts": Facts(
            name="demo",
            server=Server("http://mm.example", "11.6.0", "1", False),
            seed=7,
            users=10,
            started_ms=START * 1000,
            ended_ms=(START + 10) * 1000,
        ),
        "totals": Totals(seconds=10, steady_seconds=8, highest_active=10, whole=figures(), steady=figures(40)),
        "seconds": tuple(second(elapsed, phase=RunPhase.STEADY if elapsed else RunPhase.RAMP) for elapsed in range(10)),
    }
    return Run(**(values | changes))
