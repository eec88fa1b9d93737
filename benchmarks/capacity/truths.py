"""The truth about each simulated server, by long runs at constant load; kept in truths.json.

The truth is the number of users at which the p99 of the last 30 s is above its limit in half of all seconds, with a
healthy server. `python -m benchmarks.capacity.truths` computes them anew (about ten minutes).
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np

from benchmarks.capacity.servers import LIMIT_SECONDS, Kind, Numbers, Percentile, Server, model, servers, untipped

FILE = Path(__file__).parent / "truths.json"
# Two sets of servers: rules are tuned on the first and judged on the second.
TUNING_SEED, PROOF_SEED = 1, 2
TUNING_SERVERS, PROOF_SERVERS = 14, 20

WARM_UP_SECONDS = 120
COARSE_LEVELS = tuple(0.90 + 0.02 * step for step in range(10))
SMALL_LEVELS = tuple(0.5 + 0.05 * step for step in range(10))
COARSE_SECONDS, FINE_SECONDS = 900, 1800
FINE_LEVELS = (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03)
FINE_RUNS = 10


def breached_share(server: Server, users: float, seconds: int, seed: int) -> float:
    """The share of seconds above the limit, the load being constant and the start left out."""
    second = model(server, np.random.default_rng([seed, round(users)]))
    percentile = Percentile()
    breached = 0
    for now in range(seconds + WARM_UP_SECONDS):
        percentile.add(second(users, float(now)))
        value = percentile.value()
        breached += now >= WARM_UP_SECONDS and value is not None and value > LIMIT_SECONDS
    return breached / seconds


def half_point(x: Numbers, shares: Numbers) -> float:
    """Where a logistic curve through the shares passes one half (the most likely one, by Newton's method)."""
    centre, scale = float(x.mean()), float(x.max() - x.min())
    design = np.stack([np.ones_like(x), (x - centre) / scale], axis=1)
    weights = np.zeros(2)
    for _ in range(100):
        p = _logistic(design @ weights)
        curvature = design.T @ (np.clip(p * (1.0 - p), 1e-9, None)[:, None] * design)
        step = np.linalg.solve(curvature, design.T @ (shares - p))
        # Shares of 0 and 1 alone have no most likely curve: it only becomes ever steeper.
        while _likelihood(design @ (weights + step), shares) < _likelihood(design @ weights, shares) - 1e-12:
            step = step / 2.0
        weights = weights + step
        if np.abs(step).max() < 1e-9 or np.abs(weights).max() > 1e3:
            break
    return centre - scale * float(weights[0] / weights[1]) if weights[1] > 0.0 else math.inf


def _logistic(logits: Numbers) -> Numbers:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0))))


def _likelihood(logits: Numbers, shares: Numbers) -> float:
    """Its logarithm."""
    return float(np.sum(shares * logits - np.logaddexp(0.0, logits)))


def truth(server: Server) -> float:
    """The number of users at which the limit is breached half of the time."""
    if server.hard:
        return server.saturation
    healthy = untipped(server)
    small = server.kind is Kind.SMALL
    levels = [round(healthy.saturation * level) for level in (SMALL_LEVELS if small else COARSE_LEVELS)]
    shares = [breached_share(healthy, users, COARSE_SECONDS, 1) for users in levels]
    near = half_point(np.log(np.array(levels, dtype=float)), np.array(shares))
    # Of so few users, the levels lie between whole numbers.
    users = [math.exp(near + level) if small else round(math.exp(near + level)) for level in FINE_LEVELS]
    runs = [[breached_share(healthy, n, FINE_SECONDS, 2 + run) for run in range(FINE_RUNS)] for n in users]
    return math.exp(half_point(np.log(np.array(users, dtype=float)), np.array(runs).mean(axis=1)))


def tuning_servers(kind: Kind) -> list[Server]:
    """The servers that rules may be tuned on."""
    return servers(kind, TUNING_SERVERS, TUNING_SEED)


def proof_servers(kind: Kind) -> list[Server]:
    """The servers that no rule has seen."""
    return servers(kind, PROOF_SERVERS, PROOF_SEED)


def stored() -> dict[str, float]:
    """Truth by the server's name."""
    found: dict[str, float] = json.loads(FILE.read_text())
    return found


def main() -> None:
    """Compute all and store them."""
    found: dict[str, float] = {}
    for kind in Kind:
        for server in tuning_servers(kind) + proof_servers(kind):
            found[server.name] = round(truth(server), 1)
            print(f"{server.name}: {found[server.name]:.0f} of {server.saturation:.0f}", file=sys.stderr, flush=True)
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
