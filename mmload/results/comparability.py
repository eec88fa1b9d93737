"""Whether runs may be compared: they must differ in the server alone. Says in sentences what else differs. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mmload.results.folder import FIGURES
from mmload.results.model import Facts, Run
from mmload.results.statistics import SteadyWindow
from mmload.results.verdict import VerdictKind, verdict

# Settings that change nothing about the load, by their place in the record: a whole table, or one key.
HARMLESS = (
    "config.ConnectionConfiguration.ServerURL",
    "config.ConnectionConfiguration.WebSocketURL",
    "config.ConnectionConfiguration.AdminEmail",
    "config.ConnectionConfiguration.AdminPassword",
    "config.ConnectionConfiguration.AllowUnsupportedServer",
    "config.UserControllerConfiguration.ServerVersion",
    "config.UsersConfiguration.InitialActiveUsers",  # the record tells how many there were
    "config.UsersConfiguration.Password",
    "config.LogSettings",
    "config.RunConfiguration.RunTimeSec",
    "config.RunConfiguration.Seed",
    "config.RunConfiguration.Name",
    "config.RunConfiguration.RunsFolder",
    "config.RunConfiguration.ProfilesFolder",
    "config.RunConfiguration.SessionsFolder",
    "config.RunConfiguration.SpawnRate",  # told by the record, too
    "config.RunConfiguration.Thresholds",
    "config.RunConfiguration.MetricsAddress",
)
# What `mmload init` was to make: of interest only where the record doesn't tell what the server really held.
_PLANNED = "config.InstanceConfiguration"
# A run itself adds to the population: posts, people who sign up, direct channels. Counts may differ by this share of
# the smaller one, or by this number if that is more.
_MARGINS = {"posts": (0.5, 1000)}
_MARGIN = (0.1, 50)
# The same machine tells a little more or less memory after another start.
_MEMORY_MARGIN = 0.01
# Shares of users that came in by password: smaller differences are chance.
_LOGIN_MARGIN = 0.1
_MOST_SETTINGS = 20
# Windows that differ by more are told.
_LENGTH_RATIO = 2.0


class Comparability(msgspec.Struct, frozen=True):
    """Why the runs can't be compared (nothing: they can), and what is worth knowing though they can."""

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def comparability(runs: Sequence[Run]) -> Comparability:
    """Of all runs of all sides."""
    named = _named(runs)
    refusals = (*_unfit(named), *_unlike({name: run.facts for name, run in named.items()}))
    return Comparability(refusals, tuple(_worth_knowing(named)))


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """By the names of their folders; by the whole path where two have the same name."""
    names = [Path(run.folder).name for run in runs]
    return {name if names.count(name) == 1 else run.folder: run for name, run in zip(names, runs, strict=True)}


def _unfit(runs: Mapping[str, Run]) -> Iterator[str]:
    """Runs that can't be compared with any other."""
    for name, run in runs.items():
        if run.missing:
            yield f"{name} is incomplete: {'; '.join(run.missing)}"
            continue
        said = verdict(run)
        if said.outcome is VerdictKind.INCONCLUSIVE:
            yield f"{name} is inconclusive: {'; '.join(said.reasons)}"


def _unlike(facts: Mapping[str, Facts]) -> Iterator[str]:
    """What differs and changes the load or its measurement."""
    for what, look in _LOOKS.items():
        yield from _differing(what, {name: look(each) for name, each in facts.items()})
    yield from _unlike_traffic(facts)
    yield from _unlike_memory(facts)
    yield from _unlike_populations(facts)
    yield from _unlike_settings(facts)


_LOOKS: dict[str, Callable[[Facts], Any]] = {
    "version of mmload": lambda facts: facts.mmload,
    "target users": lambda facts: facts.users,
    "storm": lambda facts: facts.storm or "none",
    "spawn rate": lambda facts: facts.spawn_rate,
    "user classes": lambda facts: ", ".join(user_classes(facts.command)) or "as configured",
    "worker processes": lambda facts: facts.workers,
    "CPU cores of the load generator": lambda facts: facts.machine.cores,
    "operating system of the load generator": lambda facts: facts.machine.kernel,
    "sandbox": lambda facts: "yes" if facts.server.sandbox else "no",
    "server licence": lambda facts: {True: "yes", False: "no", None: "unknown"}[facts.server.licensed],
    "server features": lambda facts: ", ".join(sorted(facts.server.features)) or "none known",
}


def user_classes(command: Sequence[str]) -> tuple[str, ...]:
    """The user classes that a command line names: after `--user-class`, or Locust's bare names at the end."""
    if command and Path(command[0]).name.startswith("mmload"):
        pairs = itertools.pairwise(command)
        apart = [value for option, value in pairs if option == "--user-class"]
        joined = [each.partition("=")[2] for each in command if each.startswith("--user-class=")]
        return tuple(sorted({*apart, *joined}))
    bare: list[str] = []
    for argument in reversed(command[1:]):
        if not argument.isidentifier() or not argument[:1].isupper():
            break
        bare.append(argument)
    return tuple(sorted(bare))


def _differing(what: str, values: Mapping[str, Any]) -> Iterator[str]:
    """One sentence if the values differ: each with the runs that have it."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(str(value) if value != "" else "unknown", []).append(name)
    if len(groups) > 1:
        yield f"{what}: " + ", ".join(f"{value} ({' '.join(names)})" for value, names in groups.items())


def _unlike_traffic(facts: Mapping[str, Facts]) -> Iterator[str]:
    """Users that send something else make other figures on the same server."""
    for sentence in _differing("traffic of the simulated users", {name: each.traffic for name, each in facts.items()}):
        yield f"{sentence}: they send different requests; repeat the older run with this version of mmload"


def _unlike_memory(facts: Mapping[str, Facts]) -> Iterator[str]:
    sizes = {name: each.machine.memory_bytes for name, each in facts.items()}
    if max(sizes.values()) - min(sizes.values()) > _MEMORY_MARGIN * max(sizes.values()):
        shown = {name: f"{size / 2**30:.1f} GiB" for name, size in sizes.items()}
        yield from _differing("memory of the load generator", shown)


def _unlike_populations(facts: Mapping[str, Facts]) -> Iterator[str]:
    """Counts that differ by more than the runs themselves add."""
    for kind in sorted(set[str]().union(*(each.population for each in facts.values()))):
        counts = {name: each.population.get(kind) for name, each in facts.items()}
        known = [count for count in counts.values() if count is not None]
        share, number = _MARGINS.get(kind, _MARGIN)
        if len(known) < len(counts) or max(known) - min(known) > max(share * min(known), number):
            yield from _differing(
                f"{kind} on the server", {name: "unknown" if count is None else count for name, count in counts.items()}
            )


def _unlike_settings(facts: Mapping[str, Facts]) -> Iterator[str]:
    flat = {name: flattened(each.settings) for name, each in facts.items()}
    harmless = (*HARMLESS, _PLANNED) if all(each.population for each in facts.values()) else HARMLESS
    paths = sorted(set[str]().union(*flat.values()))
    sentences = [
        sentence
        for path in paths
        if not any(path == each or path.startswith(each + ".") for each in harmless)
        for sentence in _differing(
            f"setting {path.removeprefix('config.')}",
            {name: settings.get(path, "not set") for name, settings in flat.items()},
        )
    ]
    yield from sentences[:_MOST_SETTINGS]
    if len(sentences) > _MOST_SETTINGS:
        yield f"{len(sentences) - _MOST_SETTINGS} more settings"


def flattened(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """`{"config": {"Run": {"Seed": 1}}}` as `{"config.Run.Seed": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"{above}.{key}" if above else key
        flat |= flattened(value, path) if isinstance(value, Mapping) else {path: value}
    return flat


def _worth_knowing(runs: Mapping[str, Run]) -> Iterator[str]:
    facts = {name: run.facts for name, run in runs.items()}
    if any(each.server.sandbox for each in facts.values()):
        yield "measured on the sandbox: its performance says nothing about Mattermost"
    libraries = {name: {"locust": each.locust, "python": each.python, **each.versions} for name, each in facts.items()}
    for library in sorted(set[str]().union(*libraries.values())):
        yield from _differing(
            f"version of {library}", {name: versions.get(library, "") for name, versions in libraries.items()}
        )
    unavailable = {name: ", ".join(sorted(run.totals.whole.unavailable)) or "none" for name, run in runs.items()}
    yield from _differing("features that were not tested", unavailable)
    yield from _unlike_arrivals(runs)
    lengths = {name: run.totals.steady_seconds for name, run in runs.items()}
    if max(lengths.values()) > _LENGTH_RATIO * min(lengths.values()):
        yield from _differing("steady seconds", lengths)


def _unlike_arrivals(runs: Mapping[str, Run]) -> Iterator[str]:
    """Logins load a server while users come in; kept sessions do not. The steady window begins after either."""
    sessions = {name: run.totals.whole.sessions for name, run in runs.items()}
    shares = {name: each.logins / max(1, each.logins + each.kept_sessions) for name, each in sessions.items()}
    if max(shares.values()) - min(shares.values()) > _LOGIN_MARGIN:
        yield from _differing(
            "users who logged in by password", {name: f"{share:.0%}" for name, share in shares.items()}
        )


def incomplete(run: Run, window: SteadyWindow) -> Iterator[str]:
    """Whether the seconds' own figures are there, not only the sums."""
    steady = run.totals.steady_seconds
    if window.seconds < steady:
        yield (
            f"{Path(run.folder).name} has figures for only {window.seconds} of its {steady} steady seconds "
            f"({FIGURES} is incomplete, or was written by an older mmload)"
        )
