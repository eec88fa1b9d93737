"""What `mmload learn` found, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mmload.learn.fit import POLLS_PER_HOUR, Fit, Learned
from mmload.learn.observed import HOUR, NOTEWORTHY, Observed
from mmload.learn.output import iso, people_are_sure
from mmload.learn.user_agents import ClientKind
from mmload.printable import significant
from mmload.report.wording import count, percent, span, table

_HANDLERS_SHOWN = 40
_UNEXPLAINED_SHOWN = 12
# Actions that are rarer are not shown one by one.
_LEAST_PER_USER_HOUR = 0.0005


def learned_report(observed: Observed, fit: Fit | None, defaults: Mapping[str, float]) -> str:
    """The whole text. `fit` is None where there is too little to learn from."""
    sections = [("Source", _source(observed)), ("People", _people(observed)), ("Load", _load(observed))]
    if fit is not None:
        sections += [
            ("Actions (per user and hour; frequency with CreatePost = 1)", _actions(fit, defaults)),
            ("Handlers (requests in the busy hours)", _handlers(fit)),
            ("Not explained by any action", _unexplained(observed, fit)),
        ]
    else:
        sections.append(("Requests by handler", _seen(observed)))
    return "\n\n".join("\n".join([title, *lines]) for title, lines in sections if lines) + "\n"


def _source(observed: Observed) -> list[str]:
    requests = observed.handlers.total() + observed.integrations.total()
    lines = [f"  {observed.source}: {count(requests)} requests, {_interval(observed.start, observed.end)}"]
    if not observed.queries:
        lines.append("  no query strings: actions that differ only in these are told apart by the default mix")
    return lines + [f"  {note}" for note in observed.notes]


def _interval(start: float, end: float) -> str:
    return f"{iso(start)[:16].replace('T', ' ')} to {iso(end)[:16].replace('T', ' ')} UTC ({span(end - start)})"


def _people(observed: Observed) -> list[str]:
    if not observed.mark:
        return ["  no request identifies its sender: the number of people is not known"]
    average = observed.user_hours * HOUR / observed.seconds if observed.seconds else 0
    lines = [
        f"  at most {count(observed.most_people)} at once, {average:.1f} on average (in 5 minutes)",
        f"  identified by {observed.mark}; {_sureness(observed)}",
    ]
    if observed.daily:
        most = max(observed.daily.values())
        lines.append(f"  at most {count(most)} different people per day")
    total = observed.kinds.total()
    shares = [f"{kind.value} {percent(number / total)}" for kind, number in observed.kinds.most_common()]
    lines.append(f"  requests by client: {', '.join(shares)}")
    if observed.kinds[ClientKind.MOBILE]:
        lines.append(
            "  mobile applications are not simulated: their requests are attributed to users of the web application"
        )
    return lines


def _sureness(observed: Observed) -> str:
    sure = people_are_sure(observed)
    if any(each.marked or each.sockets for each in observed.slots):
        return "certain"
    if sure is None:
        return "not checked: the clients' reports (POST /client_perf, one a minute) are not in the log"
    by_others, by_reports = observed.counted_twice()
    told = f"{by_others:.1f} user hours by ids and addresses, {by_reports:.1f} by the clients' reports"
    return f"{'certain' if sure else 'uncertain, the larger is used'}: {told}"


def _learnt_from(observed: Observed) -> str:
    if observed.is_short:
        return "less than an hour: the mix is learned from all of it"
    busy = len(observed.busy_hours())
    return f"{busy} of {len(observed.hours)} hours are busy (at least half of that); the mix is learned from them"


def _load(observed: Observed) -> list[str]:
    lines = []
    if (busiest := observed.busiest) is not None:
        number, hour = busiest
        users = hour.user_seconds / hour.seconds if hour.seconds else 0
        when = iso(number * HOUR)[:16].replace("T", " ")
        lines.append(f"  busiest hour: {when} UTC, {hour.rate:.1f} requests/s, {users:.1f} people")
        lines.append(f"  {_learnt_from(observed)}")
    if observed.reconnects is not None:
        lines.append(f"  WebSocket reconnects: {_per_user_hour(observed.reconnects, observed)}")
    for handler, meaning in NOTEWORTHY.items():
        if not observed.as_counted(handler):
            continue
        found = observed.handlers[handler]
        share = percent(observed.share_of(handler))
        lines.append(f"  {meaning}: {_per_user_hour(found, observed)}, {share} of requests")
    if observed.statuses:
        told = ", ".join(f"{status} {count(number)}" for status, number in observed.statuses.most_common(5))
        lines.append(f"  refused or failed: {told}")
    return lines


def _per_user_hour(number: int, observed: Observed) -> str:
    rate = f" ({significant(number / observed.user_hours, 3)} per user and hour)" if observed.user_hours else ""
    return f"{count(number)}{rate}"


def _actions(fit: Fit, defaults: Mapping[str, float]) -> list[str]:
    shown = [each for each in fit.actions if each.per_user_hour >= _LEAST_PER_USER_HOUR]
    rows = [_action(each, defaults) for each in sorted(shown, key=lambda each: -each.per_user_hour)]
    lines = table(("action", "per user·h", "frequency", "default", "±", "told apart"), rows, words=(0, 5))
    if rare := len(fit.actions) - len(shown):
        lines.append(f"  {rare} more actions do not occur")
    if math.isfinite(fit.idle_seconds):
        lines.append(
            f"  one action per user every {fit.seconds_between_actions:.1f} s: {fit.idle_seconds:.1f} s idle, "
            f"{fit.seconds_between_actions - fit.idle_seconds:.1f} s for the action itself"
        )
    if fit.replies is not None:
        lines.append(f"  {percent(fit.replies)} of the posts are replies")
    lines.append(
        f"  {fit.polls_per_user_hour:.0f} polls per user and hour (an open client sends {POLLS_PER_HOUR:.0f}); "
        f"{fit.logins:.0f} logins"
    )
    return lines


def _action(each: Learned, defaults: Mapping[str, float]) -> tuple[str, ...]:
    told = "yes" if each.told_apart else f"no: like {', '.join(each.like)}" if each.like else "no"
    figures = [significant(figure, 3) for figure in (each.per_user_hour, each.frequency, defaults[each.name])]
    return (each.name, *figures, percent(min(each.uncertainty, 9.99)), told)


def _handlers(fit: Fit) -> list[str]:
    rows = []
    occurring = [each for each in fit.handlers if max(each.seen, each.predicted) >= 0.5]
    for each in occurring[:_HANDLERS_SHOWN]:
        causes = ", ".join(
            f"{name} {share / each.predicted:.0%}" for name, share in each.causes if share > 0.01 * each.predicted
        )
        rows.append((each.handler, count(round(each.seen)), count(round(each.predicted)), causes))
    lines = table(("handler", "in the log", "predicted", "explained by"), rows, words=(0, 3))
    if (left := len(occurring) - _HANDLERS_SHOWN) > 0:
        lines.append(f"  {left} more handlers are in the JSON")
    lines.append(f"  {percent(fit.explained_share)} of all requests are explained")
    return lines


def _unexplained(observed: Observed, fit: Fit) -> list[str]:
    found = sorted(fit.unexplained.items(), key=lambda each: -each[1])
    lines = [f"  {name}: {count(number)}" for name, number in found[:_UNEXPLAINED_SHOWN]]
    if (left := len(found) - _UNEXPLAINED_SHOWN) > 0:
        lines.append(f"  {left} more are in the JSON")
    if programs := observed.integrations.total():
        lines.append(f"  bots and integrations (by their user agent): {count(programs)}")
    return lines


def _seen(observed: Observed) -> list[str]:
    rows = [(name, count(number)) for name, number in observed.handlers.most_common(_HANDLERS_SHOWN)]
    return table(("handler", "in the log"), rows)
