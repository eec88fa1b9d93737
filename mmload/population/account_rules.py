"""What stands in the way of the users' coming in: sign-up, accounts, log-in, teams. Pure.

Each rule takes the `Case` and gives findings: what is so, why it matters, and what to change (the setting's place in
the System Console and its key in Mattermost's config.json).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmload.population.findings import Case, Finding

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


RULES = (log_in, sign_up, addresses, account_limit, locked_accounts, teams)
