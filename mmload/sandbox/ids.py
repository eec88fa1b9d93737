"""Mattermost's ids: 26 characters of its own base 32."""

from __future__ import annotations

import random
import string

_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
_ALLOWED = frozenset(string.ascii_lowercase + string.digits)
ID_LENGTH = 26


def new_id(rng: random.Random) -> str:
    """A fresh id. 26 characters of 5 bits each."""
    bits = rng.getrandbits(130)
    return "".join([_ALPHABET[(bits >> shift) & 31] for shift in range(0, 130, 5)])


def is_id(text: object) -> bool:
    """Whether the server would take this for an id."""
    return isinstance(text, str) and len(text) == ID_LENGTH and _ALLOWED.issuperset(text)
