"""The one seam to Locust: every method that is replaced, every private name that is used, each with its reason.

`tests/plugin/test_locust_internals.py` names each and fails with a sentence when another Locust changes it.
"""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask
import gevent
from gevent.event import Event
from gevent.pool import Group
from locust import User, argument_parser
from locust.dispatch import UsersDispatcher
from locust.exception import StopUser
from locust.runners import STATE_CLEANUP, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

_SWARM = "locust.swarm"


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


# -- which worker gets the next user ---------------------------------------------------------------------------


def by_index(index_of: Callable[[str], int]) -> type[UsersDispatcher]:
    """A dispatcher for Locust's environment; `index_of` gives the index of the worker with an id.

    Workers with the lowest index first, so that the lowest account numbers act: Locust orders workers by names that are
    drawn anew for each test. And the worker with the fewest users: Locust takes the next in turn and forgets whose turn
    it was when users go, so with many changes the shares drift apart.
    """

    class ByIndex(UsersDispatcher):
        def _sort_workers(self) -> None:
            self._worker_nodes = in_turn(self._worker_nodes, index_of)

        def _add_users_on_workers(self) -> dict[str, dict[str, int]]:
            users = [sum(self._users_on_workers[worker.id].values()) for worker in self._worker_nodes]
            self._worker_node_generator = emptiest_first(self._worker_nodes, users)  # type: ignore[assignment]
            return super()._add_users_on_workers()

    return ByIndex


def emptiest_first(workers: list[Any], users: list[int]) -> Iterator[Any]:
    """Without end, the worker for each further user, if `users` are on them: the fewest, then the first. Pure."""
    places = list(zip(users, range(len(workers)), strict=True))
    heapq.heapify(places)
    while True:
        users_there, place = places[0]
        yield workers[place]
        heapq.heapreplace(places, (users_there + 1, place))


def in_turn(workers: Iterable[Any], index_of: Callable[[str], int]) -> list[Any]:
    """The first worker of each host, then the second, …: as Locust does, lest one host gets all the work. Pure."""
    on_host: Counter[str] = Counter()
    places = []
    for worker in sorted(workers, key=lambda each: index_of(each.id)):
        # Locust makes its ids so.
        host = worker.id.split("_")[0]
        places.append((on_host[host], index_of(worker.id), worker))
        on_host[host] += 1
    return [worker for *_, worker in sorted(places, key=lambda place: place[:2])]


# -- users, options, tables, the web page ----------------------------------------------------------------------


def sleep_as_between_tasks(user: Any, seconds: float) -> None:
    """A pause in the middle of an action: Locust may stop the user in it as between two actions, at once."""
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


def guard_swarm(web_ui: Any, refusal: Callable[[str], str]) -> None:
    """Have `/swarm` answer with `refusal(host)` where that is not empty.

    Locust says success before it starts anything, and takes any text as the host of the tests from then on.
    """
    swarm = web_ui.app.view_functions[_SWARM]

    def guarded() -> Any:
        reason = refusal(flask.request.form.get("host", "").strip())
        if not reason:
            return swarm()
        return flask.jsonify({"success": False, "message": reason, "host": web_ui.environment.host})

    # Whoever has to log in is asked to before anything of the settings is told.
    web_ui.app.view_functions[_SWARM] = web_ui.auth_required_if_enabled(guarded)
