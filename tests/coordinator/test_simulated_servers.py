"""Five kinds of servers whose capacity is known: the rule must find it on those that it was not tuned on.

A small part of `python -m benchmarks capacity`; the bounds leave room for chance, which is the same in each run.
"""

from __future__ import annotations

import statistics
from functools import cache

import pytest

from benchmarks.capacity.runs import Run, limits, searched
from benchmarks.capacity.servers import Kind
from benchmarks.capacity.truths import proof_servers, stored
from coordinator.answer import Ending, Mode

SEEDS = (11, 12)
KINDS = (Kind.QUEUE, Kind.CLIFF, Kind.NOISY, Kind.LEAK, Kind.METASTABLE)
EACH = 4


@cache
def runs(kind: Kind, mode: Mode, seeds: tuple[int, ...] = SEEDS, each: int = EACH, most: int = 20) -> list[Run]:
    """On every fourth server, or each so many of the first ones."""
    told, truths = limits(mode), stored()
    servers = proof_servers(kind)[:most:each]
    return [searched(server, truths[server.name], seed, told) for server in servers for seed in seeds]


@pytest.mark.parametrize("kind", KINDS)
def test_the_capacity_of_most_servers_is_found_and_within_the_interval(kind: Kind) -> None:
    found = runs(kind, Mode.SEARCH)
    wanted = 0.8 if kind is Kind.NOISY else 0.9

    assert sum(run.error <= 0.05 for run in found) >= wanted * len(found)
    assert sum(run.covered for run in found) >= wanted * len(found)
    assert {run.ended_by for run in found} <= {Ending.FOUND, Ending.WIDE}


def test_it_takes_less_than_a_third_of_the_classic_rules_time() -> None:
    search = [run.seconds for kind in KINDS for run in runs(kind, Mode.SEARCH)]
    classic = [run.seconds for kind in KINDS for run in runs(kind, Mode.CLASSIC, SEEDS[:1], 6, 12)]

    assert statistics.median(search) <= 0.33 * statistics.median(classic)


def test_a_precision_that_is_asked_for_is_reached_and_takes_longer() -> None:
    server = proof_servers(Kind.QUEUE)[3]
    truth = stored()[server.name]

    usual, precise = (searched(server, truth, 5, limits(Mode.SEARCH, wanted)) for wanted in (None, 0.015))

    assert usual.half_width is not None and precise.half_width is not None
    # The ends are whole users.
    assert precise.half_width <= 0.015 + 1.0 / truth < usual.half_width
    assert precise.seconds > usual.seconds and precise.covered
