"""Numbers in columns of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_non_number", "is_number", "numbers"]


def is_number(text: str) -> bool:
    """Return whether a cell parses as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def first_non_number(cells: Iterable[str]) -> str | None:
    """Return the first cell that is neither blank nor a number, or None.

    >>> first_non_number(["3", " ", "many"])
    'many'
    """
    return next((cell for cell in cells if cell.strip() and not is_number(cell)), None)


def numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Parse cells as numbers, ``(n,)`` float64; NaN for blank cells and for text.

    >>> numbers(["3", "", "many", "0.5"]).tolist()
    [3.0, nan, nan, 0.5]
    """
    return np.array([float(cell) if is_number(cell) else np.nan for cell in cells], dtype=np.float64)
