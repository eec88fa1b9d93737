"""What is deployed where: one small file, written before a host is touched, so that nothing is lost track of."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mmload.errors import ConfigurationError, UsageError

STATE = Path("mmload-deploy.json")


class DeployedHost(msgspec.Struct):
    """`environment` is "" until everything is there; `open_files` is what each of its workers may have.

    `untouched`: nothing was put there yet.
    """

    name: str
    workers: int = 0
    environment: str = ""
    open_files: int = 0
    untouched: bool = False


class Deployment(msgspec.Struct):
    """`id` is part of the folder's name on each host; `ssh_config` and `python` as they were given."""

    id: str
    ssh_config: str = ""
    python: str = ""
    hosts: list[DeployedHost] = []

    def host(self, name: str) -> DeployedHost | None:
        return next((each for each in self.hosts if each.name == name), None)

    def folder(self, name: str) -> str:
        """Where it is there, below the home folder: of its own, also where two names are one machine."""
        return f".mmload-deploy-{self.id}-{re.sub('[^A-Za-z0-9.-]', '_', name)}"


def new_deployment() -> Deployment:
    return Deployment(id=secrets.token_hex(4))


def read(path: Path) -> Deployment | None:
    """The deployment, or None if there is none. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
        return msgspec.json.decode(content, type=Deployment) if content.strip() else None
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{path}: not a state file of mmload deploy: {error}") from None


def existing(path: Path) -> Deployment:
    """The deployment. UsageError: there is none."""
    deployment = read(path)
    if deployment is None:
        raise UsageError(
            f"nothing is deployed: there is no {path} (run `mmload deploy up --hosts …`, or name another --state)"
        )
    return deployment


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Only one command at a time changes or uses a deployment. UsageError: another one is at work."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError(f"another mmload deploy is using {path}: wait until it ends, or stop it with Ctrl-C") from None
    finally:
        if not os.fstat(file).st_size and os.fstat(file).st_nlink:
            path.unlink(missing_ok=True)
        os.close(file)


def write(path: Path, deployment: Deployment) -> None:
    """Into the same file, which is locked; without a host there is none."""
    if not deployment.hosts:
        path.write_bytes(b"")
        return
    content = msgspec.json.format(msgspec.json.encode(deployment), indent=2) + b"\n"
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
        os.fsync(file.fileno())


def chosen(deployment: Deployment, names: Iterable[str]) -> list[DeployedHost]:
    """These hosts, or all. UsageError: one that is no part of it."""
    names = list(names)
    for name in names:
        if deployment.host(name) is None:
            known = ", ".join(each.name for each in deployment.hosts)
            raise UsageError(f"{name} is not a host of this deployment (it has {known})")
    return [each for each in deployment.hosts if not names or each.name in names]
