"""Names of what people make."""

from __future__ import annotations

import random

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_name(rng: random.Random, now_ms: int) -> str:
    """A name of 26 letters and digits that nobody has taken, nor a run with the same seed before: the time ends it."""
    time_part = f"{now_ms:x}"
    return "".join(rng.choices(_LETTERS, k=26 - len(time_part))) + time_part
