"""What stands in the way of the users' coming in: sign-up, accounts, log-in, teams. Pure.

Each rule takes the `Case` and gives findings: what is so, why it matters, and what to change (the setting's place in
the System Console and its key in Mattermost's config.json).

What stands in the way of a load test in the server's settings, on the way to it, and on this machine. Pure.

Each rule takes the `Case` and gives findings, as those about accounts.

Is this server ready for a load test with so many users? `probing` asks, the rules judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmload.client.capabilities import NEWEST_KNOWN_MAJOR, OLDEST_SUPPORTED, capabilities, left_out, parse_version
from mmload.config import Settings
from mmload.errors import ExitCode, ServerNotReady
from mmload.open_files import open_files_needed, users_of_one

# FIX
from mmload.population.findings import Case, Examination, Finding, Level, ServerFacts, server_facts
from mmload.population.probing import ServerProbe, probe

FEW_LOGIN_ATTEMPTS = 4
# The domain of the accounts' e-mail addresses (mmload.client.accounts).
OUR_DOMAIN = "example.com"
# Client configuration key, place in the System Console, key of config.json.
_SIGN_UP_SWITCHES = (
    ("EnableUserCreation", "Authentication > Signup > Enable Account Creation", "TeamSettings.EnableUserCreation"),
    ("EnableOpenServer", "Authentication > Signup > Enable Open Server", "TeamSettings.EnableOpenServer"),
    (
        "EnableSignUpWithEmail",
        "Authentication > Email > Enable account creation with email",
        "EmailSettings.EnableSignUpWithEmail",
    ),
)


def sign_up(case: Case) -> Iterator[Finding]:
    """Users whose account isn't there sign up: that must be open."""
    if not case.missing:
        return
    why = f"{case.missing} of {case.users} accounts don't exist, and users sign up when they first come in"
    before = f"mmload init --users {case.users} makes them before"
    closed = [switch for switch in _SIGN_UP_SWITCHES if case.client(switch[0]) == "false"]
    for key, console, setting in closed:
        fix = f"System Console > {console} ({setting}); or {before}"
        yield Finding("error", f"sign-up is closed ({key} is false)", why, fix)
    if not closed:
        yield Finding("info", why, "each sign-up costs the server as much as a log-in", before)


def addresses(case: Case) -> Iterator[Finding]:
    """Accounts that don't exist yet need addresses and a password that the server takes."""
    domains = case.setting("TeamSettings", "RestrictCreationToDomains", "")
    if case.missing and domains and OUR_DOMAIN not in domains:
        yield Finding(
            "error",
            f"accounts need an e-mail address of {domains}",
            f"the users' addresses are of {OUR_DOMAIN}",
            "System Console > Authentication > Signup > Restrict account creation to specified email domains "
            f"(TeamSettings.RestrictCreationToDomains): add {OUR_DOMAIN}",
        )
    shortest = int(case.client("PasswordMinimumLength") or 0)
    if case.missing and len(case.settings.config.users.password) < shortest:
        yield Finding(
            "error",
            f"passwords need {shortest} characters",
            "UsersConfiguration.Password is shorter",
            "lengthen it, or System Console > Authentication > Password (PasswordSettings.MinimumLength)",
            ours=True,
        )


def account_limit(case: Case) -> Iterator[Finding]:
    """A server without a licence takes 250 accounts (11.6)."""
    hard, active = case.facts.limits.get("maxUsersHardLimit", 0), case.facts.limits.get("activeUserCount", 0)
    over = active + case.missing - hard
    if hard and case.missing and over > 0:
        yield Finding(
            "error",
            f"this server takes {hard} accounts, has {active}, and {case.missing} more are needed",
            "a sign-up over the limit is refused (ERROR_SAFETY_LIMITS_EXCEEDED)",
            f"use at most {max(0, case.users - over)} users, deactivate other accounts, or add a licence "
            "(System Console > About > Edition and License)",
        )


def log_in(case: Case) -> Iterator[Finding]:
    """Whether accounts can log in with e-mail address and password."""
    if case.client("EnableSignInWithEmail") == "false":
        yield Finding(
            "error",
            "log-in with an e-mail address is switched off",
            "that is how users log in",
            "System Console > Authentication > Email > Enable sign-in with email (EmailSettings.EnableSignInWithEmail)",
        )
    if case.client("EnforceMultifactorAuthentication") == "true":
        yield Finding(
            "error",
            "multi-factor authentication is enforced",
            "users have no second factor",
            "System Console > Authentication > MFA > Enforce (ServiceSettings.EnforceMultifactorAuthentication)",
        )
    if case.setting("EmailSettings", "RequireEmailVerification"):
        yield Finding(
            "error",
            "e-mail addresses must be verified before the first log-in",
            "nobody reads the mail of the users",
            "System Console > Authentication > Email > Require Email Verification "
            "(EmailSettings.RequireEmailVerification)",
        )


def locked_accounts(case: Case) -> Iterator[Finding]:
    """Accounts that are there and can't be used, or soon can't."""
    if case.facts.deactivated:
        yield Finding(
            "error",
            f"{case.facts.deactivated} of the users' accounts are deactivated",
            "they can't log in",
            "System Console > User Management > Users: activate them, or set another UsersConfiguration.UsernamePrefix",
        )
    attempts = case.setting("ServiceSettings", "MaximumLoginAttempts", FEW_LOGIN_ATTEMPTS)
    if attempts < FEW_LOGIN_ATTEMPTS:
        yield Finding(
            "warning",
            f"accounts are locked after {attempts} failed log-ins",
            "log-ins that fail under load may count",
            "System Console > Authentication > Password > Maximum Login Attempts "
            "(ServiceSettings.MaximumLoginAttempts)",
        )


def teams(case: Case) -> Iterator[Finding]:
    """Users join an open team that has room."""
    if case.facts.teams is None:
        return
    open_teams = [team for team in case.facts.teams if team.open]
    if not open_teams:
        yield Finding(
            # Who fills a server makes teams, and the system console needs none.
            "warning" if case.settings.config.controller.type in ("generative", "cluster") else "error",
            "no team is open to everybody" if case.facts.teams else "there is no team",
            "users join an open team when they come in",
            "mmload init makes teams; or Team Settings > Access > Users on this server (allow_open_invite)",
        )
    most = case.setting("TeamSettings", "MaxUsersPerTeam", 0)
    fullest = max((team.members or 0 for team in open_teams), default=0)
    if 0 < most < max(case.users, fullest + case.missing):
        present = f", {fullest} members are in one already" if fullest else ""
        yield Finding(
            "error",
            f"a team takes {most} members",
            f"{case.users} users are to be in one{present}",
            "System Console > Site Configuration > Users and Teams > Max Users Per Team (TeamSettings.MaxUsersPerTeam)",
        )


ACCOUNT_RULES = (log_in, sign_up, addresses, account_limit, locked_accounts, teams)


# From the action table of the peer: 0.05 actions/s of 5 to 10 requests, and the polling, at an idle factor of 1.
REQUESTS_PER_USER_SECOND = 0.5
CLOCK_TOLERANCE_SECONDS = 2.0


def generator(case: Case) -> Iterator[Finding]:
    """This machine, and our own configuration."""
    most = case.settings.config.users.max_active_users
    here = users_of_one(case.users, case.processes)
    if here > most:
        yield Finding(
            "error",
            f"{case.users} users are more than MaxActiveUsers, {most}",
            "one process has account numbers for so many",
            "raise UsersConfiguration.MaxActiveUsers, or use several workers",
            ours=True,
        )
    needed = open_files_needed(here)
    limit = case.facts.open_files_limit
    if 0 < limit < needed:
        yield Finding(
            "error",
            f"this machine lets a process open {limit} files",
            f"{here} users need {needed}: each a socket, and up to six connections while a page loads",
            f"ulimit -n {needed} in the shell that starts mmload, or LimitNOFILE in its unit",
            ours=True,
        )


def version(case: Case) -> Iterator[Finding]:
    """Mattermost 6.7 to 11.x; others only if asked for."""
    override = case.settings.config.controller.server_version
    told = override or case.facts.client_config.get("Version", "") or case.facts.contact.version_header
    known = parse_version(told)
    allowed: Level = "warning" if case.settings.config.connection.allow_unsupported_server else "error"
    fix = (
        "use a server from 6.7 to 11.x, or set ConnectionConfiguration.AllowUnsupportedServer "
        "(--allow-unsupported-server)"
    )
    if known is None:
        yield Finding(allowed, f"the server's version is not known ({told or 'it names none'})", fix=fix)
    elif known < OLDEST_SUPPORTED:
        yield Finding(allowed, f"Mattermost {told} is older than 6.7", "its API lacks what the users do", fix)
    elif known[0] > NEWEST_KNOWN_MAJOR:
        yield Finding(allowed, f"Mattermost {told} is newer than 11.x", "its API may have changed", fix)


def administrator(case: Case) -> Iterator[Finding]:
    """The account that sees settings and limits."""
    if case.client("EnableSignInWithEmail") == "false":
        return  # nobody gets in, whatever the password: another rule says so
    if case.facts.admin_trouble:
        yield Finding(
            "error",
            f"administrator {case.facts.admin_trouble}",
            "without it neither settings nor limits can be seen",
            "set ConnectionConfiguration.AdminEmail and AdminPassword "
            "(MMLOAD_CONNECTIONCONFIGURATION_ADMINEMAIL, …_ADMINPASSWORD)",
        )
    elif "system_admin" not in case.facts.admin_roles.split():
        yield Finding(
            "error",
            f"{case.settings.config.connection.admin_email} is no system administrator",
            "it can't make accounts, teams and members, and sees no settings",
            "System Console > User Management > Users: make it System Admin (mmctl roles system-admin NAME)",
        )


def rate_limit(case: Case) -> Iterator[Finding]:
    """Mattermost's limiter counts by address, unless told otherwise: all users of a generator share one."""
    if not case.setting("RateLimitSettings", "Enable"):
        return
    allowed = case.setting("RateLimitSettings", "PerSec", 0)
    expected = case.users * REQUESTS_PER_USER_SECOND
    shared = not case.setting("RateLimitSettings", "VaryByUser")
    whose = "for all users of this machine together" if shared else "for each user"
    yield Finding(
        "error" if shared and expected > allowed else "warning",
        f"rate limiting is on: {allowed} requests a second {whose}",
        f"{case.users} users make about {expected:.0f} a second at their default pace: you would measure the limiter",
        "System Console > Environment > Rate Limiting > Enable Rate Limiting (RateLimitSettings.Enable): false",
    )


def population(case: Case) -> Iterator[Finding]:
    """Without channels and history users have little to do."""
    if case.facts.our_channels == 0 and case.settings.config.instance.num_channels:
        prefix = case.settings.config.users.username_prefix
        yield Finding(
            "warning",
            f"no channels of the population {prefix!r} were found",
            "users of an empty server have little to read: the load is lighter than real",
            "mmload init",
        )


def sessions(case: Case) -> Iterator[Finding]:
    """Sessions should outlive the test."""
    run_seconds = case.settings.config.run.run_time_seconds
    idle = case.setting("ServiceSettings", "SessionIdleTimeoutInMinutes", 0)
    hours = case.setting("ServiceSettings", "SessionLengthWebInHours", 0)
    if not hours:
        hours = 24 * case.setting("ServiceSettings", "SessionLengthWebInDays", 0)
    if 0 < idle * 60 < run_seconds:
        yield Finding(
            "warning",
            f"sessions end after {idle} idle minutes, the test takes {run_seconds // 60}",
            "users log in again in the middle, which is dear",
            "System Console > Environment > Session Lengths > Session Idle Timeout "
            "(ServiceSettings.SessionIdleTimeoutInMinutes)",
        )
    if 0 < hours * 3600 < run_seconds:
        yield Finding(
            "warning",
            f"sessions end after {hours} hours, the test takes {run_seconds // 3600}",
            "users log in again in the middle, which is dear",
            "System Console > Environment > Session Lengths (ServiceSettings.SessionLengthWebInHours)",
        )


def websocket(case: Case) -> Iterator[Finding]:
    if case.facts.websocket_trouble:
        url = case.settings.config.connection.websocket_url
        yield Finding(
            "error",
            f"the WebSocket at {url} can't be used: {case.facts.websocket_trouble}",
            "users receive everything through it",
            "mend ConnectionConfiguration.WebSocketURL, or let the proxy before the server pass Upgrade and Connection "
            "headers on",
        )


def clock(case: Case) -> Iterator[Finding]:
    ahead = case.facts.contact.clock_ahead_seconds
    if abs(ahead) > CLOCK_TOLERANCE_SECONDS:
        yield Finding(
            "warning",
            f"the server's clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} ours",
            "server logs and graphs won't line up with the report",
            "synchronise both clocks (chrony, systemd-timesyncd)",
        )


def character(case: Case) -> Iterator[Finding]:
    """What makes this server's load different from another's: good to know, nothing to mend."""
    if case.client("EnableUserTypingMessages") == "false":
        yield Finding("info", "typing messages are switched off", "the load is lighter than with them",
            "ServiceSettings.EnableUserTypingMessages")  # fmt: skip
    if case.client("EnableUserStatuses") == "false":
        yield Finding("info", "user statuses are switched off", "the load is lighter than with them",
            "ServiceSettings.EnableUserStatuses")  # fmt: skip
    if case.setting("ClusterSettings", "Enable"):
        yield Finding("info", "the server is part of a cluster: settings and figures are those of all its nodes")
    if case.setting("PluginSettings", "Enable"):
        states = case.setting("PluginSettings", "PluginStates", {}) or {}
        active = sorted(name for name, state in states.items() if state.get("Enable"))
        yield Finding("info", f"plugins are on ({', '.join(active) or 'none enabled'}): they share the server's CPU")
    if threads := case.client("CollapsedThreads"):
        yield Finding("info", f"collapsed threads: {threads}")


def missing_features(case: Case) -> Iterator[Finding]:
    """Features that this server lacks: users do without them. Only who is logged in is told of all."""
    if not case.facts.admin_roles:
        return
    override = case.settings.config.controller.server_version
    lacking = left_out(capabilities(case.facts.client_config, case.facts.license, override))
    for feature, reason in lacking.items():
        yield Finding("info", f"left out: {feature}", reason)


SERVER_RULES = (
    generator,
    version,
    administrator,
    websocket,
    rate_limit,
    population,
    sessions,
    clock,
    character,
    missing_features,
)


__all__ = ["Examination", "Finding", "ServerFacts", "examine", "examine_quickly", "exit_code", "require_mattermost"]

_LEVELS = ("error", "warning", "info")


def examine(settings: Settings, users_wanted: int) -> Examination:
    """Everything that can be known before a run."""
    return judge(probe(settings, users_wanted, quick=False), settings, users_wanted)


def examine_quickly(settings: Settings, users_wanted: int, processes: int = 1) -> Examination:
    """What decides whether a run can succeed at all, in about the time of one log-in."""
    return judge(probe(settings, users_wanted, quick=True), settings, users_wanted, processes)


def judge(facts: ServerProbe, settings: Settings, users: int, processes: int = 1) -> Examination:
    """All findings, the gravest first. Pure."""
    case = Case(facts, settings, users, processes)
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        unreachable = Finding("error", f"{url}: {facts.contact.trouble}", fix=facts.contact.advice)
        return Examination(_sorted([unreachable, *generator(case)]), None)
    findings = [finding for rule in (*ACCOUNT_RULES, *SERVER_RULES) for finding in rule(case)]
    return Examination(_sorted(findings), server_facts(facts, settings.config.controller.server_version))


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: _LEVELS.index(finding.level)))


def exit_code(examination: Examination) -> ExitCode:
    """What a command answers after this examination. Pure."""
    if not examination.errors:
        return ExitCode.PASSED
    if all(finding.ours for finding in examination.errors):
        return ExitCode.CONFIGURATION_REFUSED
    return ExitCode.SERVER_NOT_READY


def require_mattermost(facts: ServerProbe, settings: Settings) -> None:
    """Raise `ServerNotReady` unless a Mattermost of a known version answered."""
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        raise ServerNotReady(f"{url}: {facts.contact.trouble}; {facts.contact.advice}")
    for finding in version(Case(facts, settings, 0)):
        if finding.level == "error":
            raise ServerNotReady(f"{finding.what}; {finding.fix}")
