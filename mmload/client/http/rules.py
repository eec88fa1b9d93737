"""What an answer of 300 or more means, and how long to wait before the next try. Pure.

Shared by the simulated users' client and by `mmload init` and `mmload doctor`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from mmload.errors import (
    UNREADABLE_JSON,
    BadAnswer,
    NotAvailable,
    RateLimited,
    Redirected,
    Refused,
    RequestFailed,
    ServerFault,
    SessionExpired,
)

API = "/api/v4"
# How a server says that it has no such route.
NO_SUCH_ROUTE = "api.context.404.app_error"
# Numbers above this are points in time (seconds since 1970), below it spans of seconds.
_EPOCH_FROM = 1_000_000_000


class _ErrorBody(msgspec.Struct):
    """Mattermost's error answer; what else is in it is left unread."""

    id: str = ""
    message: str = ""


_ERROR = msgspec.json.Decoder(_ErrorBody)


def refusal(
    status: int, header: Callable[[str], str], body: Callable[[], bytes], route: str, feature: str, now: float
) -> RequestFailed:
    """The error behind an answer of 300 or more, its reason a constant text; `now` in seconds since 1970.

    `header` gives the value of a header by its name in lower case, "" if there is none.
    """
    request_id = header("x-request-id")
    if status < 400:
        return Redirected(f"{status} redirect", route=route, status=status, request_id=request_id)
    if status == 429:
        wait = rate_limit_wait_seconds(header("retry-after"), header("x-ratelimit-reset"), now)
        return RateLimited("429 rate limited", retry_after_seconds=wait, route=route, request_id=request_id)
    try:
        said = _ERROR.decode(body())
    except (*UNREADABLE_JSON, BadAnswer):
        # Something else than Mattermost answered: a proxy's page, say.
        said = _ErrorBody()
    kind = failure_class(status, said.id, feature)
    reason = f"{status} {said.id}".rstrip()
    failure = kind(reason, route=route, status=status, error_id=said.id, request_id=request_id)
    failure.message = said.message
    return failure


def failure_class(status: int, error_id: str, feature: str) -> type[RequestFailed]:
    """Which error a refused request is.

    A feature is lacking where the server says "not implemented", names the licence, or knows no such route
    (recorded: 501, `…license_error` with 400 and 403, `api.context.404.app_error`).
    """
    if feature and (status == 501 or "license" in error_id or error_id == NO_SUCH_ROUTE):
        return NotAvailable
    if status == 401:
        return SessionExpired
    return ServerFault if status >= 500 else Refused


def is_expected(expected: tuple[int | str, ...], failure: RequestFailed, *, bodyless: bool = False) -> bool:
    """Whether a real client gets this refusal, too, by its error id or its status.

    A status counts only where Mattermost itself says it of an object: a proxy's page, or a route that the server does
    not know, is a failure. Of a `bodyless` answer (to HEAD) nothing but the status is known.
    """
    of_an_object = bodyless or failure.error_id not in ("", NO_SUCH_ROUTE)
    return failure.error_id in expected or (of_an_object and failure.status in expected)


def rate_limit_wait_seconds(retry_after: str, reset: str, now: float) -> float:
    """How long a 429 asks us to wait, from `Retry-After` and `X-RateLimit-Reset`.

    Mattermost sends spans of seconds; a point in time (Unix seconds) is understood as well. Without both: 1 s.
    """
    for text in (retry_after, reset):
        try:
            value = float(text)
        except ValueError:
            continue
        if value >= 0:
            return max(0.0, value - now) if value > _EPOCH_FROM else value
    return 1.0


def retry_seconds(failures: int, shortest: float, longest: float, rng: random.Random) -> float:
    """How long to wait after so many failures in a row: doubling from `shortest` to `longest`, half of it jitter.

    `failures` counts from 1. The result lies in [1/2, 1] of the doubled time.
    """
    # 2**30 already exceeds every sensible limit; larger exponents only cost.
    whole = min(longest, shortest * float(2 ** min(failures - 1, 30)))
    return whole * rng.uniform(0.5, 1.0)
