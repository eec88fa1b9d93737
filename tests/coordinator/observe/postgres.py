"""A PostgreSQL of a test's own: on a free port of the loopback interface, never as root, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmload.cli.locust_process import free_port
from mmload.config.coordinator_tables import Observe

PATIENCE_SECONDS = 60
PASSWORD = "open sesame"
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@dataclass(frozen=True)
class Postgres:
    """One that runs. Its user is `mm`, its database too."""

    port: int

    @property
    def url(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}/mm"

    def observe(self, **more: Any) -> Observe:
        return Observe(postgres_url=self.url, postgres_user="mm", postgres_password=PASSWORD, **more)

    def session(self, user: str = "mm") -> Any:
        """A session of a client, which commits each statement."""
        psycopg: Any = pytest.importorskip("psycopg")
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname="mm", autocommit=True
        )


def _as() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return {}
    name = next((name for name in ("postgres", "nobody") if _known(name)), "nobody")
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def running_postgres(*settings: str) -> Iterator[Postgres]:
    """With pg_stat_statements, and these settings (`max_connections=20`)."""
    pytest.importorskip("psycopg")
    if not _BINARIES:
        pytest.skip("PostgreSQL is not installed")
    folder, owner = Path(tempfile.mkdtemp(prefix="mmload-postgres-", dir="/tmp")), _as()
    try:
        if owner:
            shutil.chown(folder, owner["user"], owner["group"])
        with _server(folder, owner, settings) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(folder: Path, owner: dict[str, Any], settings: tuple[str, ...]) -> Iterator[Postgres]:
    binaries, data, secret, port = _BINARIES[-1], folder / "data", folder / "password", free_port()
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = ("-D", str(data), "-U", "mm", "--auth=scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8", "--locale=C")
    subprocess.run([str(binaries / "initdb"), *made], check=True, stdout=subprocess.DEVNULL, cwd=folder, **owner)
    told = ["listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off", "autovacuum=off"]
    told += ["shared_preload_libraries=pg_stat_statements", *settings]
    options = [part for each in told for part in ("-c", each)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            **owner,
        )
    try:
        _filled(port, folder / "log")
        yield Postgres(port)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _filled(port: int, log: Path) -> None:
    psycopg: Any = pytest.importorskip("psycopg")
    deadline = time.monotonic() + PATIENCE_SECONDS
    known = {"host": "127.0.0.1", "port": port, "user": "mm", "password": PASSWORD}
    while True:
        try:
            with psycopg.connect(**known, dbname="postgres", autocommit=True) as session:
                session.execute("CREATE DATABASE mm")
            with psycopg.connect(**known, dbname="mm", autocommit=True) as session:
                session.execute("CREATE EXTENSION pg_stat_statements")
                session.execute(f"CREATE ROLE observer LOGIN PASSWORD '{PASSWORD}'")
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
