"""Which runs are refused, each with a sentence that names what differs and where."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from mmload.metrics.counts import SessionCounts
from mmload.results.comparability import comparability, user_classes
from mmload.results.model import TRAFFIC, Facts, Machine, Note, NoteKind, Run, Server, Totals
from tests.compare.simulated import FACTS, changed
from tests.results.records import run


def made(folder: str, facts: Facts = FACTS, **changes: Any) -> Run:
    """A good run with these facts."""
    good = run()
    return replace(good, folder=folder, facts=replace(facts, ended_ms=1), **changes)


def refusals(facts: Facts) -> tuple[str, ...]:
    return comparability([made("runs/a"), made("runs/b", facts)]).refusals


def test_runs_of_two_servers_are_alike_whatever_their_addresses_versions_and_seeds() -> None:
    other = changed(
        server=Server("http://new.example", "11.7.0", "2", True, features=("threads",)),
        seed=99,
        name="b",
        settings={"config": {**FACTS.settings["config"], "ConnectionConfiguration": {"ServerURL": "http://new"}}},
    )

    assert refusals(other) == ()


def test_a_run_with_a_storm_is_not_compared_with_one_without() -> None:
    assert "storm: none (a), login (b)" in refusals(changed(storm="login"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mmload": "0.2.0"}, "version of mmload: 0.1.0 (a), 0.2.0 (b)"),
        ({"users": 40}, "target users: 20 (a), 40 (b)"),
        ({"spawn_rate": 1.0}, "spawn rate: 10.0 (a), 1.0 (b)"),
        ({"workers": 4}, "worker processes: 0 (a), 4 (b)"),
        (
            {"command": ("mmload", "run", "--user-class", "IdleUser")},
            "user classes: as configured (a), IdleUser (b)",
        ),
        (
            {"machine": Machine(4, 16_000_000_000, "Linux 6.1 x86_64")},
            "CPU cores of the load generator: 2 (a), 4 (b)",
        ),
        (
            {"machine": Machine(2, 8_000_000_000, "Linux 6.1 x86_64")},
            "memory of the load generator: 14.9 GiB (a), 7.5 GiB (b)",
        ),
        (
            {"machine": Machine(2, 16_000_000_000, "Darwin")},
            "operating system of the load generator: Linux 6.1 x86_64 (a), Darwin (b)",
        ),
        ({"population": {"users": 300, "channels": 40, "posts": 5000}}, "users on the server: 200 (a), 300 (b)"),
        ({"population": {"users": 200, "channels": 40, "posts": 9000}}, "posts on the server: 5000 (a), 9000 (b)"),
        ({"population": {"users": 200, "posts": 5000}}, "channels on the server: 40 (a), unknown (b)"),
        (
            {"settings": {"config": {"UsersConfiguration": {"MaxActiveUsers": 100}}}},
            "setting UsersConfiguration.MaxActiveUsers: 2000 (a), 100 (b)",
        ),
        (
            {"settings": {"config": FACTS.settings["config"], "simulcontroller": {"AvgIdleTimeMs": 5000}}},
            "setting simulcontroller.AvgIdleTimeMs: not set (a), 5000 (b)",
        ),
        (
            {"server": Server("x", "11.6.0", "1", False, features=("threads",))},
            "server licence: yes (a), no (b)",
        ),
        (
            {"server": Server("x", "11.6.0", "1", True, features=())},
            "server features: threads (a), none known (b)",
        ),
        (
            {"server": Server("x", "11.6.0", "1", True, sandbox=True, features=("threads",))},
            "sandbox: no (a), yes (b)",
        ),
    ],
)
def test_what_differs_is_named_with_the_runs_that_have_it(changes: dict[str, Any], said: str) -> None:
    assert refusals(changed(**changes)) == (said,)


def test_runs_whose_users_sent_other_traffic_are_refused_and_it_says_what_to_do() -> None:
    """A record without the number is one of the time before."""
    older = msgspec.convert({"schema": 2, "mmload": "0.1.0"}, Facts).traffic

    [sentence] = refusals(changed(traffic=older))

    assert sentence.startswith(f"traffic of the simulated users: {TRAFFIC} (a), 1 (b): ")
    assert sentence.endswith("repeat the older run with this version of mmload")


def test_what_a_run_itself_adds_to_the_population_is_no_difference() -> None:
    assert refusals(changed(population={"users": 240, "channels": 60, "posts": 7000})) == ()


def test_a_torn_run_and_an_inconclusive_one_are_refused_with_their_reasons() -> None:
    torn = made("runs/torn", missing=("run.json is missing",))
    lost = made("runs/lost", notes=(Note(1, NoteKind.WORKER_LOST, "worker 1 was lost"),))

    found = comparability([made("runs/a"), torn, lost]).refusals

    assert found[0] == "torn is incomplete: run.json is missing"
    assert found[1].startswith("lost is inconclusive: worker 1 was lost")


def test_other_libraries_and_lengths_are_noted_and_not_refused() -> None:
    other = made("runs/b", changed(locust="2.50.0"))
    other = replace(other, totals=longer(other.totals))

    found = comparability([made("runs/a"), other])

    assert found.refusals == ()
    assert "version of locust: 2.47.0 (a), 2.50.0 (b)" in found.notes
    assert "steady seconds: 8 (a), 80 (b)" in found.notes


def test_users_that_came_in_by_password_beside_kept_sessions_are_noted() -> None:
    first, second = made("runs/a"), made("runs/b")
    whole = replace(first.totals.whole, sessions=SessionCounts(logins=2, kept_sessions=98))
    second = replace(second, totals=replace(second.totals, whole=whole))

    assert "users who logged in by password: 100% (a), 2% (b)" in comparability([first, second]).notes


def longer(totals: Totals) -> Totals:
    return replace(totals, steady_seconds=80)


def test_two_runs_whose_folders_have_the_same_name_are_told_apart_by_their_paths() -> None:
    found = comparability([made("one/x"), made("two/x", changed(users=40))]).refusals

    assert found == ("target users: 20 (one/x), 40 (two/x)",)


@pytest.mark.parametrize(
    ("command", "classes"),
    [
        (("mmload", "run", "--user-class", "B", "--user-class=A"), ("A", "B")),
        (("/usr/bin/mmload", "run", "--users", "5"), ()),
        (("locust", "-f", "locustfile.py", "-u", "5", "SimulativeUser", "IdleUser"), ("IdleUser", "SimulativeUser")),
        (("locust", "-f", "locustfile.py", "-u", "5"), ()),
    ],
)
def test_user_classes_are_read_from_the_command_line(command: tuple[str, ...], classes: tuple[str, ...]) -> None:
    assert user_classes(command) == classes
