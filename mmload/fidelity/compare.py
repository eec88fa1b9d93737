"""Two clients in the same step, one held against the other. Pure.

Requests are matched by route and query, each of the one with one of the other; then by their order. What depends on the
server's content is compared by the rules of `kinds`.

Order: a recording says when a request was made, not when its answer was there. Requests within 10 ms did not wait for
each other; of later ones nobody knows whether they waited, or the browser was slow. So these are differences: a request
that was made when one that it preceded was answered already, and one that waited for the answer to another with which
it was made at once. Where a recording tells when answers were there, a request precedes those that were made after its
own. One that did not wait where there was a pause in the recording is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from mmload.client.http.client import CONNECTIONS_PER_USER
from mmload.fidelity.kinds import Rule, rule_of
from mmload.fidelity.traffic import STATIC, Pairs, SentFrame, SentRequest, StepTraffic

AT_ONCE_MS = 10.0
# A page load fetches scripts by the dozen; a script or two come with a part of the page that is opened first.
MANY_SCRIPTS = 5

Way = Literal["missing", "extra", "query", "body", "order", "waits"]
SENTENCES: dict[Way, str] = {
    "missing": "not sent",
    "extra": "sent, but not by the web application",
    "query": "sent with another query",
    "body": "sent with other fields in its body",
    "order": "sent in another order",
    "waits": "waits for an answer, where the web application asks at once",
}


@dataclass(frozen=True, slots=True)
class Departure:
    """`what`: the line of the request or frame; `detail`: what else is to be known, such as the other query."""

    way: Way
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepComparison:
    """`recorded` and `sent`: the requests that were compared; `matched` were found, by route, query and group."""

    step: str
    recorded: int
    sent: int
    matched: int
    extra: int
    differences: tuple[Departure, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


def compare(recorded: StepTraffic, ours: StepTraffic) -> StepComparison:
    """What `ours` does otherwise than `recorded`, which gives the step its name."""
    step = recorded.name
    theirs, mine = (_comparable(each.requests, step) for each in (recorded, ours))
    pairs, missing, extra = matched_pairs(theirs, mine)
    late, waiting = _out_of_order(pairs), _waiting(pairs)
    misplaced = {id(one) for one, _ in (*late, *waiting)}
    good = [pair for pair in pairs if pair[0].query == pair[1].query and id(pair[0]) not in misplaced]
    differences = [
        *(Departure("missing", each.line) for each in missing),
        *(Departure("extra", each.line) for each in extra),
        *(change for pair in pairs if (change := _change(*pair)) is not None),
        *(Departure("order", pair[0].line) for pair in late),
        *(Departure("waits", pair[0].line) for pair in waiting),
        *_frames(recorded.frames, ours.frames, step),
        *_sockets(recorded.sockets, ours.sockets),
        *_static(recorded, ours),
    ]
    return StepComparison(step, len(theirs), len(mine), len(good), len(extra), tuple(differences))


def _comparable(requests: Iterable[SentRequest], step: str) -> list[SentRequest]:
    """Without those of rule ANY, and one of each kind of rule SOME."""
    kept: list[SentRequest] = []
    seen: set[tuple[str, Pairs]] = set()
    for each in requests:
        rule = rule_of(each.line, step)
        if rule is Rule.ANY or (rule is Rule.SOME and (each.route, each.query) in seen):
            continue
        seen.add((each.route, each.query))
        kept.append(each)
    return kept


Pair = tuple[SentRequest, SentRequest]


def matched_pairs(
    theirs: Sequence[SentRequest], mine: Sequence[SentRequest]
) -> tuple[list[Pair], list[SentRequest], list[SentRequest]]:
    """Pairs, those of theirs that nobody sent, and those of mine that are too many. The most alike are paired first."""
    pairs: list[Pair] = []
    for likeness in (attrgetter("route", "query", "body"), attrgetter("route", "query"), attrgetter("route")):
        found, theirs, mine = _paired(theirs, mine, likeness)
        pairs += found
    return sorted(pairs, key=lambda pair: pair[1].at), list(theirs), list(mine)


def _paired(
    theirs: Sequence[SentRequest], mine: Sequence[SentRequest], likeness: Callable[[SentRequest], object]
) -> tuple[list[Pair], list[SentRequest], list[SentRequest]]:
    waiting = list(mine)
    pairs, left = [], []
    for one in theirs:
        other = next((each for each in waiting if likeness(each) == likeness(one)), None)
        if other is None:
            left.append(one)
        else:
            # By place: two equal ones are two.
            del waiting[next(place for place, each in enumerate(waiting) if each is other)]
            pairs.append((one, other))
    return pairs, left, waiting


def _change(one: SentRequest, other: SentRequest) -> Departure | None:
    """How one of a pair differs from the other in query or body, as far as bodies are known."""
    if one.query != other.query:
        return Departure("query", one.line, _versus(one.query, other.query))
    if one.body is None or other.body is None or one.body == other.body:
        return None
    return Departure("body", one.line, _versus(one.body, other.body))


def _versus(one: Pairs, other: Pairs) -> str:
    without = ", ".join(f"{name}={value}" for name, value in one if (name, value) not in other)
    instead = ", ".join(f"{name}={value}" for name, value in other if (name, value) not in one)
    return "; ".join(part for part in (without and f"without {without}", instead and f"with {instead}") if part)


# -- order ---------------------------------------------------------------------------------------------------


def groups(requests: Sequence[SentRequest]) -> dict[int, int]:
    """The group of each request of a recording, by its `id`: those that were made at once."""
    found: dict[int, int] = {}
    number, last = 0, float("inf")
    for each in sorted(requests, key=lambda request: request.at):
        number += each.at - last > AT_ONCE_MS
        found[id(each)], last = number, each.at
    return found


def _waited_for(other: SentRequest, one: SentRequest) -> bool:
    """Whether the other was made when one had its answer.

    Not if it had to wait for a connection, as in a browser: with six, it makes the next request as one ends.
    """
    answered_at = one.until if one.until is not None else one.at + AT_ONCE_MS
    return answered_at <= other.at and other.under_way < CONNECTIONS_PER_USER - 1


def _out_of_order(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that must be taken out, the worst ones first, for the rest to be in the recorded order."""
    group = groups([one for one, _ in pairs])
    left = list(pairs)
    moved: list[Pair] = []
    while True:
        wrong = [sum(_contradict(pair, other, group) for other in left) for pair in left]
        worst = max(wrong, default=0)
        if not worst:
            return moved
        moved.append(left.pop(wrong.index(worst)))


def _contradict(pair: Pair, other: Pair, group: Mapping[int, int]) -> bool:
    if group[id(pair[0])] > group[id(other[0])]:
        pair, other = other, pair
    before, after = pair[0], other[0]
    if group[id(before)] >= group[id(after)] or (before.until is not None and before.until > after.at):
        return False
    return _waited_for(pair[1], other[1])


def _waiting(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that were made at once with others in the recording, and in ours when one of these had been answered."""
    group = groups([one for one, _ in pairs])
    return [
        (one, mine)
        for one, mine in pairs
        if any(group[id(one)] == group[id(other)] and _waited_for(mine, theirs) for other, theirs in pairs)
    ]


# -- what is no request of the API -----------------------------------------------------------------------------


def _frames(theirs: Iterable[SentFrame] | None, mine: Iterable[SentFrame] | None, step: str) -> list[Departure]:
    if theirs is None or mine is None:
        return []
    one, other = (_spoken(frames, step) for frames in (theirs, mine))
    return [
        *(Departure("missing", f"frame {line}") for line in (one - other).elements()),
        *(Departure("extra", f"frame {line}") for line in (other - one).elements()),
    ]


def _spoken(frames: Iterable[SentFrame], step: str) -> Counter[str]:
    said = Counter(frame.line for frame in frames if rule_of(frame.line, step) is not Rule.ANY)
    return Counter({line: 1 if rule_of(line, step) is Rule.SOME else times for line, times in said.items()})


def _sockets(theirs: Sequence[Pairs], mine: Sequence[Pairs]) -> list[Departure]:
    """How often a lost socket is tried is up to chance: each form once."""
    one, other = (
        {tuple((name, "*" if name == "connection_id" and value else value) for name, value in query) for query in each}
        for each in (theirs, mine)
    )
    if len(one) == len(other) == 1 and one != other:
        return [Departure("query", "WebSocket", _versus(one.pop(), other.pop()))]
    changed: tuple[tuple[Way, set[Pairs]], ...] = (("missing", one - other), ("extra", other - one))
    return [
        Departure(way, " ".join(["WebSocket", *(f"{name}={value}" for name, value in query)]))
        for way, queries in changed
        for query in queries
    ]


def _static(recorded: StepTraffic, ours: StepTraffic) -> list[Departure]:
    """Whether the scripts come from the server: the number is up to the version of the application."""
    one, other = (sum(each.static.get(kind, 0) for kind in ("js", "css")) for each in (recorded, ours))
    if one >= MANY_SCRIPTS and not other:
        return [Departure("missing", f"scripts and style sheets below {STATIC}", f"{one} in the recording")]
    if other >= MANY_SCRIPTS > one:
        return [Departure("extra", f"scripts and style sheets below {STATIC}", f"{other}, {one} in the recording")]
    return []
