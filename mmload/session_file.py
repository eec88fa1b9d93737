"""The file of kept sessions, one for each server: written by `mmload init`, read and kept up to date by load tests.

A session is as good as a password until it ends. So the file belongs to one user of this machine, who alone may read
it, and is refused otherwise; it is never in the folder of a run, and what is in it is never shown. Several processes
may use it at once: each change is made under a lock, to what the file has then, and takes its place in one step.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from mmload.config import Config
from mmload.config.credentials import origin
from mmload.errors import UNREADABLE_JSON, ConfigurationError

LOCK_PATIENCE_SECONDS = 10.0
_LOCK_LOOK_SECONDS = 0.02
_OURS_ALONE = 0o600
# Of 100,000 accounts; a file by that name that is larger is another's.
_LARGEST_BYTES = 64 << 20
_HOW_TO_RENEW = "remove it, and run `mmload init --sessions`"


class KeptAccount(msgspec.Struct):
    """An account's sessions that are kept, the newest last."""

    user_id: str
    tokens: list[str]

    def __repr__(self) -> str:
        return f"KeptAccount({self.user_id!r}, {len(self.tokens)} sessions)"


class SessionChange(msgspec.Struct, frozen=True):
    """A session began (`token`), or ended (`ended`), or one took the place of the other."""

    login: str
    user_id: str = ""
    token: str = ""
    ended: str = ""

    def __repr__(self) -> str:
        return f"SessionChange({self.login!r})"


class _Content(msgspec.Struct):
    """What is in the file. `server` is the one to which these sessions may go, and no other."""

    server: str
    accounts: dict[str, KeptAccount]
    schema: int = 1


_DECODER = msgspec.json.Decoder(_Content)


def make_changes(accounts: dict[str, KeptAccount], changes: Iterable[SessionChange], most: int) -> None:
    """Change these accounts; of each, up to `most` sessions are kept: the newest."""
    for change in changes:
        before = accounts.pop(change.login, KeptAccount(change.user_id, []))
        tokens = [token for token in before.tokens if token not in (change.ended, change.token)]
        if change.token:
            tokens = [*tokens, change.token][-most:]
        if tokens:
            accounts[change.login] = KeptAccount(change.user_id or before.user_id, tokens)


class SessionFile:
    """The file of one server. All methods raise ConfigurationError where it is not safe, or cannot be used."""

    def __init__(self, path: Path, server_url: str) -> None:
        self.path = path
        self.server_url = server_url

    def exists(self) -> bool:
        return os.path.lexists(self.path)

    def read(self) -> dict[str, KeptAccount]:
        """The sessions by what their accounts log in with; none if there is no file."""
        if not self.exists():
            return {}
        with _refusals(self.path):
            _check_folder(self.path.parent)
            return self._decoded(_read(self.path))

    def change(self, changes: Iterable[SessionChange], most: int = 1) -> None:
        """Make these changes to what is in the file now; it is made if there is none."""
        with _refusals(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_folder(self.path.parent)
            with _locked(self.path.with_suffix(".lock")):
                accounts = self.read()
                make_changes(accounts, changes, most)
                _replace(self.path, msgspec.json.encode(_Content(self.server_url, accounts)))

    def _decoded(self, content: bytes) -> dict[str, KeptAccount]:
        try:
            found = _DECODER.decode(content)
        except UNREADABLE_JSON:
            # What msgspec says of it may quote it.
            raise ConfigurationError(f"{self.path}: not a file of kept sessions: {_HOW_TO_RENEW}") from None
        if found.server != self.server_url:
            raise ConfigurationError(
                f"{self.path}: its sessions are for a server other than {self.server_url}: {_HOW_TO_RENEW}"
            )
        return found.accounts


def session_file(config: Config, server_url: str, environ: Mapping[str, str] = os.environ) -> SessionFile | None:
    """The file of this server's sessions; None for a user without a home. Raises ConfigurationError."""
    configured, runs = config.run.sessions_folder, Path(config.run.runs_folder)
    folder = Path(configured) if configured else _default_folder(environ)
    if configured and Path(configured).resolve().is_relative_to(runs.resolve()):
        raise ConfigurationError(
            f"RunConfiguration.SessionsFolder {configured}: it is in the runs folder, but run folders are passed on, "
            "and sessions are as secret as passwords: choose another folder"
        )
    if folder is None:
        return None
    url = server_url.rstrip("/")
    _, host, port = origin(url)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{host}_{port}{urlsplit(url).path}")[:100]
    return SessionFile(folder / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}.json", url)


def _default_folder(environ: Mapping[str, str]) -> Path | None:
    state = environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return base / "mmload" / "sessions"


def told(kept: int, share: float, users: int | None = None) -> str:
    """How the users of a test come in, in words: `kept` of them have a session. Pure."""
    if share >= 1:
        return "all users log in by password (UsersConfiguration.LoginShare is 1)"
    if not kept:
        return "no sessions are kept for these users, so all log in by password (`mmload init` keeps sessions)"
    who = f"sessions of {kept} accounts are kept" if users is None else f"sessions of {kept} of {users} users are kept"
    return (
        f"{who}: these users need no password login, except for the {100 * share:g}% that log in anyway "
        "(UsersConfiguration.LoginShare)"
    )


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path}: kept sessions cannot be read or written: {error.strerror}") from None


def _check_folder(folder: Path) -> None:
    """Who may write in the folder could put another file in this one's place."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise ConfigurationError(f"{folder}: it belongs to another user: set RunConfiguration.SessionsFolder")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(f"{folder}: other users can write to it: run `chmod go-w {folder}`")


def _read(path: Path) -> bytes:
    """The content of a file of one's own that nobody else may read."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_BYTES:
            raise ConfigurationError(f"{path}: not a file of kept sessions: {_HOW_TO_RENEW}")
        if found.st_uid != os.geteuid():
            raise ConfigurationError(f"{path}: it belongs to another user: {_HOW_TO_RENEW}")
        if mode := stat.S_IMODE(found.st_mode) & ~_OURS_ALONE:
            raise ConfigurationError(
                f"{path}: other users can access it (mode {_OURS_ALONE | mode:04o} instead of {_OURS_ALONE:04o}), and "
                f"anybody who has read it can act as these accounts: {_HOW_TO_RENEW}"
            )
        return file.read()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process changes the file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OURS_ALONE)
    try:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise ConfigurationError(f"{path}: another process has locked it for {LOCK_PATIENCE_SECONDS:g} seconds")
            time.sleep(_LOCK_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    """In one step: whoever reads has all of the old or all of the new. The caller holds the lock."""
    new = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        new.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, _OURS_ALONE), "wb") as file:
        file.write(content)
    new.replace(path)
