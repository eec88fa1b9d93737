"""Texts have the lengths of real messages and repeat with their seed."""

from __future__ import annotations

import random
import re
import subprocess
import sys

from mmload import text


def test_messages_have_the_configured_average_of_words() -> None:
    rng = random.Random(1)
    counts = [text.word_count(rng, 35) for _ in range(20_000)]

    assert (min(counts), max(counts)) == (1, 68)
    assert 34 < sum(counts) / len(counts) < 35


def test_words_have_the_lengths_of_chat() -> None:
    drawn = text.words(random.Random(1), 20_000)

    assert 5 < sum(map(len, drawn)) / len(drawn) < 8
    assert len(set(drawn)) > 3000
    assert all(re.fullmatch("[a-z]+", word) for word in set(drawn))


def test_one_message_in_ten_ends_with_an_emoji() -> None:
    rng = random.Random(2)
    ends = sum(text.message(rng, 10).endswith(":") for _ in range(5000))

    assert 400 < ends < 600


def test_reactions_are_names_that_servers_accept() -> None:
    """With colons the server answers 404: no reaction of such a run would exist."""
    assert all(re.fullmatch(r"[a-zA-Z0-9\-+_]+", name) for name in text.EMOJI)


def test_the_same_seed_writes_the_same_text_in_every_process() -> None:
    """Workers are processes of their own; a run must repeat whatever their hash seeds are."""
    program = "import random; from mmload import text; print(text.message(random.Random(5), 30))"
    here = text.message(random.Random(5), 30)
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert there.stdout.strip() == here
