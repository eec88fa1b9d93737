"""The benchmarks as commands, with figures far too small to mean anything: a table for people, JSON for machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.sampling import FILE_VARIABLE
from benchmarks.simulated import KINDS

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 300
TINY = {
    "start": ("--rounds", "1"),
    "requests": ("--calls", "5", "--rounds", "1"),
    "frames": ("--connections", "2", "--frames", "2", "--rounds", "1", "--idle", "5"),
}


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)


def figures(*arguments: str) -> dict[str, Any]:
    done = benchmark(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["benchmark"] == arguments[0]
    assert found["machine"]["cores"] >= 1
    return found


@pytest.mark.parametrize("name", ["start", "requests"])
def test_a_benchmark_prints_a_table(name: str) -> None:
    done = benchmark(name, *TINY[name])
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    assert set(rows[1]) == {"|", "-"}


def test_start_tells_what_each_process_imports() -> None:
    starts = figures("start", *TINY["start"])["starts"]
    alone, worker = starts["python alone"], starts["worker: locust and mmload"]
    assert worker["rss_kb"] > alone["rss_kb"] > 0
    assert worker["import_cpu_ms"] > alone["import_cpu_ms"]
    assert alone["our_modules"] == 0 < worker["our_modules"]


def test_requests_tells_what_a_call_costs_each_way() -> None:
    costs = figures("requests", *TINY["requests"])["us_per_call"]
    assert len(costs) == 3
    for by_way in costs.values():
        assert set(by_way) == {"bare geventhttpclient", "our client", "our client, reported", "FastHttpUser"}
        assert all(0 < cost["minimum"] <= cost["median"] for cost in by_way.values())


def test_frames_tells_what_a_frame_and_an_idle_connection_cost() -> None:
    found = figures("frames", *TINY["frames"])
    ways = {"a person hears it", "reader, all decoded", "websocket-client and json"}
    assert set(found["us_per_frame"]) == set(found["kb_per_idle_connection"]["5"]) == ways
    for by_kind in found["us_per_frame"].values():
        assert all(0 < cost["minimum"] <= cost["median"] for cost in by_kind.values())


def test_truth_compares_what_was_reported_with_what_was_so() -> None:
    tiny = ("--delay-ms", "20", "--busy", "0.1", "--probes", "3", "--users", "5", "--seconds", "0.5", "--rounds", "1")
    [point] = figures("truth", *tiny)["points"]
    assert point["wanted"] == 0.1
    assert point["probes"] > 0
    # Nobody can report an answer before it came.
    assert 0 < point["p50_ms"] <= point["p90_ms"] <= point["p99_ms"]


def test_person_tells_the_cost_of_a_user() -> None:
    found = figures("person", "--users", "4", "--seconds", "3", "--settle", "0", "--profile")
    assert found["users"] == 4
    assert found["failures"] == 0
    # Four people weigh less than the memory that is given back to the system now and then.
    assert found["rss_kb"] > 0
    assert found["base_rss_kb"] > 0
    assert found["rss_kb_per_user"] == (found["rss_kb"] - found["base_rss_kb"]) / 4
    assert found["cpu_ms_per_request"] > 0
    assert 0 < found["cpu_ms_per_user_second"] <= found["cpu_ms_per_user_second_median"]
    # Four people in three seconds use so little CPU that the sampling may meet none of it.
    assert sum(count for _, count in found["profile"]["alone"]) <= found["profile_samples"]


def test_the_sampling_names_the_function_that_uses_the_time(tmp_path: Path) -> None:
    written = tmp_path / "profile.json"
    working = """
import os, signal, time
from benchmarks import sampling
def toil(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
os.kill(os.getpid(), signal.SIGUSR1)
toil(0.5)
os.kill(os.getpid(), signal.SIGUSR2)
"""
    environment = {**os.environ, FILE_VARIABLE: str(written)}
    subprocess.run([sys.executable, "-c", working], cwd=ROOT, env=environment, timeout=LONGEST_SECONDS, check=True)
    found = json.loads(written.read_text())
    function, samples = found["alone"][0]
    assert function.endswith("toil")
    assert samples >= 10
    assert dict(found["with_callees"])[function] >= samples


def test_simulated_windows_that_are_too_short_tell_nothing_of_the_band() -> None:
    rows = figures("simulated", "--pairs", "1", "--seconds", "5", "--repeats", "1")["rows"]
    assert len(rows) == 2 * len(KINDS)
    assert all((row["pairs"], row["can't tell"], row["interval ± %"]) == (1, 1, "–") for row in rows)


def test_soak_holds_the_last_minute_against_an_early_one() -> None:
    found = figures("soak", "--users", "3", "--minutes", "0.06", "--first", "0.02", "--every", "0.02")
    assert found["users"] == 3
    assert [minute for minute, _ in found["looks"]] == [0.02, 0.04, 0.06]
    assert found["growth"] == found["rss_kb_last"] / found["rss_kb_first"] - 1


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    done = benchmark("frame")
    assert (done.returncode, done.stdout) == (2, "")
    assert "frames" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("person", "--users", "many"),
        ("person", "--users", "0"),
        ("person", "--users", "10,"),
        ("person", "--seconds", "0"),
        ("soak", "--users", "-1"),
        ("soak", "--minutes", "0"),
        ("frames", "--rounds", "0"),
        ("frames", "--idle", "x"),
        ("requests", "--calls", "0"),
        ("truth", "--busy", "1.5"),
        ("start", "--rounds", "0"),
        ("compare", "--rounds", "0"),
        ("compare", "--slower", "-10"),
        ("compare", "--at-once", "0"),
        ("simulated", "--pairs", "0"),
        ("simulated", "--slower", "much"),
        ("simulated", "--seconds", "45", "0"),
        ("others", "--few", "0"),
        ("others", "--write-often", "0"),
        ("capacity", "--seeds", "0"),
        ("capacity", "--first-seed", "-1"),
        ("capacity", "--precision", "0"),
        ("capacity", "--processes", "two"),
    ],
    ids=" ".join,
)
def test_a_bad_number_is_refused_before_anything_starts(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(list(arguments))
    told = capsys.readouterr()
    assert told.out == ""
    assert f"argument {arguments[1]}: " in told.err


def test_a_server_that_is_no_url_is_refused() -> None:
    done = benchmark("person", "--server", "localhost:8065", "--users", "1")
    assert done.returncode == 2
    assert "expected a URL" in done.stderr
    assert "Traceback" not in done.stderr
