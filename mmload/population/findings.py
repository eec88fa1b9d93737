"""What an examination of a server finds: facts, findings, and the case that rules look at. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmload.client.capabilities import capabilities, features, left_out
from mmload.config import Settings
from mmload.population.probing import ServerProbe

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. `ours`: it is mmload's configuration that has to change, not the server."""

    level: Level
    what: str
    why: str = ""
    fix: str = ""
    ours: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong, why that matters and what to do, in one line."""
        why = f" ({self.why})" if self.why else ""
        return f"{self.what}{why}" + (f": {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server, as reports name it. `account_limit` is None where there is none."""

    version: str
    build: str
    licensed: bool
    sku: str
    accounts: int | None
    account_limit: int | None
    left_out: Mapping[str, str]
    features: tuple[str, ...] = ()
    population: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination found. `server` is None if none answered."""

    findings: tuple[Finding, ...]
    server: ServerFacts | None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What makes a load test impossible, or its result worthless."""
        return tuple(finding for finding in self.findings if finding.level == "error")


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule looks at. `users` are to run, in `processes` of this machine."""

    facts: ServerProbe
    settings: Settings
    users: int
    processes: int = 1

    def setting(self, table: str, key: str, default: Any = None) -> Any:
        """A value of Mattermost's config.json, as the administrator sees it."""
        return (self.facts.admin_config.get(table) or {}).get(key, default)

    def client(self, key: str) -> str:
        """A value of the client configuration; "" if the server has none of that name."""
        return self.facts.client_config.get(key, "")

    @property
    def missing(self) -> int:
        """Accounts that these users need and that do not exist; 0 where that is not known."""
        there = self.facts.accounts_there
        return 0 if there is None else max(0, self.users - there)


def server_facts(facts: ServerProbe, override: str) -> ServerFacts:
    """The server's description. Pure."""
    config, license = facts.client_config, facts.license
    can = capabilities(config, license, override)
    limit = facts.limits.get("maxUsersHardLimit", 0)
    return ServerFacts(
        version=override or config.get("Version", "") or facts.contact.version_header,
        build=config.get("BuildNumber", ""),
        licensed=license.get("IsLicensed") == "true",
        sku=license.get("SkuShortName", ""),
        accounts=facts.limits.get("activeUserCount"),
        account_limit=limit or None,
        # Only who is logged in is told of all features.
        left_out=left_out(can) if facts.admin_roles else {},
        features=features(can) if facts.admin_roles else (),
        population=population(facts.analytics, facts.messages),
    )


# What the server counts, under our names for it.
_COUNTED = {
    "users": ("unique_user_count",),
    "teams": ("team_count",),
    "channels": ("channel_open_count", "channel_private_count"),
    "posts": ("post_count",),
}


def population(analytics: Mapping[str, int], messages: int = 0) -> dict[str, int]:
    """What the server holds, as far as it says; at least so many posts as `messages` were seen. Pure."""
    told = {
        name: sum(analytics[each] for each in counted)
        for name, counted in _COUNTED.items()
        if all(analytics.get(each, -1) >= 0 for each in counted)
    }
    return told | {"posts": max(told["posts"], messages)} if "posts" in told else told
