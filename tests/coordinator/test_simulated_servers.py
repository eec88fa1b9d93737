"""Five kinds of servers whose capacity is known: the rule must find it on those that it was not tuned on.

A small part of `python -m benchmarks capacity`; the bounds leave room for chance, which is the same in each run.
"""

from __future__ import annotations

import statistics

import pytest

from benchmarks.capacity.runs import Run, limits, searched
from benchmarks.capacity.servers import Kind
from benchmarks.capacity.truths import proof_servers, stored
from coordinator.answer import Ending, Mode

SEEDS = (11, 12)
KINDS = (Kind.QUEUE, Kind.CLIFF, Kind.NOISY, Kind.LEAK, Kind.METASTABLE)
SERVERS = slice(0, 20, 3)


def runs(kind: Kind, mode: Mode, seeds: tuple[int, ...] = SEEDS, servers: slice = SERVERS) -> list[Run]:
    told, truths = limits(mode), stored()
    return [
        searched(server, truths[server.name], seed, told) for server in proof_servers(kind)[servers] for seed in seeds
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_capacity_of_most_servers_is_found_and_within_the_interval(kind: Kind) -> None:
    found = runs(kind, Mode.SEARCH)
    wanted = 0.8 if kind is Kind.NOISY else 0.92

    assert sum(run.error <= 0.05 for run in found) >= wanted * len(found)
    assert sum(run.covered for run in found) >= wanted * len(found)
    assert {run.ended_by for run in found} <= {Ending.FOUND, Ending.WIDE}


def test_it_takes_about_a_quarter_of_the_classic_rules_time() -> None:
    search = [run.seconds for kind in KINDS for run in runs(kind, Mode.SEARCH)]
    classic = [run.seconds for kind in KINDS for run in runs(kind, Mode.CLASSIC, SEEDS[:1], slice(0, 12, 6))]

    assert statistics.median(search) <= 0.27 * statistics.median(classic)


def test_a_precision_that_is_asked_for_is_reached_and_takes_longer() -> None:
    server = proof_servers(Kind.QUEUE)[3]
    truth = stored()[server.name]

    usual, precise = (searched(server, truth, 5, limits(Mode.SEARCH, wanted)) for wanted in (None, 0.025))

    assert usual.half_width is not None and precise.half_width is not None
    assert precise.half_width <= 0.026 < usual.half_width
    assert precise.seconds > usual.seconds and precise.covered
