"""`mmload repeat`: the order of the runs, what it refuses, and two real runs on two servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmload.cli.repeat import Made, Planned, conclusion, divided, plan, run_name, worst
from mmload.results.folder import read_run
from tests.conftest import running_sandbox
from tests.run.processes import mmload, mmload_here
from tests.run.test_end_to_end import FAST


def test_two_servers_take_turns_so_that_a_drift_hits_both_alike() -> None:
    order = plan(4, 2)

    assert "".join("ab"[each.server] for each in order) == "abbaabba"
    places = [[at for at, each in enumerate(order) if each.server == server] for server in (0, 1)]
    assert sum(places[0]) == sum(places[1])
    assert [each.number for each in order] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_one_server_is_measured_again_and_again() -> None:
    assert plan(3, 1) == [Planned(0, 1), Planned(0, 2), Planned(0, 3)]


@pytest.mark.parametrize(
    ("rest", "own", "words"),
    [
        (["--", "run", "--users", "5"], [], ["run", "--users", "5"]),
        (["run", "--users", "5"], [], ["run", "--users", "5"]),
        (["--pause", "3", "--", "run"], ["--pause", "3"], ["run"]),
        (["--servers", "http://a", "http://b", "run"], ["--servers", "http://a", "http://b"], ["run"]),
        (["--", "run", "--name", "run"], [], ["run", "--name", "run"]),
        (["compare"], [], ["compare"]),
        ([], [], []),
    ],
)
def test_options_stand_on_either_side_of_n(rest: list[str], own: list[str], words: list[str]) -> None:
    assert divided(rest) == (own, words)


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 6, 0], 6), ([6, 3, 0], 3), ([3, 5], 5), ([0, 130], 130), ([0, -9], 1)],
)
def test_the_exit_code_is_that_of_the_run_that_ended_it_or_the_worst(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_names_tell_the_server_and_the_number() -> None:
    assert run_name("build", Planned(1, 2), 2) == "build-b2"
    assert run_name("", Planned(0, 2), 1) == "repeat-2"


def test_the_last_line_is_the_command_that_compares_them() -> None:
    made = [Made(Planned(server, 1), 0, Path(f"runs/a {server}")) for server in (0, 1)]

    assert conclusion(made, 2)[-1] == "mmload compare --base 'runs/a 0' --new 'runs/a 1'"
    assert conclusion(made[:1], 2) == ["runs/a 0"], "without the other server there is nothing to compare"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0", "--", "run"), "N 0: expected 1 or more"),
        (("two", "--", "run"), "argument N: invalid int value: 'two'"),
        ((), "the following arguments are required: N"),
        (("2",), "the command to repeat is missing"),
        (("2", "--pause", "1"), "the command to repeat is missing"),
        (("2", "--", "compare", "a", "b"), "the command to repeat is missing"),
        (("2", "--pause", "-1", "--", "run"), "-1 is not a number of seconds"),
        (("2", "--servers", "http://a", "localhost", "--", "run"), "--server 'localhost': expected a URL"),
        (
            ("2", "--servers", "http://a", "http://b", "--", "run", "--sandbox"),
            "--sandbox and --servers exclude each other",
        ),
        (
            ("2", "--servers", "http://a", "http://b", "--", "run", "--server=http://c"),
            "--server=http://c and --servers exclude each other",
        ),
        (("2", "--", "run", "--users", "many"), "argument --users: invalid int value: 'many'"),
        (("2", "--", "run", "--run-time", "soon"), "--run-time 'soon'"),
    ],
)
def test_what_is_typed_wrongly_is_said_before_the_first_run(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = mmload_here(tmp_path, "repeat", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_ends_it_at_the_first_run(tmp_path: Path) -> None:
    done = mmload(tmp_path, "repeat", "3", "--", "run", "--server", "http://127.0.0.1:1", "--users", "2")

    assert done.returncode == 5
    assert done.stderr.count("mmload repeat: run ") == 1
    assert "stopped early: the exit code of that run was 5" in done.stderr


def test_two_servers_are_run_with_the_same_seed_and_can_be_compared(sandbox: str, tmp_path: Path) -> None:
    """Five seconds are too short to tell anything: what matters is that the printed command takes them."""
    with running_sandbox() as other:
        for server in (sandbox, other):
            assert mmload_here(tmp_path, "init", "--server", server).returncode == 0
        options = ("--users", "3", "--run-time", "5s", "--spawn-rate", "0", "--name", "duel")
        done = mmload(tmp_path, "repeat", "1", "--servers", sandbox, other, "--", "run", *options, **FAST)

    assert done.returncode in (0, 6), done.stderr
    first, second, _, last = done.stdout.splitlines()
    assert (first.endswith("-duel-a1"), second.endswith("-duel-b1")) == (True, True)
    facts = [read_run(tmp_path / each).facts for each in (first, second)]
    assert [each.server.url for each in facts] == [sandbox, other]
    assert facts[0].seed == facts[1].seed
    compared = mmload_here(tmp_path, *last.split()[1:])
    assert compared.returncode == 6, compared.stderr
    assert "too short to compare" in compared.stdout
