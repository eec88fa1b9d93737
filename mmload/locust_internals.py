"""The one seam to Locust: every method that is replaced, every private name that is used, each with its reason.

`tests/plugin/test_locust_internals.py` names each and fails with a sentence when another Locust changes it.
"""

from __future__ import annotations

import functools
import heapq
import logging
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import flask
import gevent
import zmq.green as zmq
from gevent.event import Event
from gevent.pool import Group
from locust import User, argument_parser
from locust import main as locust_main
from locust.dispatch import UsersDispatcher
from locust.exception import RPCError, StopUser
from locust.rpc import Message, zmqrpc
from locust.runners import STATE_CLEANUP, MasterRunner, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

log = logging.getLogger("mmload.locust_internals")
_SWARM = "locust.swarm"


# -- signals ---------------------------------------------------------------------------------------------------


def leave_signals_to_us() -> None:
    """Have Locust install no handlers of its own (`plugin/shutdown.py` has ours).

    Its SIGTERM is heeded only after a load in stages, and shuts down twice at once where a signal comes twice. The
    parent of forked workers ignores the first SIGINT, as if it always came from a terminal, which tells workers, too.
    """
    locusts: Any = locust_main

    def without(module: Any, installs: str) -> Any:
        return SimpleNamespace(**{**vars(module), installs: lambda *_: None})

    locusts.signal, locusts.gevent = without(signal, "signal"), without(gevent, "signal_handler")


# -- the number of users ---------------------------------------------------------------------------------------


def replace_start_and_stop(runner: Any, start: Callable[..., None], stop: Callable[..., None]) -> tuple[Any, Any]:
    """Have everybody who changes the number of users come to ours; Locust's own two, for ours to call.

    Two greenlets inside `MasterRunner.start` crash it.
    """
    locusts = runner.start, runner.stop
    runner.start, runner.stop = start, stop
    return locusts


def replace_spawn_and_stop_users(runner: Any, spawn: Callable[..., Any], stop: Callable[..., None]) -> Any:
    """Have the runner start and stop users by ours; Locust's own `spawn_users`, for ours to call.

    Its `stop_users` keeps those who stop among the users until they are gone, and blocks.
    """
    locusts = runner.spawn_users
    runner.spawn_users, runner.stop_users = spawn, stop
    return locusts


def users_of(runner: Any) -> list[User]:
    """The users of this process. A greenlet that has just died is in the group for a moment, without arguments."""
    return [greenlet.args[0] for greenlet in list(runner.user_greenlets) if greenlet.args]


def move(user: Any, group: Group) -> None:
    """Count a user as one of this group, no longer as one of the runner's."""
    user._group.discard(user.greenlet)
    group.add(user.greenlet)
    user._group = group


def hold_spawn_messages(until: Event) -> None:
    """Have workers of this process look at messages that make users only from then on.

    A worker is connected before its `init` listeners are called. One that joins a running test may be told to spawn in
    between: `test_start` would be fired before anybody has had the chance to listen to it.
    """
    locusts: Any = WorkerRunner
    handle = locusts.handle_message

    def held(runner: Any, message: Any) -> None:
        if message.type == "spawn":
            until.wait()
        handle(runner, message)

    locusts.handle_message = held


def ends_the_test(runner: Any) -> bool:
    """Whether the runner stops all users because the test is over."""
    return bool(runner.state == STATE_CLEANUP)


def keep_dispatcher(runner: Any, known: Any) -> None:
    """When a lost worker is forgotten, a minute later, Locust would stop all users and start them anew."""
    if runner._users_dispatcher is None:
        runner._users_dispatcher = known


def dispatcher_of(runner: Any) -> Any:
    """What shares the users out; None before the first ones."""
    return runner._users_dispatcher


# -- the port of the workers -----------------------------------------------------------------------------------


def guard_sockets(check_host: Callable[[str, bool], None], prepare: Callable[[Any, bool], None]) -> None:
    """Have these called for each socket: the first with its host, the second before it is bound or connected.

    Both are told whether it is a master's. Locust makes them in its runners' constructors, before anybody is asked.
    """
    rpc: Any = zmqrpc
    base, server, client = rpc.BaseSocket.__init__, rpc.Server.__init__, rpc.Client.__init__

    def init_base(self: Any, kind: int, ipv4_only: bool) -> None:
        base(self, kind, ipv4_only)
        prepare(self.socket, kind == zmq.ROUTER)

    def init_server(self: Any, host: str, port: int) -> None:
        check_host(host, True)
        server(self, host, port)

    def init_client(self: Any, host: str, port: int, identity: str) -> None:
        check_host(host, False)
        client(self, host, port, identity)

    rpc.BaseSocket.__init__, rpc.Server.__init__, rpc.Client.__init__ = init_base, init_server, init_client


def drop_unreadable_messages(dropped: Callable[[str], None]) -> None:
    """Have what is no message dropped, and told; Locust's listeners of master and worker end with most of it."""

    def received(self: Any) -> list[bytes]:
        try:
            return list(self.socket.recv_multipart())
        except zmq.ZMQError as error:
            raise RPCError("ZMQ network broken") from error

    def from_client(self: Any) -> tuple[str, Message]:
        while True:
            message = readable(received(self))
            if message is not None:
                return message.node_id, message
            dropped("a message that cannot be read was dropped")

    def from_master(self: Any) -> Message:
        while True:
            message = readable([b"", *received(self)])
            if message is not None:
                return message
            dropped("a message that cannot be read was dropped")

    rpc: Any = zmqrpc
    rpc.Server.recv_from_client, rpc.BaseSocket.recv = from_client, from_master


def readable(frames: list[bytes]) -> Message | None:
    """The message of these frames: the sender as ZeroMQ knows it (from a master: none), the packed rest. Pure.

    A sender that names another than itself is not believed.
    """
    if len(frames) != 2:
        return None
    unpack: Callable[[bytes], Message] = Message.unserialize
    try:
        sender, message = frames[0].decode(), unpack(frames[1])
    except Exception:  # noqa: BLE001 — whatever a stranger's bytes make msgpack and Locust's types raise
        return None
    if not isinstance(message.type, str) or (sender and message.node_id != sender):
        return None
    return message


def guard_messages(admits: Callable[[Any, str, Message], bool], dropped: Callable[[str], None]) -> None:
    """Have masters handle those messages that `admits(runner, worker, message)`; a mistake in one ends no listener."""
    locusts: Any = MasterRunner
    handle = locusts.handle_message

    def guarded(runner: Any, client_id: str, message: Message) -> None:
        try:
            if admits(runner, client_id, message):
                handle(runner, client_id, message)
        except Exception as error:
            log.debug("message %s", message.type, exc_info=error)
            dropped(f"a message {message.type[:40]!r} of worker {client_id[:100]} was dropped ({error!r:.200})")

    locusts.handle_message = guarded


# -- which worker gets the next user ---------------------------------------------------------------------------


def by_index(
    index_of: Callable[[str], int],
    takes_users: Callable[[str], bool] = lambda _: True,
    takes_class: Callable[[str, str], bool] = lambda _worker, _class: True,
) -> type[UsersDispatcher]:
    """A dispatcher for Locust's environment; `index_of` gives the index of the worker with an id.

    Workers that take no users are left out, unless none does. A class goes to those workers that take it, unless none
    does.

    Workers with the lowest index first, so that the lowest account numbers act: Locust orders workers by names that are
    drawn anew for each test. And the worker with the fewest users: Locust takes the next in turn and forgets whose turn
    it was when users go, so with many changes the shares drift apart.
    """

    class ByIndex(UsersDispatcher):
        def _sort_workers(self) -> None:
            by_id = {worker.id: worker for worker in self._worker_nodes}
            takers = [each for each in by_id if takes_users(each)] or by_id
            self._worker_nodes = [by_id[each] for each in in_turn(takers, index_of)]

        def _add_users_on_workers(self) -> dict[str, dict[str, int]]:
            users = [sum(self._users_on_workers[worker.id].values()) for worker in self._worker_nodes]
            self._worker_node_generator = self._places(users)  # type: ignore[assignment]
            return super()._add_users_on_workers()

        def _user_gen(self) -> Iterator[str | None]:
            for user in super()._user_gen():
                self._coming = user
                yield user

        def _places(self, users: list[int]) -> Iterator[Any]:
            anywhere = emptiest_first(self._worker_nodes, users)
            while True:
                takers = self._takers(self._coming)
                yield min(takers, key=self._number_of_coming) if takers else next(anywhere)

        def _takers(self, user: str | None) -> list[Any]:
            """The workers that a user is confined to; none: it may go anywhere."""
            takers = [each for each in self._worker_nodes if user is None or takes_class(each.id, user)]
            return takers if len(takers) < len(self._worker_nodes) else []

        def _number_of_coming(self, worker: Any) -> int:
            return int(self._users_on_workers[worker.id].get(self._coming or "", 0))

        def _distribute_users(self, target_user_count: int) -> Any:
            on_workers, users, workers, active = super()._distribute_users(target_user_count)
            for place, (worker, user) in enumerate(active):
                takers = self._takers(user)
                if takers and worker not in takers:
                    taker = min(takers, key=lambda each: on_workers[each.id][user])
                    on_workers[worker.id][user] -= 1
                    on_workers[taker.id][user] += 1
                    active[place] = (taker, user)
            return on_workers, users, workers, active

    return ByIndex


def emptiest_first(workers: list[Any], users: list[int]) -> Iterator[Any]:
    """Without end, the worker for each further user, if `users` are on them: the fewest, then the first. Pure."""
    places = list(zip(users, range(len(workers)), strict=True))
    heapq.heapify(places)
    while True:
        users_there, place = places[0]
        yield workers[place]
        heapq.heapreplace(places, (users_there + 1, place))


def in_turn(workers: Iterable[str], index_of: Callable[[str], int]) -> list[str]:
    """The ids with the first worker of each host, then the second, …, as Locust does: lest one host gets all. Pure."""
    on_host: Counter[str] = Counter()
    places = []
    for worker in sorted(workers, key=index_of):
        # Locust makes its ids so.
        host = worker.split("_")[0]
        places.append((on_host[host], index_of(worker), worker))
        on_host[host] += 1
    return [worker for *_, worker in sorted(places)]


# -- users, options, tables, the web page ----------------------------------------------------------------------


def sleep_as_between_tasks(user: Any, seconds: float) -> None:
    """A pause in the middle of an action: Locust may stop the user in it as between two actions, at once.

    In other greenlets, where a page does something beside what its user does, it is a pause and no more: the state is
    that of the user's own greenlet.
    """
    if gevent.getcurrent() is not user.greenlet:
        gevent.sleep(seconds)
        return
    before, user._state = user._state, LOCUST_STATE_WAITING
    gevent.sleep(seconds)
    if user._state == LOCUST_STATE_STOPPING:
        raise StopUser
    user._state = before


def cache_default_options() -> None:
    """Locust's options are the same all the time; it works them out anew for each of them, for each change of the load.

    Measured: 110 ms in which a worker does nothing else, every second of a ramp-up. Many changes in a row made workers
    so late that their master took them for lost.
    """
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)


def forget_before(entries: Iterable[Any], second: int) -> None:
    """Drop what the entries (Locust's `StatsEntry`) have counted in earlier seconds than this."""
    for entry in entries:
        for counts in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for old in [each for each in counts if each < second]:
                del counts[old]


def copy_no_more(entries: Iterable[Any]) -> None:
    """Drop the entries' copies of their response times, and make none from now on."""
    for entry in entries:
        entry.use_response_times_cache = False
        entry.response_times_cache = None


def guard_swarm(web_ui: Any, refusal: Callable[[Mapping[str, str]], str]) -> None:
    """Have `/swarm` answer with the refusal of its form where that is not empty.

    Locust says success before it starts anything, and takes any text as the host of the tests from then on.
    """
    swarm = web_ui.app.view_functions[_SWARM]

    def guarded() -> Any:
        reason = refusal(flask.request.form)
        if not reason:
            return swarm()
        return flask.jsonify({"success": False, "message": reason, "host": web_ui.environment.host})

    # Whoever has to log in is asked to before anything of the settings is told.
    web_ui.app.view_functions[_SWARM] = web_ui.auth_required_if_enabled(guarded)
