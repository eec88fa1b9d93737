"""Is this server ready for a load test with this number of users? `probing` asks, the rules here judge.

Each rule takes the `Case` and gives findings: what is so, why it matters, and what to change (the setting's place in
the System Console and its key in Mattermost's config.json).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmload.client.accounts import connections, has_file_only
from mmload.client.capabilities import (
    NEWEST_KNOWN_MAJOR,
    OLDEST_SUPPORTED,
    capabilities,
    features,
    left_out,
    parse_version,
)
from mmload.config import Settings
from mmload.config.coordinator_tables import Coordinator
from mmload.config.stages import parse_stages, total_seconds
from mmload.errors import ExitCode, ServerNotReady
from mmload.open_files import open_files_needed, users_of_one
from mmload.population.probing import SESSION_LOOKS, ServerProbe, probe
from mmload.results.model import Server, without_credentials

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
        why = f" ({self.why})" if self.why else ""
        return f"{self.what}{why}" + (f": {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server as the record of a run has it, and what else is known. `account_limit` is None where there is none.

    `max_open_conns` are the connections of a single node to its database, 0 where that is not known.
    """

    record: Server
    accounts: int | None = None
    account_limit: int | None = None
    population: dict[str, int] = field(default_factory=dict)
    max_open_conns: int = 0


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
        there, in_file = self.facts.accounts_there, self.facts.accounts_in_file
        needed = self.users if in_file is None else min(self.users, in_file)
        return 0 if there is None else max(0, needed - there)


def server_facts(facts: ServerProbe, settings: Settings) -> ServerFacts:
    override = settings.config.controller.server_version
    config, license = facts.client_config, facts.license
    can = capabilities(config, license, override)
    limit = facts.limits.get("maxUsersHardLimit", 0)
    record = Server(
        url=without_credentials(settings.config.connection.server_url),
        version=override or config.get("Version", "") or facts.contact.version_header,
        build=config.get("BuildNumber", ""),
        licensed=license.get("IsLicensed") == "true",
        sku=license.get("SkuShortName", ""),
        # Only who is logged in is told of all features.
        features=features(can) if facts.admin_roles else (),
    )
    return ServerFacts(
        record,
        accounts=facts.limits.get("activeUserCount"),
        account_limit=limit or None,
        population=server_population(facts.analytics, facts.messages),
        max_open_conns=_max_open_conns(facts.admin_config),
    )


def _max_open_conns(admin_config: Mapping[str, Any]) -> int:
    """Of a single node; how many nodes share a database is not known here."""
    if (admin_config.get("ClusterSettings") or {}).get("Enable"):
        return 0
    most = (admin_config.get("SqlSettings") or {}).get("MaxOpenConns")
    return most if isinstance(most, int) and most > 0 else 0


# What the server counts, under our names for it.
_COUNTED = {
    "users": ("unique_user_count",),
    "teams": ("team_count",),
    "channels": ("channel_open_count", "channel_private_count"),
    "posts": ("post_count",),
}


def server_population(analytics: Mapping[str, int], messages: int = 0) -> dict[str, int]:
    """What the server holds, as far as it says; at least so many posts as `messages` were seen. Pure."""
    told = {
        name: sum(analytics[each] for each in counted)
        for name, counted in _COUNTED.items()
        if all(analytics.get(each, -1) >= 0 for each in counted)
    }
    return told | {"posts": max(told["posts"], messages)} if "posts" in told else told


_LEVELS = ("error", "warning", "info")
FEW_LOGIN_ATTEMPTS = 4
# The domain of the accounts' e-mail addresses (mmload.client.accounts).
OUR_DOMAIN = "example.com"
# From the action table of the peer: 0.05 actions/s of 5 to 10 requests, and the polling, at an idle factor of 1.
REQUESTS_PER_USER_SECOND = 0.5
CLOCK_TOLERANCE_SECONDS = 2.0


def examine(settings: Settings, users_wanted: int, coordinator: Coordinator | None = None) -> Examination:
    """Everything that can be known before a run; with `coordinator` also what a capacity search sees of the server."""
    facts = probe(settings, users_wanted, quick=False)
    if coordinator is not None and not facts.contact.trouble:
        # Brings the coordinator's reader of Prometheus along: a run's own check does without.
        from coordinator.observe.sources import sources_found

        facts.sources = sources_found(settings.config.connection.server_url, coordinator)
    return judge(facts, settings, users_wanted)


def examine_quickly(settings: Settings, users_wanted: int, processes: int = 1) -> Examination:
    """What decides whether a run can succeed at all, in about the time of one login."""
    return judge(probe(settings, users_wanted, quick=True), settings, users_wanted, processes)


def judge(facts: ServerProbe, settings: Settings, users: int, processes: int = 1) -> Examination:
    """All findings, the most serious first. Pure."""
    case = Case(facts, settings, users, processes)
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        found = [Finding("error", f"{url}: {facts.contact.trouble}", fix=facts.contact.advice), *generator(case)]
        server = None
    else:
        found = [finding for rule in RULES for finding in rule(case)]
        server = server_facts(facts, settings)
    return Examination(tuple(sorted(found, key=lambda finding: _LEVELS.index(finding.level))), server)


def exit_code(examination: Examination) -> ExitCode:
    """The exit code of a command after this examination. Pure."""
    if not examination.errors:
        return ExitCode.PASSED
    ours = all(finding.ours for finding in examination.errors)
    return ExitCode.CONFIGURATION_REFUSED if ours else ExitCode.SERVER_NOT_READY


def require_mattermost(facts: ServerProbe, settings: Settings) -> None:
    """Raise `ServerNotReady` unless a Mattermost of a known version answered."""
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        raise ServerNotReady(f"{url}: {facts.contact.trouble}; {facts.contact.advice}")
    for finding in version(Case(facts, settings, 0)):
        if finding.level == "error":
            raise ServerNotReady(f"{finding.what}; {finding.fix}")


def sign_up(case: Case) -> Iterator[Finding]:
    """Users without an account sign up: that must be open."""
    if not case.missing:
        return
    email = "Email > Enable account creation with email", "EmailSettings.EnableSignUpWithEmail"
    switches = {
        "EnableUserCreation": ("Signup > Enable Account Creation", "TeamSettings.EnableUserCreation"),
        "EnableOpenServer": ("Signup > Enable Open Server", "TeamSettings.EnableOpenServer"),
        "EnableSignUpWithEmail": email,
    }
    why = f"{case.missing} of {case.users} accounts do not exist, and their users sign up when they start"
    before = f"create the accounts with `mmload init --users {case.users}`"
    closed = [key for key in switches if case.client(key) == "false"]
    for key in closed:
        place, setting = switches[key]
        fix = f"{_console(f'Authentication > {place}', setting)}; or {before}"
        yield Finding("error", f"sign-up is closed ({key} is false)", why, fix)
    if not closed:
        yield Finding("info", why, "a sign-up is as expensive as a login", before)


def _console(place: str, setting: str) -> str:
    return f"System Console > {place} ({setting})"


def users_file(case: Case) -> Iterator[Finding]:
    """A file has an account for each user: none is made up beyond it unless told."""
    lines = case.facts.accounts_in_file
    if lines is not None and lines < case.users:
        path = case.settings.config.users.users_file_path
        fix = f"use at most {lines} users, add lines, or set UsersConfiguration.AccountsBeyondFile (generated accounts)"
        yield Finding("error", f"{path} has {lines} accounts for {case.users} users", "", fix, ours=True)


def addresses(case: Case) -> Iterator[Finding]:
    """New accounts need addresses and a password that the server accepts."""
    domains = case.setting("TeamSettings", "RestrictCreationToDomains", "")
    if case.missing and domains and OUR_DOMAIN not in domains:
        what, why = f"accounts need an e-mail address at {domains}", f"the users' addresses are at {OUR_DOMAIN}"
        place = "Authentication > Signup > Restrict account creation to specified email domains"
        fix = f"{_console(place, 'TeamSettings.RestrictCreationToDomains')}: add {OUR_DOMAIN}"
        yield Finding("error", what, why, fix)
    if case.missing and not has_file_only(case.settings.config.users):
        yield from password(case)


# Mattermost's names for the classes of characters, and what it takes for a symbol.
_CLASSES = {
    "Lowercase": ("a lower-case letter", string.ascii_lowercase),
    "Uppercase": ("an upper-case letter", string.ascii_uppercase),
    "Number": ("a digit", string.digits),
    "Symbol": ("a symbol", " !\"\\#$%&'()*+,-./:;<=>?@[]^_`|~"),
}
LONGEST_PASSWORD = 72


def password(case: Case) -> Iterator[Finding]:
    """New accounts need a password of the server's form."""
    ours, shortest = case.settings.config.users.password, int(case.client("PasswordMinimumLength") or 0)
    lacking = [
        what
        for name, (what, characters) in _CLASSES.items()
        if case.client(f"PasswordRequire{name}") == "true" and not set(ours) & set(characters)
    ]
    if len(ours.encode()) < shortest:
        lacking.insert(0, f"{shortest} characters")
    if lacking:
        fix = f"use another one, or {_console('Authentication > Password', 'PasswordSettings')}"
        what = f"passwords need {', '.join(lacking)}"
        yield Finding("error", what, "UsersConfiguration.Password does not meet this", fix, ours=True)
    if len(ours.encode()) > LONGEST_PASSWORD:
        why = "UsersConfiguration.Password is longer"
        yield Finding("error", f"passwords have at most {LONGEST_PASSWORD} bytes", why, "use a shorter one", ours=True)


def account_limit(case: Case) -> Iterator[Finding]:
    """A server without a licence has at most 250 accounts (11.6)."""
    hard, active = case.facts.limits.get("maxUsersHardLimit", 0), case.facts.limits.get("activeUserCount", 0)
    over = active + case.missing - hard
    if hard and case.missing and over > 0:
        yield Finding(
            "error",
            f"this server allows {hard} accounts, has {active}, and {case.missing} more are needed",
            "a sign-up over the limit is refused (ERROR_SAFETY_LIMITS_EXCEEDED)",
            f"use at most {max(0, case.users - over)} users, deactivate other accounts, or add a licence "
            "(System Console > About > Edition and License)",
        )


def login(case: Case) -> Iterator[Finding]:
    """Whether accounts can log in with e-mail address and password."""
    if case.client("EnableSignInWithEmail") == "false":
        fix = _console("Authentication > Email > Enable sign-in with email", "EmailSettings.EnableSignInWithEmail")
        yield Finding("error", "login with an e-mail address is disabled", "users log in this way", fix)
    if case.client("EnforceMultifactorAuthentication") == "true":
        fix = _console("Authentication > MFA > Enforce", "ServiceSettings.EnforceMultifactorAuthentication")
        yield Finding("error", "multi-factor authentication is enforced", "mmload's users have no second factor", fix)
    if case.setting("EmailSettings", "RequireEmailVerification") and (case.missing or case.facts.unverified):
        fix = _console("Authentication > Email > Require Email Verification", "EmailSettings.RequireEmailVerification")
        what = "e-mail addresses must be verified before the first login"
        why = f"{case.missing} accounts do not exist, and users that sign up cannot read e-mail"
        if case.facts.unverified:
            why = f"{case.facts.unverified} of {case.facts.looked_at} accounts are not verified"
        yield Finding("error", what, why, f"`mmctl user verify`, `mmload init` (for new accounts), or {fix}")


def locked_accounts(case: Case) -> Iterator[Finding]:
    """Accounts that exist and cannot be used, or soon cannot."""
    if case.facts.deactivated:
        what = f"{case.facts.deactivated} of the users' accounts are deactivated"
        fix = (
            "System Console > User Management > Users: activate them, or set another UsersConfiguration.UsernamePrefix"
        )
        yield Finding("error", what, "they cannot log in", fix)
    attempts = case.setting("ServiceSettings", "MaximumLoginAttempts", FEW_LOGIN_ATTEMPTS)
    if attempts < FEW_LOGIN_ATTEMPTS:
        what, why = f"accounts are locked after {attempts} failed logins", "logins that fail under load may count, too"
        fix = _console("Authentication > Password > Maximum Login Attempts", "ServiceSettings.MaximumLoginAttempts")
        yield Finding("warning", what, why, fix)


def teams(case: Case) -> Iterator[Finding]:
    """Who is in no team joins an open one that has room."""
    if case.facts.teams is None:
        return
    joining = case.missing + case.facts.without_team
    if not case.facts.open_teams and (joining or not case.facts.teams):
        # Generative users create teams, and the system console needs none.
        level: Level = "warning" if case.settings.config.controller.type in ("generative", "cluster") else "error"
        what = "no team is open to all users" if case.facts.teams else "there is no team"
        why = f"{joining} of {case.missing + case.facts.looked_at} users are in no team, and would join an open one"
        fix = "run `mmload init`, or open a team: Team Settings > Access > Users on this server (allow_open_invite)"
        yield Finding(level, what, why, fix)
    most = case.setting("TeamSettings", "MaxUsersPerTeam", 0)
    fullest = case.facts.most_members
    if joining and 0 < most < fullest + joining:
        why = f"{joining} users will join one" + (f", and one already has {fullest} members" if fullest else "")
        place = "Site Configuration > Users and Teams > Max Users Per Team"
        yield Finding(
            "error", f"a team may have {most} members at most", why, _console(place, "TeamSettings.MaxUsersPerTeam")
        )


def generator(case: Case) -> Iterator[Finding]:
    """This machine, and mmload's configuration."""
    most = case.settings.config.users.max_active_users
    here = users_of_one(case.users, case.processes)
    if here > most:
        what = f"{case.users} users are more than MaxActiveUsers ({most})"
        fix = "raise UsersConfiguration.MaxActiveUsers, or use several workers"
        yield Finding("error", what, "this is the maximum of one process", fix, ours=True)
    needed = open_files_needed(connections(case.settings.config.users, here))
    limit = case.facts.open_files_limit
    if 0 < limit < needed:
        what = f"a process on this machine may only open {limit} files"
        why = f"{here} users need {needed}: a WebSocket each, and up to six connections while a page loads"
        fix = f"`ulimit -n {needed}` in the shell that starts mmload, or LimitNOFILE in its systemd unit"
        yield Finding("error", what, why, fix, ours=True)


def version(case: Case) -> Iterator[Finding]:
    """Mattermost 6.7 to 11.x; others only with AllowUnsupportedServer."""
    override = case.settings.config.controller.server_version
    told = override or case.facts.client_config.get("Version", "") or case.facts.contact.version_header
    known = parse_version(told)
    allowed: Level = "warning" if case.settings.config.connection.allow_unsupported_server else "error"
    option = "ConnectionConfiguration.AllowUnsupportedServer (--allow-unsupported-server)"
    fix = f"use a server of version 6.7 to 11.x, or set {option}"
    if known is None:
        yield Finding(allowed, f"the server's version is not known ({told or 'it reports none'})", fix=fix)
    elif known < OLDEST_SUPPORTED:
        yield Finding(
            allowed, f"Mattermost {told} is older than 6.7", "its API lacks endpoints that the users call", fix
        )
    elif known[0] > NEWEST_KNOWN_MAJOR:
        yield Finding(allowed, f"Mattermost {told} is newer than 11.x", "its API may have changed", fix)


def administrator(case: Case) -> Iterator[Finding]:
    """The account that can read settings and limits."""
    if case.client("EnableSignInWithEmail") == "false":
        return  # nobody can log in, whatever the password: another rule says so
    if case.facts.admin_trouble:
        why = "without an administrator, neither settings nor limits can be read"
        variables = "MMLOAD_CONNECTIONCONFIGURATION_ADMINEMAIL, …_ADMINPASSWORD"
        fix = f"set ConnectionConfiguration.AdminEmail and AdminPassword ({variables})"
        yield Finding("error", f"administrator {case.facts.admin_trouble}", why, fix)
    elif "system_admin" not in case.facts.admin_roles.split():
        what = f"{case.settings.config.connection.admin_email} is not a system administrator"
        fix = "System Console > User Management > Users: make it a System Admin (mmctl roles system-admin NAME)"
        yield Finding("error", what, "it cannot create accounts, teams and members, and cannot read settings", fix)


def rate_limit(case: Case) -> Iterator[Finding]:
    """Mattermost's limiter counts by address, unless told otherwise: all users of a generator share one."""
    if not case.setting("RateLimitSettings", "Enable"):
        return
    allowed = case.setting("RateLimitSettings", "PerSec", 0)
    expected = case.users * REQUESTS_PER_USER_SECOND
    shared = not case.setting("RateLimitSettings", "VaryByUser")
    scope = "for all users of this machine together" if shared else "per user"
    yield Finding(
        "error" if shared and expected > allowed else "warning",
        f"rate limiting is on: {allowed} requests per second {scope}",
        f"{case.users} users send about {expected:.0f} per second at the default pace: the test would measure the "
        "limiter",
        _console("Environment > Rate Limiting > Enable Rate Limiting", "RateLimitSettings.Enable") + ": false",
    )


def population(case: Case) -> Iterator[Finding]:
    """Without channels and history users have little to do."""
    if case.facts.our_channels == 0 and case.settings.config.instance.num_channels:
        prefix = case.settings.config.users.username_prefix
        what = f"no channels of mmload init with the prefix {prefix!r} were found"
        yield Finding(
            "warning", what, "on an empty server there is little to read, so the load is too light", "run `mmload init`"
        )


def sessions(case: Case) -> Iterator[Finding]:
    """Sessions should outlive the test."""
    run = case.settings.config.run
    run_seconds = total_seconds(parse_stages(run.stages)) or run.run_time_seconds
    idle = case.setting("ServiceSettings", "SessionIdleTimeoutInMinutes", 0)
    hours = case.setting("ServiceSettings", "SessionLengthWebInHours", 0)
    if not hours:
        hours = 24 * case.setting("ServiceSettings", "SessionLengthWebInDays", 0)
    why, place = "users log in again during the test, which is expensive", "Environment > Session Lengths"
    if 0 < idle * 60 < run_seconds:
        what = f"sessions end after {idle} idle minutes, but the test takes {run_seconds // 60} minutes"
        fix = _console(f"{place} > Session Idle Timeout", "ServiceSettings.SessionIdleTimeoutInMinutes")
        yield Finding("warning", what, why, fix)
    if 0 < hours * 3600 < run_seconds:
        what = f"sessions end after {hours} hours, but the test takes {run_seconds // 3600} hours"
        yield Finding("warning", what, why, _console(place, "ServiceSettings.SessionLengthWebInHours"))


def kept_sessions(case: Case) -> Iterator[Finding]:
    """Users with a kept session come in without a login."""
    facts = case.facts.sessions
    if facts is None:
        return
    fix = f"run `mmload init --sessions --users {case.users}`"
    if facts.trouble:
        yield Finding("error", facts.trouble, ours=True)
    elif not facts.kept:
        what = "no sessions are kept, so all users log in by password when a test starts"
        yield Finding("info", what, "a password login is the most expensive thing that users do", fix)
    else:
        ended = facts.looked_at - facts.valid
        looked = "" if facts.looked_at == facts.kept else f" of {facts.looked_at} that were checked"
        number = "" if facts.kept == facts.of_users else f" ({facts.kept} of them)"
        what = (
            f"sessions of {facts.of_users} of {case.users} users are kept{number}, and {facts.valid}{looked} are valid"
        )
        why = "the other users log in by password when a test starts" if ended or facts.of_users < case.users else ""
        yield Finding("warning" if ended else "info", what, why, fix if why else "")


def shared_sessions(case: Case) -> Iterator[Finding]:
    """All nodes behind the address know a session, or one node gets all requests of a client."""
    lost, elsewhere = case.facts.sessions_lost, case.facts.sessions_lost_without_cookies
    what = "several nodes answer at this address, but do not share sessions"
    fix = (
        "give all nodes one database and one cluster (ClusterSettings), or correct the load balancer's list of servers"
    )
    if lost:
        why = f"{lost} of {SESSION_LOOKS} requests of a client that had just logged in were refused as not logged in"
        yield Finding("error", what, why, f"{fix}, or make it keep each client on one node (sticky sessions)")
    elif elsewhere:
        why = "a cookie keeps each user on one node, but messages and events may not reach users on other nodes"
        yield Finding("warning", what, why, fix)


def websocket(case: Case) -> Iterator[Finding]:
    if case.facts.websocket_trouble:
        url = case.settings.config.connection.websocket_url
        fix = "correct ConnectionConfiguration.WebSocketURL, or let the proxy pass Upgrade and Connection headers"
        what = f"no WebSocket connection to {url}: {case.facts.websocket_trouble}"
        yield Finding("error", what, "users receive all events through it", fix)


def clock(case: Case) -> Iterator[Finding]:
    ahead = case.facts.contact.clock_ahead_seconds
    if abs(ahead) > CLOCK_TOLERANCE_SECONDS:
        what = f"the server's clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's"
        why = "server logs and graphs will not line up with the report"
        yield Finding("warning", what, why, "synchronise both clocks (chrony, systemd-timesyncd)")


def character(case: Case) -> Iterator[Finding]:
    """What makes this server's load different from another's: good to know, nothing to fix."""
    for key, name in (("EnableUserTypingMessages", "typing messages"), ("EnableUserStatuses", "user statuses")):
        if case.client(key) == "false":
            yield Finding("info", f"{name} are disabled", "the load is lighter without them", f"ServiceSettings.{key}")
    if case.setting("ClusterSettings", "Enable"):
        yield Finding("info", "the server is part of a cluster: settings and figures apply to all its nodes")
    if case.setting("PluginSettings", "Enable"):
        states = case.setting("PluginSettings", "PluginStates", {}) or {}
        active = sorted(name for name, state in states.items() if state.get("Enable"))
        yield Finding("info", f"plugins are on ({', '.join(active) or 'none enabled'}) and share the server's CPU")
    if threads := case.client("CollapsedThreads"):
        yield Finding("info", f"collapsed threads: {threads}")


def sources(case: Case) -> Iterator[Finding]:
    """What a capacity search sees of the server, to say why a limit was crossed."""
    for each in case.facts.sources:
        yield Finding("warning" if each.trouble else "info", each.what, each.why, each.fix)


def missing_features(case: Case) -> Iterator[Finding]:
    """Features that this server lacks: users do without them. Only after a login the server tells of all."""
    if not case.facts.admin_roles:
        return
    override = case.settings.config.controller.server_version
    lacking = left_out(capabilities(case.facts.client_config, case.facts.license, override))
    for feature, reason in lacking.items():
        yield Finding("info", f"not tested: {feature}", f"not available on this server ({reason})")


RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    login,
    users_file,
    sign_up,
    addresses,
    account_limit,
    locked_accounts,
    teams,
    generator,
    version,
    administrator,
    shared_sessions,
    websocket,
    rate_limit,
    population,
    sessions,
    kept_sessions,
    clock,
    character,
    sources,
    missing_features,
)
