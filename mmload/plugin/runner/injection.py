"""Orders to a running test: actions on demand, storms, its end.

An order comes as a line in the run's folder (`mmload inject`), is shared among the workers in proportion to their
users, and is carried out by people who are in, each at a moment of its own within the given span.
"""

from __future__ import annotations

import difflib
import logging
import random
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from mmload.behaviours.catalogue import SIMULATIVE, Action
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.errors import MmloadError, UsageError
from mmload.locust_internals import users_of
from mmload.plugin.record.run_recorder import recording_of
from mmload.plugin.runner.staged_load import shape_of
from mmload.results.folder import ORDERS, Order
from mmload.results.model import NoteKind, RunEnding, Storm, StormKind

log = logging.getLogger("mmload.injection")

MESSAGE = "mmload_inject"
LOOK_SECONDS = 0.5
ACTIONS = {action.name: action for action in SIMULATIVE}
# Names that the peer misspells; its users know them so.
PEER_NAMES = {
    "UpdateOrAddChannelBookark": "UpdateChannelBookmark",
    "UpdateChannelBookarkSortOrder": "UpdateChannelBookmarkSortOrder",
    "DeleteChannelBookark": "DeleteChannelBookmark",
}


def action_named(name: str) -> Action:
    """The action of that name, whatever its case. `UsageError` names the nearest. Pure."""
    wanted = PEER_NAMES.get(name, name).lower()
    for known, action in ACTIONS.items():
        if known.lower() == wanted:
            return action
    near = difflib.get_close_matches(name, ACTIONS, n=1)
    advice = f"did you mean {near[0]}?" if near else f"the actions are {', '.join(sorted(ACTIONS))}"
    raise UsageError(f"{name}: no such action; {advice}")


def shares(users: int, present: Mapping[str, int]) -> dict[str, int]:
    """How many of each worker's users take part: in proportion, `users` in all (0, or too many, = everybody). Pure."""
    everybody = sum(present.values())
    wanted = everybody if users <= 0 else min(users, everybody)
    taken: dict[str, int] = {}
    left_wanted, left = wanted, everybody
    for worker, count in present.items():
        # What is left is shared anew at each step, so that the parts add up exactly.
        taken[worker] = round(left_wanted * count / left) if left else 0
        left_wanted -= taken[worker]
        left -= count
    return taken


def follow_orders(environment: Environment, **_: Any) -> None:
    """From the `init` event on."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.register_message(MESSAGE, _on_message)
    else:
        gevent.spawn(_watch, environment)


def _on_message(environment: Environment, msg: Any, **_: Any) -> None:
    carry_out(people_of(environment), msgspec.convert(msg.data, Order), random.Random())


def _watch(environment: Environment) -> None:
    """Look for new orders in the folder of the test that runs."""
    read: dict[Path, int] = {}
    while True:
        gevent.sleep(LOOK_SECONDS)
        recording = recording_of(environment)
        if recording is None or not recording.running or recording.folder is None:
            continue
        for order in new_orders(recording.folder / ORDERS, read):
            try:
                _obey(environment, order)
            except MmloadError as error:
                note(environment, str(error))


def _obey(environment: Environment, order: Order) -> None:
    recording = recording_of(environment)
    if order.ends and recording is not None and environment.runner is not None:
        recording.ending = RunEnding.STORM_OVER
        environment.runner.quit()
    elif order.storm is not None:
        raise_storm(environment, order)
    else:
        give(environment, order, random.Random())


# What people do in a storm, one order after the other; `users` 1 is one of them, else as many as are wanted.
_STORM_ACTIONS: Mapping[StormKind, tuple[tuple[str, int], ...]] = {
    StormKind.RECONNECT: (("ReconnectWebSocket", 0),),
    StormKind.LOGIN: (("LogoutLogin", 0),),
    StormKind.MENTION_ALL: (("MentionAll", 1), ("OpenTownSquare", 0)),
    StormKind.CHANNEL_FLOOD: (("PostInTownSquare", 0),),
}


def raise_storm(environment: Environment, order: Order) -> Storm:
    """Have a storm now, and put it on record; one that has its time has been raised already."""
    recording = recording_of(environment)
    if order.storm is None or recording is None or not recording.running:
        raise UsageError("no test is running in which a storm could be triggered")
    storm = order.storm
    if storm.ms:
        recording.add_storm(storm)
        return storm
    now = time.time()
    users = _come(environment, order) if storm.kind is StormKind.SPIKE else 0
    for name, number in _STORM_ACTIONS.get(storm.kind, ()):
        users = give(environment, Order(name, number or order.users, order.within_seconds), random.Random())
    over = now + order.within_seconds
    storm = replace(storm, ms=int(now * 1000), over_ms=int(over * 1000), users=users)
    recording.add_storm(storm)
    return storm


def _come(environment: Environment, order: Order) -> int:
    """So many users more, all of them within the span; 0 is as many as there are."""
    runner: Any = environment.runner
    if shape_of(environment):
        raise UsageError("spike: the test runs in stages, which set the number of users")
    users = order.users or runner.target_user_count
    runner.start(runner.target_user_count + users, users / max(1.0, order.within_seconds))
    return int(users)


def new_orders(file: Path, read: dict[Path, int]) -> list[Order]:
    """The whole lines that were added since the last look; unreadable ones are passed over."""
    try:
        with file.open("rb") as lines:
            lines.seek(read.get(file, 0))
            text = lines.read()
    except OSError:
        return []
    whole = text[: text.rfind(b"\n") + 1]
    read[file] = read.get(file, 0) + len(whole)
    orders = []
    for line in whole.splitlines():
        try:
            orders.append(msgspec.json.decode(line, type=Order))
        except msgspec.MsgspecError as error:
            log.warning("a triggered action cannot be read: %s", error)
    return orders


def give(environment: Environment, order: Order, rng: random.Random) -> int:
    """Carry an order out, or pass it to the workers, and note it; by how many users it is done."""
    action = action_named(order.action)
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        workers = (*runner.clients.running, *runner.clients.spawning)
        parts = shares(order.users, {worker.id: worker.user_count for worker in workers})
        for worker, count in parts.items():
            if count:
                part = replace(order, users=count)
                runner.send_message(MESSAGE, msgspec.to_builtins(part), client_id=worker)
        number = sum(parts.values())
    else:
        number = carry_out(people_of(environment), order, rng)
    note(environment, f"{action.name} by {number} users within {order.within_seconds:g} s")
    return number


def note(environment: Environment, text: str) -> None:
    """Write into the record of the test that runs, if there is one."""
    recording = recording_of(environment)
    if recording is not None and recording.running:
        recording.note(NoteKind.INJECTED, text)


def people_of(environment: Environment) -> list[tuple[Person, ...]]:
    """The people of this process who are in: each at all of its devices, the first one first."""
    runner = environment.runner
    users: list[Any] = list(users_of(runner)) if runner is not None else []
    return [(user.person, *user.further_devices) for user in users if getattr(user, "is_in", False)]


def carry_out(people: list[tuple[Person, ...]], order: Order, rng: random.Random) -> int:
    """Let some of these people do the action, spread over the span; how many.

    What happens to a connection happens to those of all devices; what a person does, they do on the first one.
    """
    action = action_named(order.action)
    count = len(people) if order.users <= 0 else min(order.users, len(people))
    for devices in rng.sample(people, count):
        for device in devices if action.at_once else devices[:1]:
            do = partial(perform, device, action)
            ordered = do if action.at_once else partial(device.give_order, do)
            gevent.spawn_later(rng.uniform(0, order.within_seconds), ordered)
    return count
