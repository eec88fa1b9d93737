"""Whether a host is fit for load, by what it tells of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from mmload.deploy.state import DeployedHost
from mmload.errors import UsageError
from mmload.open_files import users_possible
from mmload.report.wording import plural

# Certificates and sessions fail long before; deliveries are corrected for less.
LARGEST_OFFSET_SECONDS = 30.0
TOLD_OFFSET_SECONDS = 0.5
# Wheels, the environment made of them, and logs.
NEEDED_BYTES = 250 << 20
_PORTS = {"http": 80, "https": 443}


def server_address(url: str) -> tuple[str, int]:
    """Host and port of a server. UsageError: it is no URL. Pure."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(f"--server {url!r}: expected a URL such as http://localhost:8065")
    return parts.hostname, parts.port or _PORTS[parts.scheme]


def shortcomings(found: dict[str, Any], offset_seconds: float) -> Iterator[str]:
    """What stands in the way on a host, in words. Pure."""
    if found["system"] != "Linux" or found["implementation"] != "cpython":
        yield f"{found['implementation']} on {found['system']}: workers need CPython on Linux"
    if not found["venv"]:
        yield "its Python lacks the module venv: install it (Debian: python3-venv)"
    if not found["environments"] and found["free_bytes"] < NEEDED_BYTES:
        yield f"{found['free_bytes'] >> 20} MB are free in its home folder, but {NEEDED_BYTES >> 20} MB are needed"
    if abs(offset_seconds) > LARGEST_OFFSET_SECONDS:
        direction = "ahead of" if offset_seconds > 0 else "behind"
        yield f"its clock is {abs(offset_seconds):.0f} s {direction} this machine's: set it (chrony, timedatectl)"
    if (found["server"] or {}).get("problem"):
        yield found["server"]["problem"]


def description(
    host: DeployedHost, found: dict[str, Any], versions: dict[str, Any], offset: float, round_trip: float
) -> str:
    """A host that is ready, in words. Pure."""
    files = "no limit of open files"
    if host.open_files >= 0:
        files = f"{host.open_files} open files (enough for {users_possible(host.open_files)} users per worker)"
    uncertainty = round_trip / 2
    clock = f"clock {offset:+.3f} s (±{uncertainty:.3f})" if abs(offset) > max(TOLD_OFFSET_SECONDS, uncertainty) else ""
    server = found["server"]
    parts = [
        f"mmload {versions['mmload']}, Locust {versions['locust']}, Python {'.'.join(map(str, found['python']))}",
        f"{plural(host.workers, 'worker')} on {plural(found['cpus'], 'CPU')}, {found['memory_mb'] / 1024:.1f} GB",
        files,
        clock or "clock agrees",
        f"{server['seconds'] * 1000:.1f} ms to the server" if server else "",
    ]
    return " · ".join(filter(None, parts))


def too_few_files(hosts: Iterable[DeployedHost], users_each: int) -> list[str]:
    """Which hosts' workers may not have so many users, in words. Pure."""
    return [
        f"{host.name}: {users_each} users per worker, but its limit of {host.open_files} open files is enough for "
        f"{users_possible(host.open_files)}: use more workers (--workers), or raise the limit there "
        "(/etc/security/limits.conf, LimitNOFILE= of its sshd)"
        for host in hosts
        if host.open_files >= 0 and users_possible(host.open_files) < users_each
    ]
