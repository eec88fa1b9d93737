"""Message texts with realistic lengths: words, links, mentions, emoji. Everything is drawn from a given `rng`.

The vocabulary is made of syllables once per process: 6,000 words whose lengths (mean about 6 letters) and frequencies
(few words are common, most are rare) are those of chat, so that full-text search and previews have real work.
"""

from __future__ import annotations

import itertools
import random
from functools import cache

VOCABULARY_SIZE = 6000
LINKS = (
    "https://docs.mattermost.com",
    "https://github.com/mattermost/mattermost",
    "https://developers.mattermost.com/api-documentation/",
    "https://www.postgresql.org/docs/current/",
    "https://locust.io",
    "https://docs.python.org/3/library/",
    "https://go.dev/doc/effective_go",
)
# Names every Mattermost server knows, as `POST /reactions` takes them: without colons.
REACTIONS = tuple("+1 tada smile heart eyes rocket white_check_mark raised_hands point_up thinking".split())
EMOJI = (*REACTIONS, *"joy wave fire clap pray coffee bug wink sunglasses slightly_smiling_face".split())

_ONSETS = ("", "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl", "gr", "sh", "ch")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou", "ai", "io")
_CODAS = ("", "", "", "n", "r", "s", "t", "l", "m", "ng", "nd", "st")
_COMMON = (
    "the to and a of in is it for on that with this be are was not we you have at as can but from will by if or so "
    "an do there when up all just what out about now one get they has like more then any been see think work our"
).split()


@cache
def vocabulary() -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The words, and cumulative weights: the k-th word is used with weight 1/(k + 7). The same in every process."""
    rng = random.Random("mmload vocabulary")
    words = dict.fromkeys(_COMMON)
    while len(words) < VOCABULARY_SIZE:
        syllables = rng.choices((1, 2, 3, 4), (4, 6, 2, 1))[0]
        words["".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables))] = None
    # Not 1/k from the first rank on: the three commonest words would be a quarter of every message.
    weights = itertools.accumulate(1 / (rank + 8) for rank in range(len(words)))
    return tuple(words), tuple(weights)


def words(rng: random.Random, count: int) -> list[str]:
    every, weights = vocabulary()
    return rng.choices(every, cum_weights=weights, k=count)


def word_count(rng: random.Random, average: int) -> int:
    """How many words a message has: uniform in [1, 2·average - 2], as measured of real traffic by the peer."""
    return rng.randint(1, max(1, 2 * average - 2))


def message(rng: random.Random, average_words: int, *, emoji_share: float = 0.1) -> str:
    """A message of people: some words, ended by a full stop or, at times, an emoji."""
    drawn = words(rng, word_count(rng, average_words))
    if rng.random() < emoji_share:
        drawn[-1] = f":{rng.choice(EMOJI)}:"
        return " ".join(drawn)
    return " ".join(drawn) + "."


def link(rng: random.Random) -> str:
    return rng.choice(LINKS)
