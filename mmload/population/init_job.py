"""What the steps of `mmload init` share: the plan, the sessions, the threads, the tally, the progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import islice
from threading import Event, Lock, Semaphore
from typing import Any, TypeVar

from mmload.client.http.rules import NO_SUCH_ROUTE
from mmload.errors import Refused, RequestFailed, ServerNotReady, SessionExpired
from mmload.population.admin_api import ApiServer, Retrying, Session
from mmload.population.plan import Plan
from mmload.population.progress import InitProgress

T = TypeVar("T")

THREADS = 4
# Hashing a password costs the server a quarter of a second of CPU (11.6): two logins or new accounts at a time.
LOGINS_IN_FLIGHT = 2
NO_ROUTE = (NO_SUCH_ROUTE,)
_MEMBERS_PER_PAGE = 200


class Tally:
    """How many objects of each type existed before, and how many were created."""

    def __init__(self) -> None:
        self.there: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self._lock = Lock()

    def found(self, sort: str, count: int = 1) -> None:
        with self._lock:
            self.there[sort] += count

    def new(self, sort: str, count: int = 1) -> None:
        with self._lock:
            self.made[sort] += count


class InitJob:
    """One `mmload init`."""

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
                self._sessions[index] = self.another_session(index)
            return self._sessions[index]

    def another_session(self, index: int) -> Session:
        return Session(self._server, self.plan.accounts[index], self.patience, self._gate)

    def holds(self, token: str) -> bool:
        """Whether the server still knows a session. `ServerNotReady` if it does not say."""
        try:
            self.patience.run("checking kept sessions", lambda: self._server.call("GET", "/users/me", token=token))
        except SessionExpired:
            return False
        except RequestFailed as error:
            raise ServerNotReady(f"checking kept sessions: {error.reason}") from error
        return True

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

    def create(
        self, sort: str, path: str, body: Any, *, step: str, exists: Collection[str | int], find: Callable[[], Any]
    ) -> Any:
        """Create an object, or find it where it exists after all: an attempt whose answer was lost has created it."""
        try:
            made = self.admin.call("POST", path, body, step=step, passes=exists)
        except Refused:
            made = find()
            self.tally.found(sort)
        else:
            self.tally.new(sort)
        return made

    def add_members(
        self, sort: str, path: str, user_ids: Sequence[str], per_call: int, add: Callable[[list[str]], None]
    ) -> Iterator[Callable[[], None]]:
        """The calls that make these users members of a team or channel: `add` takes up to `per_call` of them."""
        there = self._members(path, sort)
        missing = [user_id for user_id in user_ids if user_id not in there]
        self.tally.found(sort, len(user_ids) - len(missing))
        self.progress.advance(len(user_ids) - len(missing))

        def call(batch: list[str]) -> None:
            self.patience.check()
            add(batch)
            self.tally.new(sort, len(batch))
            self.progress.advance(len(batch))

        return (partial(call, batch) for batch in batches(missing, per_call))

    def _members(self, path: str, step: str) -> set[str]:
        members: set[str] = set()
        page = 0
        while True:
            found = self.admin.call("GET", f"{path}?page={page}&per_page={_MEMBERS_PER_PAGE}", step=step) or []
            members.update(member["user_id"] for member in found if not member.get("delete_at"))
            if len(found) < _MEMBERS_PER_PAGE:
                return members
            page += 1


def in_parallel(stop: Event, do: Callable[[T], object], things: Iterable[T]) -> None:
    """`do` every thing in a few threads. The first failure, or Ctrl-C, sets `stop`, waits for what is running and is
    raised."""
    pool = ThreadPoolExecutor(THREADS)
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
