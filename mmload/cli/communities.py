"""People of a sandbox in communities that know nothing of each other: each has as many neighbours in any number.

All of one `mmload init` are in all of its teams, and a channel has a share of them: the more people there are, the more
each hears of, looks up, and fetches the picture of. Where users are to cost the same however many there are, each
community is a population of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mmload.client.accounts import account
from mmload.config import environment_name, load_settings

# The default of `mmload init`, so that people have teams to switch between.
_TEAMS = 2
_PASSWORD = "testPass123$"
_SEED = 1


def settle(url: str, environ: Mapping[str, str], sizes: Iterable[int], file: Path) -> dict[str, str]:
    """Make communities of these sizes on the server, and write their accounts into the file.

    Gives the variables with which users log in to them, one community after the other.
    """
    # Imports requests: only those who populate a server pay for it.
    from mmload.population.carrying_out import carry_out
    from mmload.population.plan import plan
    from mmload.population.progress import Silent

    sizes = tuple(sizes)
    server = {environment_name("ConnectionConfiguration", "ServerURL"): url}
    for number, people in enumerate(sizes, start=1):
        settings, _ = load_settings(environ={**environ, **server, **population(number, people)})
        carry_out(plan(settings, _SEED), settings, Silent())
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
