"""`mmload run` as a user sees it: options, exit codes, Ctrl-C, a Locust that dies."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.json import encode as json_of

from mmload.cli import locust_process, main
from mmload.cli import run as command
from mmload.cli.locust_process import LocustLoad
from mmload.config.fields import seconds_of
from mmload.errors import ConfigurationError, MmloadError, UsageError
from mmload.results.folder import read_run
from mmload.results.model import Facts, RunEnding
from tests.run.processes import end, environ, start, the_folder, wait_for_seconds

MADE_UP = str(Path(__file__).with_name("run_made_up.py"))


def parsed(*options: str) -> argparse.Namespace:
    """The options as argparse gives them."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["run", *options])


def test_a_run_shows_progress_reports_and_leaves_its_folder(tmp_path: Path) -> None:
    """The report on stdout, the talk on stderr, the rest in the folder."""
    options = ["--users", "5", "--run-time", "7s", "--seed", "11", "--name", "hallo", "--no-checks"]

    ended = end(start([MADE_UP, *options], tmp_path))

    assert ended.code == 0, ended.err
    folder = the_folder(tmp_path)
    assert folder.name.endswith("-hallo")
    assert ended.out.startswith("Load test hallo · http://localhost:8065 · ")
    assert f"Details: runs/{folder.name}" in ended.out
    assert re.search(r"^0:0\d/0:07 steady: 5/5 users · \d+ req/s", ended.err, re.MULTILINE)
    run = read_run(folder)
    assert run.facts.command[:2] == ("mmload", "--users")
    assert (run.facts.seed, run.facts.users, run.facts.spawn_rate, run.facts.run_time_seconds) == (11, 5, 5, 7)
    assert "Starting Locust" in (folder / "locust.log").read_text()


def test_ctrl_c_ends_a_run_in_order_and_still_reports(tmp_path: Path) -> None:
    """Exit code 130, farewells done."""
    process = start([MADE_UP, "--users", "3", "--run-time", "60s", "--no-checks"], tmp_path)
    folder = wait_for_seconds(tmp_path, 3)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert "(interrupted)" in ended.out
    assert "3 logged out" in ended.out
    assert read_run(folder).facts.ending is RunEnding.INTERRUPTED


def test_a_second_ctrl_c_kills(tmp_path: Path) -> None:
    """Where the farewell takes too long; what there is, is reported."""
    process = start(
        [MADE_UP, "--users", "3", "--run-time", "60s", "--no-checks"], tmp_path, MADE_UP_FAREWELL_SECONDS="50"
    )
    wait_for_seconds(tmp_path, 3)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)  # the second one is told from the first by nothing but time
    process.send_signal(signal.SIGTERM)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert "the run was cut off" in ended.out


def test_ctrl_c_before_locust_has_begun_is_no_fault_of_ours(tmp_path: Path) -> None:
    """Python is still importing: there is nothing to report, and no traceback to show."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    more = {"MADE_UP_LOCUSTFILE": str(slow)}
    process = start([MADE_UP, "--users", "1", "--run-time", "60s", "--no-checks"], tmp_path, **more)
    while not (tmp_path / "importing").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert "Verdict: inconclusive" in ended.out


def test_a_signal_while_the_command_is_still_being_loaded_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mmload.cli.parsed", lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert main(["run"]) == 130
    assert capsys.readouterr().err == "mmload: interrupted\n"


def test_a_locust_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    """And without the passwords that are in it."""
    broken = tmp_path / "broken.py"
    broken.write_text("import os\nraise RuntimeError('no way: ' + os.environ['MMLOAD_USERSCONFIGURATION_PASSWORD'])\n")
    more = {"MADE_UP_LOCUSTFILE": str(broken), "MMLOAD_USERSCONFIGURATION_PASSWORD": "s3cret-users"}

    ended = end(start([MADE_UP, "--users", "1", "--run-time", "5s", "--no-checks"], tmp_path, **more))

    assert ended.code == 1
    assert "Locust exited early" in ended.err
    assert "no way: ********" in ended.err
    assert "s3cret" not in ended.out + ended.err


def test_a_server_nobody_listens_on_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    """Exit code 5, one message, no folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        ended = end(start([MADE_UP, "--server", url, "--users", "2"], tmp_path))

    assert ended.code == 5, ended.err
    assert url in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (["--users", "0"], UsageError, "--users 0: a load test needs at least one user"),
        (["--users", "-3"], UsageError, "--users -3"),
        (["--users", "5000"], ConfigurationError, "MaxActiveUsers"),
        (["--users", "5000", "--processes", "2"], ConfigurationError, "more than 2 x 2000 users"),
        (["--processes", "0"], UsageError, "--processes 0: expected 1 or more"),
        (["--users", "3", "--processes", "4"], UsageError, "more processes than users"),
        (["--run-time", "1d"], UsageError, "--run-time '1d'"),
        (["--run-time", ""], UsageError, "--run-time ''"),
        (["--run-time", "0s"], UsageError, "--run-time '0s'"),
        (["--server", "localhost:8065"], UsageError, "--server 'localhost:8065'"),
        (["--seed", "-1"], ConfigurationError, "--seed: "),
        (["--spawn-rate", "nan"], ConfigurationError, "--spawn-rate: "),
        (["--name", "a/b"], ConfigurationError, "--name: "),
        (["--config", "nowhere.json"], ConfigurationError, "nowhere.json"),
        # As of a variable that is not set.
        (["--threshold", ""], UsageError, "--threshold: the value is empty"),
        (["--threshold", "errors < 1%", "--threshold", " "], UsageError, "--threshold: the value is empty"),
        (["--config", ""], UsageError, "--config: the value is empty"),
        (["--runs-folder", ""], UsageError, "--runs-folder: the value is empty"),
    ],
)
def test_bad_options_are_refused_in_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], kind: type[MmloadError], words: str
) -> None:
    """Before anything is started or written."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(kind, match=re.escape(words)):
        command.run(parsed(*options, "--no-checks"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h1m1s", 3661), ("007", 7)]
)
def test_run_times_have_locusts_forms(text: str, seconds: int) -> None:
    """Who knows Locust knows these."""
    assert seconds_of("--run-time", text) == seconds


@pytest.mark.parametrize("text", ["1.5m", "10 s", "m", "5m1h", "-5", "٣s", "²"])
def test_other_forms_are_declined(text: str) -> None:
    """Better than a run of another length than was meant."""
    with pytest.raises(UsageError):
        seconds_of("--run-time", text)


def test_another_server_has_another_websocket() -> None:
    """The one that is configured belongs to the configured server."""
    given = command.overrides(parsed("--server", "https://mm.example/chat", "--run-time", "2m"))

    assert given == {
        "MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": "https://mm.example/chat",
        "MMLOAD_CONNECTIONCONFIGURATION_WEBSOCKETURL": "wss://mm.example/chat",
        "MMLOAD_RUNCONFIGURATION_RUNTIMESEC": "120",
    }


def test_options_that_are_not_given_leave_the_configuration_alone() -> None:
    """Also the flags."""
    assert command.overrides(parsed()) == {}
    assert command.overrides(parsed("--allow-unsupported-server")) == {
        "MMLOAD_CONNECTIONCONFIGURATION_ALLOWUNSUPPORTEDSERVER": "true"
    }


def test_all_users_at_once_is_a_spawn_rate_of_all_users() -> None:
    """Locust knows no other word for it."""
    at_once = locust_process.command(LocustLoad(40, 0.0, 60, "http://x"), Path("f.py"))
    slowly = locust_process.command(LocustLoad(40, 2.5, 60, "http://x"), Path("f.py"))

    assert at_once[at_once.index("-r") + 1] == "40"
    assert slowly[slowly.index("-r") + 1] == "2.5"


def test_named_kinds_of_users_come_last_on_locusts_command_line() -> None:
    """Where Locust looks for them."""
    load = LocustLoad(4, 0.0, 60, "http://x")

    assert locust_process.command(load, Path("f.py"), ["IdleUser", "SimpleUser"])[-2:] == ["IdleUser", "SimpleUser"]


def test_the_packaged_locustfile_is_there() -> None:
    """It travels in the wheel."""
    assert locust_process.locustfile().is_file()


def test_the_report_of_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what would be one."""
    assert main(["report", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"], ["--html", "--output", "-"]])
def test_an_output_that_cannot_be_written_is_one_line_and_an_exit_code(tmp_path: Path, form: list[str]) -> None:
    (tmp_path / "run.json").write_bytes(json_of(Facts()))
    arguments = [sys.executable, "-m", "mmload", "report", ".", *form]

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environ(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (done.returncode, done.stderr) == (
        2,
        "mmload report: the output cannot be written: No space left on device\n",
    )


def test_reports_need_neither_locust_nor_gevent(tmp_path: Path) -> None:
    """They are pure functions of the record, for CI and for the coordinator."""
    code = (
        "import sys, mmload.report.terminal, mmload.results.folder, mmload.cli.report;"
        "print([name for name in ('locust', 'gevent', 'requests', 'rich') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ(tmp_path), capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_locust_heeds_ctrl_c_also_where_a_shell_in_the_background_ignores_it(tmp_path: Path) -> None:
    """`mmload run … &` in a script starts us with SIGINT ignored; children inherit that."""
    code = "import signal, sys, time; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = locust_process.start([sys.executable, "-c", code], os.environ, tmp_path / "log")
        process.wait(timeout=180)
    finally:
        signal.signal(signal.SIGINT, before)

    assert (tmp_path / "log").read_text().strip() == "True"
