"""Who may drive an agent, and who may not."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from mmload.errors import ConfigurationError
from mmload.plugin.web.access import TOKEN_VARIABLE, Access, access_for, has_token, is_loopback, refusal, token_of
from tests.plugin.driven import Driven, agent, await_that, mmload
from tests.support import Admin

TOKEN = "a token of sixteen characters or more"
OPEN = Access("127.0.0.1")
BY_TOKEN = Access("0.0.0.0", TOKEN)
BY_LOGIN = Access("0.0.0.0", web_login=True)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HERE = {"Host": "127.0.0.1:4000"}
PAGE = HERE | {"Origin": "http://127.0.0.1:4000", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("*", False),
        ("10.1.2.3", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_only_names_that_can_mean_nothing_else_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_without_a_token_an_agent_is_on_loopback_or_not_at_all() -> None:
    assert access_for("", "", web_login=False) == OPEN
    assert access_for("localhost", "", web_login=False).is_open
    assert access_for("0.0.0.0", "", web_login=True) == BY_LOGIN
    assert access_for("0.0.0.0", TOKEN, web_login=False) == BY_TOKEN
    for host in ("0.0.0.0", "*", "10.0.0.1", "load.example.com", "::"):
        with pytest.raises(ConfigurationError, match=TOKEN_VARIABLE):
            access_for(host, "", web_login=False)


@pytest.mark.parametrize("token", ["short", "nonsense without end ü", "a token with\na new line"])
def test_a_token_that_is_none_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 16") as refused:
        token_of({TOKEN_VARIABLE: token})
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "null"},
        {"Referer": "http://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
@pytest.mark.parametrize("access", [OPEN, BY_TOKEN, BY_LOGIN])
def test_what_a_page_of_another_site_sends_is_refused(headers: dict[str, str], access: Access) -> None:
    """Also with a token, which a browser sends by itself once it was asked for it."""
    refused = refusal(access, HERE | basic(TOKEN) | headers, "POST")

    assert refused is not None and refused.status == 403


def test_another_sites_page_may_link_to_us_but_not_read_us() -> None:
    link = HERE | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "http://chat.example/"}
    reading = HERE | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "http://evil.example"}

    assert refusal(OPEN, link, "GET") is None
    assert refusal(OPEN, reading, "GET") is not None


def test_our_own_page_and_programs_may_drive() -> None:
    assert refusal(OPEN, PAGE, "POST") is None
    assert refusal(OPEN, HERE, "POST") is None
    assert refusal(OPEN, {"Host": "localhost"}, "DELETE") is None


def test_a_name_that_was_bent_to_our_address_is_refused() -> None:
    """DNS rebinding: to the browser, the other site's page and we are then one site."""
    bent = {"Host": "evil.example:4000", "Origin": "http://evil.example:4000", "Sec-Fetch-Site": "same-origin"}

    for method in ("GET", "POST"):
        refused = refusal(OPEN, bent, method)
        assert refused is not None and refused.status == 403


@pytest.mark.parametrize("access", [OPEN, BY_TOKEN, BY_LOGIN])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "["}, {"Host": "[::1"}, HERE | {"Origin": "http://["}, HERE | {"Referer": "http://[x"}],
)
def test_a_header_that_is_no_address_is_the_clients_mistake(headers: dict[str, str], access: Access) -> None:
    for method in ("GET", "POST"):
        refused = refusal(access, headers, method)
        assert refused is not None and refused.status == 400


def test_with_a_token_any_name_will_do_but_nobody_without_it() -> None:
    there = {"Host": "load.example.com"}

    assert refusal(BY_TOKEN, there | BEARER, "POST") is None
    assert refusal(BY_TOKEN, there | basic(TOKEN), "GET") is None
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Token {TOKEN}"}, basic("wrong")):
        refused = refusal(BY_TOKEN, there | headers, "GET")
        assert refused is not None and refused.status == 401


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Basic %%%", "Basic /w==", "Bearer ü", f"Bearer {TOKEN} x"])
def test_broken_authorizations_are_no_token(given: str) -> None:
    assert not has_token(TOKEN, given)


@pytest.fixture(scope="module")
def guarded(sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """An agent on all interfaces, with a token."""
    Admin(sandbox).team()
    folder = tmp_path_factory.mktemp("access")
    port = free_port()
    options = ("agent", "--server", sandbox, "--host", "0.0.0.0", "--port", str(port))
    with mmload(folder, *options, MMLOAD_AGENT_TOKEN=TOKEN) as driven:
        driven.url = f"http://127.0.0.1:{port}"
        await_that(lambda: _listens(driven), "it listens")
        yield driven


def _listens(driven: Driven) -> bool:
    try:
        return driven.ask("GET", "/").status_code == 401
    except OSError:
        return False


LOCUSTS_OWN = ["/", "/stats/requests", "/exceptions", "/logs", "/tasks", "/stats/report"]
CHANGING = ["/swarm", "/stop", "/stats/reset", "/user", "/loadagent/create?id=x", "/loadagent/x/run"]


def test_without_the_token_nothing_can_be_read_or_driven(guarded: Driven) -> None:
    """Locust's own routes neither."""
    form = {"user_count": "1", "spawn_rate": "1"}
    assert {guarded.ask("GET", path).status_code for path in [*LOCUSTS_OWN, "/version", "/metrics"]} == {401}
    assert {guarded.ask("POST", path, data=form).status_code for path in CHANGING} == {401}
    assert "Basic" in guarded.ask("GET", "/").headers["WWW-Authenticate"]
    assert guarded.ask("GET", "/stats/requests", headers=BEARER).json()["state"] == "ready"


def test_with_the_token_programs_and_browsers_may_drive(guarded: Driven) -> None:
    assert guarded.ask("GET", "/version", headers=BEARER).status_code == 200
    assert guarded.ask("GET", "/", headers=basic(TOKEN)).status_code == 200
    assert guarded.ask("POST", "/swarm", headers=BEARER, data={"user_count": 0, "spawn_rate": 1}).json()["success"]
    assert guarded.ask("POST", "/stop", headers=basic(TOKEN)).json()["success"]
    assert TOKEN not in guarded.said()


def test_without_a_token_other_sites_can_drive_nothing(sandbox: str, tmp_path: Path) -> None:
    with agent(tmp_path, sandbox) as driven:
        form = {"user_count": "1", "spawn_rate": "1"}
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            codes = {driven.ask("POST", path, data=form, headers=headers).status_code for path in CHANGING}
            codes |= {driven.ask("GET", path, headers=headers).status_code for path in LOCUSTS_OWN}
            assert codes == {403}
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        assert driven.ask("OPTIONS", "/swarm", headers=preflight).status_code == 403
        assert driven.ask("GET", "/stats/requests").json()["state"] == "ready"
        assert driven.ask("GET", "/").headers["X-Frame-Options"] == "DENY"
        text = driven.ask("POST", "/loadagent/create?id=x", data="{}", headers={"Content-Type": "text/plain"})
        assert text.status_code == 415


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "anybody who reaches this address"), ({"MMLOAD_AGENT_TOKEN": "short"}, "MMLOAD_AGENT_TOKEN: expected")],
)
def test_an_agent_that_anybody_could_drive_does_not_start(
    sandbox: str, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    """And says why."""
    options = ("agent", "--server", sandbox, "--host", "0.0.0.0", "--port", str(free_port()))
    with mmload(tmp_path, *options, **settings) as driven:
        assert driven.process.wait(timeout=180) == 4
        assert said in driven.said()
        assert "Traceback" not in driven.said()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--server", "localhost"), "expected a URL"),
        (("--workers", "0"), "expected one or more"),
        (("--master", "--workers", "2"), "--worker-of"),
        (("--worker-of", ""), "expected the name or address"),
        (("--port", "99999"), "--port 99999: expected a port from 1 to 65535"),
        (("--master", "--port", "0", "--master-port", "-1"), "--master-port -1: expected a port"),
        (("--host", "no such name", "--port", "0"), "cannot listen on no such name:0"),
    ],
)
def test_impossible_options_of_an_agent_are_refused(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    with mmload(tmp_path, "agent", *options) as driven:
        assert driven.process.wait(timeout=180) == 2
        assert said in driven.said()


def test_a_port_that_somebody_uses_is_refused_in_words(sandbox: str, tmp_path: Path) -> None:
    """Locust would end with a traceback."""
    port = sandbox.rpartition(":")[2]
    with mmload(tmp_path, "agent", "--server", sandbox, "--port", port) as driven:
        assert driven.process.wait(timeout=180) == 2
        assert (
            f"--port {port}: cannot listen on 127.0.0.1:{port}: Address already in use; choose another port"
            in driven.said()
        )
        assert "Traceback" not in driven.said()
