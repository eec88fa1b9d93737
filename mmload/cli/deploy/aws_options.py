"""The options of `mmload deploy aws` that say what is wanted, and what comes of them."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from mmload.cli.common import whole_number
from mmload.config.fields import seconds_of
from mmload.config.files import read_document
from mmload.deploy import aws_settings
from mmload.deploy.aws_settings import DEFAULT_EXPIRE, AwsSettings, RentedFromAws

# Options that are settings of the same meaning; all others are in the document of --settings.
_TEXTS = {
    "name": ("NAME", "prefix of all names"),
    "owner": ("NAME", "tag owner: whom to ask about leftovers (default: you)"),
    "region": ("REGION", "AWS region"),
    "profile": ("NAME", "profile of ~/.aws/config (default: from the environment)"),
    "agent-type": ("TYPE", "type of the load generators"),
    "package": ("URL", "archive of Mattermost for the server under test"),
    "image": ("NAME", "container image of Mattermost, instead of the archive"),
    "app-type": ("TYPE", "type of the machines with Mattermost"),
    "database": ("KIND", "rds or aurora"),
    "database-type": ("TYPE", "type of the database instances"),
}
_FILES = {
    "ssh-key": "your public key (default: the first one in ~/.ssh)",
    "licence": "licence of the server under test",
    "config-patch": "part of Mattermost's config.json, to override mmload's",
}
_COUNTS = {
    "agents": "number of load generators",
    "apps": "number of machines with Mattermost; 0: test another server",
    "database-instances": "number of instances of an Aurora cluster",
}
_FIELDS = {
    "agents": "agent_count",
    "apps": "app_count",
    "database_instances": "database_count",
    "package": "mattermost_package",
    "image": "mattermost_image",
    "database": "database_engine",
    "ssh_key": "ssh_public_key_file",
    "licence": "licence_file",
    "config_patch": "config_patch_file",
}


def add_settings(part: argparse.ArgumentParser) -> None:
    defaults = AwsSettings()
    for name, (metavar, meaning) in _TEXTS.items():
        default = getattr(defaults, _field(name))
        told = f"{meaning} (default: {default})" if default else meaning
        part.add_argument(f"--{name}", metavar=metavar, help=told)
    for name, meaning in _FILES.items():
        part.add_argument(f"--{name}", metavar="FILE", help=meaning)
    for name, meaning in _COUNTS.items():
        told = f"{meaning} (default: {getattr(defaults, _field(name))})"
        part.add_argument(f"--{name}", metavar="N", type=whole_number(0), help=told)
    part.add_argument("--expire", metavar="TIME", help=f"time until machines terminate (default: {DEFAULT_EXPIRE})")
    part.add_argument("--allow", metavar="CIDR", action="append", help="who may connect (default: your address)")
    part.add_argument(
        "--subnet", metavar="ID", action="append", help="existing subnet, repeatable (default: a new VPC)"
    )
    part.add_argument("--spot", action=argparse.BooleanOptionalAction, help="use spot instances as load generators")
    part.add_argument("--workers", metavar="N", help="worker processes on each machine (default: one per CPU)")
    part.add_argument("--server", metavar="URL", help="check that the machines reach this server")
    part.add_argument("--settings", metavar="FILE", type=Path, help="file with any settings, JSON or TOML")


def _field(option: str) -> str:
    name = option.replace("-", "_")
    return _FIELDS.get(name, name)


def options(args: argparse.Namespace) -> dict[str, Any]:
    """What was typed, by the names of the settings. Pure, but for paths becoming absolute."""
    given = {_field(name): getattr(args, name.replace("-", "_")) for name in (*_TEXTS, *_FILES, *_COUNTS)}
    given |= {"allow": args.allow, "subnet_ids": args.subnet, "spot": args.spot}
    for name, value in given.items():
        if name.endswith("_file") and value:
            given[name] = str(Path(value).expanduser().absolute())
    return {name: value for name, value in given.items() if value is not None}


def wanted(args: argparse.Namespace, now: datetime) -> RentedFromAws:
    """What is to be, by what stands, by the document and by the options. Raises ConfigurationError."""
    before = aws_settings.read(args.folder)
    document = read_document(args.settings) if args.settings else {}
    settings = aws_settings.settings_from(before.settings if before else None, document, options(args))
    if args.expire is not None or not settings.expires_at or settings.remaining(now).total_seconds() <= 0:
        seconds = seconds_of("--expire", args.expire or DEFAULT_EXPIRE)
        settings.expires_at = aws_settings.expiry(now, seconds)
    return RentedFromAws(before.id if before else aws_settings.new_id(settings.name), settings)
