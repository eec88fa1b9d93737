"""When users that died are made anew: soon, but ever more rarely where they die again. Pure."""

from __future__ import annotations

# Workers report their users every 3 s: a difference that lasts longer is a real one.
PATIENCE_SECONDS, PATIENCE_DISTRIBUTED_SECONDS = 2.0, 8.0
# A user class that can't start must not hammer the server; log-ins are admitted few at a time besides.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 300.0


class Refilling:
    """Looks at the number of users now and then; times are seconds of any steady clock."""

    def __init__(self, *, distributed: bool) -> None:
        self._patience = PATIENCE_DISTRIBUTED_SECONDS if distributed else PATIENCE_SECONDS
        self.forget()

    def forget(self) -> None:
        """Another number is wished for."""
        self._wrong_since: float | None = None
        self._pause = SHORTEST_PAUSE_SECONDS
        self._not_before = 0.0

    def is_due(self, now: float, present: int, wished: int) -> bool:
        """Whether the wish should be renewed now, because too few or too many are there."""
        if present == wished:
            self._wrong_since = None
            if now >= self._not_before:
                self._pause = SHORTEST_PAUSE_SECONDS
            return False
        if self._wrong_since is None:
            self._wrong_since = now
        if now - self._wrong_since < self._patience or now < self._not_before:
            return False
        self._not_before = now + self._pause
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
        self._wrong_since = None
        return True
