"""MMLOAD_… variables override the documents; a wrong one is refused by its name, an unknown one noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmload.config import Config, Settings, environment_name, load_settings
from mmload.config.environment import RESERVED, variables
from mmload.errors import ConfigurationError


def loaded(tmp_path: Path, **environ: str) -> tuple[Settings, tuple[str, ...]]:
    return load_settings(environ=environ, folder=tmp_path)


def refusal(tmp_path: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, **environ)
    return str(caught.value)


def test_a_variable_is_named_after_table_and_key() -> None:
    """The name that other programs build."""
    assert environment_name("ConnectionConfiguration", "ServerURL") == "MMLOAD_CONNECTIONCONFIGURATION_SERVERURL"


def test_the_environment_wins_over_the_document(tmp_path: Path) -> None:
    """Passwords and addresses differ from place to place; the document stays."""
    (tmp_path / "config.json").write_text('{"UsersConfiguration": {"MaxActiveUsers": 10, "LogoutWhenStopped": true}}')

    settings, notices = loaded(
        tmp_path,
        MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS="20",
        MMLOAD_USERSCONFIGURATION_LOGOUTWHENSTOPPED="False",
        MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD="sesame",
        MMLOAD_RUNCONFIGURATION_SPAWNRATE="2.5",
        MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS="3000",
    )

    assert settings.config.users.max_active_users == 20
    assert settings.config.users.logout_when_stopped is False
    assert settings.config.connection.admin_password == "sesame"
    assert settings.config.run.spawn_rate == 2.5
    assert settings.simul.avg_idle_time_ms == 3000
    assert notices == ()


def test_variables_name_the_documents(tmp_path: Path) -> None:
    """Containers mount them where they like."""
    (tmp_path / "mine.json").write_text('{"MinIdleTimeMs": 5}')

    assert loaded(tmp_path, MMLOAD_SIMULCONTROLLER=str(tmp_path / "mine.json"))[0].simul.min_idle_time_ms == 5
    assert "none.json: cannot be read" in refusal(tmp_path, MMLOAD_CONFIG=str(tmp_path / "none.json"))


@pytest.mark.parametrize("text", ["x", "", "1.5", "1_000", "nan", "-1", "0x10", " 7"])
def test_a_wrong_number_is_refused_by_the_variables_name(tmp_path: Path, text: str) -> None:
    """The document is innocent: who looks there finds nothing."""
    assert refusal(tmp_path, MMLOAD_RUNCONFIGURATION_SEED=text).startswith(
        "MMLOAD_RUNCONFIGURATION_SEED: RunConfiguration.Seed: expected "
    )


def test_wrong_values_of_other_types_are_refused(tmp_path: Path) -> None:
    """Every one of them is named."""
    found = refusal(
        tmp_path,
        MMLOAD_RUNCONFIGURATION_SPAWNRATE="inf",
        MMLOAD_CONNECTIONCONFIGURATION_VERIFYTLS="perhaps",
        MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD="",
    ).splitlines()

    assert [line.partition(":")[0] for line in found] == [
        "MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD",
        "MMLOAD_CONNECTIONCONFIGURATION_VERIFYTLS",
        "MMLOAD_RUNCONFIGURATION_SPAWNRATE",
    ]


def test_a_contradiction_names_both_that_made_it(tmp_path: Path) -> None:
    """One value is in the document, the other in the environment."""
    (tmp_path / "config.json").write_text('{"UsersConfiguration": {"InitialActiveUsers": 10}}')

    assert refusal(tmp_path, MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS="5") == (
        f"{tmp_path / 'config.json'}, MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS: "
        "UsersConfiguration.InitialActiveUsers: expected at most MaxActiveUsers (5), found 10"
    )


def test_an_unknown_variable_is_noticed_with_the_nearest_name(tmp_path: Path) -> None:
    """A misspelled one would do nothing, without a word; it is no error, as it may be another program's."""
    _, notices = loaded(tmp_path, MMLOAD_CONNECTIONCONFIGURATION_SERVERURI="sesame", OTHER="x", MMLOAD_ZZZ="1")

    assert notices == (
        "MMLOAD_CONNECTIONCONFIGURATION_SERVERURI: no setting has this name; "
        "did you mean MMLOAD_CONNECTIONCONFIGURATION_SERVERURL?",
        "MMLOAD_ZZZ: no setting has this name",
    )


def test_reserved_variables_are_no_settings(tmp_path: Path) -> None:
    """They mean other things."""
    names = {variable.name for variable in variables(Config)}

    assert not names & RESERVED
    assert loaded(tmp_path, MMLOAD_RUN_FOLDER="x", MMLOAD_SANDBOX="1", MMLOAD_TEST_SERVER="y")[1] == ()


@pytest.mark.parametrize(
    ("server", "websocket"),
    [
        ("http://localhost:8065", "ws://localhost:8065"),
        ("http://localhost:8065/", "ws://localhost:8065"),
        ("http://10.0.0.1:80", "ws://10.0.0.1:80"),
        ("https://chat.example.com/team/", "wss://chat.example.com/team"),
    ],
)
def test_the_websockets_address_follows_the_servers(tmp_path: Path, server: str, websocket: str) -> None:
    """One address to give, not two; the peer's users forget the second."""
    settings, _ = loaded(tmp_path, MMLOAD_CONNECTIONCONFIGURATION_SERVERURL=server)

    assert settings.config.connection.websocket_url == websocket
    assert settings.config.connection.server_url == server.rstrip("/")


def test_a_websockets_address_of_its_own_stays(tmp_path: Path) -> None:
    """Some installations have it elsewhere."""
    settings, _ = loaded(
        tmp_path,
        MMLOAD_CONNECTIONCONFIGURATION_SERVERURL="http://a",
        MMLOAD_CONNECTIONCONFIGURATION_WEBSOCKETURL="wss://b",
    )

    assert settings.config.connection.websocket_url == "wss://b"
