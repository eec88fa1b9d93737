"""What an examination makes of the facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmload.config import Settings
from mmload.errors import ExitCode, ServerNotReady
from mmload.population.probing import Contact, ServerProbe, TeamFacts
from mmload.population.readiness import Examination, exit_code, judge, require_mattermost
from tests.population.making_settings import settings

CLIENT = {"Version": "11.6.0", "BuildNumber": "11.6.0", "EnableSignInWithEmail": "true", "EnableUserCreation": "true"}
OPEN = (TeamFacts("team", open=True, members=30),)
EMPTY = (TeamFacts("team", open=True, members=0),)
CLOSED = (TeamFacts("closed", open=False),)
VERIFICATION = {"EmailSettings": {"RequireEmailVerification": True}}
SMALL_TEAMS = {"TeamSettings": {"MaxUsersPerTeam": 10}}


def facts(**fields: Any) -> ServerProbe:
    """A server on which everything is well."""
    default: dict[str, Any] = {
        "contact": Contact(version_header="11.6.0.11.6.0.hash.false"),
        "client_config": CLIENT,
        "license": {"IsLicensed": "false"},
        "admin_roles": "system_user system_admin",
        "admin_config": {},
        "limits": {"maxUsersHardLimit": 250, "activeUserCount": 31},
        "accounts_there": 20,
        "teams": OPEN,
        "our_channels": 2,
        "websocket_trouble": "",
        "open_files_limit": 100_000,
    }
    return ServerProbe(**(default | fields))


def judged(users: int = 20, of: Settings | None = None, **fields: Any) -> Examination:
    return judge(facts(**fields), of or settings(), users)


def told(examination: Examination, level: str = "error") -> list[str]:
    return [finding.what for finding in examination.findings if finding.level == level]


def test_more_users_than_the_file_has_accounts_are_refused_and_nobody_is_to_sign_up_for_them() -> None:
    examination = judged(users=20, accounts_in_file=7, accounts_there=7)

    assert told(examination) == [" has 7 accounts for 20 users"]
    assert exit_code(examination) == ExitCode.CONFIGURATION_REFUSED
    assert told(judged(users=7, accounts_in_file=7, accounts_there=7)) == []


def test_a_good_server_has_nothing_in_the_way() -> None:
    """What a free server lacks is information, not trouble."""
    examination = judged()

    assert told(examination, "error") == told(examination, "warning") == []
    assert "not tested: scheduled posts" in told(examination, "info")
    assert exit_code(examination) == ExitCode.PASSED
    assert examination.server is not None
    assert (examination.server.record.version, examination.server.account_limit) == ("11.6.0", 250)


@pytest.mark.parametrize(
    ("fields", "what", "fix"),
    [
        ({"client_config": CLIENT | {"Version": "6.6.1"}}, "older than 6.7", "AllowUnsupportedServer"),
        ({"client_config": CLIENT | {"Version": "12.0.0"}}, "newer than 11.x", "AllowUnsupportedServer"),
        ({"client_config": {"Version": "?"}}, "version is not known", "AllowUnsupportedServer"),
        ({"admin_trouble": "root@example.com: wrong password"}, "wrong password", "AdminEmail"),
        ({"admin_roles": "system_user"}, "not a system administrator", "System Console > User Management"),
        ({"websocket_trouble": "timed out"}, "WebSocket", "Upgrade"),
        ({"client_config": CLIENT | {"EnableSignInWithEmail": "false"}}, "login", "EnableSignInWithEmail"),
        ({"admin_config": VERIFICATION, "unverified": 2, "looked_at": 20}, "verified", "RequireEmail"),
        ({"admin_config": VERIFICATION, "accounts_there": 19}, "verified", "RequireEmail"),
        (
            {"client_config": CLIENT | {"EnforceMultifactorAuthentication": "true"}},
            "multi-factor",
            "ServiceSettings.EnforceMultifactorAuthentication",
        ),
        (
            {"client_config": CLIENT | {"EnableUserCreation": "false"}, "accounts_there": 5},
            "sign-up is closed (EnableUserCreation",
            "TeamSettings.EnableUserCreation); or create the accounts with `mmload init --users 20`",
        ),
        (
            {"client_config": CLIENT | {"EnableOpenServer": "false"}, "accounts_there": 5},
            "sign-up is closed (EnableOpenServer",
            "TeamSettings.EnableOpenServer",
        ),
        (
            {"limits": {"maxUsersHardLimit": 250, "activeUserCount": 245}, "accounts_there": 10},
            "allows 250 accounts, has 245, and 10 more",
            "at most 15 users",
        ),
        ({"admin_config": {"TeamSettings": {"RestrictCreationToDomains": "corp.example"}}, "accounts_there": 0},
         "corp.example", "RestrictCreationToDomains"),
        ({"admin_config": {"RateLimitSettings": {"Enable": True, "PerSec": 5}}}, "rate limit", "RateLimitSettings"),
        ({"admin_config": SMALL_TEAMS, "without_team": 11, "looked_at": 20, "teams": EMPTY},
         "team may have 10", "TeamSettings.MaxUsersPerTeam"),
        ({"teams": ()}, "there is no team", "mmload init"),
        ({"admin_config": SMALL_TEAMS, "accounts_there": 19}, "team may have 10", "TeamSettings.MaxUsersPerTeam"),
        ({"teams": CLOSED, "without_team": 1, "looked_at": 20}, "no team is open", "allow_open_invite"),
        ({"teams": CLOSED, "accounts_there": 19}, "no team is open", "allow_open_invite"),
        ({"deactivated": 3}, "3 of the users' accounts are deactivated", "User Management"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_an_error_with_the_setting_to_change(
    fields: dict[str, Any], what: str, fix: str
) -> None:
    """Found before the run, one by one, each with its remedy."""
    errors = judged(**fields).errors

    assert len(errors) == 1
    assert what in errors[0].what
    assert fix in errors[0].fix
    assert exit_code(judged(**fields)) == ExitCode.SERVER_NOT_READY


def test_too_few_open_files_are_an_error_of_this_machine() -> None:
    """Twenty users need 268: found before the run, not by requests that fail."""
    examination = judged(open_files_limit=120)

    assert told(examination) == ["a process on this machine may only open 120 files"]
    assert "ulimit -n 268" in examination.errors[0].fix
    assert exit_code(examination) == ExitCode.CONFIGURATION_REFUSED


def test_several_processes_share_the_users_and_what_they_need() -> None:
    """MaxActiveUsers and the limit of open files are each process's own."""
    crowd = {"limits": {}, "accounts_there": 3000, "open_files_limit": 11_000}

    assert told(judge(facts(**crowd), settings(), 3000, 2)) == []
    assert len(told(judge(facts(**crowd), settings(), 3000))) == 2


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"our_channels": 0}, "no channels of mmload init with the prefix 'testuser'"),
        ({"contact": Contact(version_header="11.6.0", clock_ahead_seconds=-30)}, "30 seconds behind this machine's"),
        ({"admin_config": {"ServiceSettings": {"MaximumLoginAttempts": 2}}}, "locked after 2 failed logins"),
        ({"admin_config": {"RateLimitSettings": {"Enable": True, "PerSec": 500}}}, "rate limiting is on"),
        (
            {"admin_config": {"RateLimitSettings": {"Enable": True, "PerSec": 5, "VaryByUser": True}}},
            "5 requests per second per user",
        ),
    ],
)
def test_what_distorts_a_test_without_stopping_it_is_a_warning(fields: dict[str, Any], what: str) -> None:
    examination = judged(**fields)

    assert [what in warning for warning in told(examination, "warning")] == [True]
    assert exit_code(examination) == ExitCode.PASSED


@pytest.mark.parametrize("fields", [{"admin_config": VERIFICATION}, {"admin_config": SMALL_TEAMS}, {"teams": CLOSED}])
def test_only_accounts_that_need_it_make_a_restriction_an_error(fields: dict[str, Any]) -> None:
    """All exist, are verified and are in teams, as on a copy of a production server."""
    assert judged(looked_at=20, **fields).errors == ()


CLASSES = ("Lowercase", "Uppercase", "Number", "Symbol")


@pytest.mark.parametrize(
    ("password", "required", "lacking"),
    [
        ("testPass123$", CLASSES, ""),
        ("verysecret", CLASSES, "an upper-case letter, a digit, a symbol"),
        ("VERYSECRET1", CLASSES, "a lower-case letter, a symbol"),
        ("verysecret", ("Lowercase",), ""),
        ("Sh0rt$", CLASSES, "8 characters"),
        ("short", ("Number",), "8 characters, a digit"),
        ("pässwörd", ("Symbol",), "a symbol"),
    ],
)
def test_the_password_of_new_accounts_has_the_characters_that_the_server_wants(
    password: str, required: tuple[str, ...], lacking: str
) -> None:
    """As it counts them: other letters are of none of its classes."""
    client = CLIENT | {"PasswordMinimumLength": "8"} | {f"PasswordRequire{name}": "true" for name in required}
    of = settings(users={"password": password})
    told_of = told(judged(of=of, client_config=client, accounts_there=0))

    assert told_of == ([f"passwords need {lacking}"] if lacking else [])
    assert told(judged(of=of, client_config=client)) == [], "nobody signs up"


def test_a_password_longer_than_the_server_takes_is_found() -> None:
    of = settings(users={"password": "x" * 73})

    assert told(judged(of=of, accounts_there=0)) == ["passwords have at most 72 bytes"]


def test_the_passwords_of_a_file_of_users_are_its_own() -> None:
    of = settings(users={"password": "short", "users_file_path": "users.txt"})

    assert told(judged(of=of, client_config=CLIENT | {"PasswordMinimumLength": "8"}, accounts_there=0)) == []


def test_sign_up_may_be_closed_when_all_accounts_are_there() -> None:
    """Nobody signs up then."""
    assert judged(client_config=CLIENT | {"EnableUserCreation": "false"}).errors == ()


def test_a_full_server_is_no_trouble_when_all_accounts_are_there() -> None:
    """250 of 250, and all of them ours."""
    assert judged(limits={"maxUsersHardLimit": 250, "activeUserCount": 250}).errors == ()


def test_more_users_than_our_own_limit_is_our_configurations_fault() -> None:
    """Exit code 4, not 5: the server can't help it."""
    examination = judged(users=30, of=settings(users={"max_active_users": 25}), accounts_there=30)

    assert exit_code(examination) == ExitCode.CONFIGURATION_REFUSED


def test_an_unsupported_server_is_only_a_warning_when_it_is_wanted() -> None:
    wanted = settings(connection={"allow_unsupported_server": True})

    assert judged(of=wanted, client_config=CLIENT | {"Version": "5.39.0"}).errors == ()
    require_mattermost(facts(client_config=CLIENT | {"Version": "5.39.0"}), wanted)
    with pytest.raises(ServerNotReady, match="older than"):
        require_mattermost(facts(client_config=CLIENT | {"Version": "5.39.0"}), settings())


def test_the_configured_version_is_believed() -> None:
    """UserControllerConfiguration.ServerVersion is for servers that say something odd."""
    default = settings()
    controller = replace_version(default, "11.6.0")

    assert judged(of=controller, client_config=CLIENT | {"Version": "?"}).errors == ()


def replace_version(default: Settings, version: str) -> Settings:
    from msgspec.structs import replace as changed

    config = changed(default.config, controller=changed(default.config.controller, server_version=version))
    return changed(default, config=config)


def test_a_server_that_does_not_answer_is_the_one_finding() -> None:
    """Everything else would be guessing."""
    examination = judged(contact=Contact("connection refused", "start the server"))

    assert [(finding.what, finding.fix) for finding in examination.findings] == [
        ("http://127.0.0.1:1: connection refused", "start the server")
    ]
    assert examination.server is None


def test_features_are_judged_only_by_who_is_logged_in() -> None:
    """The server tells others little: "not tested: collapsed threads" would be wrong."""
    examination = judged(admin_trouble="wrong password", admin_roles="")

    assert not [what for what in told(examination, "info") if what.startswith("not tested")]


def test_findings_never_hold_a_secret() -> None:
    """They are printed, logged and kept in records."""
    hidden = settings(users={"password": "verysecret"}, connection={"admin_password": "mostsecret"})
    for fields in ({}, {"admin_trouble": "no"}, {"accounts_there": 0}):
        text = repr(judged(of=hidden, **fields))
        assert "verysecret" not in text
        assert "mostsecret" not in text


def test_facts_without_a_server_are_not_changed_by_judging() -> None:
    """Judging is pure: the same facts, the same findings."""
    same = facts()

    assert judge(same, settings(), 20) == judge(replace(same), settings(), 20)
