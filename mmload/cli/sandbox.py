"""`mmload sandbox`: a stand-in Mattermost server to try mmload on; and a sandbox with data, for the time of one run.

Its users may live in communities that know nothing of each other. All accounts of one `mmload init` are in all of its
teams, and a channel has a share of them: the more accounts, the more events and look-ups per user. Where the cost per
user is not to depend on the number of users, each community is a population of its own.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mmload.cli import locust_process
from mmload.cli.common import OPTION_VARIABLES, SERVER_URL
from mmload.client.accounts import account
from mmload.config import environment_name, load_settings
from mmload.errors import MmloadError
from mmload.population.create import carry_out, planned
from mmload.population.progress import InitProgress
from mmload.sandbox.options import add_options, options_from
from mmload.session_file import session_file
from mmload.signals import start_child


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "sandbox",
        description="A stand-in Mattermost server in one process, for demonstrations and tests: "
        "its performance says nothing about Mattermost. It prints its address on stdout when it is ready. SIGTERM or "
        "Ctrl-C stops it.",
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    from mmload.sandbox import app  # imports aiohttp: those who only start a sandbox need none of it

    return app.run(options_from(args), args.host, args.port)


# The default of `mmload init`, so that people have teams to switch between.
_TEAMS = 2
_PASSWORD = "testPass123$"
_SEED = "1"


def settle(
    url: str, environ: Mapping[str, str], sizes: Iterable[int], file: Path, *, keeping: bool = False
) -> dict[str, str]:
    """Create communities of these sizes on the server, and write their accounts to the file.

    `keeping`: everybody logs in, and the sessions are kept.
    Returns the variables with which users log in to them, one community after the other.
    """
    sizes = tuple(sizes)
    for number, people in enumerate(sizes, start=1):
        seed = {OPTION_VARIABLES["seed"]: _SEED}
        populate(url, {**environ, **seed, **population(number, people)}, keeping=keeping)
    file.write_text("".join(f"{line}\n" for line in accounts(sizes)))
    return {environment_name("UsersConfiguration", "UsersFilePath"): str(file)}


def communities(users: int, people: int) -> tuple[int, ...]:
    """The sizes of communities of about `people` accounts for all users: they differ by one at most. Pure."""
    number = max(1, round(users / people))
    each, more = divmod(users, number)
    return (each + 1,) * more + (each,) * (number - more)


def population(number: int, people: int) -> dict[str, str]:
    """The settings of `mmload init` for one community: its own accounts, teams and channels. Pure."""
    numbers = {"NumUsers": people, "NumTeams": _TEAMS, "NumChannels": max(10, people // 2)}
    return {
        environment_name("UsersConfiguration", "UsernamePrefix"): _prefix(number),
        environment_name("UsersConfiguration", "Password"): _PASSWORD,
        environment_name("UsersConfiguration", "UsersFilePath"): "",
        **{environment_name("InstanceConfiguration", name): str(value) for name, value in numbers.items()},
    }


def accounts(sizes: Iterable[int]) -> list[str]:
    """The accounts of all communities, as the lines of a `UsersFilePath`. Pure."""
    return [
        f"{account(each, _prefix(number), _PASSWORD).email} {_PASSWORD}"
        for number, people in enumerate(sizes, start=1)
        for each in range(1, people + 1)
    ]


def _prefix(number: int) -> str:
    return f"people{number}"


_END_SECONDS = 20


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """Start a sandbox on a free port, with these options, and give its address; stop it at the end.

    A Ctrl-C at the terminal does not reach it: it serves while the run is being stopped.
    """
    with tempfile.TemporaryFile("w+") as complaints:
        process = start_child(
            [sys.executable, "-m", "mmload.sandbox", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield _address(process.stdout, complaints)
        finally:
            locust_process.end(process, signal.SIGTERM, _END_SECONDS)
            process.stdout.close()


def _address(stdout: IO[str], complaints: IO[str]) -> str:
    address = stdout.readline().strip()
    if address.startswith("http://"):
        return address
    complaints.seek(0)
    said = [line for line in complaints.read().splitlines() if line.strip()] or ["it printed nothing"]
    raise MmloadError(f"the sandbox did not start: {said[-1]}")


def populate(server_url: str, environ: Mapping[str, str], *, keeping: bool = False) -> None:
    """Create teams, channels and accounts in the sandbox, as `mmload init` does on a real server."""
    settings, _ = load_settings(environ={**environ, SERVER_URL: server_url})
    sessions = session_file(settings.config, settings.config.connection.server_url) if keeping else None
    carry_out(planned(settings), settings, InitProgress(), sessions=sessions)
