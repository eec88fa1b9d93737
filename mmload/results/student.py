"""Student's t distribution, as far as a comparison needs it."""

from __future__ import annotations

import math

_STEPS = 200
_TINY = 1e-300


def two_sided(t: float, freedom: float) -> float:
    """How likely a t at least this far from 0 is, by chance alone."""
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def bound(confidence: float, freedom: float) -> float:
    """The t that is exceeded, on either side, with 1 - `confidence`."""
    low, high = 0.0, 1e4
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, freedom) > 1 - confidence else (low, middle)
    return high


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            h *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return h


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
