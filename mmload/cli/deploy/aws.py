"""`mmload deploy aws`: machines that are rented from AWS by Terraform, then used as any others (`mmload deploy`)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmload.cli.common import print_json, say, settings_in_force
from mmload.cli.deploy import hosts, run_command, up
from mmload.cli.deploy.aws_options import add_settings, wanted
from mmload.cli.deploy.parts import add_part
from mmload.deploy import aws, aws_settings, state
from mmload.deploy.aws_prices import costs, machines, prices, told
from mmload.deploy.aws_settings import FOLDER, SETTINGS, RentedFromAws
from mmload.deploy.state import at_work
from mmload.deploy.terraform import has_begun, standing
from mmload.errors import ExitCode, MmloadError, UsageError

LOCK = "lock"


def add_parser(parts: Any) -> None:
    parser = parts.add_parser(
        "aws",
        help="rent load generators from AWS with Terraform, and optionally a server under test",
        description="Rent machines from AWS with Terraform (docs/deploy-aws.md). Everything about them, including "
        f"Terraform's state, is in one folder, {FOLDER}.",
    )
    aws_parts = parser.add_subparsers(dest="aws_part", metavar="PART", required=True)
    add_settings(_part(aws_parts, "estimate", "estimate the cost; creates nothing", _estimate))
    add_settings(_part(aws_parts, "up", "create machines and set them up; run it again to apply changes", _up))
    run_part = _part(aws_parts, "run", "run a command on the machines: mmload deploy aws run -- run --users 2000", _run)
    run_part.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="as for mmload deploy run")
    status = _part(aws_parts, "status", "show what exists according to AWS, and when it expires", _status)
    status.add_argument("--json", action="store_true", help="as JSON")
    down = _part(aws_parts, "down", "destroy everything, and check that nothing is left", _down)
    down.add_argument("--profile", metavar="NAME", help="profile of ~/.aws/config, if not the one of `up`")


def _part(parts: Any, name: str, meaning: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    part = add_part(parts, name, meaning, run)
    part.add_argument("--folder", metavar="DIR", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    return part


def _tell(text: str) -> None:
    say("deploy aws", text)


def _now() -> datetime:
    return datetime.now(UTC)


def _estimate(args: argparse.Namespace) -> int:
    settings = wanted(args, _now()).settings
    hours = settings.remaining(_now()).total_seconds() / 3600
    print(told(settings, prices(), hours))
    return int(ExitCode.PASSED)


def _up(args: argparse.Namespace) -> int:
    with _at_work(args.folder), aws.private_files():
        is_new = aws_settings.read(args.folder) is None
        rented = wanted(args, _now())
        settings = aws_settings.completed(rented.settings, Path.home())
        paid = list(costs(settings, prices()))
        about = "about" if all(each.each is not None for each in paid) else "at least"
        hourly = sum(each.total for each in paid)
        _tell(f"{rented.id} in {settings.region}, {about} {hourly:.2f} USD per hour (see `estimate`)")
        _tell(f"machines terminate at {settings.expires_at}; everything about them is in {args.folder}")
        _tell(f"only {', '.join(settings.allow)} can connect; keys and passwords are in {args.folder} only")
        aws.prepare(args.folder, rented)
        with _telling_what_stands(args.folder, is_new=is_new):
            outputs = aws.made(args.folder, rented, _tell)
            aws.wait_for_hosts(args.folder, list(outputs["hosts"]), _tell)
            if url := outputs["server_url"]:
                _take_in_server(url)
            code = _set_up(args, outputs)
    return code


@contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """One command at a time in a folder, which nobody else may look into."""
    try:
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if there - {LOCK} and SETTINGS not in there:
            raise UsageError(f"{folder}: this folder contains other files; name another one with --folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with at_work(folder / LOCK):
            yield
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(folder)):
            raise
        raise UsageError(f"{error.filename}: cannot be used: {error.strerror}") from None
    finally:
        # An empty one is of no use.
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _telling_what_stands(folder: Path, *, is_new: bool = False) -> Iterator[None]:
    """Whatever goes wrong, or is interrupted: what there is now, and how to go on."""
    try:
        yield
    except (MmloadError, KeyboardInterrupt):
        if is_new and not has_begun(folder):
            # What was typed, say the name of a profile, is not to hold for the next time.
            aws.forget(folder)
            _tell(f"nothing was created, and {folder} is removed")
            raise
        count = standing(folder)
        there = "it is not known what exists" if count is None else f"{count} resources exist, and may cost money"
        if count == 0:
            there = "Terraform knows of no resources"
        _tell(f"{there}: `mmload deploy aws up` continues, `mmload deploy aws down` destroys everything")
        raise


def _take_in_server(url: str) -> None:
    """The server under test, with the administrator that our settings name."""
    connection = settings_in_force("deploy aws", os.environ).config.connection
    aws.wait_for_server(url, connection.admin_email, connection.admin_password, _tell)
    _tell(f"the server under test: {url} (mmload init --server {url})")


def _set_up(args: argparse.Namespace, outputs: dict[str, Any]) -> int:
    """The machines for load, as by `mmload deploy up`."""
    agents = [name for name in outputs["hosts"] if name.startswith("agent")]
    known = args.folder / aws.HOSTS
    if (before := state.read(known)) is not None:
        # What is rented no more is no host.
        before.hosts = [each for each in before.hosts if each.name in agents]
        state.write(known, before)
    if "metrics" in outputs["hosts"]:
        address = outputs["hosts"]["metrics"]
        _tell(f"Grafana: http://{address}:3000, Prometheus: http://{address}:9090")
    if not agents:
        return int(ExitCode.PASSED)
    server = args.server or outputs["server_url"] or None
    code = up.run(
        argparse.Namespace(
            state=known, hosts=",".join(agents), workers=args.workers, server=server, python=None,
            ssh_config=str(args.folder / aws.SSH_CONFIG), way="mmload deploy aws", or_else="",
        )
    )  # fmt: skip
    _tell("`mmload deploy aws down` destroys everything")
    return code


def _run(args: argparse.Namespace) -> int:
    rented = aws_settings.existing(args.folder)
    _tell(until(rented, _now()))
    if not (args.folder / aws.HOSTS).exists():
        raise UsageError("the machines are not set up: continue with `mmload deploy aws up`")
    with aws.metrics_tunnel(args.folder) as more:
        for name, value in more.items():
            os.environ.setdefault(name, value)
        return run_command.run(argparse.Namespace(state=args.folder / aws.HOSTS, rest=args.rest))


def until(rented: RentedFromAws, now: datetime) -> str:
    """How long the machines are there, in words. Pure."""
    at = rented.settings.expires_at
    minutes = int(rented.settings.remaining(now).total_seconds() // 60)
    if minutes <= 0:
        return f"{rented.id}: its machines terminated at {at}: `up` creates new ones, `down` destroys the rest"
    return f"{rented.id}: its machines terminate at {at}, in {minutes // 60} h {minutes % 60:02d} min"


def _status(args: argparse.Namespace) -> int:
    with _at_work(args.folder), aws.private_files():
        rented = aws_settings.existing(args.folder)
        found = aws.looked(args.folder, rented)
    number, there = sum(count for count, _ in machines(rented.settings).values()), len(found["instances"])
    if args.json:
        print_json({"id": rented.id, "expires_at": rented.settings.expires_at, "machines": number, "found": found})
        return int(ExitCode.PASSED if there == number else ExitCode.CONFIGURATION_REFUSED)
    print(until(rented, _now()))
    print(f"{there} of {number} machines running; {counted(found)}")
    if there > number:
        _tell("more machines than expected, from an interrupted command: `mmload deploy aws down` destroys all of them")
        return int(ExitCode.CONFIGURATION_REFUSED)
    if there != number:
        _tell(
            "machines have terminated (they expired, or AWS reclaimed them): `mmload deploy aws up` creates them again"
        )
        return int(ExitCode.CONFIGURATION_REFUSED)
    if not (args.folder / aws.HOSTS).exists():
        return int(ExitCode.PASSED)
    return hosts.status(argparse.Namespace(state=args.folder / aws.HOSTS, json=False))


def counted(found: Mapping[str, Sequence[str]]) -> str:
    """What AWS says is there, in words. Pure."""
    return ", ".join(f"{len(each)} {name}" for name, each in found.items() if name != "instances")


def _down(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        _tell(f"nothing is rented (there is no {args.folder})")
        return int(ExitCode.PASSED)
    with _at_work(args.folder), aws.private_files():
        rented = aws_settings.existing(args.folder)
        if args.profile is not None:
            rented.settings.profile = args.profile or None
            aws.prepare(args.folder, rented)
        # No run goes on there.
        with at_work(args.folder / aws.HOSTS), _telling_what_stands(args.folder):
            aws.unmade(args.folder, _tell)
            names = aws.left(args.folder, rented, _tell)
        if names:
            for name in names:
                print(name)
            tag = f"mmload-deployment={rented.id}"
            _tell(
                f"{len(names)} resources with the tag {tag} are left: repeat `down`, or delete them in the AWS console"
            )
            return int(ExitCode.CONFIGURATION_REFUSED)
        aws.forget(args.folder)
    print(f"{rented.id}: nothing is left in {rented.settings.region}, according to AWS; removed {args.folder}")
    return int(ExitCode.PASSED)
