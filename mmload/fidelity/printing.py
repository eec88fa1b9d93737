"""The comparison as a table for terminals, and as a JSON document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmload.fidelity.compare import SENTENCES, Departure, StepComparison, Way, compare
from mmload.fidelity.playing import JudgedStep
from mmload.fidelity.recording import recording

# How a newer application differs from the recording of 11.6.
NEWS: Mapping[Way, str] = {
    "missing": "only in 11.6",
    "extra": "new: not in 11.6",
    "query": "with another query",
    "body": "with other fields in its body",
    "order": "in another order",
    "waits": "one after the other; at once in 11.6",
}
# What a browser asks at once, a busy machine asks in turn.
_OF_THE_MACHINE: tuple[Way, ...] = ("order", "waits")
# Longer lines are cut: the beginning tells them apart.
WIDEST = 200


@dataclass(frozen=True, slots=True)
class SentTotals:
    """Requests of the application, those of them that the person sent alike, all of the person's, and extra ones."""

    recorded: int
    matched: int
    sent: int
    extra: int

    @property
    def matched_share(self) -> float:
        return self.matched / self.recorded if self.recorded else 1.0

    @property
    def extra_share(self) -> float:
        return self.extra / self.sent if self.sent else 0.0


def totals(judged: Iterable[JudgedStep]) -> SentTotals:
    """Of all these steps."""
    found = [each.comparison for each in judged]
    return SentTotals(
        sum(each.recorded for each in found),
        sum(each.matched for each in found),
        sum(each.sent for each in found),
        sum(each.extra for each in found),
    )


def text_of(judged: Sequence[JudgedStep], not_played: Mapping[str, str], of: str = "the recording") -> str:
    """The table, then what differs and is not accepted, then what is accepted and why."""
    lines = [f"{'step':<36}{'recorded':>9}{'sent':>6}{'matched':>9}{'extra':>7}  result"]
    lines += [_row(each) for each in judged]
    for each in judged:
        if not each.good:
            name = each.step.replace("+", " + ")
            lines += ["", f"{name}: {each.problem or 'differs'}", *map(_told, each.unexplained)]
    lines += _reasons(judged)
    if not_played:
        lines += ["", "Not played:", *(f"  {step}: {reason}" for step, reason in not_played.items())]
    return "\n".join([*lines, "", *_summary(judged, not_played, of)]) + "\n"


def _row(each: JudgedStep) -> str:
    found = each.comparison
    counts = f"{found.recorded:>9}{found.sent:>6}{found.matched:>9}{found.extra:>7}"
    return f"{_short(found.step):<36}{counts}  {_result(each)}"


def _short(step: str) -> str:
    """Of several steps together, the first one's name and how many more."""
    first, *others = step.split("+")
    return f"{first} +{len(others)}" if others else first


def _result(each: JudgedStep) -> str:
    if each.problem:
        return "not done"
    if each.unexplained:
        return f"differs ({len(each.unexplained)})"
    return f"accepted ({len(each.accepted)})" if each.accepted else "equal"


def news_of(comparison: StepComparison) -> str:
    """What a HAR file shows that the recording of 11.6 does not."""
    if comparison.equal:
        return "In this step your application sends the same as 11.6.\n"
    lines = [_told(each, NEWS) for each in comparison.differences]
    return "\n".join(["Your application, compared with the recording of 11.6:", *lines]) + "\n"


def live_news_of(news: Sequence[StepComparison]) -> str:
    """What the application of a server does otherwise than 11.6, step by step."""
    changed = {each.step: [one for one in each.differences if one.way not in _OF_THE_MACHINE] for each in news}
    changed = {step: differences for step, differences in changed.items() if differences}
    if not changed:
        return "In these steps your application sends the same as 11.6.\n" if news else ""
    lines = ["Your application, compared with the recording of 11.6:"]
    for step, differences in changed.items():
        lines += [f"{step.replace('+', ' + ')}:", *(_told(each, NEWS) for each in differences)]
    return "\n".join(lines) + "\n"


def _told(difference: Departure, sentences: Mapping[Way, str] = SENTENCES) -> str:
    detail = f": {difference.detail}" if difference.detail else ""
    line = f"  {difference.what} — {sentences[difference.way]}{detail}"
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def _reasons(judged: Iterable[JudgedStep]) -> list[str]:
    found = Counter(reason for each in judged for reason in dict.fromkeys(reason for _, reason in each.accepted))
    if not found:
        return []
    return ["", "Accepted differences:", *(f"  {reason} ({_steps(number)})" for reason, number in found.items())]


def _steps(number: int) -> str:
    return f"{number} step" if number == 1 else f"{number} steps"


def not_played_requests(steps: Iterable[str]) -> int:
    """Requests of the recording in steps that were not played."""
    return sum(compare(recording()[step], recording()[step]).recorded for step in steps)


def _summary(judged: Sequence[JudgedStep], not_played: Iterable[str], of: str) -> list[str]:
    found, more = totals(judged), not_played_requests(not_played)
    left = [f"{more} more requests of the recording are in steps that were not played."] if more else []
    equal = sum(each.good and not each.accepted for each in judged)
    accepted = sum(each.good and bool(each.accepted) for each in judged)
    return [
        f"{found.matched} of {found.recorded} requests of {of} ({found.matched_share:.1%}) have a match in "
        "method, route, query and group.",
        f"{found.extra} of {found.sent} requests of the simulated user ({found.extra_share:.1%}) are extra.",
        *left,
        f"{_steps(len(judged))}: {equal} equal, {accepted} with accepted differences only, "
        f"{len(judged) - equal - accepted} different.",
    ]


def document(
    judged: Sequence[JudgedStep], not_played: Mapping[str, str], news: Sequence[StepComparison] = ()
) -> dict[str, Any]:
    """For `--json`. `news`: what a HAR file or a browser shows beside the recording of 11.6."""
    found = totals(judged)
    since = {each.step: [_departure(difference) for difference in each.differences] for each in news}
    return {
        **({"since_11_6": since} if since else {}),
        "schema": 1,
        "passed": all(each.good for each in judged),
        "totals": {
            "recorded": found.recorded,
            "matched": found.matched,
            "matched_share": round(found.matched_share, 4),
            "sent": found.sent,
            "extra": found.extra,
            "extra_share": round(found.extra_share, 4),
            "recorded_not_played": not_played_requests(not_played),
        },
        "steps": [_step_document(each) for each in judged],
        "not_played": dict(not_played),
    }


def _step_document(each: JudgedStep) -> dict[str, Any]:
    found = each.comparison
    reasons = {id(difference): reason for difference, reason in each.accepted}
    return {
        "steps": found.step.split("+"),
        "recorded": found.recorded,
        "sent": found.sent,
        "matched": found.matched,
        "extra": found.extra,
        "problem": each.problem,
        "differences": [
            {**_departure(difference), "accepted": reasons.get(id(difference))} for difference in found.differences
        ],
    }


def _departure(difference: Departure) -> dict[str, str]:
    return {"kind": difference.way, "what": difference.what, "detail": difference.detail}
