"""Whether each step fits the web application of a server: every one is tried once, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mmload.browser.messages import BUSY_SHARE, StartBrowser, StepDone
from mmload.browser.process import BrowserProcess
from mmload.browser.steps import CYCLE, LOG_IN, OPEN

# The doctor waits so many times longer than a run does: what comes then is slow, and does fit.
PATIENCE = 3
# Channels first: the others need one with messages. The list of threads last: there is no channel on the screen then.
_READ, _UNREAD, _LAST = "SwitchChannel", "SwitchUnreadChannel", "OpenThreads"
# One channel is short, the next has no pictures, or they have not been seen: so many are looked at.
_MOST_VISITS = 10
_ORDER = (
    LOG_IN,
    *(_READ, _UNREAD) * 3,
    *(each for each in CYCLE if each != _LAST),
    OPEN,
    _LAST,
)


def try_steps(order: StartBrowser) -> dict[str, StepDone]:
    """Each step's best outcome; only that of the login where it fails. BrowserGone: the browser ended."""
    browser = BrowserProcess(order)
    try:
        return outcomes(browser.step)
    finally:
        browser.close(log_out=True)


def outcomes(do: Callable[[str], StepDone]) -> dict[str, StepDone]:
    """Each step's outcome: done where it could be done once, else failed, else skipped."""
    found: dict[str, StepDone] = {}
    for name in _ORDER:
        if name in found and not found[name].skipped:
            continue
        found[name] = do(name)
        if name == LOG_IN and found[name].failure:
            return found
    for _ in range(_MOST_VISITS):
        skipped = [name for name, done in found.items() if done.skipped and name != _UNREAD]
        if not skipped:
            break
        for name in (_UNREAD, _READ):
            do(name)
        found |= {name: do(name) for name in skipped}
    return found


def misfits(found: dict[str, StepDone]) -> Iterator[tuple[str, str]]:
    """The steps that do not fit, and why: what they wait for did not come though nothing was under way any more."""
    for name, done in found.items():
        if done.failure and not _is_slow(done):
            yield name, done.failure


def laggards(found: dict[str, StepDone], step_seconds: float) -> Iterator[tuple[str, bool, str]]:
    """The steps that take longer than this, whether they are known to fit all the same, and what is known."""
    for name, done in found.items():
        if done.usable_ms is not None and done.usable_ms > step_seconds * 1000:
            yield name, True, f"it works, but took {done.usable_ms / 1000:.0f} s"
        elif done.failure and _is_slow(done):
            why = f"unanswered requests: {done.waiting}" if done.waiting else "this machine's CPUs were busy"
            yield name, False, f"cannot tell whether it works: {done.failure}; {why}"


def _is_slow(done: StepDone) -> bool:
    return not done.final and (done.waiting > 0 or done.host_cpu >= BUSY_SHARE)
