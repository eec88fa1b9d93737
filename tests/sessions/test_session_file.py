"""The file of kept sessions: of one's own user alone, never damaged by others, never shown."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mmload import session_file as module
from mmload.config import Config
from mmload.errors import ConfigurationError
from mmload.session_file import KeptAccount, SessionChange, SessionFile, make_changes, session_file, told

SERVER = "http://chat.example.com"
TOKEN = "s3cret-token"
ANN = SessionChange("ann@example.com", "id-of-ann", TOKEN)


@pytest.fixture
def kept(tmp_path: Path) -> SessionFile:
    """A file with one session."""
    file = SessionFile(tmp_path / "sessions" / "chat.json", SERVER)
    file.change([ANN])
    return file


def test_what_is_kept_is_read_again(kept: SessionFile) -> None:
    assert kept.read() == {"ann@example.com": KeptAccount("id-of-ann", [TOKEN])}


def test_nobody_else_may_read_it(kept: SessionFile) -> None:
    """Nor what is beside it, whatever the umask says."""
    before = os.umask(0)
    try:
        kept.change([SessionChange("bob@example.com", "id-of-bob", "another")])
    finally:
        os.umask(before)

    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.name: each.stat().st_mode & 0o777 for each in kept.path.parent.iterdir()} == {
        "chat.json": 0o600,
        "chat.lock": 0o600,
    }


def test_without_a_file_there_are_no_sessions(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "chat.json", SERVER)

    assert not file.exists()
    assert file.read() == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660, 0o700])
def test_a_file_that_others_may_use_is_refused(kept: SessionFile, mode: int) -> None:
    kept.path.chmod(mode)

    refusal = refused(kept)

    assert f"mode {mode:04o} instead of 0600" in refusal or mode == 0o700
    assert "mmload init --sessions" in refusal


def test_the_file_of_another_user_is_refused(kept: SessionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one could read it: as root."""
    stranger = os.geteuid() + 1
    monkeypatch.setattr(module, "_check_folder", lambda folder: None)
    monkeypatch.setattr(os, "geteuid", lambda: stranger)

    assert "belongs to another user" in refused(kept)


def test_a_folder_in_which_others_write_is_refused(kept: SessionFile) -> None:
    kept.path.parent.chmod(0o777)

    assert "other users can write to it" in refused(kept)
    with pytest.raises(ConfigurationError, match="other users can write to it"):
        kept.change([ANN])


def test_a_link_to_a_file_is_refused(kept: SessionFile, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    kept.path.rename(elsewhere)
    kept.path.symlink_to(elsewhere)

    assert "cannot be read or written" in refused(kept)


@pytest.mark.parametrize("content", [b"", b"{", b'{"server": 1}', b"\xff\xff", TOKEN.encode()])
def test_a_damaged_file_is_refused_and_not_quoted(kept: SessionFile, content: bytes) -> None:
    kept.path.write_bytes(content)

    assert "not a file of kept sessions" in refused(kept)


def test_a_pipe_by_that_name_holds_nobody_up(kept: SessionFile) -> None:
    kept.path.unlink()
    os.mkfifo(kept.path, 0o600)

    assert "not a file of kept sessions" in refused(kept)


def test_sessions_go_to_no_other_server(kept: SessionFile) -> None:
    """Whoever renames the file, or gives another server the old one's address."""
    assert "for a server other than http://else.example.com" in refused(
        SessionFile(kept.path, "http://else.example.com")
    )


def test_each_server_has_a_file_of_its_own() -> None:
    urls = [f"{scheme}://{host}" for scheme in ("http", "https") for host in ("a", "b", "a:81", "a/chat", "a/chat_")]
    paths = {file.path for url in urls if (file := session_file(Config(), url)) is not None}

    assert len(paths) == len(urls)


def test_a_slash_at_the_end_makes_no_other_server() -> None:
    with_one, without = session_file(Config(), "http://a/"), session_file(Config(), "http://a")

    assert with_one is not None and without is not None
    assert with_one.path == without.path


@pytest.mark.parametrize("folder", ["runs", "runs/2026-11-27T07-34-15", "runs/../runs/sessions"])
def test_sessions_are_never_among_the_runs(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(Config(), run=replace(Config().run, sessions_folder=folder))

    with pytest.raises(ConfigurationError, match="choose another folder"):
        session_file(config, SERVER)


def test_sessions_are_in_the_state_folder_of_the_user() -> None:
    file = session_file(Config(), SERVER, {"XDG_STATE_HOME": "/home/ann/state"})

    assert file is not None
    assert file.path.parent == Path("/home/ann/state/mmload/sessions")
    assert file.path.name.startswith("chat.example.com_80-")


def test_two_processes_lose_nothing_of_each_other(kept: SessionFile) -> None:
    """Each changes what the file has by then; who reads meanwhile reads it whole."""
    program = (
        "import sys; from pathlib import Path; from mmload.session_file import SessionChange, SessionFile\n"
        f"file = SessionFile(Path({str(kept.path)!r}), {SERVER!r})\n"
        "for number in range(40):\n"
        "    file.change([SessionChange(f'{sys.argv[1]}-{number}', 'id', 'token')]); file.read()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("one", "two", "three")]

    assert [writer.wait(timeout=180) for writer in writers] == [0, 0, 0]
    assert len(kept.read()) == 1 + 3 * 40


def test_a_lock_that_is_never_given_back_is_told(kept: SessionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_PATIENCE_SECONDS", 0.05)
    with kept.path.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another process has locked it"):
            kept.change([ANN])


def test_what_a_killed_process_left_behind_is_in_nobodys_way(kept: SessionFile) -> None:
    kept.path.with_suffix(".new").write_text("half of")
    kept.change([SessionChange("bob@example.com", "id-of-bob", "another")])

    assert len(kept.read()) == 2
    assert not kept.path.with_suffix(".new").exists()


def test_a_new_session_takes_the_place_of_the_one_that_ended() -> None:
    accounts = {"ann": KeptAccount("id", ["first", "second"])}
    make_changes(accounts, [SessionChange("ann", "id", "third", ended="first")], most=2)

    assert accounts["ann"].tokens == ["second", "third"]


def test_no_more_are_kept_of_an_account_than_are_used() -> None:
    accounts = {"ann": KeptAccount("id", ["first"])}
    make_changes(accounts, [SessionChange("ann", "id", "second"), SessionChange("ann", "id", "second")], most=1)

    assert accounts["ann"].tokens == ["second"]


def test_who_logs_out_is_forgotten() -> None:
    accounts = {"ann": KeptAccount("id", ["first"])}
    make_changes(accounts, [SessionChange("ann", ended="first"), SessionChange("bob", ended="never kept")], most=1)

    assert accounts == {}


def test_no_token_is_in_what_is_shown(kept: SessionFile) -> None:
    assert TOKEN not in f"{kept.read()!r} {ANN!r} {kept!r} {vars(kept)!r}"


@pytest.mark.parametrize(
    ("kept", "share", "said"),
    [
        (0, 1.0, "all users log in by password (UsersConfiguration.LoginShare is 1)"),
        (0, 0.02, "no sessions are kept for these users, so all log in by password (`mmload init` keeps sessions)"),
        (
            198,
            0.02,
            "sessions of 198 of 200 users are kept: these users need no password login, except for the 2% that log in "
            "anyway (UsersConfiguration.LoginShare)",
        ),
    ],
)
def test_a_run_says_how_its_users_come_in(kept: int, share: float, said: str) -> None:
    assert told(kept, share, 200) == said


def refused(file: SessionFile) -> str:
    """Why the file cannot be read; without a token in it."""
    with pytest.raises(ConfigurationError) as refusal:
        file.read()
    assert TOKEN not in str(refusal.value)
    return str(refusal.value)
