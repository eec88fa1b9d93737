"""Injected faults: the requested one happens, and nothing else."""

from __future__ import annotations

import time

import pytest
import requests

from tests.contract.listener import Listener
from tests.sandbox.conftest import SandboxProcess, direct_channel


def test_a_fault_hits_its_route_and_leaves_others_alone(sandbox_process: SandboxProcess) -> None:
    """A test of one failing route must not fail others."""
    client = sandbox_process()
    client.fault(route="GET /api/v4/system/ping", status=503)

    assert client("GET", "/system/ping").status_code == 503
    assert client("GET", "/license/client?format=old").status_code == 200

    client("DELETE", "/sandbox/faults")
    assert client("GET", "/system/ping").status_code == 200


def test_a_fault_ends_after_the_times_asked_for(sandbox_process: SandboxProcess) -> None:
    """How a client recovers is seen only if the fault goes away by itself."""
    client = sandbox_process()
    client.fault(route="GET /api/v4/system/ping", status=500, times=2)

    statuses = [client("GET", "/system/ping").status_code for _ in range(4)]

    assert statuses == [500, 500, 200, 200]


def test_a_share_of_requests_fails(sandbox_process: SandboxProcess) -> None:
    """Real servers fail now and then, not always."""
    client = sandbox_process()
    client.fault(status=500, share=0.5)

    failed = sum(client("GET", "/system/ping").status_code == 500 for _ in range(100))

    assert 20 < failed < 80


def test_an_answer_may_be_lost_though_the_post_is_stored(sandbox_process: SandboxProcess) -> None:
    """A client can't tell a lost answer from a lost request: its report has to say "uncertain"."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    client.fault(route="POST /api/v4/posts", hang_up=True, after=True)

    with pytest.raises(requests.ConnectionError):
        admin("POST", "/posts", {"channel_id": channel, "message": "hello"})

    assert client.counts()["posts"] == 1


def test_a_delay_is_kept(sandbox_process: SandboxProcess) -> None:
    """Time-outs are tested with it."""
    client = sandbox_process()
    client.fault(route="GET /api/v4/system/ping", delay_ms=300)

    started = time.perf_counter()
    client("GET", "/system/ping")

    assert time.perf_counter() - started >= 0.3


def test_a_fault_with_an_unknown_field_is_refused(sandbox_process: SandboxProcess) -> None:
    """A mistyped fault that does nothing would make its test green for ever."""
    answer = sandbox_process()("POST", "/sandbox/faults", {"rout": "*", "status": 500})

    assert answer.status_code == 400
    assert "rout" in answer.json()["error"]


def test_dropped_sockets_are_gone_and_can_resume(sandbox_process: SandboxProcess) -> None:
    """As when a proxy is restarted: nothing is lost for who resumes."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener = Listener(client.address, ann.token)
    connection = listener.wait_for_event("hello")["data"]["connection_id"]
    listener.wait_for_event("status_change")

    client.fault(drop_sockets=True)
    assert listener.ended.wait(5)
    admin("POST", "/posts", {"channel_id": channel, "message": "missed"})
    again = Listener(client.address, ann.token, f"?connection_id={connection}&sequence_number=2")

    assert again.wait_for_event("posted")["seq"] >= 2
    assert not again.events("hello")
    again.close()


def test_a_swallowed_event_leaves_a_gap_in_the_numbers(sandbox_process: SandboxProcess) -> None:
    """The only way a client can notice that it missed something."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener = Listener(client.address, ann.token)
    listener.wait_for_event("status_change")

    client.fault(swallow_events=1)
    for number in range(2):
        admin("POST", "/posts", {"channel_id": channel, "message": f"post {number}"})

    assert listener.wait_for_event("posted")["seq"] == 3
    listener.close()
