"""The watch over all sockets of a process: fair, tidy, and not shared with a forked child."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import get_hub, monkey

from mmload.client.websocket import epoll as module
from mmload.client.websocket.epoll import BATCH, NestedEpoll, process_readiness
from tests.client.scripted import eventually

Pair = tuple[Any, Any]


class Reader:
    """A watched socket that notes what it is called for."""

    def __init__(self, connection: Any, readiness: NestedEpoll) -> None:
        self.connection = connection
        self.readiness = readiness
        self.read: list[bytes] = []
        self.writable = self.sweeps = self.faults = 0

    def on_readable(self) -> None:
        data = self.connection.recv(100)
        if data == b"bug":
            raise LookupError("internal error")
        if data == b"go":
            self.readiness.remove(self.connection.fileno())
        self.read.append(data)

    def on_writable(self) -> None:
        self.writable += 1
        self.readiness.want_write(self.connection.fileno(), False)

    def on_sweep(self, now: float) -> None:
        self.sweeps += 1

    def on_fault(self) -> None:
        self.faults += 1


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Connected sockets, not gevent's: as the WebSockets have them."""
    make = monkey.get_original("socket", "socketpair")
    made: list[Pair] = [make() for _ in range(2 * BATCH)]
    for mine, _ in made:
        mine.setblocking(False)
    yield made
    for mine, theirs in made:
        mine.close()
        theirs.close()


def watched(readiness: NestedEpoll, pairs: list[Pair]) -> list[Reader]:
    readers = [Reader(mine, readiness) for mine, _ in pairs]
    for reader in readers:
        readiness.add(reader.connection.fileno(), reader)
    return readers


def test_everyone_is_called_for_its_own_socket(readiness: NestedEpoll, pairs: list[Pair]) -> None:
    """Reading always, writing on demand, sweeping all the time."""
    readers = watched(readiness, pairs)
    for number, (_, theirs) in enumerate(pairs):
        theirs.send(b"%d" % number)
    readiness.want_write(readers[3].connection.fileno(), True)

    eventually(lambda: all(reader.read and reader.sweeps for reader in readers))
    assert [reader.read for reader in readers] == [[b"%d" % number] for number in range(len(readers))]
    assert [reader.writable for reader in readers] == [int(number == 3) for number in range(len(readers))]
    readiness.abandon()


def test_one_that_leaves_is_called_no_more_and_the_last_one_leaves_nothing(
    readiness: NestedEpoll, pairs: list[Pair]
) -> None:
    """Also when it leaves in the middle of a turn."""
    before = get_hub().loop.activecnt, len(os.listdir("/proc/self/fd"))
    readers = watched(readiness, pairs)
    for _, theirs in pairs:
        theirs.send(b"go")
    eventually(lambda: all(reader.read for reader in readers))
    pairs[0][1].send(b"more")
    gevent.sleep(0.02)

    assert readers[0].read == [b"go"]
    assert (get_hub().loop.activecnt, len(os.listdir("/proc/self/fd"))) == before
    readiness.remove(readers[0].connection.fileno())


def test_a_fault_of_one_is_no_fault_of_the_others(readiness: NestedEpoll, pairs: list[Pair]) -> None:
    """It is told, watched no longer, and not called again and again."""
    readers = watched(readiness, pairs[:3])
    for (_, theirs), text in zip(pairs, (b"fine", b"bug", b"fine"), strict=False):
        theirs.send(text)
    eventually(lambda: readers[1].faults and readers[0].read and readers[2].read)
    pairs[1][1].send(b"more")
    gevent.sleep(0.02)

    assert readers[1].faults == 1 and readers[1].read == []
    readiness.abandon()


def test_no_turn_serves_more_than_a_batch(pairs: list[Pair]) -> None:
    """What else the process does must not wait for a storm of events to pass."""
    readiness = NestedEpoll()
    readers = watched(readiness, pairs)
    for _, theirs in pairs:
        theirs.send(b"x")
    served = []
    callback = get_hub().loop.prepare()
    callback.start(lambda: served.append(sum(bool(reader.read) for reader in readers)))
    eventually(lambda: all(reader.read for reader in readers))
    callback.stop()
    callback.close()
    readiness.abandon()

    steps = [after - before for before, after in zip([0, *served], served, strict=False)]
    assert max(steps) <= BATCH


def test_a_forked_child_takes_nothing_from_its_parent(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    """`locust --processes` forks. An epoll set is one thing in both: the child must leave it alone."""
    monkeypatch.setattr(module, "_of_process", None)
    readiness = process_readiness()
    reader = watched(readiness, pairs[:1])[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if module._of_process is None and process_readiness() is not readiness else 1)
    _, status = os.waitpid(child, 0)
    pairs[0][1].send(b"still mine")

    assert status == 0
    eventually(lambda: reader.read == [b"still mine"])
    readiness.abandon()


def test_there_is_one_watch_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made when first asked for."""
    monkeypatch.setattr(module, "_of_process", None)

    assert process_readiness() is process_readiness()
