"""The log of a real nginx in front of a server that people use."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.proxy import nginx
from mmload.behaviours.catalogue import routes
from mmload.learn.reading import counted, examined
from mmload.learn.routes import WEB_SOCKET, is_served, route_of
from tests.learn.test_command import learn
from tests.plugin.driven import counts
from tests.run.processes import mmload
from tests.support import Admin

pytestmark = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="nginx is not installed (make system-packages)"
)
# They pause little: what they do in a few seconds is enough.
HASTY = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "50", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "200"}


USERS = 4


def received(server: str) -> Counter[str]:
    """By route, as the server itself counted them."""
    requests = counts(server)["requests"]
    return Counter({common(route.replace("/api/v4", "")): sum(requests[route].values()) for route in requests})


def common(route: str) -> str:
    """A route without the names of its ids: server and client have their own."""
    return re.sub(r"\{\w+\}", "{}", route.replace("/users/me", "/users/{}"))


def test_what_nginx_logs_is_what_the_server_received_and_teaches_a_mix(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()
    before = received(fresh_sandbox)
    with nginx(fresh_sandbox, tmp_path) as address:
        load = ("--users", str(USERS), "--spawn-rate", str(USERS), "--run-time", "8s", "--no-checks")
        mmload(tmp_path, "run", "--server", address, *load, **HASTY)
    log = tmp_path / "access.log"

    observed = counted([examined(log)], routes())
    logged: Counter[str] = Counter()
    for handler, number in (observed.handlers + observed.integrations).items():
        if is_served(handler) and handler != WEB_SOCKET:
            logged[common(route_of(handler))] += number
    arrived = received(fresh_sandbox)
    arrived.subtract(before)
    assert logged.total() > 100
    # Each may have had one under way when the load ended.
    different = (logged - arrived) + (arrived - logged)
    assert different.total() <= USERS, different

    found = learn(tmp_path, log, options=("--anyway",))
    assert found["source"] == "nginx combined with request time"
    assert list(found["people"]["daily"].values()) == [USERS]
    assert found["fit"]["explained"] > 0.9
