"""Kept sessions in Locust's processes: who reads the file, what workers are told, what is written down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from locust.env import Environment
from locust.runners import MasterRunner

from mmload.cli import sandbox as sandboxes
from mmload.client.kept_sessions import Destination
from mmload.config import load_settings
from mmload.plugin.sessions import SESSIONS, SessionKeeper, destination, file_of_test, file_problem
from mmload.plugin.settings import OwnSettings, ProcessSettings
from mmload.results.folder import read_run
from mmload.session_file import KeptAccount, SessionChange, SessionFile, session_file

HERE = "http://chat.example.com"


def run(server: str, folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmload", "run", "--server", server, "--users", "4", "--run-time", "4", *arguments],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(("processes", "revoked"), [(1, 0), (2, 2)])
def test_a_run_begins_with_kept_sessions_and_writes_none_down(
    fresh_sandbox: str, tmp_path: Path, processes: int, revoked: int
) -> None:
    """Workers that were forked have theirs from the master, and tell it of those that they renewed."""
    own = {
        "MMLOAD_RUNCONFIGURATION_SESSIONSFOLDER": str(tmp_path / "sessions"),
        "MMLOAD_USERSCONFIGURATION_LOGINSHARE": "0",
    }
    sandboxes.populate(fresh_sandbox, os.environ | own, keeping=True)
    file = session_file(load_settings(environ=own)[0].config, fresh_sandbox)
    assert file is not None
    before = {login: file.read()[login] for login in (f"testuser-{number}@example.com" for number in range(1, 5))}
    for login in list(before)[:revoked]:
        file.change([SessionChange(login, before[login].user_id, f"revoked {login}", ended=before[login].tokens[0])])
    done = run(fresh_sandbox, tmp_path, "--processes", str(processes), "-v", **own)
    (folder,) = (tmp_path / "runs").iterdir()
    counted = read_run(folder).totals.whole.sessions

    assert "sessions of 4 of 4 users are kept: these users need no password login" in done.stderr
    assert (counted.logins, counted.kept_sessions, counted.relogins) == (revoked, 4, revoked), done.stdout
    assert "4 started with a kept session" in " ".join(done.stdout.split())
    after = file.read()
    renewed = {login for login in before if after[login] != before[login]}
    assert renewed == set(list(before)[:revoked])
    tokens = {token for account in [*after.values(), *before.values()] for token in account.tokens}
    assert len(tokens) == 20 + revoked and not any("revoked" in token for token in tokens)
    written = "".join(each.read_text() for each in folder.iterdir()) + done.stdout + done.stderr
    assert not any(token in written for token in tokens)


# -- the master's side -------------------------------------------------------------------------------------


class Runner(MasterRunner):
    """Sends messages into a list."""

    def __init__(self, *workers: str) -> None:
        self.sent: list[tuple[str, Any, str]] = []
        self.clients = SimpleNamespace(all=[SimpleNamespace(id=each) for each in workers])  # type: ignore[assignment]
        self.greenlet = SimpleNamespace(spawn=lambda *_: None)  # type: ignore[assignment]

    def __del__(self) -> None: ...

    def register_message(self, *_: Any, **__: Any) -> None: ...

    def send_message(self, kind: str, data: Any = None, client_id: str | None = None) -> None:
        self.sent.append((kind, data, client_id or ""))

    def told(self) -> dict[str, set[str] | None]:
        """The accounts of which each worker was told a session."""
        return {
            client: None if data["accounts"] is None else set(data["accounts"])
            for kind, data, client in self.sent
            if kind == SESSIONS
        }


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a process that tests a server of which sessions are kept."""
    values = {
        "MMLOAD_RUNCONFIGURATION_SESSIONSFOLDER": str(tmp_path),
        "MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": HERE,
        "MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS": "2",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    kept(values).change([SessionChange(f"testuser-{n}@example.com", f"id-{n}", f"token-{n}") for n in (1, 2, 3, 5, 6)])
    return values


def kept(environ: dict[str, str]) -> SessionFile:
    file = session_file(load_settings(environ=environ)[0].config, HERE)
    assert file is not None
    return file


def process(runner: Any, *, encrypted: bool = True) -> Any:
    environment: Any = Environment(host=None)
    environment.runner = runner
    environment.mmload_settings = ProcessSettings(environment, OwnSettings())
    environment.mmload_settings.is_encrypted = encrypted
    ranges = {"one": range(1, 3), "two": range(3, 5)}
    environment.mmload_workers = SimpleNamespace(numbers_of=ranges.__getitem__)
    return environment


def test_a_worker_is_told_the_sessions_of_its_own_accounts_alone(own: dict[str, str]) -> None:
    runner = Runner("one", "two")
    SessionKeeper(process(runner)).begin()

    assert runner.told() == {
        "one": {"testuser-1@example.com", "testuser-2@example.com"},
        "two": {"testuser-3@example.com"},
    }


def test_over_a_connection_that_is_not_encrypted_no_session_is_told(
    own: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """As it is with passwords; and it is said."""
    runner = Runner("one", "two")
    keeper = SessionKeeper(process(runner, encrypted=False))
    keeper.begin()
    keeper.take_over("one", range(3, 5))

    assert runner.told() == {}
    assert "worker one gets no kept sessions, as the connection to it is not encrypted" in caplog.text
    assert "token-" not in caplog.text


def test_who_takes_over_the_accounts_of_a_lost_worker_gets_their_sessions(own: dict[str, str]) -> None:
    runner = Runner("one")
    keeper = SessionKeeper(process(runner))
    keeper.begin()
    runner.sent.clear()
    keeper.take_over("one", [3, 4])

    assert runner.told() == {"one": {"testuser-3@example.com"}}
    assert runner.sent[0][1]["more"] is True


def test_what_becomes_of_sessions_in_workers_is_in_the_file(own: dict[str, str]) -> None:
    keeper = SessionKeeper(process(Runner("one")))
    keeper.begin()
    for change in (
        SessionChange("testuser-1@example.com", "id-1", "new", ended="token-1"),
        SessionChange("testuser-2@example.com", ended="token-2"),
    ):
        keeper._note(change)
    keeper.write()
    after = kept(own).read()

    assert after["testuser-1@example.com"] == KeptAccount("id-1", ["new"])
    assert "testuser-2@example.com" not in after
    assert after["testuser-3@example.com"] == KeptAccount("id-3", ["token-3"])


def test_without_a_file_nothing_is_kept(own: dict[str, str]) -> None:
    """Only `mmload init` makes one."""
    kept(own).path.unlink()
    runner = Runner("one")
    keeper = SessionKeeper(process(runner))
    keeper.begin()
    keeper._note(SessionChange("testuser-1@example.com", "id-1", "new"))
    keeper.write()

    assert runner.told() == {"one": None}
    assert not kept(own).exists()


def test_an_unsafe_file_is_refused_before_a_test(own: dict[str, str]) -> None:
    kept(own).path.chmod(0o640)

    assert "other users can access it" in str(file_problem(process(Runner())))


def moved(environment: Any, **connection: str) -> None:
    """`create` over the agent's API: settings of somebody else."""
    posted = {f"MMLOAD_CONNECTIONCONFIGURATION_{name.upper()}": value for name, value in connection.items()}
    environment.mmload_settings.override = load_settings(environ=posted)[0]
    environment.host = environment.mmload_settings.override.config.connection.server_url


def test_settings_over_the_api_send_no_session_to_another_place(own: dict[str, str], tmp_path: Path) -> None:
    """Neither by the server's address nor by the WebSocket's, and they name no file on this machine."""
    environment = process(Runner())
    moved(environment, serverurl=HERE, websocketurl="ws://else.example.com")
    assert destination(environment) == Destination(HERE, "ws://else.example.com")
    assert file_of_test(environment) is None

    moved(environment, serverurl="http://else.example.com", websocketurl="ws://else.example.com")
    other = file_of_test(environment)
    assert other is not None and other.path.parent == tmp_path
    assert other.read() == {}


def test_the_page_cannot_send_sessions_to_another_server(own: dict[str, str]) -> None:
    """A host that was typed there has the sessions that were kept for it, if any."""
    environment = process(Runner())
    environment.host = "http://else.example.com"
    other = file_of_test(environment)

    assert other is not None
    assert other.read() == {}


def test_a_process_that_cannot_write_says_so_and_goes_on(
    own: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = SessionKeeper(process(Runner("one")))
    keeper.begin()
    kept(own).path.parent.chmod(0o777)
    keeper._note(SessionChange("testuser-1@example.com", "id-1", "s3cret"))
    keeper.write()

    assert "sessions are not kept" in caplog.text and "other users can write to it" in caplog.text
    assert "s3cret" not in caplog.text
