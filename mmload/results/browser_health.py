"""Whether the machines of browser users had room for what they measured. Pure."""

from __future__ import annotations

from mmload.metrics.delta import Delta

# Of more steps than these done on a busy machine nothing can be told.
MOST_BUSY_STEPS = 0.1


def untrusted(figures: Delta) -> str:
    """Why the times of browser users say nothing, naming the busy hosts; "" they do."""
    busy = {name: host for name, host in figures.browser_hosts.items() if host.busy > MOST_BUSY_STEPS * host.steps}
    if not busy:
        return ""
    hosts = "; ".join(f"{name} in {host.busy} of {host.steps} steps" for name, host in busy.items())
    return f"the times of browser users cannot be trusted, as their host was busy ({hosts})"
