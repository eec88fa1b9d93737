"""Machines rented from AWS by Terraform, for as long as they are wanted."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import requests

from mmload.config.documents import default_document
from mmload.deploy import aws_lost, terraform
from mmload.deploy.aws_settings import (
    DATABASE_PASSWORD,
    HOST_KEY,
    SETTINGS,
    RentedFromAws,
    make_secrets,
    secret_variables,
    ssh_config,
    variables,
)
from mmload.deploy.ssh import command, why_ssh_failed
from mmload.deploy.terraform import Terraform, TerraformFailed
from mmload.errors import MmloadError, ServerNotReady
from mmload.signals import start_child

HOSTS, SSH_CONFIG, KNOWN_HOSTS = "hosts.json", "ssh_config", "known_hosts"
LOOK, LOST = "look", "lost.tfstate"
# From the order to a machine that has installed what it needs; Mattermost and its database may take longer.
READY_SECONDS = 900.0
_PAUSE_SECONDS = 5.0
_SSH_SECONDS = 60
# AWS's list of what has a tag is behind by some seconds; after the first look there is no pause.
LOOKS, _LOOK_PAUSE_SECONDS = 5, 15.0
# Prometheus of metrics.sh finds a run there.
METRICS_PORT = 8089
# What is taken away needs no secrets, but Terraform checks that there are some.
NOT_NEEDED = {"TF_VAR_licence": "none", "TF_VAR_database_password": "0" * 16}
_READY = "cat /var/lib/mmload/failed 2>/dev/null; test -e /var/lib/mmload/ready"

Tell = Callable[[str], None]


def prepare(folder: Path, rented: RentedFromAws) -> None:
    """All that Terraform needs, in a folder that nobody else may look into. What stands is known from now on."""
    terraform.copy_module(folder)
    make_secrets(folder)
    board = default_document("grafana/mmload.json").decode()
    told = variables(rented, board)
    (folder / SETTINGS).write_bytes(msgspec.json.format(msgspec.json.encode(rented)) + b"\n")
    (folder / terraform.VARIABLES).write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")


@contextmanager
def private_files() -> Iterator[None]:
    """What is written in it is for its owner only."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def made(folder: Path, rented: RentedFromAws, tell: Tell) -> dict[str, Any]:
    """Everything, as it is wanted; the outputs. Raises TerraformFailed."""
    told = secret_variables(rented.settings, folder)
    works = Terraform(folder, terraform.environment(told), tell)
    works.initialise()
    outputs = works.apply()
    public = (folder / f"{HOST_KEY}.pub").read_text().strip()
    (folder / KNOWN_HOSTS).write_text(f"{rented.id} {public}\n")
    (folder / SSH_CONFIG).write_text(ssh_config(rented, folder, outputs["hosts"]))
    return outputs


def unmade(folder: Path, tell: Tell) -> None:
    """Nothing of it any more, as far as Terraform knows. Raises TerraformFailed."""
    works = Terraform(folder, terraform.environment(NOT_NEEDED), tell)
    works.initialise()
    works.destroy()


def looked(folder: Path, rented: RentedFromAws) -> dict[str, list[str]]:
    """What AWS itself says is there with our tag, by its kind. Raises TerraformFailed."""
    return _looking(folder, rented, lambda _text: None).apply(below=LOOK)


def _looking(folder: Path, rented: RentedFromAws, tell: Tell) -> Terraform:
    settings = rented.settings
    told = {"deployment_id": rented.id, "region": settings.region} | (
        {"profile": settings.profile} if settings.profile else {}
    )
    environ = terraform.environment({f"TF_VAR_{name}": value for name, value in told.items()})
    works = Terraform(folder, environ, tell)
    works.initialise()
    # The provider is that of the folder above.
    shutil.copy(folder / ".terraform.lock.hcl", folder / LOOK)
    return works


def left(folder: Path, rented: RentedFromAws, tell: Tell) -> list[str]:
    """What is still there when all is taken away that Terraform's state knew, and that it did not; names of AWS."""
    works = _looking(folder, rented, tell)
    refused: list[str] = []
    for looks in range(LOOKS):
        found = works.apply(below=LOOK)
        names = [each for names in found.values() for each in names]
        if looks == LOOKS - 1 or (looks and not names and not refused):
            break
        refused = _take_away(works, folder, aws_lost.state(rented.id, found | aws_lost.untagged(rented)), tell)
        if looks:
            tell(f"{len(names or refused)} resources still exist; checking again in {_LOOK_PAUSE_SECONDS:.0f} s")
            time.sleep(_LOOK_PAUSE_SECONDS)
    return names or refused


def _take_away(works: Terraform, folder: Path, state: Mapping[str, Any], tell: Tell) -> list[str]:
    """By a state for this alone: no other look is to take anything away. What could not be."""
    lost = folder / LOOK / LOST
    lost.write_text(json.dumps(state))
    try:
        works.destroy(f"-state={LOST}", below=LOOK)
    except TerraformFailed as error:
        tell(str(error))
        return aws_lost.names(json.loads(lost.read_text()))
    return []


def forget(folder: Path) -> None:
    """All our files are removed, and the folder, if nothing else is in it."""
    terraform.remove_module(folder)
    shutil.rmtree(folder / ".terraform", ignore_errors=True)
    ours = (HOSTS, SSH_CONFIG, KNOWN_HOSTS, HOST_KEY, f"{HOST_KEY}.pub", DATABASE_PASSWORD)
    for path in (*(folder / name for name in ours), *folder.glob("terraform.*"), folder / ".terraform.lock.hcl"):
        path.unlink(missing_ok=True)
    # The last one: by it the folder is known as ours.
    (folder / SETTINGS).unlink()


def wait_for_hosts(folder: Path, names: Sequence[str], tell: Tell) -> None:
    """Until all machines have done what they do first. Raises MmloadError."""
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(names)
    while waiting:
        name = waiting[0]
        why = _not_ready(folder, name)
        if why is None:
            tell(f"{name} is ready")
            waiting.pop(0)
        elif time.monotonic() > deadline:
            raise MmloadError(f"{name}: not ready within {READY_SECONDS:.0f} s: {why}")
        else:
            time.sleep(_PAUSE_SECONDS)


def _not_ready(folder: Path, name: str) -> str | None:
    """Why a machine is not ready yet; None: it is. Raises MmloadError: it never will be."""
    line = command(name, str(folder / SSH_CONFIG), _READY)
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=_SSH_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "it did not answer in time"
    if done.returncode == 0:
        return None
    if done.stdout.strip():
        log = "/var/log/cloud-init-output.log"
        raise MmloadError(f"{name}: its start-up script failed: {done.stdout.strip()} (see {log} there)")
    if done.returncode == 255:
        return why_ssh_failed(done.stderr.splitlines(), done.returncode, name, str(folder / SSH_CONFIG))
    return "it is still being set up"


def wait_for_server(url: str, email: str, password: str, tell: Tell) -> None:
    """Until Mattermost answers and has its administrator, who is its first account. Raises ServerNotReady."""
    deadline = time.monotonic() + READY_SECONDS
    session = requests.Session()
    while True:
        try:
            answer = session.get(f"{url}/api/v4/system/ping", timeout=_SSH_SECONDS)
            why = f"it answers {answer.status_code}"
            if answer.ok:
                break
        except requests.RequestException as error:
            why = type(error).__name__
        if time.monotonic() > deadline:
            raise ServerNotReady(f"{url}: Mattermost is not ready within {READY_SECONDS:.0f} s: {why}")
        time.sleep(_PAUSE_SECONDS)
    credentials = {"login_id": email, "password": password}
    account = {"email": email, "password": password, "username": f"admin-{secrets.token_hex(4)}"}
    try:
        if not session.post(f"{url}/api/v4/users/login", json=credentials, timeout=_SSH_SECONDS).ok:
            created = session.post(f"{url}/api/v4/users", json=account, timeout=_SSH_SECONDS)
            if not created.ok:
                raise ServerNotReady(
                    f"{url}: could not create an administrator: the server answers {created.status_code}"
                )
            tell(f"{email} is the server's administrator")
    except requests.RequestException as error:
        raise ServerNotReady(f"{url}: could not create an administrator: {type(error).__name__}") from None


@contextmanager
def metrics_tunnel(folder: Path) -> Iterator[Mapping[str, str]]:
    """Where there is a machine with Prometheus, it reads the run's figures here; the settings by which it can."""
    config = folder / SSH_CONFIG
    if "Host metrics\n" not in config.read_text():
        yield {}
        return
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    tunnel = ("-N", "-R", f"127.0.0.1:{METRICS_PORT}:127.0.0.1:{port}")
    line = command("metrics", str(config), "", tunnel)[:-1]
    process = start_child(line, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield {"MMLOAD_RUNCONFIGURATION_METRICSADDRESS": f"127.0.0.1:{port}"}
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
