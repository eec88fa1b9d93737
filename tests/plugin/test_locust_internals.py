"""What `mmload.locust_internals` relies on in Locust: each fails with a sentence when another version changes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group
from locust import User, argument_parser, main, task
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.rpc import Message, zmqrpc
from locust.runners import LocalRunner, MasterRunner, Runner, WorkerNode, WorkerRunner
from locust.stats import RequestStats, StatsEntry
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING

from mmload import locust_internals


class Sleeper(User):
    """Does one task for a long time."""

    host = "http://localhost"

    @task
    def sleep(self) -> None:
        gevent.sleep(600)


@pytest.fixture
def runner() -> Iterator[Any]:
    made = Environment(user_classes=[Sleeper]).create_local_runner()
    yield made
    made.quit()


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (LocalRunner.start, ["self", "user_count", "spawn_rate", "wait", "user_classes"]),
        (MasterRunner.start, ["self", "user_count", "spawn_rate", "wait", "user_classes"]),
        (LocalRunner.stop, ["self"]),
        (MasterRunner.stop, ["self", "send_stop_to_client"]),
        (Runner.spawn_users, ["self", "user_classes_spawn_count", "wait"]),
        (Runner.stop_users, ["self", "user_classes_stop_count"]),
        (UsersDispatcher._sort_workers, ["self"]),
        (UsersDispatcher._add_users_on_workers, ["self"]),
        (User.start, ["self", "group"]),
        (User.stop, ["self", "force"]),
        (WorkerRunner.handle_message, ["self", "msg"]),
        (MasterRunner.handle_message, ["self", "client_id", "msg"]),
        (zmqrpc.BaseSocket.__init__, ["self", "sock_type", "ipv4_only"]),
        (zmqrpc.Server.__init__, ["self", "host", "port"]),
        (zmqrpc.Client.__init__, ["self", "host", "port", "identity"]),
        (zmqrpc.BaseSocket.recv, ["self"]),
        (zmqrpc.BaseSocket.recv_from_client, ["self"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_method_that_mmload_replaces_or_overrides_takes_the_same_arguments(
    function: Any, expected: list[str]
) -> None:
    assert parameters(function) == expected, f"Locust changed the parameters of {function.__qualname__}"


def test_locust_installs_its_signal_handlers_by_what_can_be_replaced() -> None:
    source = inspect.getsource(main)
    installed = re.findall(r"(\w+\.signal\w*)\(", source)

    assert sorted(installed) == ["gevent.signal_handler", "signal.signal"], "Locust has other signal handlers"
    assert "import signal\n" in source and "import gevent\n" in source, "Locust has them from elsewhere"


def test_the_runner_calls_its_methods_by_their_names_so_that_they_can_be_replaced() -> None:
    for caller, called in [
        (WorkerRunner, "self.spawn_users("),
        (WorkerRunner, "self.stop_users("),
        (LocalRunner, "self.spawn_users("),
        (LocalRunner, "self.stop_users("),
        (Runner, "self.stop_users("),
    ]:
        assert called in inspect.getsource(caller), f"Locust's {caller.__name__} no longer calls {called}…)"


def test_a_worker_handles_spawn_messages_only_when_they_are_no_longer_held(monkeypatch: pytest.MonkeyPatch) -> None:
    handled: list[str] = []
    assert "self.handle_message(" in inspect.getsource(WorkerRunner.worker), "workers handle messages elsewhere"
    assert 'case "spawn":' in inspect.getsource(WorkerRunner.handle_message), "the message is no longer named spawn"
    monkeypatch.setattr(WorkerRunner, "handle_message", lambda _, message: handled.append(message.type))
    initialised = Event()
    locust_internals.hold_spawn_messages(initialised)
    handle: Any = WorkerRunner.handle_message

    handle(None, SimpleNamespace(type="ack"))
    spawning = gevent.spawn(handle, None, SimpleNamespace(type="spawn"))
    gevent.sleep(0)
    assert handled == ["ack"]

    initialised.set()
    spawning.join(timeout=5)
    assert handled == ["ack", "spawn"]


@pytest.fixture
def rpc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What replaces Locust's own in these classes is gone after the test."""
    for kind, names in {
        zmqrpc.BaseSocket: ("__init__", "recv", "recv_from_client"),
        zmqrpc.Server: ("__init__", "recv_from_client"),
        zmqrpc.Client: ("__init__",),
        MasterRunner: ("handle_message",),
    }.items():
        for name in names:
            monkeypatch.setattr(kind, name, getattr(kind, name))


def test_masters_and_workers_make_their_sockets_by_what_can_be_replaced(rpc: None) -> None:
    seen: list[Any] = []
    locust_internals.guard_sockets(lambda *of: seen.append(of), lambda _, is_master: seen.append(is_master))

    server: Any = zmqrpc.Server("127.0.0.1", 0)  # type: ignore[no-untyped-call]
    client: Any = zmqrpc.Client("127.0.0.1", server.port, "me")  # type: ignore[no-untyped-call]

    assert seen == [("127.0.0.1", True), True, ("127.0.0.1", False), False], "Locust makes its sockets another way"
    for made in (server, client):
        made.close(linger=0)


def test_unreadable_messages_are_dropped_before_locusts_listeners_hear_of_them(rpc: None) -> None:
    dropped: list[str] = []
    locust_internals.drop_unreadable_messages(dropped.append)
    server: Any = zmqrpc.Server("127.0.0.1", 0)  # type: ignore[no-untyped-call]
    client: Any = zmqrpc.Client("127.0.0.1", server.port, "me")  # type: ignore[no-untyped-call]

    client.socket.send(b"\xc1\xc1")
    client.send(Message("hello", None, "me"))  # type: ignore[no-untyped-call]
    sender, message = server.recv_from_client()
    server.socket.send_multipart([b"me", b"\xc1\xc1"])
    server.send_to_client(message)

    assert (sender, message.type, client.recv().type, len(dropped)) == ("me", "hello", "hello", 2)
    assert "self.server.recv_from_client(" in inspect.getsource(MasterRunner.client_listener)
    assert "self.client.recv(" in inspect.getsource(WorkerRunner.worker)
    for made in (server, client):
        made.close(linger=0)


def test_a_master_handles_only_what_is_admitted_and_survives_what_is_wrong(
    rpc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "self.handle_message(" in inspect.getsource(MasterRunner.client_listener), (
        "masters handle messages elsewhere"
    )
    handled: list[str] = []
    dropped: list[str] = []

    def handle(_: Any, _client: str, message: Message) -> None:
        handled.append(message.data["state"])

    monkeypatch.setattr(MasterRunner, "handle_message", handle)
    locust_internals.guard_messages(lambda _, client_id, __: client_id == "friend", dropped.append)
    for client_id, data in (("friend", {"state": "ready"}), ("stranger", {"state": "ready"}), ("friend", None)):
        MasterRunner.handle_message(None, client_id, Message("heartbeat", data, client_id))  # type: ignore

    assert handled == ["ready"]
    assert len(dropped) == 1 and "'heartbeat' of worker friend" in dropped[0]


def test_users_are_found_in_the_runners_group_and_can_be_moved_to_another(runner: Any) -> None:
    runner.start(2, spawn_rate=2)
    runner.spawning_greenlet.join(timeout=10)
    users = locust_internals.users_of(runner)
    assert [type(user) for user in users] == [Sleeper, Sleeper], "a user is no longer the argument of its greenlet"

    other = Group()
    locust_internals.move(users[0], other)

    assert (len(runner.user_greenlets), len(other)) == (1, 1), "a user's greenlet is no longer in a group that it knows"
    assert runner.user_count == 1, "the number of users is no longer that of the runner's group"
    other.kill()


def test_the_runner_keeps_its_dispatcher_and_its_state_under_these_names(runner: Any) -> None:
    assert locust_internals.dispatcher_of(runner) is None
    runner.start(1, spawn_rate=1)
    runner.spawning_greenlet.join(timeout=10)

    assert locust_internals.dispatcher_of(runner) is not None, "Locust keeps its dispatcher under another name"
    assert runner.spawning_greenlet is not None, "Locust's LocalRunner no longer has a spawning_greenlet"
    assert not locust_internals.ends_the_test(runner)
    seen = []
    locust_internals.replace_spawn_and_stop_users(
        runner, runner.spawn_users, lambda _: seen.append(locust_internals.ends_the_test(runner))
    )
    runner.stop()
    assert seen == [True], "a runner that stops all users is no longer in the state `cleanup`"


def test_the_dispatcher_asks_ours_for_the_order_of_workers_and_the_next_one() -> None:
    workers = [WorkerNode(name) for name in ("here_b", "here_a")]
    dispatcher = locust_internals.by_index({"here_a": 0, "here_b": 1}.__getitem__)(workers, [Sleeper])
    dispatcher.new_dispatch(target_user_count=1, spawn_rate=1)

    assert next(dispatcher)["here_a"] == {"Sleeper": 1}, "Locust's dispatcher no longer uses what mmload overrides"


def test_a_user_that_sleeps_in_a_task_is_stopped_as_between_two_tasks(runner: Any) -> None:
    class Pausing(User):
        host = "http://localhost"
        ended = False

        @task
        def pause(self) -> None:
            locust_internals.sleep_as_between_tasks(self, 600)

        def on_stop(self) -> None:
            Pausing.ended = True

    group = Group()
    user = Pausing(runner.environment)
    greenlet = user.start(group)
    gevent.sleep(0.05)

    user.stop(force=False)
    greenlet.join(timeout=5)

    assert greenlet.ready() and Pausing.ended, "Locust no longer stops at once a user whose _state is `waiting`"


def test_a_pause_beside_an_action_leaves_the_users_state_alone(runner: Any) -> None:
    """It may go on while the user is told to stop: the action is not broken off, and nothing is raised beside it."""
    states: list[Any] = []

    class Busy(User):
        host = "http://localhost"

        @task
        def act(self) -> None:
            beside = gevent.spawn(locust_internals.sleep_as_between_tasks, self, 0.01)
            gevent.sleep(0)
            states.append(self._state)
            self.stop()
            beside.get()
            states.append(self._state)

    greenlet = Busy(runner.environment).start(Group())
    greenlet.join(timeout=5)

    assert greenlet.ready() and states == [LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING]


def test_options_are_worked_out_by_a_function_that_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argument_parser, "default_args_dict", argument_parser.default_args_dict)
    locust_internals.cache_default_options()

    assert argument_parser.default_args_dict() is argument_parser.default_args_dict()
    assert "default_args_dict()" in inspect.getsource(argument_parser.ui_extra_args_dict), (
        "Locust no longer works out its default options with argument_parser.default_args_dict"
    )


def test_an_entry_of_the_tables_counts_seconds_and_copies_under_these_names() -> None:
    entry = StatsEntry(RequestStats(), "name", "GET", use_response_times_cache=True)
    entry.log(10, 100)
    entry.log_error("failed")
    assert entry.num_reqs_per_sec and entry.num_fail_per_sec, "Locust counts the requests of a second elsewhere"

    locust_internals.forget_before([entry], 2**40)
    locust_internals.copy_no_more([entry])

    assert (entry.num_reqs_per_sec, entry.num_fail_per_sec) == ({}, {})
    entry.log(10, 100)
    assert entry.response_times_cache is None, "Locust copies its response times regardless of use_response_times_cache"


def test_the_web_page_has_a_view_that_starts_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["locust"])
    environment = Environment(user_classes=[Sleeper])
    environment.create_local_runner()
    web_ui: Any = environment.create_web_ui(host="127.0.0.1", port=0, delayed_start=True)

    assert locust_internals._SWARM in web_ui.app.view_functions, "Locust's /swarm is another view"
    locust_internals.guard_swarm(web_ui, lambda form: f"not today, {form['host'].strip()}")
    answer = web_ui.app.test_client().post("/swarm", data={"user_count": 1, "spawn_rate": 1, "host": "x"}).get_json()

    assert answer == {"success": False, "message": "not today, x", "host": None}
    assert environment.runner is not None and environment.runner.user_count == 0
