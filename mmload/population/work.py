"""What the steps of `mmload init` share: the plan, the sessions, the threads, the tally."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from threading import Event, Lock, Semaphore
from typing import TypeVar

from mmload.population.plan import Plan
from mmload.population.progress import InitProgress
from mmload.population.rest import ApiServer, Retrying, Session

T = TypeVar("T")

THREADS = 4
# Hashing a password costs the server a quarter of a second of CPU (11.6): log-ins, and accounts, two at a time.
LOGINS_IN_FLIGHT = 2
# How a server says that it has no such route.
NO_ROUTE = ("api.context.404.app_error",)


@dataclass(slots=True)
class Tally:
    """How many things of each sort were there before, and how many were made."""

    there: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def found(self, sort: str, count: int = 1) -> None:
        with self.lock:
            self.there[sort] += count

    def new(self, sort: str, count: int = 1) -> None:
        with self.lock:
            self.made[sort] += count


class Work:
    """What all steps share: the plan, the sessions, the threads, the tally, the progress."""

    def __init__(
        self, plan: Plan, server: ApiServer, admin: Session, patience: Retrying, progress: InitProgress
    ) -> None:
        self.plan = plan
        self.admin = admin
        self.patience = patience
        self.progress = progress
        self.tally = Tally()
        self.user_ids: list[str] = []
        self.admin_ids: list[str] = []
        self._server = server
        self._gate = Semaphore(LOGINS_IN_FLIGHT)
        self._sessions: dict[int, Session] = {}
        self._lock = Lock()

    def session(self, index: int) -> Session:
        """The session of a planned account, the same for all who ask."""
        with self._lock:
            if index not in self._sessions:
                account = self.plan.accounts[index]
                self._sessions[index] = Session(self._server, account, self.patience, self._gate)
            return self._sessions[index]

    def each(
        self, step: str, things: Sequence[T], do: Callable[[T], object], size: Callable[[T], int] | None = None
    ) -> None:
        """`do` every thing, a few at a time; the first failure stops the others and is raised.

        `do` advances the progress itself if `size` says that a thing has several parts.
        """
        self.progress.start(step, sum(map(size, things)) if size else len(things))

        def one(thing: T) -> None:
            self.patience.check()
            do(thing)
            if size is None:
                self.progress.advance()

        in_parallel(self.patience.stop, one, things)


def in_parallel(stop: Event, do: Callable[[T], object], things: Iterable[T], threads: int = THREADS) -> None:
    """`do` every thing in a few threads. The first failure, or Ctrl-C, sets `stop`, waits for what is under way and is
    raised."""
    pool = ThreadPoolExecutor(threads)
    done = False
    try:
        for future in as_completed([pool.submit(do, thing) for thing in things]):
            future.result()
        done = True
    finally:
        if not done:
            stop.set()
        pool.shutdown(cancel_futures=True)


def batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size`."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch
