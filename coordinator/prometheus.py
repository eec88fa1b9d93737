"""What Prometheus says: one reading for each query, which is a number or the reason why there is none.

No hidden retries: the next cycle is the retry. Of several elements in an answer the worst one counts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from coordinator.polling import Question, Unanswered, all_at_once
from coordinator.search.sample import Reading
from mmload.config.coordinator_tables import Monitor, Query
from mmload.errors import UNREADABLE, ConfigurationError, ServerNotReady, transport_reason
from mmload.network import trust_advice, unused_proxy
from mmload.web_session import prometheus_session

# Beyond the limit of a single query: for the thread and the decoding.
_MARGIN_SECONDS = 0.5
# How long ago anything was scraped. A target that is gone takes its samples along at once, but a Prometheus that no
# longer scrapes goes on answering from what it has.
_FRESHNESS = "time() - max(timestamp(up))"
_REFUSAL = re.compile(r"HTTP Status Code (\d+) \((b['\"].*)\)$", re.S)


class QueryRefused(Unanswered):
    """Prometheus does not understand the query."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an answer: when it was sampled (Unix seconds), and its value."""

    sampled: float
    value: float


def elements(result: Any) -> tuple[Element, ...]:
    """The elements of a vector or a scalar. Raises Unanswered for anything else. Pure."""
    if isinstance(result, list) and len(result) == 2 and not isinstance(result[0], dict):
        return (_element(result),)
    if not isinstance(result, list) or not all(isinstance(each, dict) and "value" in each for each in result):
        raise Unanswered("the query does not return a single value for each element (a range, or histograms)")
    return tuple(_element(each["value"]) for each in result)


def _element(pair: Any) -> Element:
    try:
        sampled, value = pair
        return Element(float(sampled), float(value))
    except (TypeError, ValueError):
        raise Unanswered("the result is not a number") from None


def reading(query: Query, found: Sequence[Element], now: float, stale_after_seconds: float) -> Reading:
    """What an answer says about the query's limit. A breach counts whatever the other elements are. Pure."""
    if not found:
        unknown = "" if query.empty_is_zero else "no data (empty result)"
        return Reading(query.description, 0.0 if query.empty_is_zero else None, query.threshold, unknown)
    fresh = [each.value for each in found if now - each.sampled <= stale_after_seconds]
    numbers = [value for value in fresh if math.isfinite(value)]
    worst = max(numbers, default=None)
    if worst is not None and worst > query.threshold:
        return Reading(query.description, worst, query.threshold)
    if len(fresh) < len(found):
        oldest = max(now - each.sampled for each in found)
        return _unknown(query, f"stale: the last sample is {oldest:.0f} s old")
    if len(numbers) < len(found):
        return _unknown(query, "not a number (a division by zero?)")
    return Reading(query.description, worst, query.threshold)


def _unknown(query: Query, reason: str) -> Reading:
    return Reading(query.description, None, query.threshold, reason)


class Prometheus:
    """The queries of a configuration, asked all at once."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._questions = [Question(_asked(monitor, query.query)) for query in monitor.queries]
        self._freshness = Question(_asked(monitor, _FRESHNESS))

    @property
    def queries(self) -> tuple[Query, ...]:
        return self._monitor.queries

    def readings(self, elapsed_seconds: float, now: float) -> dict[str, Reading]:
        """By description, those of queries that may be asked already. `now` is Unix time, `elapsed` since the start."""
        due = [
            (query, question)
            for query, question in zip(self.queries, self._questions, strict=True)
            if elapsed_seconds >= query.min_interval_seconds
        ]
        if not due:
            return {}
        patience = self._monitor.query_timeout_seconds + _MARGIN_SECONDS
        *answers, freshness = all_at_once([*(question for _, question in due), self._freshness], patience)
        stale = _scraped_nothing(freshness, self._monitor.stale_after_seconds)
        return {
            query.description: self._judged(query, stale or answer, now)
            for (query, _), answer in zip(due, answers, strict=True)
        }

    def _judged(self, query: Query, answer: tuple[Element, ...] | Unanswered, now: float) -> Reading:
        if isinstance(answer, Unanswered):
            return _unknown(query, str(answer))
        return reading(query, answer, now, self._monitor.stale_after_seconds)

    def check(self) -> None:
        """Ask everything once before the search. Raises ServerNotReady, or ConfigurationError for a faulty query."""
        if not self.queries:
            return
        answers = all_at_once(self._questions, self._monitor.query_timeout_seconds + _MARGIN_SECONDS)
        faults = [
            f"MonitorConfig.Queries: {query.description!r}: {answer}"
            for query, answer in zip(self.queries, answers, strict=True)
            if isinstance(answer, QueryRefused)
        ]
        if faults:
            raise ConfigurationError(*faults)
        if all(isinstance(answer, Unanswered) for answer in answers):
            monitor = self._monitor
            proxy = "" if monitor.use_proxy else unused_proxy(monitor.prometheus_url, "MonitorConfig.UseProxy")
            trust = trust_advice(str(answers[0]), "MonitorConfig.PrometheusCAFile")
            raise ServerNotReady(
                f"Prometheus at {monitor.prometheus_url} does not respond: {answers[0]}; {trust or 'start it'}, "
                "correct MonitorConfig.PrometheusURL, or remove the queries: the agents' own measures need none"
                + (f" ({proxy})" if proxy else "")
            )


def _scraped_nothing(freshness: tuple[Element, ...] | Unanswered, stale_after_seconds: float) -> Unanswered | None:
    """Why all answers are of the past; None also where that can't be told (a server without `up`). Pure."""
    if isinstance(freshness, Unanswered) or len(freshness) != 1 or not freshness[0].value > stale_after_seconds:
        return None
    return Unanswered(f"stale: Prometheus has scraped nothing for {freshness[0].value:.0f} s")


def _asked(monitor: Monitor, query: str) -> Any:
    """The function that asks one query, over a connection of its own: they are asked in several threads at once."""
    url = monitor.prometheus_url.rstrip("/")
    seconds = monitor.query_timeout_seconds
    session = prometheus_session(monitor)
    connection = PrometheusConnect(url=url, session=session, retry=Retry(total=0), timeout=seconds)
    # It puts an adapter of its own before ours, which knows neither our authorities nor our bounds.
    session.adapters.pop(url, None)
    # The look-back is how old a sample may be that Prometheus still takes for the present: five minutes by default,
    # and in old versions (2.42 is one), which do not know the parameter.
    params = {"timeout": f"{seconds:g}s", "lookback_delta": f"{monitor.stale_after_seconds:g}s"}

    def ask() -> tuple[Element, ...]:
        try:
            return elements(connection.custom_query(query, params=params))
        except PrometheusApiClientException as error:
            raise refusal(str(error)) from None
        except (requests.JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise Unanswered("the response is not JSON: is this Prometheus?") from None
        except requests.RequestException as error:
            raise Unanswered(transport_reason(error)) from None
        except (KeyError, TypeError, ValueError):
            raise Unanswered("this is not a Prometheus response") from None

    return ask


def refusal(text: str) -> Unanswered:
    """The client's exception, whose text holds status and body, as a short reason. Pure."""
    found = _REFUSAL.match(text)
    if found is None:
        return Unanswered("refused")
    status = int(found[1])
    try:
        # The client formats the body with repr.
        body = found[2][2:-1].encode().decode("unicode_escape")
        said = str(json.loads(body)["error"])
    except (*UNREADABLE, KeyError, TypeError):
        said = ""
    if status in (401, 403):
        return Unanswered(
            f"HTTP status {status}: it requires a login; set MonitorConfig.PrometheusUser with "
            "MMLOAD_MONITORCONFIG_PROMETHEUSPASSWORD, or MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN"
        )
    if status in (400, 422) and said:
        return QueryRefused(f"the query is refused: {said}") if status == 400 else Unanswered(said)
    return Unanswered(f"HTTP status {status}" + (f": {said}" if said else ""))
