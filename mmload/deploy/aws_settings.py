"""What is rented from AWS: the variables of deploy/terraform/aws, what is kept of them, what Terraform is told."""

from __future__ import annotations

import getpass
import ipaddress
import re
import secrets
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from mmload.config.fields import did_you_mean
from mmload.config.files import read_document, read_text
from mmload.errors import ConfigurationError, MmloadError, UsageError

FOLDER = Path("mmload-aws")
SETTINGS, HOST_KEY, DATABASE_PASSWORD = "settings.json", "host_key", "database_password"
DEFAULT_EXPIRE = "4h"
LONGEST_SECONDS = 7 * 24 * 3600
# It answers with the address of whoever asks: AWS's own.
ADDRESS_URL = "https://checkip.amazonaws.com"
_ADDRESS_SECONDS = 10
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class AwsSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The variables by their names there, with the same defaults; `…_file` are files of this machine."""

    name: str = "mmload"
    owner: str = ""
    expires_at: str = ""
    region: str = "us-east-1"
    profile: str | None = None
    ami: str | None = None
    allow: list[str] = []
    subnet_ids: list[str] = []
    public_addresses: bool = True
    ssh_public_key_file: str = ""
    agent_count: int = 2
    agent_type: str = "c7i.xlarge"
    agent_disk_gib: int = 10
    spot: bool = False
    app_count: int = 0
    app_type: str = "c7i.xlarge"
    mattermost_package: str = "https://releases.mattermost.com/11.6.0/mattermost-11.6.0-linux-amd64.tar.gz"
    mattermost_image: str = ""
    licence_file: str = ""
    config_patch_file: str = ""
    database_engine: str = "rds"
    database_type: str = "db.r7g.large"
    database_count: int = 1
    database_version: str = "16.6"
    database_disk_gib: int = 100
    proxy_type: str = "c7i.xlarge"
    metrics: bool = True
    metrics_type: str = "t3.large"

    @property
    def with_server(self) -> bool:
        return self.app_count > 0

    @property
    def with_metrics(self) -> bool:
        return self.with_server and self.metrics

    def remaining(self, now: datetime) -> timedelta:
        """Until the machines end."""
        return datetime.strptime(self.expires_at, _TIME).replace(tzinfo=UTC) - now


class RentedFromAws(msgspec.Struct):
    """What stands, or may stand. `id` is the tag by which it is found."""

    id: str
    settings: AwsSettings


def read(folder: Path) -> RentedFromAws | None:
    """What was rented by means of this folder, or None. Raises ConfigurationError."""
    path = folder / SETTINGS
    try:
        return msgspec.json.decode(path.read_bytes(), type=RentedFromAws)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{path}: not the settings of mmload deploy aws: {error}") from None


def existing(folder: Path) -> RentedFromAws:
    """The same. UsageError: there is none."""
    rented = read(folder)
    if rented is None:
        raise UsageError(
            f"nothing is rented: there is no {folder / SETTINGS} (run `mmload deploy aws up`, or name another --folder)"
        )
    return rented


def settings_from(before: AwsSettings | None, document: Mapping[str, Any], options: Mapping[str, Any]) -> AwsSettings:
    """What was said before, the document over it, and the options over both. Raises ConfigurationError. Pure."""
    known = AwsSettings.__struct_fields__
    for key in document:
        if key not in known:
            raise ConfigurationError(f"--settings: {key}: no such setting. {did_you_mean(key, known)}".rstrip())
    values = {**(msgspec.to_builtins(before) if before else {}), **document, **options}
    try:
        settings = msgspec.convert(values, AwsSettings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"--settings: {error}") from None
    if before is not None and before.region != settings.region:
        raise ConfigurationError(
            f"--region {settings.region}: this deployment is in {before.region}: run `mmload deploy aws down` first, "
            "or use another --folder"
        )
    return settings


def expiry(now: datetime, seconds: int) -> str:
    """The time in so many seconds, as the tag has it. UsageError: too long. Pure."""
    if seconds > LONGEST_SECONDS:
        raise UsageError("--expire: expected 168h (a week) at most; you can extend it at any time with `up --expire`")
    return (now + timedelta(seconds=seconds)).strftime(_TIME)


def new_id(name: str) -> str:
    return f"{re.sub('[^a-z0-9-]', '', name.lower())[:20] or 'mmload'}-{secrets.token_hex(4)}"


def completed(settings: AwsSettings, home: Path, fetch: Callable[[str], str] | None = None) -> AwsSettings:
    """With whose it is, from where it may be reached, and by which key. Raises UsageError, ConfigurationError."""
    if not settings.owner:
        settings.owner = getpass.getuser()
    if not settings.ssh_public_key_file:
        settings.ssh_public_key_file = str(_own_key(home))
    public_key(settings)
    settings.allow = [checked_block(each) for each in settings.allow] or [own_address(fetch or _fetched)]
    return settings


def _own_key(home: Path) -> Path:
    for name in _KEYS:
        if (path := home / ".ssh" / f"{name}.pub").is_file():
            return path
    raise UsageError("--ssh-key is missing: ~/.ssh has no public key; name one, or create one with ssh-keygen")


def public_key(settings: AwsSettings) -> str:
    """The public key that is let in. Raises ConfigurationError."""
    path = settings.ssh_public_key_file
    text = read_text(Path(path)).strip()
    if "PRIVATE KEY" in text:
        raise ConfigurationError(f"{path}: this is the private key; name the file with the public key (.pub)")
    if not text.startswith(("ssh-ed25519 ", "ssh-rsa ", "ecdsa-")) or "\n" in text:
        raise ConfigurationError(f"{path}: expected one public key such as ssh-ed25519 AAAA…")
    return text


def checked_block(text: str) -> str:
    """A CIDR block; an address alone is one, too. UsageError: it is none, or everything. Pure."""
    try:
        block = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise UsageError(f"--allow {text}: expected an IPv4 address or block such as 203.0.113.7/32") from None
    if block.prefixlen < 8:
        raise UsageError(f"--allow {text}: access from the whole internet is refused; name your own address")
    return str(block)


def own_address(fetch: Callable[[str], str]) -> str:
    """Ours, as AWS sees it. UsageError: it can't be found out."""
    try:
        return checked_block(str(ipaddress.IPv4Address(fetch(ADDRESS_URL).strip())))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot find this machine's public address ({ADDRESS_URL}: {error}): name it with --allow 203.0.113.7/32"
        ) from None


def _fetched(url: str) -> str:
    # Only those who need it pay for its import.
    import urllib.request

    with urllib.request.urlopen(url, timeout=_ADDRESS_SECONDS) as answer:
        return str(answer.read(100).decode("ascii"))


def variables(rented: RentedFromAws, board: str) -> dict[str, Any]:
    """What stands in terraform.tfvars.json: nothing secret. Raises ConfigurationError."""
    values: dict[str, Any] = msgspec.to_builtins(rented.settings)
    told = {key: value for key, value in values.items() if not key.endswith("_file")}
    return {
        **told,
        "deployment_id": rented.id,
        "ssh_public_key": public_key(rented.settings),
        "grafana_board": board if rented.settings.with_metrics else "",
    }


def secret_variables(settings: AwsSettings, folder: Path) -> dict[str, str]:
    """What Terraform is told by its environment. Raises ConfigurationError."""
    told = {"host_key": read_text(folder / HOST_KEY), "database_password": read_text(folder / DATABASE_PASSWORD)}
    if settings.licence_file:
        told["licence"] = read_text(Path(settings.licence_file)).strip()
    if settings.config_patch_file:
        # Known to be JSON, whatever it was.
        told["config_patch"] = msgspec.json.encode(read_document(Path(settings.config_patch_file))).decode()
    names = {"host_key": "ssh_host_key"}
    return {f"TF_VAR_{names.get(key, key)}": value for key, value in told.items()}


def make_secrets(folder: Path) -> None:
    """The machines' host key and the database's password, once."""
    password = folder / DATABASE_PASSWORD
    if not password.exists():
        password.write_text(secrets.token_hex(16))
    if not (folder / HOST_KEY).exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mmload", "-f", str(folder / HOST_KEY)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise MmloadError(f"ssh-keygen (OpenSSH) cannot create a key for the machines: {error}") from None


def ssh_config(rented: RentedFromAws, folder: Path, hosts: Mapping[str, str]) -> str:
    """By which ssh reaches the machines, and knows them: one key of their own. Pure."""
    key = Path(rented.settings.ssh_public_key_file).with_suffix("")
    identity = [f'  IdentityFile "{key}"'] if key.is_file() else []
    blocks = [[f"Host {name}", f"  HostName {address}"] for name, address in hosts.items()]
    common = [
        f"Host {' '.join(hosts)}",
        "  User admin",
        *identity,
        f"  HostKeyAlias {rented.id}",
        "  HostKeyAlgorithms ssh-ed25519",
        f'  UserKnownHostsFile "{folder.resolve() / "known_hosts"}"',
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "# The rest of your own configuration, such as a jump host.",
        "Host *",
        "  Include ~/.ssh/config",
    ]
    return "\n".join([*(line for block in blocks for line in block), *common]) + "\n"
