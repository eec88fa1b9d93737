"""What it costs, by the prices of deploy/terraform/aws/prices.json. Pure, but for reading that file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mmload.deploy.aws_settings import AwsSettings
from mmload.deploy.terraform import module_folder

HOURS_OF_MONTH = 730
# Disks of server.tf.
APP_GIB, PROXY_GIB, METRICS_GIB = 20, 20, 30


def prices() -> dict[str, Any]:
    """The table of prices, with its date: of the installed package, else of the checkout."""
    return dict(msgspec.json.decode((module_folder() / "prices.json").read_bytes()))


@dataclass(frozen=True, slots=True)
class Cost:
    """So many of a thing; `each` is its price in USD per hour, None where it is not known."""

    what: str
    count: float
    each: float | None

    @property
    def total(self) -> float:
        return self.count * (self.each or 0.0)


def machines(settings: AwsSettings) -> dict[str, tuple[int, str]]:
    """Machines by what they are for: how many, and of which type. Pure."""
    front = int(settings.with_server)
    return {
        "agents": (settings.agent_count, settings.agent_type),
        "Mattermost": (settings.app_count, settings.app_type),
        "nginx": (front, settings.proxy_type),
        "Prometheus and Grafana": (int(settings.with_metrics), settings.metrics_type),
    }


def costs(settings: AwsSettings, prices: Mapping[str, Any]) -> Iterator[Cost]:
    """All that is paid for by the hour. Pure."""
    there = {what: each for what, each in machines(settings).items() if each[0]}
    for what, (count, kind) in there.items():
        spot = ", spot: at most" if settings.spot and what == "agents" else ""
        yield Cost(f"{kind} ({what}{spot})", count, prices["instance"].get(kind))
    month = {name: price / HOURS_OF_MONTH for name, price in prices["gib_month"].items()}
    sizes = {
        "agents": settings.agent_disk_gib,
        "Mattermost": APP_GIB,
        "nginx": PROXY_GIB,
        "Prometheus and Grafana": METRICS_GIB,
    }
    yield Cost("GiB of disks", sum(count * sizes[what] for what, (count, _) in there.items()), month["disk"])
    if settings.public_addresses:
        # The proxy's is one that it keeps, in place of the one that it came with.
        yield Cost("public addresses", sum(count for count, _ in there.values()), prices["public_address"])
    if settings.with_server:
        engine = settings.database_engine
        count = settings.database_count if engine == "aurora" else 1
        yield Cost(f"{settings.database_type} (database, {engine})", count, prices[engine].get(settings.database_type))
        if engine == "rds":
            yield Cost("GiB of the database's disk", settings.database_disk_gib, month["rds"])


def told(settings: AwsSettings, prices: Mapping[str, Any], hours: float) -> str:
    """The estimate as a table, in words. Pure."""
    items = [each for each in costs(settings, prices) if each.count]
    priced = [(each, "?" if each.each is None else f"{each.total:.3f}") for each in items]
    lines = [f"{each.count:>6g} × {each.what:<44} {price:>10}" for each, price in priced]
    hourly = sum(each.total for each in items)
    unknown = Counter(each.what for each in items if each.each is None)
    least = "at least " if unknown else ""
    lines += [
        f"{'':>6}   {'USD per hour':<44} {least + format(hourly, '.3f'):>10}",
        f"{'':>6}   {f'USD until it expires in {_hours(hours)}':<44} {least + format(hourly * hours, '.2f'):>10}",
        f"Prices of {prices['region']} on {prices['date']}, on demand, without tax"
        + ("" if settings.region == prices["region"] else f"; prices in {settings.region} differ")
        + ". Not included: traffic (about 0.09 per GB that leaves AWS, 0.01 between zones)"
        + (", requests to S3" if settings.with_server else "")
        + (" and Aurora's storage and I/O" if settings.with_server and settings.database_engine == "aurora" else "")
        + ".",
    ]
    if unknown:
        lines.append(f"Price not known: {', '.join(unknown)} (see https://aws.amazon.com/ec2/pricing/on-demand/)")
    return "\n".join(lines)


def _hours(hours: float) -> str:
    minutes = round(hours * 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes % 60 else f"{minutes // 60} h"
