"""Names of what people make."""

from __future__ import annotations

import random

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_name(rng: random.Random) -> str:
    """A name that nobody has taken: 26 letters and digits, like Mattermost's ids."""
    return "".join(rng.choices(_LETTERS, k=26))
