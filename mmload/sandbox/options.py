"""The sandbox's settings and its command-line options."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from mmload.errors import UsageError

ADMIN_EMAIL = "sysadmin@sample.mattermost.com"
ADMIN_PASSWORD = "Sys@dmin-sample1"


class Version(StrEnum):
    """The Mattermost version whose recordings are followed."""

    V11_6 = "11.6"
    V6_7 = "6.7"


@dataclass(frozen=True, slots=True)
class Options:
    """The server to imitate. Defaults: a free 11.6, without service time or limits."""

    version: Version = Version.V11_6
    licensed: bool = False
    empty: bool = False
    signup_open: bool = True
    server_open: bool = True
    account_limit: int = 0
    rate_limit_per_second: int = 0
    slots: int = 0
    service_seconds: float = 0.0
    login_seconds: float = 0.005
    login_cpu_seconds: float = 0.0
    random_service: bool = False

    @property
    def modern(self) -> bool:
        """Whether this is an 11.6 rather than a 6.7."""
        return self.version is Version.V11_6


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of 0 or more")
    return value


def _count(text: str) -> int:
    _not_negative(text)
    return int(text)


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535; 0: any free one)")
    return value


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m mmload.sandbox` and `mmload sandbox`."""
    add = parser.add_argument
    limit = partial(add, type=_count, default=0)
    milliseconds = partial(add, type=_not_negative)
    versions = [version.value for version in Version]
    add("--port", type=_port, default=8065, help="port to listen on; 0: any free port (default: %(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--version", dest="server_version", default="11.6", choices=versions, help="Mattermost version to imitate")
    add("--licensed", action="store_true", help="enable licensed features: scheduled posts, bookmarks, urgent posts, …")
    add("--empty", action="store_true", help="start without any account; the first to sign up becomes system admin")
    add("--closed-signup", action="store_true", help="EnableUserCreation off: nobody can sign up")
    add("--no-open-server", action="store_true", help="EnableOpenServer off: sign-up needs an invitation")
    limit("--account-limit", help="maximum number of accounts (a free 11.6: 250; default: no limit)")
    limit(
        "--rate-limit",
        metavar="PER_SEC",
        help="requests per second and client before it answers 429 (default: no limit)",
    )
    limit("--slots", help="number of requests served concurrently; others queue (default: no limit)")
    milliseconds("--service-ms", default=0.0, help="service time: how long each request occupies its slot")
    add("--random-service", action="store_true", help="exponentially distributed service times with mean --service-ms")
    milliseconds("--login-ms", default=5.0, help="additional service time of a login or sign-up (default: %(default)s)")
    milliseconds(
        "--login-cpu-ms",
        default=0.0,
        help="CPU time that this process spends on each login and sign-up; 250 is what hashing a password costs "
        "Mattermost 11.6 (default: %(default)s)",
    )


def options_from(args: argparse.Namespace) -> Options:
    """The options as parsed. Raises UsageError for those that exclude each other."""
    if args.service_ms and not args.slots:
        raise UsageError("--service-ms needs --slots: without a number of slots no request would ever queue")
    return Options(
        version=Version(args.server_version),
        licensed=args.licensed,
        empty=args.empty,
        signup_open=not args.closed_signup,
        server_open=not args.no_open_server,
        account_limit=args.account_limit,
        rate_limit_per_second=args.rate_limit,
        slots=args.slots,
        service_seconds=args.service_ms / 1000,
        login_seconds=args.login_ms / 1000,
        login_cpu_seconds=args.login_cpu_ms / 1000,
        random_service=args.random_service,
    )
