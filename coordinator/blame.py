"""Whether log-ins cross a limit by themselves: the page loads of those who come, be they ever so few.

With a limit below what a page load takes, every log-in is a breach, and none of them says what the users do. Then the
search goes back to looking only at windows without any.
"""

from __future__ import annotations

from coordinator.phases import Sight

# From a breach to this much below it (a quarter of it, in logarithms), by no fewer users, once the last log-in is out
# of the window: so often, and never a breach without a log-in.
DROP = 1.4
DROPS = 2


class Blame:
    """Fed with every cycle."""

    def __init__(self) -> None:
        self._breach: tuple[int, float] | None = None
        self._drops = 0
        self._users_breach = False

    def see(self, sight: Sight) -> None:
        """One cycle's sample, in its window."""
        ratio, window = sight.sample.ratio, sight.window
        if ratio is None or not window.full:
            return
        if ratio > 0.0:
            self._users_breach |= window.log_ins == 0
            self._breach = (sight.users, ratio)
        elif self._breach is not None and window.log_ins == 0:
            users, before = self._breach
            self._drops += sight.users >= users and before - ratio >= DROP
            self._breach = None

    @property
    def log_ins(self) -> bool:
        """Whether all breaches so far were those of log-ins alone."""
        return self._drops >= DROPS and not self._users_breach
