"""`mmload deploy plan`: from what a person costs to machines."""

from __future__ import annotations

import contextlib
import io
import itertools
import json

import pytest

from mmload.cli import main
from mmload.deploy.plan import MEASURED, PersonCost, duration, plan, types_of
from mmload.open_files import open_files_needed

ROUND = PersonCost(
    cpu_ms=0.7, memory_kb=1024, process_mb=100, password_login_s=0.5, kept_login_s=0.05, login_wait_s=0.25
)
PRICES = {"c7i.large": 0.1, "c7i.xlarge": 0.2, "m7i.large": 0.15}


@pytest.mark.parametrize(
    ("people", "workers", "each"),
    [(1, 1, 1), (999, 1, 999), (1000, 1, 1000), (1001, 2, 501), (20_000, 20, 1000)],
)
def test_a_worker_has_as_many_people_as_keep_its_cpu_at_seventy_percent(people: int, workers: int, each: int) -> None:
    found = plan(people, 8, [], {}, ROUND)

    assert (found.workers, found.people_each) == (workers, each)
    assert found.people_each * found.workers >= people
    assert found.open_files == open_files_needed(each)


def test_memory_is_that_of_a_process_and_its_people_with_a_reserve() -> None:
    assert plan(1000, 8, [], {}, ROUND).memory_mb == 1650  # 1.5 × (100 + 1000)


def test_machines_have_a_worker_for_each_cpu_as_far_as_their_memory_goes() -> None:
    found = plan(10_000, 8, ["c7i.large", "c7i.xlarge", "m7i.large"], PRICES, ROUND).machines

    assert [(each.kind, each.count, each.workers_each, each.memory_gb) for each in found] == [
        ("c7i.large", 5, 2, 4),
        ("c7i.xlarge", 3, 4, 8),
        ("m7i.large", 5, 2, 8),
    ]
    assert [each.hourly for each in found] == pytest.approx([0.5, 0.6, 0.75])
    heavy = plan(10_000, 8, ["c7i.large"], PRICES, PersonCost(0.7, 2048, 100, 0.5, 0.05, 0.25)).machines
    assert [(each.count, each.workers_each) for each in heavy] == [(10, 1)]
    assert plan(10, 8, ["c7i.4xlarge"], PRICES, ROUND).machines[0].hourly is None


@pytest.mark.parametrize(
    ("people", "server_cpus", "password", "kept"),
    [
        (8000, 8, 500, 50),  # the server's CPUs decide
        (8000, 1, 4000, 400),
        (8000, 1000, 125, 0.4),  # eight workers with two log-ins each at a time
    ],
)
def test_log_ins_take_as_long_as_the_server_or_the_workers(
    people: int, server_cpus: int, password: float, kept: float
) -> None:
    found = plan(people, server_cpus, [], {}, ROUND)

    assert found.password_seconds == pytest.approx(password)
    assert found.kept_seconds == pytest.approx(kept)


def test_more_people_never_take_less() -> None:
    plans = [plan(people, 8, types_of("c7i"), PRICES) for people in range(1, 30_000, 997)]

    for fewer, more in itertools.pairwise(plans):
        assert fewer.workers <= more.workers
        assert all(a.count <= b.count for a, b in zip(fewer.machines, more.machines, strict=True))


def test_words_for_durations() -> None:
    assert [duration(each) for each in (0.2, 59.5, 61, 3600, 5400, 9000)] == [
        *("1 s", "60 s", "2 min", "60 min", "1 h 30 min", "2 h 30 min"),
    ]


def said(*arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["deploy", "plan", *arguments]) == 0
    return out.getvalue()


def test_the_command_tells_machines_types_prices_and_log_ins() -> None:
    told = said("--people", "20000")
    document = json.loads(said("--people", "20000", "--json"))

    assert told.startswith("20,000 users: 12 workers with 1,667 users each")
    assert "USD per hour" in told and "c7i.xlarge" in told
    assert "mmload deploy k8s up --workers 12" in told
    assert document["workers"] == 12
    assert document["prices"]["date"]
    assert MEASURED.cpu_ms == 0.41, "docs/performance.md has the figure"


def test_figures_of_ones_own_machines_count() -> None:
    assert json.loads(said("--people", "20000", "--cpu-ms", "0.2", "--json"))["workers"] == 6


def test_a_family_without_prices_is_refused() -> None:
    assert main(["deploy", "plan", "--people", "10", "--family", "x9"]) == 2
