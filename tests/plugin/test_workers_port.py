"""The master's port for its workers: who gets through, who learns what, and that nothing sent there ends the master."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import zmq
from locust.rpc import Message

from mmload.cli.locust_process import free_port
from mmload.config import environment_name, load_settings
from mmload.errors import ConfigurationError
from mmload.locust_internals import readable
from mmload.plugin.runner.worker_handshake import differences
from mmload.plugin.runner.workers_port import LARGEST_MESSAGE_BYTES, WorkersPort, forks_its_workers, secret_of
from tests.plugin.driven import agent, assert_no_faults, await_that, connected, mmload
from tests.plugin.test_distributed import hello, master, on_workers, worker
from tests.support import Admin

TOKEN = {"MMLOAD_AGENT_TOKEN": "a token of sixteen characters or more"}
OTHER = {"MMLOAD_AGENT_TOKEN": "another one of sixteen characters or more"}
PASSWORD = environment_name("UsersConfiguration", "Password")
ADMIN_PASSWORD = environment_name("ConnectionConfiguration", "AdminPassword")
MESSAGE = msgpack.dumps(("client_ready", "2.47.0", "me"))

NO_MESSAGES = {
    "no msgpack": b"\xc1\xc1",
    "nothing": b"",
    "broken off": MESSAGE[:-3],
    "too much": MESSAGE + b"\x00",
    "a number": msgpack.dumps(7),
    "too few parts": msgpack.dumps(("client_ready", None)),
    "too many parts": msgpack.dumps(("client_ready", None, "me", 1)),
    "the type is none": msgpack.dumps((["client_ready"], None, "me")),
    "another sender": msgpack.dumps(("client_ready", "2.47.0", "somebody else")),
    "a sender that is none": msgpack.dumps(("client_ready", "2.47.0", 7)),
    "a date that is none": msgpack.dumps(("logs", {"__datetime__": True, "as_str": "soon"}, "me")),
    "deeply nested": b"\x93" + b"\x91" * 100_000 + b"\xc0",
    "longer than it is": b"\xdd\xff\xff\xff\xff",
    "no UTF-8": b"\x93\xa2\xff\xff\xc0\xa2me",
}


@pytest.mark.parametrize("data", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_message_of_its_sender_is_told_apart(data: bytes) -> None:
    assert readable([b"me", data]) is None


def test_a_message_is_read() -> None:
    read = readable([b"me", MESSAGE])

    assert read is not None and (read.type, read.data, read.node_id) == ("client_ready", "2.47.0", "me")
    assert (
        readable([b"me", MESSAGE, b""]) is None and readable([b"me"]) is None and readable([b"\xff", MESSAGE]) is None
    )


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        ("--processes 2", {}, True),
        ("--headless --processes=2", {}, True),
        ("", {"LOCUST_PROCESSES": "2"}, True),
        ("--processes 2 --worker", {}, False),
        ("--processes 2", {"LOCUST_MODE_WORKER": "1"}, False),
        ("--master", {}, False),
        ("", {}, False),
    ],
)
def test_a_key_is_drawn_for_workers_that_are_forked_from_their_master(
    command: str, variables: dict[str, str], expected: bool
) -> None:
    assert forks_its_workers(command.split(), variables) is expected
    assert WorkersPort(variables, command.split()).is_encrypted is expected


def test_the_key_follows_from_the_token() -> None:
    assert secret_of("a") == secret_of("a") != secret_of("b")
    with pytest.raises(ConfigurationError, match="at least 16"):
        WorkersPort({"MMLOAD_AGENT_TOKEN": "short"}, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "::", "10.1.2.3", "load.example.com"])
def test_other_machines_need_the_token(host: str) -> None:
    for is_master in (True, False):
        for arguments in ([], ["--processes", "2"]):
            assert "MMLOAD_AGENT_TOKEN" in WorkersPort({}, arguments).host_problem(host, is_master=is_master)
        assert WorkersPort(TOKEN, []).host_problem(host, is_master=is_master) == ""
        assert WorkersPort({}, []).host_problem("localhost", is_master=is_master) == ""


def test_a_refused_worker_learns_no_value_of_the_master() -> None:
    ours = load_settings(environ={environment_name("UsersConfiguration", "MaxActiveUsers"): "4711"})[0]
    theirs = load_settings(environ={environment_name("UsersConfiguration", "MaxActiveUsers"): "5"})[0]

    told = "; ".join(differences(hello(ours), hello(theirs), to_worker=True))

    assert "UsersConfiguration.MaxActiveUsers is 5 here" in told and "4711" not in told
    assert "4711" in "; ".join(differences(hello(ours), hello(theirs)))


def test_a_worker_that_lacks_a_password_is_refused_with_the_name_of_its_variable() -> None:
    """Passwords are not passed on: each process has its own from its environment."""
    ours, theirs = (load_settings(environ=each)[0] for each in ({PASSWORD: "Of all users 1"}, {}))

    assert differences(hello(ours), hello(theirs)) == [
        f"the worker has no {PASSWORD}, but the master has: passwords are not passed on"
    ]
    assert differences(hello(theirs), hello(ours)) == []


@pytest.mark.parametrize(("percentage", "needed"), [("0", False), ("0.5", True)])
def test_a_worker_needs_the_administrators_password_only_if_its_users_log_in_with_it(
    percentage: str, needed: bool
) -> None:
    share = {environment_name("UsersConfiguration", "PercentOfUsersAreAdmin"): percentage}
    ours = load_settings(environ={ADMIN_PASSWORD: "Of the administrator 1"} | share)[0]

    assert bool(differences(hello(ours), hello(load_settings(environ=share)[0]))) is needed


# -- the real thing --------------------------------------------------------------------------------------------


@contextmanager
def stranger(port: str, name: str = "stranger") -> Iterator[Any]:
    """A client that says what it likes."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.linger = 0
        made.identity = name.encode()
        made.connect(f"tcp://127.0.0.1:{port}")
        yield made


def message(kind: str, data: Any, name: str = "stranger") -> bytes:
    packed: bytes = Message(kind, data, name).serialize()  # type: ignore[no-untyped-call]
    return packed


def heard(made: Any) -> set[str]:
    """The types of the messages that came until now."""
    kinds = set()
    while made.poll(0):
        kinds.add(msgpack.loads(made.recv())[0])
    return kinds


def test_whatever_is_sent_to_the_port_workers_join_and_strangers_are_sent_nothing(
    fresh_sandbox: str, tmp_path: Path
) -> None:
    Admin(fresh_sandbox).team()
    with master(tmp_path, fresh_sandbox) as (driven, port), stranger(port) as one, stranger(port, "another") as other:
        for data in NO_MESSAGES.values():
            one.send(data)
        one.send_multipart([b"", MESSAGE])
        for kind in ("heartbeat", "stats", "spawning_complete", "quit", "exception", "locustfile", "mmload_read", "x"):
            one.send(message(kind, {"state": "running", "user_classes_count": {"SimulatedUser": 7}}))
            one.send(message(kind, None))
        one.send(message("mmload_hello", {"name": 7}))
        other.send(bytes(LARGEST_MESSAGE_BYTES + 1))
        other.send(message("client_ready", "2.47.0", "another"))
        await_that(lambda: other.poll(0) != 0, "a stranger that connects is answered")

        with worker(tmp_path, port, "worker") as joined:
            await_that(lambda: len(on_workers(driven)) == 1, "the worker is there, and nobody else")
            (its_id,) = [each["id"] for each in driven.ask("GET", "/stats/requests").json()["workers"]]
            with stranger(port, its_id) as impostor:
                impostor.send(message("quit", None, its_id))
                impostor.send(message("client_stopped", None, its_id))
                driven.swarm(3)
                await_that(lambda: connected(fresh_sandbox).total() == 3, "all users are the worker's")
                await_that(lambda: on_workers(driven) == [3], "and the master knows it")
                assert heard(impostor) == set()
            assert set(connected(fresh_sandbox)) == {"testuser-1", "testuser-2", "testuser-3"}
            # One that stays silent is refused in the end: on a busy machine that is now.
            assert heard(one) == {"mmload_refused"} and heard(other) - {"mmload_refused", "quit"} == {"ack"}
            assert "a message that cannot be read was dropped" in driven.said()
            assert_no_faults(driven, joined)


def test_with_a_token_both_ends_prove_that_they_know_it(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()
    with master(tmp_path, fresh_sandbox, **TOKEN) as (driven, port), stranger(port) as one:
        one.send(message("client_ready", "2.47.0"))
        for name, token in (("without", {}), ("wrong", OTHER)):
            with worker(tmp_path, port, name, **token) as refused:
                assert refused.process.wait(timeout=180) == 4
                said = (
                    f"mmload: the master at 127.0.0.1:{port} has another MMLOAD_AGENT_TOKEN than this worker, or none"
                )
                assert said in refused.said()
                assert_no_faults(refused)
        with worker(tmp_path, port, "worker", **TOKEN) as joined:
            await_that(lambda: len(on_workers(driven)) == 1, "the worker is there")
            driven.swarm(2)
            await_that(lambda: connected(fresh_sandbox).total() == 2, "two are in")
            assert_no_faults(driven, joined)
        assert heard(one) == set()
        assert "a connection was refused: it has another MMLOAD_AGENT_TOKEN, or none" in driven.said()
        assert not any(token in driven.said() + joined.said() for token in TOKEN.values())


def test_a_worker_with_a_token_obeys_no_master_that_does_not_know_it(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as false_master:
        false_master.linger = 0
        port = str(false_master.bind_to_random_port("tcp://127.0.0.1"))
        with worker(tmp_path, port, "worker", **TOKEN) as careful:
            assert careful.process.wait(timeout=180) == 4
            assert not false_master.poll(0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--master", "--master-bind-host", "0.0.0.0"), "--master-bind-host 0.0.0.0: anybody who reaches this address"),
        (("--worker-of", "192.0.2.1"), "--master-host 192.0.2.1: a master on another machine needs a token"),
    ],
)
def test_without_a_token_nobody_listens_to_other_machines_or_obeys_them(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ports = ("--master-port", str(free_port()), "--port", str(free_port()))
    with mmload(tmp_path, "agent", *options, *ports) as refused:
        assert refused.process.wait(timeout=180) == 4
        assert said in refused.said()
        assert_no_faults(refused)


def test_the_port_is_on_loopback_unless_told_otherwise(fresh_sandbox: str, tmp_path: Path) -> None:
    """Of Locust's own command, too, whose default is all interfaces. 127.0.0.2 is this machine, but another address."""
    Admin(fresh_sandbox).team()
    port = free_port()
    with agent(tmp_path, fresh_sandbox, "--", "--master", "--master-bind-port", str(port)):
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=60)
