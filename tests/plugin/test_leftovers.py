"""Users come and go for a while, driven by many at once: nothing may be left of those who went."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.plugin.driven import Driven, agent, assert_no_faults, await_that, connected, counts
from tests.plugin.test_distributed import Watch, master, on_workers, worker
from tests.support import Admin

MOST = 30
CLIENTS = 4
MIXED_EACH, PLAIN_EACH = 35, 25
# Each client takes this long over all its calls, so that users are in every state when they are removed.
SPAN_SECONDS = 10.0


def at_once(work: list[list[tuple[str, str, dict[str, float]]]], driven: Driven) -> list[int]:
    """Each client does its calls in its own thread; the status codes of all of them."""
    codes: list[int] = []

    def do(calls: list[tuple[str, str, dict[str, float]]]) -> None:
        for method, path, form in calls:
            codes.append(driven.ask(method, path, data=form or None).status_code)
            time.sleep(SPAN_SECONDS / len(calls))

    threads = [threading.Thread(target=do, args=(calls,)) for calls in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def mixed(rng: random.Random) -> list[tuple[str, str, dict[str, float]]]:
    """Adding and removing in turn; every seventh call is one of Locust's own page."""
    calls: list[tuple[str, str, dict[str, float]]] = []
    for number in range(MIXED_EACH):
        if number % 7 == 6:
            calls.append(("POST", "/swarm", {"user_count": rng.randrange(MOST), "spawn_rate": rng.choice([5, 50])}))
        else:
            verb = "addusers" if number % 2 else "removeusers"
            calls.append(("POST", f"/loadagent/crowd/{verb}?amount={rng.randrange(1, 9)}", {}))
    return calls


def plain(number: int) -> list[tuple[str, str, dict[str, float]]]:
    """Two more, two fewer, and so on; one client ends with two more, the others as they began."""
    verbs = ["addusers", "removeusers"] * (PLAIN_EACH // 2) + (["addusers"] if number == 0 else [])
    return [("POST", f"/loadagent/crowd/{verb}?amount=2", {}) for verb in verbs]


def test_four_clients_at_once_leave_the_right_number_no_socket_and_no_account(
    fresh_sandbox: str, tmp_path: Path
) -> None:
    """Over two hundred changes within half a minute, mixed with those of Locust's own page."""
    Admin(fresh_sandbox).team()
    settings = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "50", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "500"}
    with agent(tmp_path, fresh_sandbox, **settings) as driven:
        users = {"UsersConfiguration": {"InitialActiveUsers": 5, "MaxActiveUsers": MOST}}
        assert driven.ask("POST", "/loadagent/create?id=crowd", json={"LoadTestConfig": users}).status_code == 201
        driven.ask("POST", "/loadagent/crowd/run")

        codes = at_once([mixed(random.Random(number)) for number in range(CLIENTS)], driven)
        assert codes == [200] * CLIENTS * MIXED_EACH
        status = driven.status("crowd")
        wished = status["NumUsersAdded"] - status["NumUsersRemoved"]
        await_that(lambda: driven.status("crowd")["NumUsers"] == wished, "the number that is left by all of them")
        await_that(lambda: connected(fresh_sandbox).total() == wished, "the server sees as many")

        driven.swarm(12)
        codes = at_once([plain(number) for number in range(CLIENTS)], driven)
        assert set(codes) == {200} and len(codes) + CLIENTS * MIXED_EACH > 200
        await_that(lambda: driven.status("crowd")["NumUsers"] == 14, "twelve and two")
        await_that(lambda: connected(fresh_sandbox).total() == 14, "the server sees fourteen")

        driven.ask("POST", f"/loadagent/crowd/addusers?amount={MOST}")
        everybody = {f"crowd-{number}": 1 for number in range(1, MOST + 1)}
        await_that(lambda: connected(fresh_sandbox) == everybody, "no account is lost, and none is used twice")

        ended = driven.ask("POST", "/loadagent/crowd/stop").json()["status"]
        assert (ended["State"], ended["NumUsers"]) == ("stopped", 0)
        # Who was removed again before having started never stopped.
        assert ended["NumUsersAdded"] == ended["NumUsersRemoved"] >= ended["NumUsersStopped"] > 100
        assert ended["NumErrors"] == 0
        await_that(lambda: counts(fresh_sandbox)["sockets_open"] == 0, "no socket is left")
        assert_no_faults(driven)


def test_the_same_with_a_master_and_workers(fresh_sandbox: str, tmp_path: Path) -> None:
    """No worker is lost over it, and each ends with its share, by accounts of its own."""
    Admin(fresh_sandbox).team()
    with ExitStack() as stack:
        driven, port = stack.enter_context(master(tmp_path, fresh_sandbox))
        workers = [stack.enter_context(worker(tmp_path, port, f"worker{number}")) for number in range(2)]
        await_that(lambda: len(on_workers(driven)) == 2, "two workers are there")
        watch = stack.enter_context(Watch(fresh_sandbox))
        users = {"UsersConfiguration": {"InitialActiveUsers": 12, "MaxActiveUsers": MOST}}
        assert driven.ask("POST", "/loadagent/create?id=crowd", json={"LoadTestConfig": users}).status_code == 201
        driven.ask("POST", "/loadagent/crowd/run")

        codes = at_once([mixed(random.Random(number)) for number in range(CLIENTS)], driven)
        assert codes == [200] * CLIENTS * MIXED_EACH
        driven.swarm(12)
        codes = at_once([plain(number) for number in range(CLIENTS)], driven)
        assert set(codes) == {200} and len(codes) + CLIENTS * MIXED_EACH > 200

        await_that(lambda: on_workers(driven) == [7, 7], "twelve and two, seven on each")
        await_that(lambda: connected(fresh_sandbox).total() == 14, "the server sees fourteen")
        assert watch.shared == set()
        ended = driven.ask("POST", "/loadagent/crowd/stop").json()["status"]
        assert ended["NumUsersAdded"] == ended["NumUsersRemoved"] > 100
        await_that(lambda: counts(fresh_sandbox)["sockets_open"] == 0, "no socket is left")
        assert_no_faults(driven, *workers)
        assert not any("failed to send heartbeat" in each.said() for each in (driven, *workers))
