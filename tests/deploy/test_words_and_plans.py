"""Decisions of `mmload deploy` that need no machine: names, command lines, wheels, what is wrong with a host."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mmload.cli.deploy.hosts import status_words
from mmload.config.environment import environment_name
from mmload.deploy import ssh, wheels
from mmload.deploy.checks import shortcomings, too_few_files
from mmload.deploy.expected import TOKEN
from mmload.deploy.fleet import USERS_FILE, arguments, needs
from mmload.deploy.state import DeployedHost, Deployment
from mmload.deploy.wheels import HostPlatform
from mmload.errors import ExitCode, UsageError

SECRET = "only-in-memory"
GOOD: dict[str, Any] = {
    "system": "Linux",
    "implementation": "cpython",
    "venv": True,
    "environments": [],
    "free_bytes": 1 << 40,
    "server": None,
}


def test_hosts_are_named_as_ssh_knows_them() -> None:
    assert ssh.host_names("load1, me@load2,ssh://load3:2222,load1") == ["load1", "me@load2", "ssh://load3:2222"]


@pytest.mark.parametrize("text", ["-oProxyCommand=x", "a;b", "a b", "$(x)", "", ","])
def test_what_ssh_or_a_shell_could_take_for_something_else_is_no_host(text: str) -> None:
    with pytest.raises(UsageError, match="--hosts"):
        ssh.host_names(text)


def test_each_name_has_a_folder_of_its_own() -> None:
    """Two names may be one machine."""
    one = Deployment(id="abc")

    assert one.folder("me@load1") == ".mmload-deploy-abc-me_load1"
    assert one.folder("load1") != one.folder("load2")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_command_line_runs_the_program_in_any_shell(shell: str, tmp_path: Path) -> None:
    """It comes on standard input, and answers in lines that are marked."""
    asked = ssh.program() + b'{"do": "clock"}\n'
    line = ssh.remote_program("folder", "python3")

    done = subprocess.run(
        [shell, "-c", line],
        input=asked,
        capture_output=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )

    assert done.returncode == 0 and b'@mmload {"to": "clock", "time": ' in done.stdout, done.stderr


def test_without_a_python_of_3_11_the_exit_code_says_so() -> None:
    done = subprocess.run(
        ["sh", "-c", ssh.remote_program("folder", "false")], input=b"", capture_output=True, timeout=60
    )

    assert done.returncode == ssh.NO_PYTHON
    assert ssh.why_ssh_failed([], done.returncode, "load1").startswith("it has no Python 3.11 or newer")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Host key verification failed.", "`ssh -F 'my config' load1`"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "its host key has changed",
        ),
        ("me@load1: Permission denied (publickey).", "ssh-copy-id"),
        ("ssh: Could not resolve hostname load1: Name or service not known", "the host name was not found"),
        ("ssh: connect to host load1 port 22: Connection timed out", "did not answer in time"),
        ("Error: remote port forwarding failed for listen port 0", "AllowTcpForwarding"),
        ("Timeout, server load1 not responding.", "does not respond"),
        ("kex_exchange_identification: banner line", "the connection failed: kex_exchange"),
    ],
)
def test_a_failure_of_ssh_is_told_with_what_to_do(said: str, told: str) -> None:
    assert told in ssh.why_ssh_failed(said.splitlines(), 255, "load1", "my config")


def test_a_host_that_is_fit_lacks_nothing() -> None:
    assert list(shortcomings(GOOD, 0.2)) == []


@pytest.mark.parametrize(
    ("found", "offset", "told"),
    [
        ({"system": "Darwin"}, 0, "workers need CPython on Linux"),
        ({"implementation": "pypy"}, 0, "workers need CPython on Linux"),
        ({"venv": False}, 0, "python3-venv"),
        ({"free_bytes": 12 << 20}, 0, "12 MB are free in its home folder, but 250 MB are needed"),
        ({}, 185.0, "its clock is 185 s ahead of this machine's"),
        ({}, -185.0, "its clock is 185 s behind this machine's"),
        ({"server": {"problem": "it cannot reach chat:443: timed out"}}, 0, "cannot reach"),
    ],
)
def test_what_a_host_lacks_is_told_before_anything_is_copied(found: dict[str, Any], offset: float, told: str) -> None:
    [sentence] = shortcomings({**GOOD, **found}, offset)

    assert told in sentence


def test_a_host_with_few_open_files_is_told_before_a_run() -> None:
    hosts = [
        DeployedHost("load1", 2, "env", 1024),
        DeployedHost("load2", 2, "env", 65536),
        DeployedHost("load3", 1, "env", -1),
    ]

    [sentence] = too_few_files(hosts, 500)

    assert sentence.startswith("load1: 500 users per worker, but its limit of 1024 open files is enough for 128")


def test_workers_are_given_the_settings_in_force_and_files_in_memory(tmp_path: Path) -> None:
    """No path of this machine, no document as a file; what is not in force here does not travel."""
    (tmp_path / "people.txt").write_text("a@b.c secret1\n")
    (tmp_path / "mine.toml").write_text(f'[UsersConfiguration]\nPassword = "{SECRET}"\n')
    environ = {
        "MMLOAD_CONFIG": str(tmp_path / "mine.toml"),
        USERS_FILE: str(tmp_path / "people.txt"),
        environment_name("SimulController", "AvgIdleTimeMs"): "5000",
        environment_name("ConnectionConfiguration", "Headers"): "X-Key: ${KEY}",
        "KEY": "k",
        "HOME": "/home/me",
        "MMLOAD_RUN_FOLDER": "/runs/1",
        TOKEN: "the desk's own",
    }

    variables, files = needs(environ, "a token")

    assert set(variables) == {
        environment_name("SimulController", "AvgIdleTimeMs"),
        environment_name("ConnectionConfiguration", "Headers"),
        "KEY",
        TOKEN,
    }
    assert variables[TOKEN] == "a token"
    assert set(files) == {"MMLOAD_CONFIG", USERS_FILE}
    assert json.loads(files["MMLOAD_CONFIG"]) == {"UsersConfiguration": {"Password": SECRET}}


def test_the_command_line_of_workers_has_neither_token_nor_settings() -> None:
    assert arguments(4711, 2, ["IdleUser"]) == shlex.split(
        "--stop-timeout 10 --worker --master-host 127.0.0.1 --master-port 4711 --processes 2 IdleUser"
    )
    assert "--processes" not in arguments(4711, 1)


def test_the_same_package_is_the_same_wheel() -> None:
    """Its content is its name: a host that has it is not sent it again."""
    packed = wheels.packed_mmload()
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()

    assert packed == wheels.packed_mmload()
    assert {"mmload/locustfile.py", "mmload/default_documents/config.default.json"} <= set(names)
    assert not any("__pycache__" in name for name in names)


def test_workers_get_what_they_import_and_not_what_reports_need() -> None:
    needed = {each.name.lower() for each in wheels.requirements()}

    assert {"locust", "gevent", "greenlet", "msgspec", "pyzmq", "websocket-client"} <= needed
    assert not {"numpy", "rich", "aiohttp", "pandas", "mypy"} & needed


def test_wheels_from_here_go_only_to_machines_like_this() -> None:
    """A newer C library runs what was built for an older one; nothing else is alike."""
    here = HostPlatform((3, 11), "x86_64", ("glibc", "2.36"))

    assert wheels.is_like(HostPlatform((3, 11), "x86_64", ("glibc", "2.39")), here)
    for other in (
        HostPlatform((3, 12), "x86_64", ("glibc", "2.36")),
        HostPlatform((3, 11), "aarch64", ("glibc", "2.36")),
        HostPlatform((3, 11), "x86_64", ("glibc", "2.31")),
        HostPlatform((3, 11), "x86_64", ("", "")),
    ):
        assert not wheels.is_like(other, here), other


def test_pip_is_asked_for_the_hosts_own_python_and_machine() -> None:
    arm = HostPlatform((3, 12), "aarch64", ("glibc", "2.28"))
    asked = wheels.pip_arguments(arm, ["locust==2.47.0"], Path("/cache"))

    assert asked[asked.index("--python-version") + 1] == "3.12"
    assert "manylinux_2_28_aarch64" in asked and "manylinux_2_17_aarch64" in asked
    assert "manylinux_2_29_aarch64" not in asked
    assert wheels.platforms_of(HostPlatform((3, 12), "x86_64", ("", ""))) == [
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"problem": "no route"}, "no status: no route"),
        ({"ready": False}, "not set up: run `mmload deploy up`"),
        (
            {"ready": True, "workers": 2, "processes": 3, "clock_offset_seconds": 0.01, "free_mb": 5},
            "ready for 2 workers; 3 processes running; clock +0.010 s; 5 MB free",
        ),
    ],
)
def test_the_state_of_a_host_in_words(row: dict[str, Any], told: str) -> None:
    assert status_words(row) == told


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ([], "expected -- and one of run, storm, capacity"),
        (["--", "init"], "expected -- and one of run, storm, capacity"),
        (["--", "run", "--sandbox"], "the hosts cannot reach a sandbox"),
        (["--", "run", "--processes", "2"], "set the number of workers with"),
    ],
)
def test_what_cannot_run_on_hosts_is_refused(
    rest: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from mmload.cli import main

    assert main(["deploy", "run", "--state", str(tmp_path / "none.json"), *rest]) == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
