"""A histogram of durations: log-linear, three significant digits, mergeable, of bounded memory.

Durations are counted in whole microseconds. Up to 2047 µs every microsecond has its own bucket; above, each power of
two is cut into 1024 buckets, so that a bucket is never wider than 1/1024 of its values.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

_BUCKETS_PER_POWER = 1024
# Longer durations count as this one (19 hours): it bounds the number of buckets to 27 * 1024.
LONGEST_US = 2**36 - 1
# Below that, two arrays take no less than a dict.
_PACKED_FROM = 16
# Codes of arrays whose items take one, two, four and eight bytes.
_WIDER = {"B": "H", "H": "I", "I": "Q"}


class Histogram(msgspec.Struct, omit_defaults=True):
    """Durations and how often each came. Figures go in and come out in seconds; merging is exact in any order.

    The fields are the wire form: whole microseconds, `buckets` by `bucket_of`.
    """

    count: int = 0
    minimum_us: int = 0
    maximum_us: int = 0
    total_us: int = 0
    buckets: MutableMapping[int, int] = {}

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one counts as zero."""
        us = min(max(0, round(seconds * 1e6)), LONGEST_US)
        shift = max(0, us.bit_length() - 11)
        bucket = shift * _BUCKETS_PER_POWER + (us >> shift)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        if self.count == 0 or us < self.minimum_us:
            self.minimum_us = us
        self.maximum_us = max(self.maximum_us, us)
        self.count += 1
        self.total_us += us

    def merge(self, other: Histogram) -> None:
        """Take in all that `other` has counted; `other` stays as it is."""
        if not other.count:
            return
        self.minimum_us = min(self.minimum_us, other.minimum_us) if self.count else other.minimum_us
        self.maximum_us = max(self.maximum_us, other.maximum_us)
        self.count += other.count
        self.total_us += other.total_us
        mine = self.buckets
        if isinstance(mine, Packed):
            mine.add(other.buckets)
            return
        for bucket, count in other.buckets.items():
            mine[bucket] = mine.get(bucket, 0) + count

    def percentile(self, percent: float) -> float | None:
        """The duration that `percent` of all didn't exceed (nearest rank), within 0.1 %; None if there is none."""
        if not self.count:
            return None
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for bucket, count in sorted(self.buckets.items()):
            seen += count
            if seen >= rank:
                return min(max(middle_us(bucket), self.minimum_us), self.maximum_us) / 1e6
        return self.maximum

    @property
    def minimum(self) -> float | None:
        """The shortest duration, exact to the microsecond."""
        return self.minimum_us / 1e6 if self.count else None

    @property
    def maximum(self) -> float | None:
        """The longest duration, exact to the microsecond."""
        return self.maximum_us / 1e6 if self.count else None

    @property
    def total(self) -> float:
        return self.total_us / 1e6

    def pack(self) -> None:
        """From now on, take as little memory as may be: for one that is kept for long and seldom added to."""
        if len(self.buckets) >= _PACKED_FROM and not isinstance(self.buckets, Packed):
            self.buckets = Packed(self.buckets)


class Packed(MutableMapping[int, int]):
    """Buckets as two sorted arrays: 3 or 4 bytes each, where a dict with its numbers takes 65 (measured).

    Counts are as wide as the greatest needs. Adding to it takes three times as long as adding to a dict.
    """

    __slots__ = ("_buckets", "_counts")

    def __init__(self, buckets: Mapping[int, int]) -> None:
        self._buckets = array("H", sorted(buckets))
        self._counts = array("B")
        for bucket in self._buckets:
            self._put(len(self._counts), buckets[bucket], new=True)

    def __getitem__(self, bucket: int) -> int:
        at = bisect_left(self._buckets, bucket)
        if at == len(self._buckets) or self._buckets[at] != bucket:
            raise KeyError(bucket)
        return self._counts[at]

    def __setitem__(self, bucket: int, count: int) -> None:
        at = bisect_left(self._buckets, bucket)
        new = at == len(self._buckets) or self._buckets[at] != bucket
        if new:
            self._buckets.insert(at, bucket)
        self._put(at, count, new=new)

    def __delitem__(self, bucket: int) -> None:
        at = self._buckets.index(bucket)
        del self._buckets[at], self._counts[at]

    def __iter__(self) -> Iterator[int]:
        return iter(self._buckets)

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, more: Mapping[int, int]) -> None:
        buckets = self._buckets
        for bucket, count in more.items():
            at = bisect_left(buckets, bucket)
            if at == len(buckets) or buckets[at] != bucket:
                buckets.insert(at, bucket)
                self._put(at, count, new=True)
                continue
            try:
                self._counts[at] += count
            except OverflowError:
                self._put(at, self._counts[at] + count, new=False)

    def items(self) -> ItemsView[int, int]:
        """Of a copy: all at once is much faster than one after the other."""
        return self.plain().items()

    def plain(self) -> dict[int, int]:
        return dict(zip(self._buckets, self._counts, strict=True))

    def _put(self, at: int, count: int, *, new: bool) -> None:
        while count >> 8 * self._counts.itemsize:
            self._counts = array(_WIDER[self._counts.typecode], self._counts)
        if new:
            self._counts.insert(at, count)
        else:
            self._counts[at] = count


def plain(value: Any) -> dict[int, int]:
    """What msgspec asks for values that it does not know: buckets as it encodes them. `TypeError` for all others."""
    if isinstance(value, Packed):
        return value.plain()
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def bucket_of(us: int) -> int:
    """The bucket of a duration in whole microseconds; greater durations never have a smaller one."""
    shift = max(0, us.bit_length() - 11)
    return shift * _BUCKETS_PER_POWER + (us >> shift)


def edges_us(bucket: int) -> tuple[int, int]:
    shift = max(0, bucket // _BUCKETS_PER_POWER - 1)
    low = (bucket - shift * _BUCKETS_PER_POWER) << shift
    return low, low + (1 << shift) - 1


def middle_us(bucket: int) -> int:
    """The duration that stands for a bucket: at most half its width from any of its values."""
    low, high = edges_us(bucket)
    return (low + high) // 2
