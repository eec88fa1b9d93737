"""What holds clients back: slots, log-in cost, rate limit, account limit, closed doors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmload.sandbox.capacity import RateLimit
from tests.sandbox.conftest import PASSWORD, Client, SandboxProcess


def _account(name: str) -> dict[str, str]:
    return {"email": f"{name}@example.com", "username": name, "password": PASSWORD}


def test_requests_beyond_the_slots_wait_their_turn(sandbox_process: SandboxProcess) -> None:
    """Only a queue makes a server slower under load; without it no capacity could be found."""
    client = sandbox_process("--slots", "2", "--service-ms", "100")

    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client("GET", "/system/ping").status_code, range(8)))
    seconds = time.perf_counter() - started

    assert statuses == [200] * 8
    assert seconds >= 0.4


def test_logging_in_costs_what_hashing_costs(sandbox_process: SandboxProcess) -> None:
    """Log-ins are the dearest requests of a real server."""
    client = sandbox_process("--login-ms", "200")

    started = time.perf_counter()
    client.admin()

    assert time.perf_counter() - started >= 0.2


def test_above_the_rate_limit_it_answers_429(sandbox_process: SandboxProcess) -> None:
    """With the headers of the real one, from which a client learns how long to wait."""
    client = sandbox_process("--rate-limit", "1")

    answers = [client("GET", "/system/ping") for _ in range(200)]
    refused = [answer for answer in answers if answer.status_code == 429]

    assert refused
    assert refused[0].text == "limit exceeded\n"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].headers["X-RateLimit-Remaining"] == "0"
    assert answers[0].headers["X-RateLimit-Limit"] == "101"


def test_the_rate_limit_lets_in_again_as_time_passes() -> None:
    """The cell rate algorithm, with a clock of our own: one request each 200 ms at 5 a second."""
    now = 0.0
    limit = RateLimit(5, lambda: now, burst=10)
    let_in = sum(not limit.ask("a").refused for _ in range(20))
    assert let_in == 11
    assert limit.ask("a").refused
    assert not limit.ask("b").refused

    now = 0.2
    assert not limit.ask("a").refused
    assert limit.ask("a").refused


def test_more_accounts_than_a_free_server_takes_are_refused(sandbox_process: SandboxProcess) -> None:
    """The error by which the real one (11.6, 250 accounts) says so."""
    client = sandbox_process("--account-limit", "2")
    assert client("POST", "/users", _account("one")).status_code == 201

    answer = client("POST", "/users", _account("two"))

    assert answer.status_code == 400
    assert answer.json()["id"] == "api.user.create_user.user_limits.exceeded"
    assert "ERROR_SAFETY_LIMITS_EXCEEDED" in answer.json()["message"]
    assert client.admin()("GET", "/limits/server").json()["maxUsersHardLimit"] == 2


@pytest.mark.parametrize(
    ("option", "setting", "status", "error_id"),
    [
        ("--closed-signup", "EnableUserCreation", 501, "api.user.create_user.signup_email_disabled.app_error"),
        ("--no-open-server", "EnableOpenServer", 403, "api.user.create_user.no_open_server"),
    ],
)
def test_a_closed_door_is_shut_for_all_but_the_admin(
    sandbox_process: SandboxProcess, option: str, setting: str, status: int, error_id: str
) -> None:
    """What `doctor` must find out, and what sign-up on first use meets."""
    client = sandbox_process(option)

    refused = client("POST", "/users", _account("one"))
    assert (refused.status_code, refused.json()["id"]) == (status, error_id)
    admin = client.admin()
    assert admin("POST", "/users", _account("one")).status_code == 201
    assert admin("GET", "/config").json()["TeamSettings"][setting] is False
    assert admin("GET", "/config/client?format=old").json()[setting] == "false"


def test_an_empty_sandbox_makes_its_first_account_an_admin(sandbox_process: SandboxProcess) -> None:
    """As a freshly installed server does."""
    client = sandbox_process("--empty")

    first, second = (client("POST", "/users", _account(name)).json() for name in ("one", "two"))

    assert "system_admin" in first["roles"]
    assert "system_admin" not in second["roles"]


def test_slots_without_a_number_are_a_usage_error() -> None:
    """A service time that nobody ever queues for would look like a capacity and be none."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "mmload.sandbox", "--service-ms", "5"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "--slots" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_address_of_an_ipv6_host_is_a_url_that_can_be_used() -> None:
    import asyncio

    from mmload.sandbox.app import SandboxServer
    from mmload.sandbox.options import Options

    async def address() -> str:
        server = SandboxServer(Options())
        try:
            return await server.start("::1", 0)
        finally:
            await server.stop()

    found = asyncio.run(address())

    assert found.startswith("http://[::1]:") and found.rpartition(":")[2].isdigit()


def test_a_taken_port_is_named(sandbox_process: SandboxProcess) -> None:
    """One line, no traceback."""
    import subprocess
    import sys

    taken = sandbox_process().address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "mmload.sandbox", "--port", taken], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert taken in done.stderr
    assert "Traceback" not in done.stderr


def test_the_metrics_page_has_mattermosts_names(sandbox_process: SandboxProcess) -> None:
    """The sample queries of a coordinator ask for these."""
    client: Client = sandbox_process()
    client.admin()

    import requests

    page = requests.get(f"{client.address}/metrics", timeout=10).text

    assert 'mattermost_api_time_count{handler="login",method="POST"' in page
    for name in ("mattermost_http_websockets_total", "mattermost_post_total", "process_cpu_seconds_total"):
        assert f"\n{name} " in page
