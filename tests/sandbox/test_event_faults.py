"""What is done to events on their way: exactly what was asked for, as often, to nobody else's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from mmload.sandbox.events import Audience, ServerEvent
from mmload.sandbox.faults import MAX_HELD_SECONDS, EventFaults


@dataclass
class Reader:
    user_id: str = "reader"


@dataclass
class Street:
    """Events on their way to one reader; what is put off is done when its time has come."""

    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    reader: Reader = field(default_factory=Reader)

    def __post_init__(self) -> None:
        self.faults = EventFaults(lambda seconds, do: self.later.append((seconds, do)), random.Random(7))

    def offer(self, name: str, event: str = "posted", channel: str = "channel", author: str = "author") -> None:
        post = msgspec.json.encode({"user_id": author, "channel_id": channel}).decode()
        self.faults.offer(
            self.reader, ServerEvent(event, {"post": post}, Audience(), modern=True), lambda: self.came.append(name)
        )

    def wait(self) -> None:
        for _, do in sorted(self.later, key=lambda each: each[0]):
            do()
        self.later.clear()


def test_a_lost_event_never_comes_and_the_next_one_does() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "lose", "times": 1})
    street.offer("a")
    street.offer("b")
    street.wait()

    assert street.came == ["b"] and street.faults.done == {"lose": 1}


def test_a_doubled_event_comes_twice() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "double", "times": 1})
    street.offer("a")
    street.offer("b")

    assert street.came == ["a", "a", "b"] and street.faults.done == {"double": 1}


def test_a_delayed_event_comes_after_its_time() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "delay", "delay_ms": 1500, "times": 1})
    street.offer("a")
    assert street.came == [] and [seconds for seconds, _ in street.later] == [1.5]

    street.wait()
    assert street.came == ["a"] and street.faults.done == {"delay": 1}


def test_a_held_event_is_overtaken_by_the_next_one_of_its_channel() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "reorder", "times": 1})
    street.offer("a")
    street.offer("elsewhere", channel="other")
    street.offer("b")
    street.wait()

    assert street.came == ["elsewhere", "b", "a"] and street.faults.done == {"reorder": 1}


def test_a_held_event_that_nothing_overtakes_comes_all_the_same_and_is_not_counted() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "reorder", "times": 1})
    street.offer("a")
    assert [seconds for seconds, _ in street.later] == [MAX_HELD_SECONDS]
    street.wait()

    assert street.came == ["a"] and not street.faults.done and not street.faults._held


def test_authors_and_other_events_are_spared() -> None:
    """A client knows its own posts by the answers."""
    street = Street()
    street.faults.add({"event": "posted", "what": "lose"})
    street.offer("own", author="reader")
    street.offer("other", event="post_edited")

    assert street.came == ["own", "other"]


def test_a_share_of_them_is_hit() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "lose", "share": 0.25})
    for number in range(400):
        street.offer(str(number))

    assert street.faults.done["lose"] == 400 - len(street.came)
    assert 60 < street.faults.done["lose"] < 140


def test_faults_taken_back_hit_nothing_and_what_was_held_comes() -> None:
    street = Street()
    street.faults.add({"event": "posted", "what": "reorder", "times": 1})
    street.offer("a")
    street.faults.clear()
    street.offer("b")

    assert street.came == ["a", "b"] and not street.faults


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"event": "posted", "what": "shred"}, "shred"),
        ({"event": "posted"}, "what"),
        ({"event": "posted", "what": "lose", "oftener": 3}, "oftener"),
        ({"event": "posted", "what": "lose", "times": "three"}, "int"),
    ],
)
def test_what_is_no_fault_is_refused_by_name(fields: dict[str, object], said: str) -> None:
    """A mistyped fault that does nothing would make its test green for ever."""
    faults = EventFaults()

    with pytest.raises(ValueError, match=said):
        faults.add(fields)
    assert not faults
