"""People of a sandbox in communities that know nothing of each other: each has as many neighbours in any number.

All of one `mmload init` are in all of its teams, and a channel has a share of them: the more people there are, the more
each hears of, looks up, and fetches the picture of. Where users are to cost the same however many there are, each
community is a population of its own.

A populated sandbox for the time of one run.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmload.cli import locust_process
from mmload.client.accounts import account
from mmload.config import environment_name, load_settings
from mmload.errors import MmloadError

# The default of `mmload init`, so that people have teams to switch between.
_TEAMS = 2
_PASSWORD = "testPass123$"
_SEED = 1


def settle(url: str, environ: Mapping[str, str], sizes: Iterable[int], file: Path) -> dict[str, str]:
    """Make communities of these sizes on the server, and write their accounts into the file.

    Gives the variables with which users log in to them, one community after the other.
    """
    # Imports requests: only those who populate a server pay for it.
    from mmload.population.create import carry_out
    from mmload.population.plan import plan
    from mmload.population.progress import InitProgress

    sizes = tuple(sizes)
    server = {environment_name("ConnectionConfiguration", "ServerURL"): url}
    for number, people in enumerate(sizes, start=1):
        settings, _ = load_settings(environ={**environ, **server, **population(number, people)})
        carry_out(plan(settings, _SEED), settings, InitProgress())
    file.write_text("".join(f"{line}\n" for line in accounts(sizes)))
    return {environment_name("UsersConfiguration", "UsersFilePath"): str(file)}


def communities(users: int, people: int) -> tuple[int, ...]:
    """The sizes of communities of about `people` for all users: all alike but for one person. Pure."""
    number = max(1, round(users / people))
    each, more = divmod(users, number)
    return (each + 1,) * more + (each,) * (number - more)


def population(number: int, people: int) -> dict[str, str]:
    """What `mmload init` is told for a community: its own people, teams and channels. Pure."""
    numbers = {"NumUsers": people, "NumTeams": _TEAMS, "NumChannels": max(10, people // 2)}
    return {
        environment_name("UsersConfiguration", "UsernamePrefix"): _prefix(number),
        environment_name("UsersConfiguration", "Password"): _PASSWORD,
        environment_name("UsersConfiguration", "UsersFilePath"): "",
        **{environment_name("InstanceConfiguration", name): str(value) for name, value in numbers.items()},
    }


def accounts(sizes: Iterable[int]) -> list[str]:
    """The accounts of all communities as `UsersFilePath` wants them, one after the other. Pure."""
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
    """Start a sandbox on a free port, with these options, and give its address; stop it in the end."""
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmload.sandbox", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            # Not in our session: a Ctrl-C must not take the server away while the run is ended in order.
            start_new_session=True,
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
    raise MmloadError(f"the sandbox did not start: {_last_line(complaints.read())}")


def populate(server_url: str, environ: Mapping[str, str]) -> None:
    """Give the sandbox its teams, channels and people, as `mmload init` does for a real server."""
    done = subprocess.run(
        [sys.executable, "-m", "mmload", "init", "--server", server_url],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MmloadError(f"the sandbox could not be populated: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
