"""Questions to other processes: each asked in a thread of its own, so that one slow answer delays no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import requests

from mmload.network import trusting
from mmload.web_session import bounded_session

T = TypeVar("T")


class Unanswered(Exception):
    """A question got no answer that can be used; the text says why, without any token."""


class Question(Generic[T]):
    """One question, asked again and again, never twice at the same time.

    `ask` gives the answer or raises Unanswered. Threads are daemons: none of them holds up the end of the process.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answers: SimpleQueue[T | Unanswered] = SimpleQueue()
        self._asking = False

    def begin(self) -> None:
        """Ask, unless the last answer is still to come."""
        if not self._asking:
            self._asking = True
            Thread(target=self._carry_out, daemon=True).start()

    def _carry_out(self) -> None:
        try:
            self._answers.put(self._ask())
        except Unanswered as error:
            self._answers.put(error)
        except Exception as error:  # noqa: BLE001  # whatever it is: a thread's exception would reach nobody
            self._answers.put(Unanswered(f"{type(error).__name__}: {error}"))

    def outcome(self, within_seconds: float) -> T | Unanswered:
        """The answer to what was begun, or why there is none so far; a late one is the outcome of the next time."""
        try:
            answer = self._answers.get(timeout=max(0.0, within_seconds))
        except Empty:
            return Unanswered("timed out")
        self._asking = False
        return answer


def all_at_once(questions: Sequence[Question[T]], within_seconds: float) -> list[T | Unanswered]:
    """The answers of all of them, in their order, after so many seconds at the latest."""
    deadline = time.monotonic() + within_seconds
    for question in questions:
        question.begin()
    return [question.outcome(deadline - time.monotonic()) for question in questions]


def session(url: str, token: str = "") -> requests.Session:
    """A session for one agent: never through a proxy."""
    made = bounded_session(url, trusting())
    if token:
        made.headers["Authorization"] = f"Bearer {token}"
    return made
