"""The language of thresholds: `p99(CreatePost) < 2s` as a value, or a refusal that points at the place. Pure.

    threshold: figure [stage] operator number [unit], where stage is a name in brackets: p99(requests)[peak] < 500ms
    figure:    measure(subject) | delivery.measure | errors | rate | count | missing | recovery
    operator:  < <= > >= ==

What a figure comes to in a run is the business of `mmload.results.thresholds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmload.config.fields import did_you_mean

REQUESTS, ACTIONS, LOGINS = "requests", "actions", "logins"
DELIVERY, RECONNECT, SCHEDULE_LAG = "delivery", "reconnect", "schedule_lag"
# Everything of a kind together.
WHOLES = (REQUESTS, ACTIONS, LOGINS, DELIVERY, RECONNECT, SCHEDULE_LAG)
# These have times only: nothing of them fails.
SPANS = (DELIVERY, RECONNECT, SCHEDULE_LAG)
# A step of browser users: browser.SwitchChannel; one of its page's vitals: browser.Open.LCP.
BROWSER, BROWSER_VITALS = "browser", ("TTFB", "LCP", "INP")
# How long after a storm: all of it, or one part, which stands in the place of a subject.
RECOVERY, RECOVERY_PARTS = "recovery", ("sockets", "p99", "failures")
DELIVERY_COUNTS = tuple("sent uncertain expected delivered missing extra late duplicated out_of_order".split())
# How many of a unit are in a second: dividing by 1000 gives the nearest number to 0.3 for 300ms.
_UNITS_OF_TIME = {"ms": 1000.0, "s": 1.0, "min": 1 / 60}
_TIMES = ("min", "avg", "max")
_MEASURES = ("p50", "p95", "p99", "p99.9", *_TIMES, "count", "errors", "rate")
_BARE = ("errors", "rate", "count", "missing", RECOVERY)

_FIGURE = re.compile(
    r"\s*(?:(?P<measure>[A-Za-z_][\w.]*)\s*\(\s*(?P<subject>[^()]*?)\s*\)|(?P<name>[A-Za-z_][\w.]*))\s*", re.ASCII
)
_STAGE = re.compile(r"\[\s*(?P<stage>[\w-]+)\s*\]\s*", re.ASCII)
_OPERATOR = re.compile(r"(?P<operator><=|>=|==|<|>)\s*")
_LIMIT = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>%|/s|/min|ms|s|min|[^\s]*)\s*", re.ASCII)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)
_SUBJECT = re.compile(
    rf"[A-Za-z*][\w*]*|{BROWSER}\.[\w*]+(\.({'|'.join(BROWSER_VITALS)}))?|[A-Z]+\s+/\S+|[A-Z*]+\s+[*/]\S*", re.ASCII
)


class Unit(StrEnum):
    """What a limit is measured in, once it is parsed."""

    SECONDS = "s"
    SHARE = "share"
    PER_SECOND = "/s"
    COUNT = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What must hold. `limit` is in seconds, a share (0.001 for 0.1 %), per second, or a number, as `unit` says.

    `stage` names the stage of the run that it is about; "": what holds for its kind.

    `measure` is percentile (then `percent` says which), min, avg, max, errors, rate, count, one of the counts of
    deliveries, or recovery (then `subject` is one of `RECOVERY_PARTS`, or "" for all). Else `subject` is an action, a
    route, one of `WHOLES`, or a class of actions or routes: a name with `*`.
    """

    text: str
    measure: str
    subject: str
    operator: str
    limit: float
    unit: Unit
    percent: float = 0.0
    stage: str = ""


class ThresholdRefused(Exception):
    """This is no threshold: what is wrong, at which column, and what would do."""


def parse(text: str, names: Sequence[str] = ()) -> Threshold:
    """The threshold that a text means; `ThresholdRefused` if none.

    `names` are all actions, and all routes, that there can be, as far as they are known: others are refused.
    """
    figure = _FIGURE.match(text)
    if figure is None:
        raise _refusal(text, 0, f"expected a figure such as p99(CreatePost) or errors; {_known_measures()}")
    stage = _STAGE.match(text, figure.end())
    operator = _OPERATOR.match(text, stage.end() if stage else figure.end())
    if operator is None:
        if stage is None and text[figure.end() :].startswith("["):
            raise _refusal(text, figure.end(), "expected a stage's name in brackets, such as [peak]")
        if text[figure.end() :].startswith("("):
            raise _refusal(text, figure.end(), "this parenthesis is not closed")
        raise _refusal(text, figure.end(), "expected <, <=, >, >= or ==")
    limit = _LIMIT.match(text, operator.end())
    if limit is None:
        raise _refusal(text, operator.end(), "expected a number such as 2s, 300ms, 0.1% or 50/s")
    if limit.end() < len(text):
        raise _refusal(text, limit.end(), "expected the end of the threshold")
    measure, subject, percent = _meaning(text, figure, names)
    if stage and subject == DELIVERY and measure in DELIVERY_COUNTS:
        raise _refusal(text, stage.start(), "messages are counted over the whole run, not per stage")
    if stage and measure == RECOVERY:
        raise _refusal(text, stage.start(), "recovery is measured for the whole run, not for a stage")
    value, unit = _limit(text, measure, limit)
    return Threshold(
        text.strip(), measure, subject, operator["operator"], value, unit, percent, stage["stage"] if stage else ""
    )


def _meaning(text: str, figure: re.Match[str], names: Sequence[str]) -> tuple[str, str, float]:
    """Measure, subject and percentile of a figure."""
    measure, subject, at = figure["measure"], figure["subject"], figure.start("subject")
    if RECOVERY in (measure, figure["name"]):
        return RECOVERY, _part(text, figure), 0.0
    if figure["name"] is not None:
        measure, subject, at = _without_parentheses(text, figure)
    measure, percent = _measure(text, measure, figure.start("measure") if figure["measure"] else at, subject)
    _check_subject(text, subject, at, names)
    if subject in SPANS and measure in ("errors", "rate"):
        raise _refusal(text, figure.start(), f"{subject} has times and a count, but no {measure}")
    return measure, _single_blanks(subject), percent


def _part(text: str, figure: re.Match[str]) -> str:
    part = figure["subject"] or ""
    if figure["measure"] and part not in RECOVERY_PARTS:
        raise _refusal(text, figure.start("subject"), f"expected one of {', '.join(RECOVERY_PARTS)}")
    return part


def _without_parentheses(text: str, figure: re.Match[str]) -> tuple[str, str, int]:
    name, at = figure["name"], figure.start("name")
    if name in _BARE:
        return name, DELIVERY if name == "missing" else REQUESTS, at
    subject, dot, measure = name.partition(".")
    if dot and subject in WHOLES:
        return measure, subject, at + len(subject) + 1
    hint = f"{name}(requests), {name}(CreatePost)" if _PERCENTILE.fullmatch(name) or name in _TIMES else ""
    meant = f"it needs a subject: {hint}" if hint else did_you_mean(name, (*_BARE, "delivery.p95", "delivery.missing"))
    raise _refusal(text, at, f"{name} is not a figure by itself; {meant or _known_measures()}")


def _measure(text: str, measure: str, at: int, subject: str) -> tuple[str, float]:
    found = _PERCENTILE.fullmatch(measure)
    if found is not None and float(found[1]) > 0:
        return "percentile", float(found[1])
    if measure in (*_TIMES, "count", "errors", "rate"):
        return measure, 0.0
    if subject == DELIVERY and measure in DELIVERY_COUNTS:
        return measure, 0.0
    known = (*_MEASURES, *DELIVERY_COUNTS) if subject == DELIVERY else _MEASURES
    raise _refusal(text, at, f"there is no measure {measure}; {did_you_mean(measure, known) or _known_measures(known)}")


def _check_subject(text: str, subject: str, at: int, names: Sequence[str]) -> None:
    if not subject or not _SUBJECT.fullmatch(subject):
        what = "an action (CreatePost), a route (GET /users/me), a pattern of either (Create*)"
        raise _refusal(text, at, f"expected {what} or one of {', '.join(WHOLES)}")
    subject = _single_blanks(subject)
    if subject.startswith(f"{BROWSER}."):
        subject = ".".join(subject.split(".")[:2])
    is_route = " " in subject
    known = [name for name in names if (" " in name) == is_route]
    if not known or matching(subject, known if is_route else (*WHOLES, *known)):
        return
    if is_route:
        hint = did_you_mean(subject, known) or "routes are written as in the report: GET /users/{user_id}/image"
        raise _refusal(text, at, f"there is no route {subject}; {hint}")
    hint = did_you_mean(subject, (*WHOLES, *known)) or f"known in addition to actions: {', '.join(WHOLES)}"
    raise _refusal(text, at, f"there is no action {subject}; {hint}")


def matching(subject: str, names: Iterable[str]) -> list[str]:
    """Those of the names that a subject means: the one, or with `*` for anything a class of them."""
    pattern = re.compile(".*".join(re.escape(part) for part in subject.split("*")), re.DOTALL)
    return [name for name in names if pattern.fullmatch(name)]


def _single_blanks(subject: str) -> str:
    return re.sub(r"\s+", " ", subject)


def _limit(text: str, measure: str, limit: re.Match[str]) -> tuple[float, Unit]:
    """The limit in its own unit; a unit that does not fit the measure is refused."""
    number, unit, at = float(limit["number"]), limit["unit"], limit.start("unit")
    if measure in ("percentile", *_TIMES, RECOVERY):
        if unit in _UNITS_OF_TIME:
            return number / _UNITS_OF_TIME[unit], Unit.SECONDS
        raise _refusal(text, at, "a time needs a unit: ms, s or min")
    if measure == "rate":
        if unit in ("/s", "/min"):
            return number / (60 if unit == "/min" else 1), Unit.PER_SECOND
        raise _refusal(text, at, "a rate needs /s or /min")
    if unit == "%" and measure not in ("count", "sent", "uncertain", "expected"):
        return number / 100, Unit.SHARE
    if unit:
        raise _refusal(text, at, f"{unit} does not fit {measure}: expected a number without a unit, or %")
    if not number.is_integer():
        raise _refusal(text, at, f"expected a whole number, or a share such as {limit['number']}%")
    return number, Unit.COUNT


def _known_measures(known: Sequence[str] = _MEASURES) -> str:
    return f"known: {', '.join(known)}"


def _refusal(text: str, column: int, what: str) -> ThresholdRefused:
    return ThresholdRefused(f"{text!r}, column {column + 1}: {what}")
