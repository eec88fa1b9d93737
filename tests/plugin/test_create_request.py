"""Whose credentials go to which server: what is posted to `create`, and the host of Locust's own page."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mmload.config import Config, Settings, load_settings
from mmload.errors import ConfigurationError
from mmload.plugin.settings import OwnSettings, ProcessSettings
from mmload.plugin.web.create_request import settings_from

HERE, ELSEWHERE = "https://chat.example.com", "http://elsewhere.example:8065"
SERVER = {"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": HERE}
ADMIN = {"MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD": "Of the administrator 1"}
USERS = {"MMLOAD_USERSCONFIGURATION_PASSWORD": "Of all users 1"}


def created(environ: dict[str, str], connection: dict[str, Any], **users: Any) -> Settings:
    """The settings of an agent that a process with this environment is asked to make."""
    posted = {"LoadTestConfig": {"ConnectionConfiguration": connection, "UsersConfiguration": users}}
    own = load_settings(environ=environ)[0]
    return settings_from(json.dumps(posted).encode(), "lt0", own, environ)[0]


@pytest.mark.parametrize(
    "connection",
    [
        {"ServerURL": ELSEWHERE},
        {"ServerURL": "http://chat.example.com"},
        {"ServerURL": "https://chat.example.com:8443"},
        {"ServerURL": "https://chat.example.com.evil.example"},
        {"ServerURL": HERE, "WebSocketURL": "wss://elsewhere.example"},
        {"WebSocketURL": "ws://chat.example.com"},
    ],
)
@pytest.mark.parametrize(
    ("secret", "key"),
    [(ADMIN, "ConnectionConfiguration.AdminPassword"), (USERS, "UsersConfiguration.Password")],
)
def test_another_server_never_gets_the_passwords_of_this_process(
    secret: dict[str, str], key: str, connection: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=f"{key}: missing: the credentials of this agent") as refused:
        created(SERVER | secret, connection)
    assert not set(secret.values()) & set(str(refused.value).split("'"))


def test_another_server_gets_the_passwords_of_the_same_call() -> None:
    connection = {"ServerURL": ELSEWHERE, "AdminPassword": "Posted 1"}
    config = created(SERVER | ADMIN | USERS, connection, Password="Posted 2").config

    assert (config.connection.admin_password, config.users.password) == ("Posted 1", "Posted 2")
    assert config.connection.websocket_url == "ws://elsewhere.example:8065"


@pytest.mark.parametrize(
    "connection",
    [
        {},
        {"ServerURL": "https://chat.example.com/"},
        {"ServerURL": "https://CHAT.example.com:443"},
        {"ServerURL": HERE, "WebSocketURL": "wss://chat.example.com"},
        {"ServerURL": HERE, "AdminPassword": "Posted 1"},
    ],
)
def test_the_own_server_gets_them_though_they_are_not_posted(connection: dict[str, str]) -> None:
    assert created(SERVER | ADMIN, connection).config.connection.admin_password == "Of the administrator 1"


@pytest.mark.parametrize("server", [{}, {"ServerURL": ELSEWHERE}])
def test_a_posted_header_names_no_variable_of_this_process(server: dict[str, Any]) -> None:
    """Its value would go to whatever server the same call names."""
    with pytest.raises(ConfigurationError, match="Headers: a variable is taken from this agent's environment"):
        created(SERVER, {**server, "Headers": ["X-Token: ${MMLOAD_AGENT_TOKEN}"]})


def test_another_server_never_gets_the_headers_of_this_process() -> None:
    own = SERVER | {"MMLOAD_CONNECTIONCONFIGURATION_HEADERS": "X-Staging-Key: key"}
    with pytest.raises(ConfigurationError, match=r"ConnectionConfiguration\.Headers: missing"):
        created(own, {"ServerURL": ELSEWHERE})


def test_a_process_without_credentials_may_test_any_server() -> None:
    """The defaults are known to everybody."""
    assert created(SERVER, {"ServerURL": ELSEWHERE}).config.connection.server_url == ELSEWHERE


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ProcessSettings:
    """Those of a process that was started with --host for the configured server, and has credentials for it."""
    for name, value in (SERVER | ADMIN).items():
        monkeypatch.setenv(name, value)
    environment: Any = SimpleNamespace(
        host="https://other-name.example", runner=None, user_classes=[], shape_class=None
    )
    return ProcessSettings(environment, OwnSettings())


@pytest.mark.parametrize("host", ["", HERE, HERE + "/", "https://other-name.example"])
def test_a_test_may_go_where_the_credentials_are_for(settings: ProcessSettings, host: str) -> None:
    assert settings.host_problem(host) == ""


def test_a_test_that_is_sent_to_another_host_is_refused_as_it_has_no_credentials(settings: ProcessSettings) -> None:
    assert settings.host_problem(ELSEWHERE).startswith(
        f"host '{ELSEWHERE}': this agent's credentials are for https://other"
    )


def test_a_created_servers_credentials_do_not_go_to_the_own_host(settings: ProcessSettings) -> None:
    settings.override = created(SERVER | ADMIN, {"ServerURL": ELSEWHERE, "AdminPassword": "Posted 1"})

    assert settings.host_problem(ELSEWHERE) == ""
    assert settings.host_problem("https://other-name.example") != ""


@pytest.mark.parametrize("encrypted", [False, True])
def test_passwords_go_to_workers_only_where_that_is_encrypted(settings: ProcessSettings, encrypted: bool) -> None:
    """Otherwise a worker takes its own, which are those of its environment."""
    settings.is_encrypted = encrypted
    settings.override = created(SERVER | ADMIN, {}, Password="Posted 2", MaxActiveUsers=17)
    told = settings.wire()
    assert ("Posted 2" in str(told), "Of the administrator 1" in str(told)) == (encrypted, encrypted)

    settings.take(told)

    config = settings.in_force.config
    assert config.users.max_active_users == 17
    assert config.connection.admin_password == "Of the administrator 1"
    assert config.users.password == ("Posted 2" if encrypted else Config().users.password)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_posted_password_that_cannot_be_told_to_workers_is_refused(
    settings: ProcessSettings, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """With what to do."""
    monkeypatch.setattr("mmload.plugin.settings.MasterRunner", SimpleNamespace)
    settings._environment.runner = SimpleNamespace()  # type: ignore[assignment]
    settings.is_encrypted = encrypted

    said = settings.unsendable(created(SERVER | ADMIN, {}, Password="Posted 2"))

    if encrypted:
        assert said == ""
    else:
        assert said.startswith("UsersConfiguration.Password: cannot be passed on")
        assert "MMLOAD_USERSCONFIGURATION_PASSWORD" in said and "Posted" not in said
    assert settings.unsendable(created(SERVER | ADMIN, {})) == ""


DAY = {"Points": [[0, 10], [540, 100], [1080, 20]]}


def stages_of(profile: object, **run: str) -> str:
    """The stages of the agent that is asked for with this load profile."""
    posted = {"LoadTestConfig": {"RunConfiguration": run}, "LoadProfile": profile}
    made, _ = settings_from(json.dumps(posted).encode(), "lt0", load_settings(environ={})[0], {})
    return made.config.run.stages


def test_a_posted_load_profile_is_played_in_stages() -> None:
    assert stages_of(DAY) == "h00: 10>100 in 32400s; h09: 100>20 in 32400s; h18: 20 for 21600s"
    assert (
        stages_of({**DAY, "scale": "0.5x", "Day": "24m"}) == "h00: 5>50 in 540s; h09: 50>10 in 540s; h18: 10 for 360s"
    )


@pytest.mark.parametrize(
    ("profile", "run", "said"),
    [
        ({"Points": [[0, "many"]]}, {}, "LoadProfile: expected"),
        ({"Points": []}, {}, "LoadProfile: expected Points with minutes of the day from 0 to 1440"),
        ({**DAY, "Day": "soon"}, {}, "LoadProfile: Day 'soon'"),
        ({**DAY, "Scale": 0}, {}, "LoadProfile: '0' is not a factor"),
        (DAY, {"stages": "5 for 10s"}, "cannot be combined with LoadTestConfig.RunConfiguration.Stages"),
    ],
)
def test_a_load_profile_that_is_none_is_refused(profile: object, run: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        stages_of(profile, **run)
