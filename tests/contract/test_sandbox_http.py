"""Every recorded exchange with a real server, played against the sandbox: same status, errors, shapes, headers."""

from __future__ import annotations

import pytest
import requests

from tests.conftest import running_sandbox
from tests.contract.recorded import VERSIONS, Exchange, exchanges
from tests.contract.replay import Replay
from tests.contract.shape import differences

Answers = dict[str, tuple[requests.Response, ...]]

# Places where the sandbox's answer rightly looks otherwise: (version, label, place) → why.
ALLOWED: dict[tuple[str, str, str], str] = {}


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Each recording played once, in order, against a fresh sandbox of its version."""
    played: Answers = {}
    for version in VERSIONS:
        with running_sandbox("--empty", "--version", version) as address:
            replay = Replay(address)
            played[version] = tuple(replay.send(exchange) for exchange in exchanges(version))
            replay.close()
    return played


def _cases() -> list[object]:
    return [
        pytest.param(version, exchange, id=f"{version}-{exchange.number}-{exchange.label.replace(' ', '_')}")
        for version in VERSIONS
        for exchange in exchanges(version)
    ]


@pytest.mark.parametrize(("version", "exchange"), _cases())
def test_the_sandbox_answers_as_the_real_server_did(answers: Answers, version: str, exchange: Exchange) -> None:
    """A client that works on one must work on the other: the recordings are the contract."""
    response = answers[version][exchange.number]

    assert exchange.status == response.status_code, f"{exchange}\n{response.text[:600]}"
    found = [*_body_differences(exchange, response), *_header_differences(exchange, response)]
    assert not [line for line in found if (version, exchange.label, line.partition(":")[0]) not in ALLOWED]


def _body_differences(exchange: Exchange, response: requests.Response) -> list[str]:
    raw = isinstance(exchange.body, dict) and "$raw" in exchange.body
    if raw:
        empty = exchange.body["$raw"].startswith("0 bytes")
        return [] if empty == (not response.content) else [f"$raw: {exchange.body['$raw']}"]
    got = response.json()
    if exchange.status >= 400:
        same = ("id", "message") if "existing channel" not in exchange.body["message"] else ("id",)
        wrong = [f"$.{key}: {exchange.body[key]!r}, not {got[key]!r}" for key in same if exchange.body[key] != got[key]]
        return wrong + differences(exchange.body, got)
    return differences(exchange.body, got)


def _header_differences(exchange: Exchange, response: requests.Response) -> list[str]:
    found = []
    for name in ("Content-Type", "Cache-Control", "Content-Encoding"):
        recorded, got = exchange.headers.get(name), response.headers.get(name)
        if recorded != got and not (name == "Content-Encoding" and _may_be_packed(exchange)):
            found.append(f"{name}: {recorded!r}, not {got!r}")
    return found + [
        f"{name}: {exchange.headers.get(name)!r} recorded, {response.headers.get(name)!r} got"
        for name in ("Token", "Etag", "Set-Cookie", "Vary")
        if (name in exchange.headers) != (name in response.headers)
    ]


def _may_be_packed(exchange: Exchange) -> bool:
    """Where the size alone decides, and ours is another: pictures, and lists that name this server's address."""
    return "$raw" in exchange.body if isinstance(exchange.body, dict) else False
