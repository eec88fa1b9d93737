"""Collections of bounded memory, of which a process with thousands of clients has tens of thousands."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(dict[K, V], Generic[K, V]):
    """A dict of at most `limit` entries: a new key beyond that pushes the oldest out. Updating moves nothing."""

    __slots__ = ("_gaps", "limit")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._gaps = 0

    def reserve(self) -> None:
        """Take at once the memory that it takes when it is full: for one that will be, sooner or later. It is empty."""
        places: Any = dict.fromkeys(map(str, range(self.limit)))
        self.update(places)
        # Not `clear`: that would give the memory back.
        while self:
            self.popitem()

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self and len(self) >= self.limit:
            self._drop_oldest()
        super().__setitem__(key, value)

    def _drop_oldest(self) -> None:
        del self[next(iter(self))]
        self._gaps += 1
        if self._gaps * 4 > self.limit:
            # A dict never fills the places of deleted keys: it would grow to twice its size, and the oldest key be
            # behind ever more of them. From a dict, all is taken over at once, into a table of the right size.
            kept = dict(self)
            self.clear()
            self.update(kept)
            self._gaps = 0


class Numbers:
    """A number for each of the newest `limit` keys. When there are more, the oldest one's is given again.

    `known(key, -1)` is a key's number, -1 if it has none: asked so often that it is the dict's own function.
    """

    __slots__ = ("_given", "_numbers", "known")

    def __init__(self, limit: int) -> None:
        self._numbers: Bounded[Hashable, int] = Bounded(limit)
        self._given = 0
        self.known: Callable[[Hashable, int], int] = self._numbers.get

    def of(self, key: Hashable) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._given % self._numbers.limit
            self._given += 1
        return number


class SeenKeys:
    """A set of numbered keys, a bit each: 500 people take 90 bytes, where a dict of them takes 18 KB.

    Where a number is given again, a new key may count as seen: a client then asks for one thing less.
    """

    __slots__ = ("_bits", "_numbers")

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._bits = bytearray()

    def __contains__(self, key: Hashable) -> bool:
        number = self._numbers.known(key, -1)
        byte, bits = number >> 3, self._bits
        return 0 <= byte < len(bits) and bits[byte] >> (number & 7) & 1 == 1

    def add(self, key: Hashable) -> int:
        """See it from now on; its number."""
        number = self._numbers.of(key)
        byte = number >> 3
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        self._bits[byte] |= 1 << (number & 7)
        return number

    def discard(self, key: Hashable) -> None:
        if key in self:
            self.discard_number(self._numbers.known(key, -1))

    def discard_number(self, number: int) -> None:
        """The same for a key that was added, by its number."""
        self._bits[number >> 3] &= ~(1 << (number & 7))
