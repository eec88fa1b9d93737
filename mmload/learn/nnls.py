"""Non-negative least squares (Lawson and Hanson's active set method), for systems of some hundred rows. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_TOLERANCE = 1e-10


def nonnegative_least_squares(matrix: Matrix, wanted: Matrix) -> Matrix:
    """The x ≥ 0 for which |matrix · x - wanted| is smallest. Columns of zeros get 0."""
    columns = matrix.shape[1]
    scale = np.linalg.norm(matrix, axis=0)
    usable = scale > 0
    scaled = matrix / np.where(usable, scale, 1.0)
    passive = np.zeros(columns, dtype=bool)
    x = np.zeros(columns)
    gain = scaled.T @ wanted
    least = _TOLERANCE * max(1.0, float(np.abs(gain).max(initial=0.0)))
    for _ in range(10 * columns):
        gain = np.where(passive | ~usable, -np.inf, scaled.T @ (wanted - scaled @ x))
        if columns == 0 or gain.max() <= least:
            break
        passive[int(gain.argmax())] = True
        x = _feasible(scaled, wanted, passive, x)
    return np.where(usable, x / np.where(usable, scale, 1.0), 0.0)


def _feasible(matrix: Matrix, wanted: Matrix, passive: NDArray[np.bool_], x: Matrix) -> Matrix:
    """The best x on the passive columns; those that would become negative leave `passive`, in place."""
    while True:
        best = np.zeros_like(x)
        best[passive] = np.linalg.lstsq(matrix[:, passive], wanted, rcond=None)[0]
        negative = passive & (best <= 0)
        if not negative.any():
            return best
        steps = x[negative] / (x[negative] - best[negative])
        x = x + float(steps.min()) * (best - x)
        passive &= x > _TOLERANCE
        x = np.where(passive, x, 0.0)
