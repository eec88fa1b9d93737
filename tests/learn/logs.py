"""Made-up logs of people whose mix is known: who did what and when is drawn from a seed, and written in any format."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate

from mmload.behaviours.catalogue import SIMULATIVE
from mmload.config import SimulController
from mmload.learn.handler_table import (
    BACK_IN_DIRECT,
    LEFT_BOX,
    LEFT_PAST,
    LINK,
    REPLY,
    THREADS,
    TO_DIRECT,
    TOLD_AS,
    VARIANTS,
    ActionTable,
    measured_table,
)

DEFAULTS = {action.name: action.frequency for action in SIMULATIVE}
START = 1_795_687_200  # 2026-11-26 10:00 UTC
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
_PROXY = "192.0.2.9"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
IDLE_SECONDS = 8.0
SETTINGS = SimulController()


@dataclass(frozen=True)
class Request:
    """One line of a log to be."""

    moment: float
    address: str
    user_id: str
    method: str
    target: str
    status: int = 200
    agent: str = AGENT
    seconds: float = 0.012


@dataclass(frozen=True)
class Story:
    """Requests in the order of their times, and what people did."""

    requests: list[Request]
    done: Counter[str]
    people: int
    seconds: float


def an_id(rng: random.Random) -> str:
    return "".join(rng.choices(_LETTERS, k=26))


def unusual_mix(seed: int, table: ActionTable) -> dict[str, float]:
    """The default frequencies, each times a factor of 0.2 to 5."""
    rng = random.Random(f"mix:{seed}")
    return {
        name: frequency * math.exp(rng.uniform(math.log(0.2), math.log(5)))
        for name, frequency in DEFAULTS.items()
        if name in table.requests and frequency > 0
    }


def story(
    seed: int,
    *,
    people: int = 50,
    seconds: float = 3600,
    mix: Mapping[str, float] | None = None,
    idle: float = IDLE_SECONDS,
    replies: float = SETTINGS.percent_replies,
) -> Story:
    """People who are idle for 8 s on average between actions, and poll once a minute."""
    rng, table = random.Random(f"story:{seed}"), measured_table("free")
    mix = unusual_mix(seed, table) if mix is None else mix
    names, weights = list(mix), list(accumulate(mix.values()))
    done: Counter[str] = Counter()
    requests: list[Request] = []
    for number in range(people):
        address, user_id = f"10.1.{number // 250}.{number % 250}", an_id(rng)
        moment = START + rng.uniform(0, idle)
        speed = rng.uniform(*table.typing_speeds) * min(1.0, idle / table.full_speed_idle_s)
        channel = Channel()
        while moment < START + seconds:
            [name] = rng.choices(names, cum_weights=weights)
            done[name] += 1
            causes = channel.causes(name, table, replies, rng)
            for cause in causes:
                requests += sent(table.requests.get(cause, {}), moment, address, user_id, rng)
            busy = sum(table.pauses.get(cause, 0.0) + speed * table.typing.get(cause, 0.0) for cause in causes)
            # They are idle in front of the window; the time behind others comes to it.
            moment += rng.uniform(1, 2 * idle - 1) + busy / SETTINGS.percent_time_in_front
        for minute in range(int(seconds // 60)):
            at = START + 60 * minute + 59.9 * number / people
            requests += sent(table.requests["Poll"], at, address, user_id, rng)
    return Story(sorted(requests, key=lambda each: each.moment), done, people, seconds)


class Channel:
    """The channel on somebody's screen: whether they have typed in its box, came by a link, or are two alone."""

    typed = past = direct = False

    def causes(self, name: str, table: ActionTable, replies: float, rng: random.Random) -> list[str]:
        """What an action is to the table: a variant of it, and what follows from those before it."""
        shares = {**table.shares, REPLY: replies}
        for variant, action in VARIANTS.items():
            if action == name and rng.random() < shares.get(variant, 0.0):
                name = variant
        causes, box = [name], table.boxes.get(name, {})
        if rng.random() < box.get("left", 0.0) + box.get("saved", 0.0):
            causes += [LEFT_BOX] if self.typed and "saved" not in box else []
            causes += [LEFT_PAST] if self.past else []
            self.typed = self.past = False
            self.direct = name in TO_DIRECT
        causes += [BACK_IN_DIRECT] if self.direct and TOLD_AS.get(name, name) == THREADS else []
        self.past |= name == LINK
        self.typed |= rng.random() < box.get("typed", 0.0)
        return causes


def sent(
    means: Mapping[str, float], moment: float, address: str, user_id: str, rng: random.Random
) -> Iterator[Request]:
    """The requests of one action: as many of each handler as the table's mean says, rounded by chance."""
    for handler, mean in means.items():
        for _ in range(int(mean) + (rng.random() < mean % 1)):
            yield Request(moment, address, user_id, *requested(handler, user_id, rng))


def requested(handler: str, user_id: str, rng: random.Random) -> tuple[str, str]:
    """A method and a target of this handler."""
    method, _, path = handler.partition(" ")
    if path.startswith("site"):
        return "GET", "/static/main.0123.js" if path == "site asset" else "/team/channels/town-square"
    path, _, purpose = path.partition("?")
    segments = [_segment(each, user_id, rng) for each in path.split("/")]
    return method, f"/api/v4{'/'.join(segments)}" + (f"?page=0&{purpose}=true" if purpose else "")


def _segment(text: str, user_id: str, rng: random.Random) -> str:
    if not text.startswith("{"):
        return text
    return {"{user_id}": user_id, "{timestamp}": "1795687200000", "{emoji_name}": "tada"}.get(text) or an_id(rng)


def _clf(moment: float, form: str = "%d/%b/%Y:%H:%M:%S +0000") -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def common(one: Request) -> str:
    return f'{one.address} - - [{_clf(one.moment)}] "{one.method} {one.target} HTTP/1.1" {one.status} 512'


def combined(one: Request) -> str:
    return f'{common(one)} "https://chat.example.com/team/channels/secret-plans" "{one.agent}"'


def timed(one: Request) -> str:
    return f"{combined(one)} {one.seconds:.3f} 0.011"


def named_times(one: Request) -> str:
    return f'{combined(one)} "-" rt={one.seconds:.3f} uct="0.000" urt="0.011"'


def virtual_host(one: Request) -> str:
    return f"chat.example.com:443 {combined(one)}"


def main(one: Request, written_by: Callable[[Request], str] = combined) -> str:
    """nginx' own `main` behind another proxy: whose client it is comes last."""
    return f'{written_by(replace(one, address=_PROXY))} "{one.address}, {_PROXY}"'


def main_timed(one: Request) -> str:
    return f'{main(one)} rt={one.seconds:.3f} uct="0.000" urt="0.011"'


def main_without_proxy(one: Request) -> str:
    return f'{combined(one)} "-"'


def forwarded_in_front(one: Request) -> str:
    return combined(replace(one, address=f"{one.address}, {_PROXY}"))


def traefik(one: Request) -> str:
    return f'{combined(one)} 7 "mattermost@docker" "http://{_PROXY}:8065" {one.seconds * 1000:.0f}ms'


def traefik_json(one: Request) -> str:
    return json.dumps(
        {"ClientAddr": f"{one.address}:50712", "ClientHost": one.address, "DownstreamStatus": one.status}
        | {"Duration": round(one.seconds * 1e9), "RequestMethod": one.method, "RequestPath": one.target}
        | {"RouterName": "mattermost@docker", "StartUTC": f"{_iso(one.moment)[:23]}123456Z", "level": "info"}
        | {"msg": "", "request_User-Agent": one.agent, "time": _iso(one.moment + 1)}
    )


def load_balancer(one: Request) -> str:
    return (
        f"h2 {_iso(one.moment)[:23]}000Z app/chat/50dc6c495c0c9188 {one.address}:50712 {_PROXY}:8065 0.000 "
        f'{one.seconds:.3f} 0.000 {one.status} {one.status} 34 512 "{one.method} '
        f'https://chat.example.com:443{one.target} HTTP/2.0" "{one.agent}" TLS_AES_128_GCM_SHA256 TLSv1.3 '
        'arn:aws:elasticloadbalancing:x "Root=1-5" "chat.example.com" "-" 0 2026-11-26T10:00:00.0Z "forward" "-" "-"'
    )


def haproxy(one: Request, captured: str | None = None) -> str:
    when = _clf(one.moment, "%d/%b/%Y:%H:%M:%S") + f".{int(one.moment % 1 * 1000):03d}"
    return (
        f"{one.address}:50712 [{when}] https~ mattermost/app1 0/0/1/10/"
        f"{one.seconds * 1000:.0f} {one.status} 512 - - ---- 120/118/1/1/0 0/0 "
        f"{f'{{{one.agent}}} ' if captured is None else captured}"
        f'"{one.method} {one.target} HTTP/1.1"'
    )


def haproxy_default(one: Request) -> str:
    return haproxy(one, captured="")


def haproxy_headers(one: Request) -> str:
    return haproxy(
        replace(one, address=_PROXY), captured=f"{{chat.example.com|{one.agent}|{one.address}}} {{text/html}} "
    )


def in_syslog(one: Request) -> str:
    return f"Nov 26 10:00:00 lb haproxy[871]: {haproxy(one)}"


def in_syslog_with_iso_times(one: Request) -> str:
    return f"2026-11-26T10:00:00.123456+01:00 lb haproxy[871]: {haproxy_default(one)}"


def in_syslog_by_nginx(one: Request) -> str:
    return f"<190>Nov  6 10:00:00 lb nginx: {timed(one)}"


def in_new_syslog(one: Request) -> str:
    return f'<190>1 2026-11-26T10:00:00.123Z lb nginx 871 - [meta sequenceId="7"] {nginx_json(one)}'


def in_container(one: Request) -> str:
    return json.dumps({"log": f"{timed(one)}\n", "stream": "stdout", "time": "2026-11-26T10:00:00.123456789Z"})


def in_pod(one: Request) -> str:
    return f"2026-11-26T10:00:00.123456789+01:00 stdout F {main(one)}"


def caddy(one: Request) -> str:
    request: dict[str, object] = {
        "remote_ip": one.address,
        "client_ip": one.address,
        "proto": "HTTP/2.0",
        "method": one.method,
    }
    request |= {"host": "chat.example.com", "uri": one.target, "headers": {"User-Agent": [one.agent]}}
    return json.dumps(
        {"level": "info", "ts": one.moment, "logger": "http.log.access", "msg": "handled request", "request": request}
        | {"duration": one.seconds, "size": 512, "status": one.status}
    )


def nginx_json(one: Request) -> str:
    return json.dumps(
        {"time_iso8601": _iso(one.moment), "remote_addr": one.address, "request_method": one.method}
        | {"request_uri": one.target, "status": str(one.status), "http_user_agent": one.agent}
        | {"request_time": f"{one.seconds:.3f}"}
    )


def json_forwarded(one: Request) -> str:
    """Times without a zone; who comes without a proxy has no forwarded address."""
    behind = int(one.moment) % 2
    return json.dumps(
        {"time": _iso(one.moment)[:23], "remote_addr": _PROXY if behind else one.address}
        | {"http_x_forwarded_for": f"{one.address}, {_PROXY}" if behind else "-", "method": one.method}
        | {"uri": one.target, "status": one.status, "user_agent": one.agent, "upstream_response_time": "-"}
    )


def caddy_with_text_times(one: Request) -> str:
    return caddy(one).replace(f"{one.moment}", f'"{_iso(one.moment)}"').replace(f"{one.seconds}", '"12ms"')


def json_request_line(one: Request) -> str:
    return json.dumps(
        {"msec": f"{one.moment:.3f}", "remote_addr": one.address, "request": f"{one.method} {one.target} HTTP/1.1"}
        | {"status": one.status, "http_user_agent": one.agent, "session_hash": f"hash-{one.user_id}"}
    )


def _mattermost(one: Request, when: str) -> str:
    return json.dumps(
        {"timestamp": when, "level": "debug", "msg": "Received HTTP request", "caller": "web/handlers.go:189"}
        | {"method": one.method, "url": one.target.partition("?")[0], "request_id": "x" * 26, "user_id": one.user_id}
        | {"status_code": str(one.status)}
    )


def mattermost(one: Request) -> str:
    return _mattermost(one, f"{_clf(one.moment, '%Y-%m-%d %H:%M:%S')}.000 Z")


def mattermost_with_zone(one: Request) -> str:
    return _mattermost(one, f"{_clf(one.moment + 3600, '%Y-%m-%d %H:%M:%S')}.000 +01:00")


def mattermost_text(one: Request) -> str:
    return (
        f"debug [{_clf(one.moment - 5 * 3600, '%Y-%m-%d %H:%M:%S')}.000 -05:00] Received HTTP request       "
        f'caller="web/handlers.go:189" method={one.method} url={one.target.partition("?")[0]} request_id={"x" * 26} '
        f"user_id={one.user_id} status_code={one.status}"
    )


WRITERS: dict[str, Callable[[Request], str]] = {
    each.__name__: each
    for each in (
        *(common, combined, timed, named_times, virtual_host, forwarded_in_front, main, main_timed, main_without_proxy),
        *(
            traefik,
            traefik_json,
            load_balancer,
            haproxy,
            haproxy_default,
            haproxy_headers,
            caddy,
            caddy_with_text_times,
        ),
        *(in_syslog, in_syslog_with_iso_times, in_syslog_by_nginx, in_new_syslog, in_container, in_pod),
        *(nginx_json, json_request_line, json_forwarded, mattermost, mattermost_with_zone, mattermost_text),
    )
}


def lines(requests: list[Request], write: Callable[[Request], str]) -> bytes:
    return "".join(f"{write(each)}\n" for each in requests).encode()
